"""Search spaces: what a user writes, points of the unit cube, and columns for a model.

A space maps names to dimensions. A *point* is a dict from names to values; *u* is the same as one
number in [0, 1] for each dimension, uniform where the user's prior is; *columns* are what a
Gaussian process sees. Integers, steps and choices are bins of the unit interval: u anywhere in a
bin decodes to its value, and ``snap`` moves it to the middle, so that a model sees what is
evaluated.

``reading`` turns what a user writes into the ``dimensions``; a ``space`` joins these, with the
conditions under which each is there.
"""

from skdeep.model_selection.spaces.conditions import When
from skdeep.model_selection.spaces.known import Known
from skdeep.model_selection.spaces.space import Space

__all__ = ["Known", "Space", "When"]
