"""What a cut on a score keeps: background rejection, and the significance of a discovery.

Rows of score >= t pass. Of rows with weights w, which may be negative, the expected signal s and
background b are the sums of w that pass; s / S and b / B, of totals S and B, are the efficiencies.
The finite simulation gives each sum the variance sum w^2.

The significance is that of Cowan, Cranmer, Gross, Vitells (2011), with Cowan's extension (2012)
to a background that is uncertain; :func:`significance` has the formula and the references.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_array, check_consistent_length, column_or_1d
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_pos_label_consistency, _check_sample_weight

ROUNDING = 1e-12  # relative error of a sum of many weights; what is less may be nothing


@validate_params(
    {
        "y_true": ["array-like"],
        "y_score": ["array-like"],
        "signal_efficiency": ["array-like", Interval(Real, 0, 1, closed="both")],
        "pos_label": [Real, str, "boolean", None],
        "sample_weight": ["array-like", None],
        "return_error": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def background_rejection(
    y_true: Any,
    y_score: Any,
    *,
    signal_efficiency: Any = 0.5,
    pos_label: Any = None,
    sample_weight: Any = None,
    return_error: bool = False,
) -> Any:
    """One over the share of background that passes the cut of a given signal efficiency.

    The cut is the tightest that reaches the signal efficiency: the threshold is lowered until the
    signal that passes first amounts to it. Of rows of equal score as large a share passes as is
    still wanted, of signal and background alike, as if they were ordered at random.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Signal or background.
    y_score : array-like of shape (n_samples,)
        Score, larger for signal: a probability, a decision function or any other number.
    signal_efficiency : float in [0, 1] or array-like of them, default=0.5
        Share of the signal that passes.
    pos_label : int, float, bool or str, default=None
        The signal's label in ``y_true``; None is 1 where the labels are {0, 1} or {-1, 1}.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; those of the signal and those of the background must each have a
        positive sum. Negative ones are legal, see the notes.
    return_error : bool, default=False
        Whether to return the statistical error too.

    Returns
    -------
    rejection : float, or ndarray of the shape of ``signal_efficiency``
        1 / (background efficiency); infinite where no background passes.
    error : float or ndarray
        Its standard error, from the finite numbers of rows; infinite where the rejection is.
        Only if ``return_error``.

    Raises
    ------
    ValueError
        If there is no signal or no background, or a signal efficiency outside [0, 1].

    See Also
    --------
    significance : Weighs signal against background instead of fixing one.
    skdeep.inspection.RejectionDisplay : The rejection as a curve.
    sklearn.metrics.roc_curve : Its inverse, for weights that are not negative.

    Notes
    -----
    With negative weights the efficiencies do not rise steadily as the cut is lowered. The first
    cut to reach the signal efficiency is taken; its background may sum to nothing or less, which
    counts as none.

    The variance of an efficiency e is that of a weighted binomial,
    ``((1 - e)^2 P + e^2 F) / W^2``, of P and F the sums of squared weights of the rows that pass
    and that fail, and W the sum of all weights: ROOT's ``TH1::Divide`` with option "B". Two terms
    make the background's variance [1]_: its own, at a fixed cut, and that of the cut, which the
    finite signal places: the change of background between the cuts one standard error of signal
    efficiency to either side.

    References
    ----------
    .. [1] Hsieh, Turnbull. Nonparametric and semiparametric estimation of the receiver operating
       characteristic curve. Annals of Statistics 24(1), 1996.

    Examples
    --------
    >>> from skdeep.metrics import background_rejection
    >>> y_true = [0, 0, 0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    >>> background_rejection(y_true, y_score, signal_efficiency=[0.25, 0.5, 1])
    array([inf,  6.,  3.])
    """
    wanted = np.asarray(signal_efficiency, dtype=np.float64)
    if not np.all((wanted >= 0) & (wanted <= 1)):
        raise ValueError(
            f"signal_efficiency must lie in [0, 1], but is {signal_efficiency!r}; pass shares of "
            f"the signal."
        )
    cuts = _Cuts.of(y_true, y_score, pos_label, sample_weight)
    _, b, squares_s, squares_b = cuts.at_efficiency(wanted)
    total_s, total_b = cuts.signal[-1], cuts.background[-1]
    with np.errstate(divide="ignore"):
        rejection = total_b / np.maximum(b, 0)
    if not return_error:
        return _plain(rejection)
    own = _efficiency_error(b / total_b, squares_b, cuts.background_squares[-1], total_b)
    error_s = _efficiency_error(wanted, squares_s, cuts.signal_squares[-1], total_s)
    lower, upper = np.clip([wanted - error_s, wanted + error_s], 0, 1)
    change = (cuts.at_efficiency(upper)[1] - cuts.at_efficiency(lower)[1]) / total_b
    moved = error_s * change / np.where(upper > lower, upper - lower, 1)
    finite = np.isfinite(rejection)
    error = np.where(finite, rejection, 1) ** 2 * np.hypot(own, moved)
    return _plain(rejection), _plain(np.where(finite, error, np.inf))


@validate_params(
    {
        "y_true": ["array-like"],
        "y_score": ["array-like"],
        "threshold": ["array-like", Real, None],
        "relative_uncertainty": [Interval(Real, 0, None, closed="left")],
        "absolute_uncertainty": [Interval(Real, 0, None, closed="left")],
        "min_effective_rows": [Interval(Real, 0, None, closed="neither")],
        "pos_label": [Real, str, "boolean", None],
        "sample_weight": ["array-like", None],
        "return_details": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def significance(
    y_true: Any,
    y_score: Any,
    *,
    threshold: Any = None,
    relative_uncertainty: float = 0.0,
    absolute_uncertainty: float = 0.0,
    min_effective_rows: float = 10,
    pos_label: Any = None,
    sample_weight: Any = None,
    return_details: bool = False,
) -> Any:
    """Significance with which a counting experiment is expected to discover the signal.

    The experiment counts the events whose score reaches a threshold, of which the weights say how
    many are expected: scale them to the luminosity, so that the weights of the signal sum to the
    signal events before the cut, and those of the background to the background events. The result
    is the median significance, in standard deviations, in the approximation of the Asimov data
    set.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Signal or background.
    y_score : array-like of shape (n_samples,)
        Score, larger for signal: a probability, a decision function or any other number.
    threshold : float or array-like, default=None
        Least score that passes. None takes the score that makes the significance largest; such a
        maximum is optimistic on the rows where it was sought.
    relative_uncertainty : float in [0, inf), default=0.0
        Systematic standard deviation of the background, as a share of the background that passes.
    absolute_uncertainty : float in [0, inf), default=0.0
        The same in events, whatever passes. The two are added in quadrature.
    min_effective_rows : float in (0, inf), default=10
        Where the threshold is sought, the least number of background rows that pass, effectively:
        ``(sum w)^2 / sum w^2``. With fewer, the best cut is where the simulation happens to have a
        hole.
    pos_label : int, float, bool or str, default=None
        The signal's label in ``y_true``; None is 1 where the labels are {0, 1} or {-1, 1}.
    sample_weight : array-like of shape (n_samples,), default=None
        Expected events of each row; None is one. Negative ones are legal, but those of the signal
        and those of the background must each have a positive sum.
    return_details : bool, default=False
        Whether to return more than the significance.

    Returns
    -------
    significance : float, or ndarray of the shape of ``threshold``
        In standard deviations; 0 where no signal is left, and NaN where signal but no background
        is left, for which the formula has no answer.
    details : Bunch
        Instead, if ``return_details``: ``significance``, ``error``, ``threshold``, ``signal`` and
        ``background``. The error is the standard error from the finite simulation, ``signal`` and
        ``background`` are the expected events that pass.

    Raises
    ------
    ValueError
        If there is no signal or no background, or no cut leaves ``min_effective_rows``.

    See Also
    --------
    background_rejection : At a fixed share of the signal.

    Notes
    -----
    Of s signal on b +- sigma background events, with v = sigma^2 and D = b^2 + (s + b) v ([2]_,
    equation 20)::

        Z^2 / 2 = (s + b) ln((s + b) (b + v) / D) - b^2 / v ln(D / (b (b + v)))

    The uncertainty is that of a background measured in a control region, as a count of Poisson
    distribution with mean b (b / v). Without it ([1]_, equation 97)::

        Z^2 / 2 = (s + b) ln(1 + s / b) - s

    The error of this approximation to the median grows below a few background events.

    The error propagates the variances sum w^2 of s and b through the formula, at a fixed threshold.
    It does not know of the choice of the best one, nor of the systematic uncertainty.

    As a scorer: ``make_scorer(significance, response_method=("decision_function",
    "predict_proba"))``, with ``set_score_request(sample_weight=True)`` where metadata routing is
    enabled. A fold holds a share of the rows and thus of the events: multiply the weights by the
    number of folds.

    References
    ----------
    .. [1] Cowan, Cranmer, Gross, Vitells. Asymptotic formulae for likelihood-based tests of new
       physics. European Physical Journal C 71, 2011, 1554; arXiv:1007.1727, equation 97.
    .. [2] Cowan. Discovery sensitivity for a counting experiment with background uncertainty.
       2012, equation 20; https://www.pp.rhul.ac.uk/~cowan/stat/medsig/medsigNote.pdf.

    Examples
    --------
    Above a score of 0.5 there are 10 signal events on 25 of background:

    >>> import numpy as np
    >>> from skdeep.metrics import significance
    >>> y_true = np.repeat([0, 0, 1, 1], 50)
    >>> y_score = np.repeat([0.2, 0.6, 0.3, 0.8], 50)
    >>> weight = np.repeat([20, 0.5, 0.1, 0.2], 50)
    >>> Z = significance(y_true, y_score, threshold=0.5, sample_weight=weight)
    >>> print(f"{Z:.2f}")
    1.88
    >>> Z = significance(
    ...     y_true, y_score, threshold=0.5, relative_uncertainty=0.2, sample_weight=weight
    ... )
    >>> print(f"{Z:.2f}")
    1.29
    """
    cuts = _Cuts.of(y_true, y_score, pos_label, sample_weight)
    passing: Any  # the cut, or an array of cuts
    if threshold is None:
        passing = cuts.best(relative_uncertainty, absolute_uncertainty, min_effective_rows)
        threshold = cuts.thresholds[passing - 1]
    else:
        threshold = np.asarray(threshold, dtype=np.float64)
        if np.isnan(threshold).any():
            raise ValueError("threshold must be a number, but holds NaN; None seeks the best one.")
        passing = np.searchsorted(-cuts.thresholds, -threshold, side="right")
    s, b = cuts.signal[passing], cuts.background[passing]
    z, by_s, by_b = _asimov(s, b, relative_uncertainty, absolute_uncertainty)
    if not return_details:
        return _plain(z)
    error = np.sqrt(
        by_s**2 * cuts.signal_squares[passing] + by_b**2 * cuts.background_squares[passing]
    )
    return Bunch(
        significance=_plain(z),
        error=_plain(error),
        threshold=_plain(threshold),
        signal=_plain(s),
        background=_plain(b),
    )


@dataclass(frozen=True)
class _Cuts:
    """All cuts that differ, from the one that nothing passes to the one that all rows pass.

    Attributes
    ----------
    thresholds : ndarray of shape (n_scores,)
        The distinct scores, falling; cut i > 0 passes those of at least ``thresholds[i - 1]``.
    signal, background : ndarray of shape (n_scores + 1,)
        Sums of the weights that pass; of the background 0, where it may be rounding.
    signal_squares, background_squares : ndarray of shape (n_scores + 1,)
        Sums of their squares.
    """

    thresholds: np.ndarray
    signal: np.ndarray
    background: np.ndarray
    signal_squares: np.ndarray
    background_squares: np.ndarray

    @classmethod
    def of(cls, y_true: Any, y_score: Any, pos_label: Any, sample_weight: Any) -> "_Cuts":
        """The cuts of validated rows."""
        kind = type_of_target(y_true, input_name="y_true")
        if kind != "binary" and not (kind == "multiclass" and pos_label is not None):
            raise ValueError(
                f"y_true must have two classes, signal and background, but is {kind}; pass the "
                f"signal's label as pos_label, and all others are background."
            )
        score = check_array(y_score, ensure_2d=False, dtype=np.float64, input_name="y_score")
        if score.ndim != 1:
            raise ValueError(
                f"y_score must hold one score for each row, but its shape is {score.shape}; of "
                f"predict_proba pass the signal's column."
            )
        check_consistent_length(y_true, score, sample_weight)
        weight = _check_sample_weight(sample_weight, score, dtype=np.float64)
        pos_label = _check_pos_label_consistency(pos_label, y_true)
        is_signal = column_or_1d(y_true) == pos_label
        for name, rows in {"signal": is_signal, "background": ~is_signal}.items():
            if not weight[rows].sum() > 0:
                raise ValueError(
                    f"the weights of the {name} must sum to more than 0, but {rows.sum()} rows of "
                    f"it sum to {weight[rows].sum():g}; the signal has pos_label={pos_label!r}."
                )
        order = np.argsort(-score, kind="stable")
        score, weight, is_signal = score[order], weight[order], is_signal[order]
        last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]  # of each run of equal scores

        def passed(values: np.ndarray) -> np.ndarray:
            return np.r_[0, np.cumsum(values)[last]]

        background, size = passed(weight * ~is_signal), passed(np.abs(weight) * ~is_signal)
        return cls(
            thresholds=score[last],
            signal=passed(weight * is_signal),
            background=np.where(np.abs(background) > ROUNDING * size, background, 0),
            signal_squares=passed(weight**2 * is_signal),
            background_squares=passed(weight**2 * ~is_signal),
        )

    def at_efficiency(self, wanted: np.ndarray) -> list[np.ndarray]:
        """The four sums where the signal's share ``wanted`` (...) passes, each (...).

        Between two cuts the share that is wanted of the rows that they differ by is counted.
        """
        efficiency = self.signal / self.signal[-1]
        reached = np.maximum.accumulate(efficiency)
        cut = np.maximum(np.searchsorted(reached, wanted - ROUNDING), 1)
        step = efficiency[cut] - efficiency[cut - 1]
        share = np.minimum((wanted - efficiency[cut - 1]) / np.where(step > 0, step, 1), 1)
        sums = (self.signal, self.background, self.signal_squares, self.background_squares)
        return [values[cut - 1] + share * (values[cut] - values[cut - 1]) for values in sums]

    def best(self, relative: float, absolute: float, min_effective_rows: float) -> int:
        """The cut of largest significance, of those that leave enough background rows."""
        simulated = self.background > 0
        effective = self.background**2 / np.where(simulated, self.background_squares, np.inf)
        if effective.max() < min_effective_rows:
            raise ValueError(
                f"no cut leaves min_effective_rows={min_effective_rows} background rows, as all "
                f"are worth {effective.max():.3g}; simulate more, or lower it."
            )
        z, _, _ = _asimov(self.signal, self.background, relative, absolute)
        return int(np.argmax(np.where(effective >= min_effective_rows, z, -1)))


def _asimov(
    s: np.ndarray, b: np.ndarray, relative: float, absolute: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Significance of s on b, and its derivatives by s and by b; all of one shape.

    The last term of the formula in `significance` is written as s b phi / (b + v), with phi from 0
    to 1, its limit for v = 0, so that no digits are lost where v is small.
    """
    s, b = np.maximum(s, 0), np.where(b > 0, b, np.nan)
    v = (relative * b) ** 2 + absolute**2
    x = s * v / (b * (b + v))
    phi = np.where(x > 0, np.log1p(x) / np.where(x > 0, x, 1), 1)
    log = np.log1p(s * b / (b**2 + (s + b) * v))
    z = np.sqrt(2 * np.maximum((s + b) * log - s * b * phi / (b + v), 0))
    # Derivatives of z^2 / 2; a share of v grows with b^2.
    grows = np.where(v > 0, (relative * b) ** 2 / np.where(v > 0, v, 1), 0)
    by_b = log + s / (b + v) * (1 - 2 * phi + 2 * grows * (phi - 1))
    some = z > 0
    scale = np.where(some, z, 1)
    by_s = np.where(some, log / scale, 1 / np.sqrt(b + v))  # the limit of small s
    return np.where(s > 0, z, 0), by_s, by_b / scale


def _efficiency_error(
    efficiency: np.ndarray, passed: np.ndarray, all_squares: float, total: float
) -> np.ndarray:
    """Standard error of weighted efficiencies (...), from sums of squared weights."""
    failed = np.maximum(all_squares - passed, 0)  # which rounding may miss
    return np.sqrt((1 - efficiency) ** 2 * passed + efficiency**2 * failed) / total


def _plain(values: Any) -> Any:
    """A float, if it is one number."""
    return np.asarray(values).item() if np.ndim(values) == 0 else values
