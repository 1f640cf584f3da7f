"""Errors and warnings of skdeep's own."""


class FitDivergedError(ArithmeticError):
    """The loss became NaN or infinite; the estimator is as it was before ``fit``."""


class FitFailedError(RuntimeError):
    """A fit of a search ended without a result, and ``error_score`` is "raise"."""


class FitTimeoutError(TimeoutError):
    """A fit has taken the time that it was given; the estimator is as it was before ``fit``."""


class FitInterruptedWarning(UserWarning):
    """``fit`` was interrupted (Ctrl-C); the estimator holds the best weights up to then."""


class LoadError(ValueError):
    """A saved file was refused: damaged, newer, or with something that needs your word."""


class WithinNoiseWarning(UserWarning):
    """A search has found nothing that is surely better than the estimator as it was."""
