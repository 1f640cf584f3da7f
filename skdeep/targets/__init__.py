"""What a network predicts: how y becomes numbers, the loss of each row, and the way back.

A classifier's outputs are logits, in groups: one sigmoid for two classes, one softmax for more,
a sigmoid for each label of a multilabel target, a softmax for each column of a multi-output one.
Where the loss is one of scores, they are those, in the same groups.
A regressor's outputs are the targets shifted and scaled to mean 0 and variance 1 over the training
rows, so that step sizes and losses mean the same whatever the unit of y; a squared loss of 1 is
that of predicting the mean. For each target they are one number, or the mean and the spread of a
normal distribution, or quantiles.
"""

from skdeep.targets.conformity import N_KEPT, Conformity
from skdeep.targets.heads import LEAST_VARIANCE, QUANTILE_LEVELS, Head, MarginHead
from skdeep.targets.labels import Labels, check_labels, weighted
from skdeep.targets.reals import Reals, check_reals
from skdeep.targets.steps import PerStep
from skdeep.targets.unlabelled import Unlabelled

__all__ = [
    "LEAST_VARIANCE",
    "N_KEPT",
    "QUANTILE_LEVELS",
    "Conformity",
    "Head",
    "Labels",
    "MarginHead",
    "PerStep",
    "Reals",
    "Unlabelled",
    "check_labels",
    "check_reals",
    "weighted",
]
