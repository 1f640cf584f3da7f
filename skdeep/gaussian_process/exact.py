"""The exact Gaussian process on arrays: posterior, evidence, and the fit of hyper-parameters.

For t = h(Z)'b + f(Z) + noise, f ~ GP(0, k), with K = k(Z, Z) + noise, a basis h(z) of p functions
(none, 1, or 1 and z) and nothing known of b [1]_:

    A = H' K^-1 H,   b = A^-1 H' K^-1 t,   a = K^-1 (t - H b)                    equation 2.42
    evidence   log p(t) = -(t - H b)'a / 2 - log|K| / 2 - log|A| / 2
                          - (n - p) log(2 pi) / 2                                equation 2.45
    gradient   d log p / d theta = tr((a a' - P) dK/dtheta) / 2,
               P = K^-1 - K^-1 H A^-1 H' K^-1                                    equation 5.9
    mean       h(z)'b + k(z, Z) a                                                equation 2.41
    variance   k(z, z) - k(z, Z) K^-1 k(Z, z) + r'A^-1 r,   r = h(z) - H' K^-1 k(Z, z)
    left out   t_i - a_i / P_ii, with the variance 1 / P_ii, which is of t_i     equation 5.12

theta holds the kernel's parameters and the logarithm of the noise variance. Its prior is a product
of normals over the logarithms, made for inputs of about unit width and targets of unit variance:
lengthscales are as likely long as short, and noise is believed to be low until the data say
otherwise. With few points the prior decides how good the fit is: maximum likelihood alone would
call half of all small samples noise.

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from skdeep.gaussian_process.kernels import Belief, Covariance, Kernel, LogNormal, as_normal
from skdeep.persistence import saved

NOISE = LogNormal(1e-5, 2.0)
LOWEST_NOISE = 1e-8
N_SIGMAS = 6.0
STEP = 0.01  # of a difference of gradients, in standard deviations of the prior
JITTERS = (0.0, *(10.0 ** np.arange(-12, 0)).tolist())


@saved
@dataclass(frozen=True)
class Process:
    """What is believed before any data: the kernel, the basis, and the noise."""

    kernel: Kernel
    basis: str = "zero"  # or "constant" or "linear"
    noise: Belief = NOISE

    def prior(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of theta for d columns; 0 for what is held."""
        mean, sigma = self.kernel.prior(d)
        noise_mean, noise_sigma = as_normal([self.noise])
        return np.append(mean, noise_mean), np.append(sigma, noise_sigma)

    def h(self, Z: np.ndarray) -> np.ndarray:
        """The basis at Z, (n, d): (n, p)."""
        constant = np.ones((len(Z), 0 if self.basis == "zero" else 1))
        return np.hstack([constant, Z]) if self.basis == "linear" else constant


@saved
@dataclass(frozen=True)
class Posterior:
    """A Gaussian process that has seen targets t, (n,), at points Z, (n, d), under theta."""

    process: Process
    theta: np.ndarray
    Z: np.ndarray
    t: np.ndarray
    cholesky: np.ndarray  # lower triangle L of K = L L', (n, n)
    half_basis: np.ndarray  # L^-1 H, (n, p)
    basis_cholesky: np.ndarray  # of A, (p, p)
    coefficients: np.ndarray  # b, (p,)
    weights: np.ndarray  # a, (n,)
    evidence: float

    @property
    def noise(self) -> float:
        """Variance of a target's error, but for what is known of each."""
        return float(np.exp(self.theta[-1]))

    @property
    def log_density(self) -> float:
        """Of the targets and of theta, but for a constant of the prior of theta."""
        mean, sigma = self.process.prior(self.Z.shape[1])
        free = sigma > 0
        z = (self.theta - mean)[free] / sigma[free]
        return float(self.evidence - 0.5 * z @ z)

    def mean_and_variance(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, Callable]:
        """Mean and variance of f at X, (m, d), and a function for their gradient.

        The function takes the derivatives of an objective by mean and by variance, (m,) each,
        and returns those by X, (m, d).
        """
        mean, (variance,), gradient = self.mean_and_variances(X)
        return mean, variance, gradient

    def mean_and_variances(
        self, X: np.ndarray, *earlier: "Posterior"
    ) -> tuple[np.ndarray, list[np.ndarray], Callable]:
        """Mean and variance, and the variances of earlier posteriors, each of the first points.

        They share the work. The function for the gradient takes derivatives by mean and by each
        variance.
        """
        cross, half, excess = self._solved(X)
        h, posteriors = self.process.h(X), (self, *earlier)
        mean = cross.matrix @ self.weights + h @ self.coefficients
        halves = [half[: len(p.t)] for p in posteriors]
        parts = [(half, excess), *((u, p._excess(h, u)) for p, u in zip(earlier, halves[1:]))]
        variances = [
            cross.variance - np.einsum("ij,ij->j", u, u) + np.einsum("ij,ij->j", r, r)
            for u, r in parts
        ]

        def gradient(by_mean: np.ndarray, *by_variances: np.ndarray) -> np.ndarray:
            W = by_mean[:, None] * self.weights
            by_h = by_mean[:, None] * self.coefficients
            for posterior, (u, r), by_variance in zip(posteriors, parts, by_variances):
                by_basis = 2 * by_variance * solve_triangular(posterior.basis_cholesky, r, True)
                # K^-1 k(Z, X) and what the basis adds, (n, m).
                W[:, : len(u)] -= solve_triangular(
                    posterior.cholesky, 2 * by_variance * u + posterior.half_basis @ by_basis, True
                ).T
                by_h += by_basis.T
            found = cross.points_gradient(W)
            if self.process.basis == "linear":
                found += by_h[:, 1:]
            return found

        return mean, [np.maximum(v, 1e-14 * cross.variance) for v in variances], gradient

    def mean(self, X: np.ndarray) -> np.ndarray:
        """Mean of f at X, (m,): O(n m), where the variance takes O(n^2 m)."""
        cross = self.process.kernel(self.theta[:-1], X, self.Z)
        return cross.matrix @ self.weights + self.process.h(X) @ self.coefficients

    def covariance(self, X: np.ndarray) -> np.ndarray:
        """Covariance of f between the rows of X: (m, m)."""
        _, half, excess = self._solved(X)
        return self.process.kernel(self.theta[:-1], X, X).matrix - half.T @ half + excess.T @ excess

    def paired_covariance(self, A: np.ndarray, B: np.ndarray, prior: float) -> np.ndarray:
        """Covariance of f at each row of A, (m, d), and f at the same row of B: (m,).

        Before the data it was ``prior`` for each pair.
        """
        (_, half_a, excess_a), (_, half_b, excess_b) = self._solved(A), self._solved(B)
        return (
            prior
            - np.einsum("ij,ij->j", half_a, half_b)
            + np.einsum("ij,ij->j", excess_a, excess_b)
        )

    def sample(self, X: np.ndarray, rng: np.random.Generator, n: int = 1) -> np.ndarray:
        """Draws of f at the rows of X, (m, d): (m, n)."""
        prior = self.process.kernel(self.theta[:-1], X[:1], X[:1]).variance
        # Where f is known, its variance is lost in rounding and may come out negative.
        L = cholesky(self.covariance(X), 1e-10 * prior)
        return self.mean(X)[:, None] + L @ rng.standard_normal((len(X), n))

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each t_i, (n,) each, as the other targets predict it.

        NaN and infinity where the others leave a coefficient of the basis open.
        """
        of_inverse, root = inverse(self.cholesky).diagonal(), _basis_root(self)
        P = of_inverse - np.einsum("ij,ij->j", root, root)
        is_open = P <= 1e-10 * of_inverse
        variance = 1 / np.where(is_open, 1.0, P)
        mean = self.t - self.weights * variance
        return np.where(is_open, np.nan, mean), np.where(is_open, np.inf, variance)

    def smoother(self, known_noise: np.ndarray | float = 0.0) -> np.ndarray:
        """The matrix that takes targets to the mean of f at their points, (n, n).

        ``known_noise`` is what the targets were known to have besides, as ``fit`` was told.
        """
        root = _basis_root(self)
        P = inverse(self.cholesky) - root.T @ root  # K w + H b = t - noise w, and w = P t
        noise = np.broadcast_to(self.noise + known_noise, len(P))
        return np.eye(len(P)) - noise[:, None] * P

    def extended(self, Z: np.ndarray, t: np.ndarray | None = None) -> "Posterior":
        """The posterior after m more points under the same theta: O(n^2 m), not O(n^3).

        Without t the targets are as the mean predicts: the mean stays, the variance shrinks.
        """
        if t is None:
            t = self.mean_and_variance(Z)[0]
        theta = self.theta
        half = solve_triangular(self.cholesky, self.process.kernel(theta[:-1], self.Z, Z).matrix)
        rest = self.process.kernel(theta[:-1], Z, Z).matrix - half.T @ half
        n, m = half.shape
        L = np.zeros((n + m, n + m), order="F")
        L[:n, :n], L[n:, :n] = self.cholesky, half.T
        L[n:, n:] = cholesky(rest, np.full(m, np.exp(theta[-1])))
        return _finish(self.process, theta, np.vstack([self.Z, Z]), np.append(self.t, t), L)

    def _solved(self, X: np.ndarray) -> tuple[Covariance, np.ndarray, np.ndarray]:
        """Covariance with Z, (m, n), L^-1 k(Z, X), (n, m), and r over A's root, (p, m)."""
        cross = self.process.kernel(self.theta[:-1], X, self.Z)
        half = solve_triangular(self.cholesky, cross.matrix.T)
        return cross, half, self._excess(self.process.h(X), half)

    def _excess(self, h: np.ndarray, half: np.ndarray) -> np.ndarray:
        """r over A's root, (p, m), for h, (m, p), and L^-1 k(Z, X), (n, m)."""
        return solve_triangular(self.basis_cholesky, h.T - self.half_basis.T @ half)


def condition(
    process: Process,
    theta: np.ndarray,
    Z: np.ndarray,
    t: np.ndarray,
    known_noise: np.ndarray | float = 0.0,
) -> Posterior:
    """The posterior after targets t, (n,), at Z, (n, d); ``known_noise`` is added to theta's."""
    return _condition(process, theta, Z, t, known_noise)[0]


def evidence(
    process: Process,
    theta: np.ndarray,
    Z: np.ndarray,
    t: np.ndarray,
    known_noise: np.ndarray | float = 0.0,
) -> tuple[float, np.ndarray]:
    """log p(t | Z, theta) and its gradient by theta, (n_theta,)."""
    posterior, covariance = _condition(process, theta, Z, t, known_noise)
    half_inverse, _ = lapack.dpotri(posterior.cholesky, lower=True)
    half_inverse.flat[:: len(t) + 1] /= 2
    # (a a' - P) / 2, but for K^-1, whose entries below the diagonal stand for those above it too:
    # derivatives of K are symmetric.
    vectors = np.vstack([posterior.weights, _basis_root(posterior)])
    W = 0.5 * vectors.T @ vectors - half_inverse
    by_noise = np.exp(theta[-1]) * np.trace(W)
    return posterior.evidence, np.append(covariance.theta_gradient(W), by_noise)


def fit(
    process: Process,
    Z: np.ndarray,
    t: np.ndarray,
    starts: np.ndarray,
    prior: tuple[np.ndarray, np.ndarray] | None = None,
    known_noise: np.ndarray | float = 0.0,
) -> Posterior:
    """The posterior at the most probable theta, sought from ``starts``, (m, n_theta)."""
    mean, sigma = process.prior(Z.shape[1]) if prior is None else prior
    free = sigma > 0
    scale = sigma[free]
    low, high = np.full(len(scale), -N_SIGMAS), np.full(len(scale), N_SIGMAS)
    if free[-1]:
        # Or one standard deviation below what is believed, if that is lower.
        low[-1] = max(low[-1], min((np.log(LOWEST_NOISE) - mean[-1]) / sigma[-1], -1.0))

    def theta_at(z: np.ndarray) -> np.ndarray:
        """theta of free parameters that are z standard deviations off their prior means."""
        theta = mean.copy()
        theta[free] += scale * z
        return theta

    def objective(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evidence(process, theta_at(z), Z, t, known_noise)
        return 0.5 * z @ z - value, z - scale * gradient[free]

    settings = {
        "method": "L-BFGS-B",
        "bounds": list(zip(low, high)),
        "options": {"maxiter": 100, "maxcor": 20, "ftol": 1e-5, "gtol": 1e-3},
    }
    starts = np.clip((starts[:, free] - mean[free]) / scale, low, high)
    found = [minimize(objective, start, jac=True, **settings) for start in starts if len(scale)]
    best = min(found, key=lambda result: result.fun).x if found else np.empty(0)
    return condition(process, theta_at(best), Z, t, known_noise)


def draws(
    posterior: Posterior,
    n: int,
    rng: np.random.Generator,
    known_noise: np.ndarray | float = 0.0,
) -> list[Posterior]:
    """n posteriors, each under a theta that is drawn from what the targets tell of it.

    Laplace's approximation around the fitted theta [2]_; its curvature is that of the gradient's
    central differences, and along no direction is it wider than the prior. Draws come in pairs, one
    on either side.

    References
    ----------
    .. [2] MacKay. Information Theory, Inference, and Learning Algorithms. Cambridge University
       Press, 2003, chapter 27.
    """
    process, theta = posterior.process, posterior.theta
    sigma = process.prior(posterior.Z.shape[1])[1]
    free = np.flatnonzero(sigma > 0)
    steps = np.zeros((len(free), len(sigma)))
    steps[np.arange(len(free)), free] = STEP * sigma[free]

    def gradient(theta: np.ndarray) -> np.ndarray:
        return sigma * evidence(process, theta, posterior.Z, posterior.t, known_noise)[1]

    slopes = [gradient(theta - step) - gradient(theta + step) for step in steps]
    curvature = np.reshape(slopes, steps.shape)[:, free] / (2 * STEP)
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    deviations = vectors / np.sqrt(1 + np.maximum(values, 0.0))
    normal = rng.standard_normal(((n + 1) // 2, len(free)))
    thetas = np.tile(theta, (n, 1))
    thetas[:, free] += sigma[free] * (np.vstack([normal, -normal])[:n] @ deviations.T)
    return [condition(process, draw, posterior.Z, posterior.t, known_noise) for draw in thetas]


def starting_points(
    prior: tuple[np.ndarray, np.ndarray], n_random: int, rng: np.random.Generator
) -> np.ndarray:
    """The prior's mean and random draws of it, (1 + n_random, n_theta)."""
    mean, sigma = prior
    return np.vstack([mean, mean + sigma * rng.standard_normal((n_random, len(mean)))])


def _condition(
    process: Process,
    theta: np.ndarray,
    Z: np.ndarray,
    t: np.ndarray,
    known_noise: np.ndarray | float,
) -> tuple[Posterior, Covariance]:
    """Posterior and the covariance of the training points."""
    covariance = process.kernel(theta[:-1], Z, Z)
    L = cholesky(covariance.matrix, np.exp(theta[-1]) + known_noise)
    return _finish(process, theta, Z, t, L), covariance


def _finish(
    process: Process, theta: np.ndarray, Z: np.ndarray, t: np.ndarray, L: np.ndarray
) -> Posterior:
    """The posterior, once K has its Cholesky factor."""
    half_basis = solve_triangular(L, process.h(Z))
    n, p = half_basis.shape
    half = solve_triangular(L, t)
    R = cholesky(half_basis.T @ half_basis, 0.0) if p else np.zeros((0, 0))
    coefficients = solve_triangular(R, solve_triangular(R, half_basis.T @ half), True)
    half = half - half_basis @ coefficients
    value = -0.5 * half @ half - np.log(L.diagonal()).sum() - np.log(R.diagonal()).sum()
    value -= 0.5 * (n - p) * np.log(2 * np.pi)
    weights = solve_triangular(L, half, True)
    return Posterior(process, theta, Z, t, L, half_basis, R, coefficients, weights, float(value))


def _basis_root(posterior: Posterior) -> np.ndarray:
    """R^-1 H' K^-1, (p, n), of A = R R'."""
    solved = solve_triangular(posterior.cholesky, posterior.half_basis, True)
    return solve_triangular(posterior.basis_cholesky, solved.T)


def cholesky(K: np.ndarray, noise_variance: np.ndarray | float) -> np.ndarray:
    """Lower Cholesky factor of K plus noise, plus as little jitter as it takes."""
    scale = K.diagonal().mean()
    for jitter in JITTERS:
        padded = K.T.copy(order="F")  # K is symmetric, and this order LAPACK's
        padded.flat[:: len(K) + 1] += noise_variance + jitter * scale
        L, info = lapack.dpotrf(padded, lower=True, overwrite_a=True, clean=True)
        if info == 0 and np.isfinite(L[-1, -1]):  # LAPACK takes nan for positive
            return L
    raise np.linalg.LinAlgError("the covariance matrix is far from positive definite.")


def inverse(L: np.ndarray) -> np.ndarray:
    """(L L')^-1 from its Cholesky factor."""
    lower, _ = lapack.dpotri(L, lower=True)
    return lower + np.tril(lower, -1).T


def solve_triangular(L: np.ndarray, B: np.ndarray, transposed: bool = False) -> np.ndarray:
    """L^-1 B, or L'^-1 B; LAPACK without the checks, which cost more than small solves."""
    if not B.size:
        return np.zeros_like(B)
    return lapack.dtrtrs(L, B, lower=True, trans=transposed)[0]
