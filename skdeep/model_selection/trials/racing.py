"""Candidates that lose their remaining folds, as they will hardly win.

All candidates see the same folds, so that of a candidate's scores s_1, ..., s_k on k of K folds and
the best's b_1, ..., b_K only the differences d_i = b_i - s_i count, of which the hardness of a fold
falls out. With m their mean, the mean difference D of all K folds is, as far as k tell,

    D ~ m + sqrt((K - k) / (K k)) sigma t_nu,

from the known folds and the predictive distribution of the others [1]_. What the other folds may
bring is the expected gain E[max(-D, 0)], which with z = -m / sqrt(...) sigma is

    sqrt((K - k) / (K k)) sigma ((nu + z^2) / (nu - 1) f(z) + z F(z)),

f and F the density and the distribution of t_nu. The candidate goes on as long as that is more
than 0.3 of sigma_0 / sqrt(K), the error of a comparison on all K folds: a gain much smaller than
what the folds can tell is none. As two or three differences tell little of sigma, those of earlier
candidates count too: sigma^2 is the mean of their median variance sigma_0^2, which counts as K - 1
differences do, and of this candidate's own; nu = K - 1 + k - 1.

.. [1] Gelman, Carlin, Stern, Dunson, Vehtari, Rubin. Bayesian Data Analysis. CRC Press, 2013,
   section 3.2. That such races save folds: Maron, Moore. Hoeffding races. NeurIPS, 1993.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

LEAST_GAIN = 0.3  # of the error of a comparison
LEAST_COMPLETE = 3  # candidates, before others race


@dataclass(frozen=True)
class Race:
    """What a candidate competes with, from when it was proposed.

    Parameters
    ----------
    best : ndarray of shape (n_splits,)
        Scores of the best candidate.
    variance : float
        Of the differences between folds: the median over earlier candidates.
    """

    best: np.ndarray
    variance: float

    @classmethod
    def against(cls, fold_scores: np.ndarray) -> "Race | None":
        """The race against complete candidates, (n_candidates, n_splits); None with too few."""
        complete = fold_scores[np.isfinite(fold_scores).all(axis=1)]
        if len(complete) < LEAST_COMPLETE or complete.shape[1] < 3:
            return None
        best = complete[complete.mean(axis=1).argmax()]
        variances = (best - complete).var(axis=1, ddof=1)
        return cls(best, float(np.median(variances[variances > 0]) if variances.any() else 0.0))

    def gain(self, scores: np.ndarray) -> float:
        """What is expected to be gained over the best, after the first k folds' scores, (k,)."""
        if not np.isfinite(scores).all():
            return 0.0
        _, lead, spread, freedom = self._difference(scores)
        if spread == 0:
            return max(-lead, 0.0)
        z = -lead / spread
        tail = (freedom + z**2) / (freedom - 1) * student.pdf(z, freedom)
        return float(spread * (tail + z * student.cdf(z, freedom)))

    def is_lost(self, scores: np.ndarray) -> bool:
        """Whether the other folds are not worth their while."""
        return self.gain(np.ravel(scores)) <= LEAST_GAIN * np.sqrt(self.variance / len(self.best))

    def expected(self, scores: np.ndarray) -> tuple[float, float]:
        """The mean of all folds as far as the first k tell, and the variance of that."""
        if not np.isfinite(scores).all():
            return np.nan, 0.0
        best, lead, spread, freedom = self._difference(np.ravel(scores))
        return best - lead, spread**2 * freedom / max(freedom - 2, 1)

    def _difference(self, scores: np.ndarray) -> tuple[float, float, float, int]:
        """Mean of the best; how far it leads; how sure that is; degrees of freedom."""
        K, k = len(self.best), len(scores)
        differences = self.best[:k] - scores
        lead = differences.mean()
        own = ((differences - lead) ** 2).sum()
        freedom = K - 1 + k - 1
        sigma = np.sqrt(((K - 1) * self.variance + own) / freedom)
        return float(self.best.mean()), float(lead), sigma * np.sqrt((K - k) / (K * k)), freedom
