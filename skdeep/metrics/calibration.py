"""Calibration error: how far probabilities are from the frequencies that they claim.

The rows, of confidence p_i and outcome c_i (1 if what was predicted came true, else 0), fall into
bins B_1 ... B_M by p_i. With weights w_i of sum W the expected calibration error [1]_ is

    ECE = sum_m W_m / W |mean of c over B_m - mean of p over B_m|            equation 3
        = 1 / W sum_m |sum of w_i (c_i - p_i) over B_m|.

.. [1] Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML, 2017.
"""

from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import _check_sample_weight


@validate_params(
    {
        "y_true": ["array-like"],
        "y_proba": ["array-like"],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "strategy": [StrOptions({"uniform", "quantile"})],
        "labels": ["array-like", None],
        "sample_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def expected_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    n_bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
    labels: Any = None,
    sample_weight: Any = None,
) -> float:
    """Weighted mean distance between probabilities and frequencies, over bins of probability.

    Of two classes it is the probability of the second that is binned and compared with the
    frequency of that class. Of more it is the probability of the predicted class, the most
    probable one, that is compared with the frequency of correct predictions.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes.
    y_proba : array-like of shape (n_samples,) or (n_samples, n_classes)
        Probabilities: of the second of two classes, or of each class.
    n_bins : int in [1, inf), default=15
        Bins. More of them see finer errors, but count more noise as error.
    strategy : {'uniform', 'quantile'}, default='uniform'
        Bins of equal width in [0, 1], or of equal weight (negative weights by their size). A
        value on an edge belongs to the lower bin.
    labels : array-like of shape (n_classes,), default=None
        Class of each column of ``y_proba``, such as ``classes_`` of the estimator; needed where
        ``y_true`` lacks some. None takes the sorted classes in ``y_true``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, of positive sum. Negative ones are legal; where they outweigh the
        others in a bin, the error may exceed 1.

    Returns
    -------
    error : float
        From 0, calibrated, to 1.

    Raises
    ------
    ValueError
        If ``y_proba`` holds no probabilities, does not match ``labels`` or the rows of ``y_true``,
        or if the weights do not sum to more than 0.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The curve whose distance from the diagonal this is.
    sklearn.metrics.brier_score_loss : A proper score; this is none, as predicting the overall
        frequency for all rows is calibrated.

    Notes
    -----
    Calibrated probabilities do not get 0 either, as each bin adds the noise of its mean: about
    ``sqrt(n_bins / n_samples) / 3`` in all. Compare models on the same rows and bins.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML, 2017, equation 3.

    Examples
    --------
    Nine predictions in ten come true of those said to be certain:

    >>> import numpy as np
    >>> from skdeep.metrics import expected_calibration_error
    >>> expected_calibration_error(np.arange(10) > 0, np.ones(10))
    0.1
    """
    truth = column_or_1d(y_true)
    proba = check_array(
        y_proba, ensure_2d=False, dtype=[np.float64, np.float32, np.float16], input_name="y_proba"
    )
    check_consistent_length(truth, proba, sample_weight)
    weight = _check_sample_weight(sample_weight, truth, dtype=np.float64)
    if not weight.sum() > 0:
        raise ValueError(
            f"sample_weight must sum to more than 0, but sums to {weight.sum():g}; pass more rows "
            f"or other weights."
        )
    confidence, correct = _confidences(truth, proba, labels)
    inner = np.arange(1, n_bins) / n_bins
    if strategy == "quantile" and n_bins > 1:
        inner = np.quantile(confidence, inner, weights=np.abs(weight), method="inverted_cdf")
    bins = np.searchsorted(inner, confidence)  # (lower, upper]
    excess = np.bincount(bins, weights=weight * (correct - confidence))
    return float(np.abs(excess).sum() / weight.sum())


def _confidences(
    y_true: np.ndarray, proba: np.ndarray, labels: Any
) -> tuple[np.ndarray, np.ndarray]:
    """What is binned, (n_samples,) float64, and whether it came true, (n_samples,) bool."""
    if proba.min() < 0 or proba.max() > 1:
        raise ValueError(
            f"y_proba must lie in [0, 1], but reaches from {proba.min():g} to {proba.max():g}; "
            f"pass predict_proba, not decision_function."
        )
    classes = np.unique(y_true) if labels is None else column_or_1d(labels)
    n_classes = 2 if proba.ndim == 1 else proba.shape[1]
    if len(classes) != n_classes:
        given = "y_true" if labels is None else "labels"
        raise ValueError(
            f"y_proba of shape {proba.shape} is for {n_classes} classes, but {given} has "
            f"{len(classes)}: {classes}; pass the class of each column as labels."
        )
    if strange := sorted(set(y_true.tolist()) - set(classes.tolist())):
        raise ValueError(f"y_true has classes that labels lacks: {strange}; add them.")
    if proba.ndim == 1:
        return proba.astype(np.float64), y_true == classes[1]
    sums, tolerance = proba.sum(axis=1, dtype=np.float64), np.sqrt(np.finfo(proba.dtype).eps)
    if (off := np.abs(sums - 1)).max() > tolerance:
        raise ValueError(
            f"each row of y_proba must sum to 1, but row {off.argmax()} sums to "
            f"{sums[off.argmax()]:g}; divide the rows by their sums."
        )
    if n_classes == 2:
        return proba[:, 1].astype(np.float64), y_true == classes[1]
    return proba.max(axis=1).astype(np.float64), y_true == classes[proba.argmax(axis=1)]
