"""Split conformal prediction: intervals that hold what they promise, by rows not trained on.

Of each kept row i the score s_i tells how far its target lies outside the band that the network
gives it (inside, it is negative),

    s_i = max(low_i - y_i, y_i - high_i),

and all bands are widened by the least score that, with those below it, has the asked share of n + 1
rows, of which the new one counts as infinite: the ceil((n + 1) coverage)-th of them. If the new row
is one like those kept, its target lies inside with at least that probability, however wrong the
network is [1]_, theorem 1; where the band is the mean alone, s_i is the absolute residual [2]_.

Weights say how likely a row is among the new ones, relative to those kept [3]_, equation 7. What
the new row weighs is not known; it counts as the mean over the new ones, sum w_i^2 / sum w_i, with
which the promise is kept nearly, and neither the unit of weights nor rows of weight 0 matter.

.. [1] Romano, Patterson, Candes. Conformalized quantile regression. NeurIPS, 2019, equations 6-8.
.. [2] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman. Distribution-free predictive inference for
   regression. JASA 113(523), 2018, algorithm 2.
.. [3] Tibshirani, Barber, Candes, Ramdas. Conformal prediction under covariate shift. NeurIPS,
   2019.
"""

import math
from dataclasses import dataclass

import numpy as np

from skdeep.exceptions import LoadError
from skdeep.persistence import saved

N_KEPT = 10_000  # rows; coverage of 90% then is one of 89.1 to 90.9%, in 99.7% of fits
_ROUNDING = 1e-9  # what a sum of shares may lack


@saved
@dataclass(frozen=True)
class Conformity:
    """Rows by which bands are widened.

    Attributes
    ----------
    outputs : ndarray (n, n_outputs)
        Of the network.
    targets : ndarray (n, n_columns)
        Encoded.
    weight : ndarray (n,), float64
        None is 0.
    size : float
        Rows of equal weight that would tell as much, (sum w_i)^2 / sum w_i^2; of steps drawn from
        a row that row counts.
    """

    outputs: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    size: float

    @classmethod
    def of(cls, outputs: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> "Conformity":
        """Of rows none of which has a weight of 0."""
        weight = weight / np.abs(weight).max()  # whose squares are numbers
        return cls(outputs, targets, weight, float(weight.sum() ** 2 / (weight**2).sum()))

    def check(self, coverage: float) -> None:
        """Refuse a coverage that so many rows cannot promise."""
        if (self.weight < 0).any():
            raise ValueError(
                "predict_interval needs validation rows of weights that are not negative, for "
                "they are probabilities; fit with X_val and sample_weight_val of such rows."
            )
        reached = self.size / (self.size + 1)
        if reached < coverage * (1 - _ROUNDING):
            needed = math.ceil(coverage / (1 - coverage) * (1 - _ROUNDING))
            most = math.floor(1e4 * reached) / 1e4
            raise ValueError(
                f"coverage={coverage!r} needs {needed:,} validation rows of equal weight, but the "
                f"fit kept {self.size:,.5g}, which promise {most:g} at most; ask for no more, or "
                f"fit with a larger validation_fraction, or more rows in X_val."
            )

    def margin(self, bands: np.ndarray, coverage: float) -> np.ndarray:
        """What widens bands (n, n_columns, 2) of the kept rows to a coverage, (n_columns,)."""
        scores = np.maximum(bands[..., 0] - self.targets, self.targets - bands[..., 1])
        order = np.argsort(scores, axis=0)
        share = np.cumsum(self.weight[order], axis=0) / self.weight.sum()
        share *= self.size / (self.size + 1)
        place = np.count_nonzero(share < coverage * (1 - _ROUNDING), axis=0)
        place = np.minimum(place, len(scores) - 1)  # the last one, if its share is rounded
        return np.take_along_axis(np.take_along_axis(scores, order, axis=0), place[None], axis=0)[0]

    def _check_part(self) -> None:
        shapes = [np.shape(part) for part in (self.outputs, self.targets, self.weight)]
        if [len(shape) for shape in shapes] != [2, 2, 1] or len({n for n, *_ in shapes}) != 1:
            raise LoadError(f"rows to validate on have outputs, targets and weights of {shapes}.")
        if not (shapes[0][0] and self.size > 0):
            raise LoadError(f"there are {self.size:g} rows to validate on.")
