"""Kernel machines at any size: a linear model on features whose inner products are the kernel.

    f(x) = z(x) . w + b,   z(x) . z(x') ~ k(x, x'),
    minimise over w, b:   mean_i loss(f(x_i), y_i) + weight_decay / 2 |w|^2

With an exact z this is the support vector machine of C = 1 / (n weight_decay) under the hinge, and
kernel ridge regression of alpha = n weight_decay / 2 under the squared loss. With ``n_components``
random features [1]_ instead, or the kernel's projection on as many rows [2]_, a step costs the same
whatever the number of rows n, where the kernel's own matrix has n^2 entries. z is drawn once, on
the first rows seen; steps change w and b alone.

.. [1] Rahimi, Recht. Random features for large-scale kernel machines. NIPS, 2007.
.. [2] Williams, Seeger. Using the Nystrom method to speed up kernel machines. NIPS, 2000.
"""

from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.linalg
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor
from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.targets import MarginHead


class _KernelMachine(Declared):
    """What KernelClassifier and KernelRegressor share."""

    kernel: str = hyperparameter(
        default="rbf",
        doc="k(x, z): ``exp(-gamma |x - z|^2)`` ('rbf'), ``exp(-gamma |x - z|_1)`` ('laplacian'), "
        "which is rougher, or ``(gamma x . z + coef0) ** degree`` ('polynomial').",
        constraint=StrOptions({"rbf", "laplacian", "polynomial"}),
        structural=True,
    )
    gamma: Any = hyperparameter(
        default="scale",
        doc="How fast the kernel falls: larger follows the rows more closely. 'scale' is 1 over "
        "the number of columns times the variance of all entries of X (of 'laplacian' times their "
        "standard deviation), so that the unit of X does not matter.",
        constraint=[StrOptions({"scale"}), Interval(Real, 0, None, closed="neither")],
        search=(1e-4, 1e1, "log"),
        structural=None,
    )
    degree: int = hyperparameter(
        default=3,
        doc="Of the polynomial.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=True,
    )
    coef0: float = hyperparameter(
        default=1.0,
        doc="Of the polynomial: at 0 it has terms of the highest degree alone.",
        constraint=Interval(Real, 0, None, closed="left"),
        structural=True,
    )
    method: str = hyperparameter(
        default="random",
        doc="The features: drawn without a look at the rows ('random': orthogonal Fourier "
        "features, of 'polynomial' a tensor sketch), or the kernel's values with rows drawn from X "
        "('nystroem').",
        constraint=StrOptions({"random", "nystroem"}),
        structural=True,
    )
    n_components: int = hyperparameter(
        default=1000,
        doc="Features; more are closer to the kernel, by 1 over the square root of their number. "
        "Of 'nystroem' those beyond the first fit's rows are 0.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=True,
    )

    learning_rate: float = hyperparameter(
        default=0.03,
        doc="The optimizer's step size; larger is faster until the loss oscillates or diverges. "
        "Features are small, so that it is larger than of other networks.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-3, 3e-1, "log"),
    )

    _renamed = {  # noqa: RUF012
        **BaseNetworkClassifier._renamed,
        "C": "weight_decay=1 / (C * n_samples)",
        "alpha": "weight_decay=2 * alpha / n_samples",
    }

    def _features(self, inputs, task):
        from skdeep import layers

        # Angles and distances want all digits, whatever the precision of networks.
        dtype = "float64" if task.precision == "float64" else "float32"
        x = layers.Standardize(name="standardize", dtype=dtype)(inputs)
        polynomial = {"degree": self.degree, "coef0": self.coef0}
        if self.method == "nystroem":
            layer: Any = layers.LandmarkFeatures
            arguments = {"kernel": self.kernel, **polynomial}
        elif self.kernel == "polynomial":
            layer, arguments = layers.TensorSketch, polynomial
        else:
            layer, arguments = layers.FourierFeatures, {}
        return layer(self.n_components, name="kernel", dtype=dtype, **arguments)(x)

    def _design(self, task, target, before):
        task, target, _ = super()._design(task, target, before)
        if before is not None and self.gamma not in ("scale", self.gamma_):
            raise ValueError(
                f"warm_start and partial_fit go on with the features of the first fit, whose gamma "
                f"was {self.gamma_:g}, but gamma={self.gamma!r}; put it back, or fit a clone."
            )
        return task, target, self._drawn

    def _drawn(self, network: Any, rng: np.random.Generator, X: np.ndarray, weight: np.ndarray):
        """The first weights: features from rows X, and no opinion on any row."""
        location = np.zeros(X.shape[1])
        if self.kernel != "polynomial":  # the others see differences alone, as rounding should
            location = np.einsum("i,ij->j", weight / weight.sum(), X)  # without a copy in float64
        self.gamma_ = float(self.gamma) if self.gamma != "scale" else _scale(X, weight, self.kernel)
        scale = self.gamma_ if self.kernel == "laplacian" else np.sqrt(self.gamma_)
        n = self.n_components
        if self.method == "nystroem":
            rows = np.flatnonzero(weight > 0)
            rows = rng.choice(rows, min(n, len(rows)), replace=False)
            landmarks = (X[rows].astype(np.float64) - location) * scale
            missing = (0, n - len(rows))  # features that stay 0
            given = {
                "landmarks": np.pad(landmarks, [missing, (0, 0)]),
                "mixture": np.pad(self._mixture(landmarks, network.dtype), [missing, missing]),
            }
        elif self.kernel == "polynomial":
            given = {"places": _places(rng, self.degree, X.shape[1] + 1, n)}
        else:
            n_frequencies = -(-n // 2)
            draw = _orthogonal if self.kernel == "rbf" else _cauchy
            given = {
                "frequencies": draw(rng, X.shape[1], n_frequencies),
                "phases": rng.uniform(0, 2 * np.pi, n_frequencies),
            }
        standardize, layer, head = map(network.model.get_layer, ("standardize", "kernel", "head"))
        start: dict[int, Any] = {id(getattr(layer, name)): given[name] for name in given}
        start |= {id(standardize.location): location, id(standardize.scale): scale}
        start |= {id(head.kernel): np.zeros(head.kernel.shape)}
        return network.initial(rng, given=start)

    def _mixture(self, landmarks: np.ndarray, dtype: str) -> np.ndarray:
        """M with M M^T = K^-1, of the landmarks' kernel matrix K = U diag(s) U^T: U s^-1/2.

        What of K is beneath the rounding of its entries would be noise, and is left out.
        """
        arguments = {"gamma": 1.0}
        if self.kernel == "polynomial":
            arguments |= {"degree": self.degree, "coef0": self.coef0}
        K = pairwise_kernels(landmarks, metric=self.kernel, **arguments)
        values, vectors = scipy.linalg.eigh(K)
        known = values > values[-1] * np.finfo(dtype).eps
        roots = np.sqrt(values, out=np.ones_like(values), where=known)
        return np.where(known, vectors / roots, 0.0)


def _scale(X: np.ndarray, weight: np.ndarray, kernel: str) -> float:
    """What gamma="scale" stands for, as of SVC; rows count by their weight."""
    mean = np.average(X.mean(axis=1, dtype=np.float64), weights=weight)
    squares = np.square(X - X.dtype.type(mean)).mean(axis=1, dtype=np.float64)
    variance = np.average(squares, weights=weight)
    if not variance > 0:  # a constant X; or negative weights
        variance = 1.0
    return float(1 / (X.shape[1] * (np.sqrt(variance) if kernel == "laplacian" else variance)))


def _orthogonal(rng: np.random.Generator, n_columns: int, n: int) -> np.ndarray:
    """Frequencies of exp(-|x - z|^2), (n_columns, n): orthogonal in blocks [1]_, equation 4.

    Each by itself is normal, of variance 2; their directions do not repeat each other, by which
    the error is smaller.

    .. [1] Yu, Suresh, Choromanski, Holtmann-Rice, Kumar. Orthogonal random features. NIPS, 2016.
    """
    blocks = []
    for start in range(0, n, n_columns):
        normal = rng.normal(size=(n_columns, min(n_columns, n - start)))
        directions = scipy.linalg.qr(normal, mode="economic")[0]
        lengths = np.sqrt(rng.chisquare(n_columns, normal.shape[1]))
        blocks.append(directions * lengths)
    return np.sqrt(2) * np.hstack(blocks)


def _cauchy(rng: np.random.Generator, n_columns: int, n: int) -> np.ndarray:
    """Frequencies of exp(-|x - z|_1), (n_columns, n)."""
    return rng.standard_cauchy((n_columns, n))


def _places(rng: np.random.Generator, degree: int, n_columns: int, n: int) -> np.ndarray:
    """Count sketches, (degree, n_columns, n): each column has one place, with a sign, in each."""
    places = rng.integers(n, size=(degree, n_columns, 1))
    signs = rng.choice([-1.0, 1.0], size=places.shape)
    return np.where(np.arange(n) == places, signs, 0.0)


def _has_probabilities(estimator: Any) -> bool:
    """Whether the loss teaches probabilities, or else an AttributeError that tells."""
    if estimator.loss != "logistic":
        raise AttributeError(
            f"loss={estimator.loss!r} teaches scores, which are no probabilities; use "
            f"decision_function, loss='logistic', or scikit-learn's CalibratedClassifierCV."
        )
    return True


class KernelClassifier(_KernelMachine, BaseNetworkClassifier):
    """Support vector machine, or kernel logistic regression, for any number of rows.

    X is an array or DataFrame of numbers, (n_samples, n_features). Scale the columns, as by
    ``StandardScaler``: a kernel sees all of them by one distance.

    Parameters
    ----------
    loss : {'hinge', 'logistic', 'squared'}, default='logistic'
        The cross-entropy, which gives probabilities ('logistic'); that of support vector machines
        ('hinge'); or of the squared distance from 1 and -1 ('squared').
    kernel : {'laplacian', 'polynomial', 'rbf'}, default='rbf'
        k(x, z): ``exp(-gamma |x - z|^2)`` ('rbf'), ``exp(-gamma |x - z|_1)`` ('laplacian'), which
        is rougher, or ``(gamma x . z + coef0) ** degree`` ('polynomial').
    gamma : {'scale'} or float in (0, inf), default='scale'
        How fast the kernel falls: larger follows the rows more closely. 'scale' is 1 over the
        number of columns times the variance of all entries of X (of 'laplacian' times their
        standard deviation), so that the unit of X does not matter.
    degree : int in [1, inf), default=3
        Of the polynomial.
    coef0 : float in [0, inf), default=1.0
        Of the polynomial: at 0 it has terms of the highest degree alone.
    method : {'nystroem', 'random'}, default='random'
        The features: drawn without a look at the rows ('random': orthogonal Fourier features, of
        'polynomial' a tensor sketch), or the kernel's values with rows drawn from X ('nystroem').
    n_components : int in [1, inf), default=1000
        Features; more are closer to the kernel, by 1 over the square root of their number. Of
        'nystroem' those beyond the first fit's rows are 0.
    learning_rate : float in (0, inf), default=0.03
        The optimizer's step size; larger is faster until the loss oscillates or diverges. Features
        are small, so that it is larger than of other networks.
    class_weight : dict, {'balanced'} or None, default=None
        Weight of each class in the loss: a dict, or 'balanced' for equal sums; None is one.
    label_smoothing : float in [0, 1), default=0.0
        Share of the uniform distribution that is mixed into the labels; it keeps probabilities from
        0 and 1.
    calibrate : bool, default=False
        Whether to divide the logits, after training, by the temperature at which probabilities tell
        the truth about validation rows; it changes no ranking. Not beside ``class_weight``, whose
        shift of all probabilities no temperature takes back.
    epochs : int in [1, inf), default=20
        Passes over the rows.
    batch_size : int in [1, inf), default=200
        Rows in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate_schedule : str, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'} or Optimizer, default='adam'
        A name, or an object of ``skdeep.optimizers`` with settings of its own.
    weight_decay : float in [0, inf), default=0.0
        L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW shrinks
        the kernels directly.
    clip_norm : float in (0, inf) or None, default=None
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
    early_stopping : bool, str or callable, default=False
        Whether to stop when validation rows no longer improve, and keep the best weights. True
        watches their loss; a scikit-learn scorer, or its name, is watched instead.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows that are held out to validate on, where that is needed and ``fit`` gets no
        ``X_val``.
    patience : int in [1, inf), default=10
        Epochs without improvement that end the fit, under early stopping.
    callbacks : tuple or list, default=()
        Called at the end of each epoch: functions of an ``EpochState`` (see ``skdeep.callbacks``),
        or Keras callbacks.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit instead of anew.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, row order, dropout and augmentation. An integer makes fits equal to
        the bit, on one machine with one number of threads.
    verbose : int or bool, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted classes; a list of them for a multi-output target.
    gamma_ : float
        The kernel's gamma.
    temperature_ : float or ndarray of shape (n_outputs,)
        What divides the logits in probabilities: 1 without ``calibrate``. An array for labels and
        for a multi-output target, with one for each column.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt, its features included.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Notes
    -----
    A row costs ``n_features * n_components`` operations in each epoch (thrice that for a sketch of
    degree 3), and of 'nystroem' ``n_components ** 2`` more, and that number cubed at the start.

    Under the hinge and the squared loss each class is told from all others by a score of its own
    [1]_, as by ``LinearSVC`` and ``RidgeClassifier``; two classes have one. Their penalties:
    ``weight_decay`` is 1 / (C n) of ``SVC``, ``LinearSVC`` and ``LogisticRegression``, and
    2 alpha / n of ``RidgeClassifier``, for n rows.

    References
    ----------
    .. [1] Rifkin, Klautau. In defense of one-vs-all classification. JMLR 5, 2004.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skdeep import KernelClassifier
    >>> X, y = make_moons(400, noise=0.1, random_state=0)
    >>> model = KernelClassifier(gamma=5.0, loss="hinge", random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.98
    True
    """

    loss: str = hyperparameter(
        default="logistic",
        doc="The cross-entropy, which gives probabilities ('logistic'); that of support vector "
        "machines ('hinge'); or of the squared distance from 1 and -1 ('squared').",
        constraint=StrOptions({"logistic", "hinge", "squared"}),
        structural=True,
    )

    _absent = {}  # noqa: RUF012

    predict_proba = available_if(_has_probabilities)(BaseNetworkClassifier.predict_proba)
    predict_log_proba = available_if(_has_probabilities)(BaseNetworkClassifier.predict_log_proba)

    def _check_parameters(self):
        super()._check_parameters()
        for name in ("calibrate", "label_smoothing"):
            if self.loss != "logistic" and (value := getattr(self, name)):
                raise ValueError(
                    f"{name}={value!r} is for probabilities, but loss={self.loss!r} teaches "
                    f"scores; set it to {type(value)(0)!r}, or take loss='logistic'."
                )

    def _design(self, task, target, before):
        if self.loss != "logistic":
            task = replace(task, head=MarginHead(self.loss, task.head))
        return super()._design(task, target, before)


class KernelRegressor(_KernelMachine, BaseNetworkRegressor):
    """Kernel ridge regression for any number of rows.

    X is an array or DataFrame of numbers, (n_samples, n_features). Scale the columns, as by
    ``StandardScaler``: a kernel sees all of them by one distance. y is standardised inside.

    Parameters
    ----------
    kernel : {'laplacian', 'polynomial', 'rbf'}, default='rbf'
        k(x, z): ``exp(-gamma |x - z|^2)`` ('rbf'), ``exp(-gamma |x - z|_1)`` ('laplacian'), which
        is rougher, or ``(gamma x . z + coef0) ** degree`` ('polynomial').
    gamma : {'scale'} or float in (0, inf), default='scale'
        How fast the kernel falls: larger follows the rows more closely. 'scale' is 1 over the
        number of columns times the variance of all entries of X (of 'laplacian' times their
        standard deviation), so that the unit of X does not matter.
    degree : int in [1, inf), default=3
        Of the polynomial.
    coef0 : float in [0, inf), default=1.0
        Of the polynomial: at 0 it has terms of the highest degree alone.
    method : {'nystroem', 'random'}, default='random'
        The features: drawn without a look at the rows ('random': orthogonal Fourier features, of
        'polynomial' a tensor sketch), or the kernel's values with rows drawn from X ('nystroem').
    n_components : int in [1, inf), default=1000
        Features; more are closer to the kernel, by 1 over the square root of their number. Of
        'nystroem' those beyond the first fit's rows are 0.
    learning_rate : float in (0, inf), default=0.03
        The optimizer's step size; larger is faster until the loss oscillates or diverges. Features
        are small, so that it is larger than of other networks.
    loss : {'gaussian', 'quantile', 'squared'}, default='squared'
        What the network learns of y: its mean ('squared'), mean and variance of a normal
        distribution ('gaussian'), or quantiles ('quantile').
    epochs : int in [1, inf), default=20
        Passes over the rows.
    batch_size : int in [1, inf), default=200
        Rows in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate_schedule : str, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'} or Optimizer, default='adam'
        A name, or an object of ``skdeep.optimizers`` with settings of its own.
    weight_decay : float in [0, inf), default=0.0
        L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW shrinks
        the kernels directly.
    clip_norm : float in (0, inf) or None, default=None
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
    early_stopping : bool, str or callable, default=False
        Whether to stop when validation rows no longer improve, and keep the best weights. True
        watches their loss; a scikit-learn scorer, or its name, is watched instead.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows that are held out to validate on, where that is needed and ``fit`` gets no
        ``X_val``.
    patience : int in [1, inf), default=10
        Epochs without improvement that end the fit, under early stopping.
    callbacks : tuple or list, default=()
        Called at the end of each epoch: functions of an ``EpochState`` (see ``skdeep.callbacks``),
        or Keras callbacks.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit instead of anew.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, row order, dropout and augmentation. An integer makes fits equal to
        the bit, on one machine with one number of threads.
    verbose : int or bool, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    gamma_ : float
        The kernel's gamma.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt, its features included.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Notes
    -----
    ``weight_decay`` is 2 alpha / n of ``KernelRidge`` and ``Ridge``, for n rows; unlike
    ``KernelRidge`` there is an intercept. For what a row costs see :class:`KernelClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeep import KernelRegressor
    >>> X = np.linspace(-3, 3, 400)[:, None]
    >>> y = np.sinc(X[:, 0])
    >>> model = KernelRegressor(gamma=1.0, epochs=50, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """
