"""Optimizers as declared objects: pure updates of one vector of weights.

    MLPClassifier(optimizer="adam")                      # by name, with default settings
    MLPClassifier(optimizer=Adam(beta_2=0.95))           # tunable as optimizer__beta_2

The step size is the estimator's ``learning_rate``, times its schedule. An update acts on each
weight alone, so that it serves a whole network's vector and the touched rows of a sparse table
alike. ``t`` counts updates from 1.
"""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from skdeep.hyperparameters import Declared, hyperparameter

_UNIT = Interval(Real, 0, 1, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")


class Optimizer(Declared, BaseEstimator):
    """Base of the optimizers: what they remember, and how they update.

    Attributes
    ----------
    slots : tuple of str
        Names of the vectors that the optimizer keeps beside the weights.
    decoupled_decay : bool
        Whether weight decay shrinks the weights directly (AdamW) instead of entering the
        gradient as an L2 penalty.
    """

    slots: tuple[str, ...] = ()
    decoupled_decay = False

    def initial(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Slots before the first update, and the count of updates ``t`` = 0."""
        return {"t": np.zeros((), weights.dtype)} | {
            name: np.zeros_like(weights) for name in self.slots
        }

    def update(self, weights, gradient, slots: dict, rate, t, hyper: dict) -> tuple[Any, dict]:
        """New weights and slots, from tensors of one shape; ``rate`` and ``t`` are scalars."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with (Nesterov's) momentum.

    v <- momentum v - rate g;  w <- w + v, or w + momentum v - rate g by Nesterov [1]_.

    Parameters
    ----------
    momentum : float in [0, 1), default=0.0
        Share of the previous step that is kept; 0.9 smooths and speeds up.
    nesterov : bool, default=False
        Whether to look ahead along the momentum.

    References
    ----------
    .. [1] Sutskever et al. On the importance of initialization and momentum in deep learning.
       ICML, 2013, equations 3 and 4.
    """

    momentum: float = hyperparameter(
        default=0.0,
        doc="Share of the previous step that is kept; 0.9 smooths and speeds up.",
        constraint=_UNIT,
    )
    nesterov: bool = hyperparameter(
        default=False, doc="Whether to look ahead along the momentum.", structural=True
    )
    slots = ("velocity",)

    def update(self, weights, gradient, slots, rate, t, hyper):
        velocity = hyper["momentum"] * slots["velocity"] - rate * gradient
        step = hyper["momentum"] * velocity - rate * gradient if self.nesterov else velocity
        return weights + step, {"velocity": velocity}


class RMSprop(Optimizer):
    """Gradient over a running root mean square of itself [1]_.

    s <- rho s + (1 - rho) g^2;  w <- w - rate g / sqrt(s + epsilon).

    Parameters
    ----------
    rho : float in [0, 1), default=0.9
        Share of the running mean square that is kept.
    epsilon : float in (0, inf), default=1e-07
        Added under the root, against zero.

    References
    ----------
    .. [1] Tieleman, Hinton. Lecture 6.5, Neural networks for machine learning, 2012.
    """

    rho: float = hyperparameter(
        default=0.9, doc="Share of the running mean square that is kept.", constraint=_UNIT
    )
    epsilon: float = hyperparameter(
        default=1e-7, doc="Added under the root, against zero.", constraint=_POSITIVE
    )
    slots = ("mean_square",)

    def update(self, weights, gradient, slots, rate, t, hyper):
        import keras

        mean_square = slots["mean_square"]
        mean_square += (1 - hyper["rho"]) * (gradient * gradient - mean_square)
        step = gradient * keras.ops.rsqrt(mean_square + hyper["epsilon"])
        return weights - rate * step, {"mean_square": mean_square}


class Adagrad(Optimizer):
    """Gradient over the root of the sum of its squares so far [1]_.

    s <- s + g^2;  w <- w - rate g / sqrt(s + epsilon).

    Parameters
    ----------
    initial_accumulator : float in (0, inf), default=0.1
        Where the sum of squares starts; larger makes the first steps smaller.
    epsilon : float in (0, inf), default=1e-07
        Added under the root, against zero.

    References
    ----------
    .. [1] Duchi, Hazan, Singer. Adaptive subgradient methods. JMLR 12, 2011.
    """

    initial_accumulator: float = hyperparameter(
        default=0.1,
        doc="Where the sum of squares starts; larger makes the first steps smaller.",
        constraint=_POSITIVE,
    )
    epsilon: float = hyperparameter(
        default=1e-7, doc="Added under the root, against zero.", constraint=_POSITIVE
    )
    slots = ("sum_of_squares",)

    def initial(self, weights):
        slots = super().initial(weights)
        return slots | {"sum_of_squares": np.full_like(weights, self.initial_accumulator)}

    def update(self, weights, gradient, slots, rate, t, hyper):
        import keras

        total = slots["sum_of_squares"] + gradient * gradient
        step = gradient * keras.ops.rsqrt(total + hyper["epsilon"])
        return weights - rate * step, {"sum_of_squares": total}


class Adam(Optimizer):
    """Adaptive moments: a running mean of the gradient over that of its square [1]_.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon).

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Share of the running mean gradient that is kept.
    beta_2 : float in [0, 1), default=0.999
        Share of the running mean square that is kept.
    epsilon : float in (0, inf), default=1e-07
        Added to the root, against zero; larger is closer to plain momentum.

    References
    ----------
    .. [1] Kingma, Ba. Adam: a method for stochastic optimization. ICLR, 2015, end of section 2.
    """

    beta_1: float = hyperparameter(
        default=0.9, doc="Share of the running mean gradient that is kept.", constraint=_UNIT
    )
    beta_2: float = hyperparameter(
        default=0.999, doc="Share of the running mean square that is kept.", constraint=_UNIT
    )
    epsilon: float = hyperparameter(
        default=1e-7,
        doc="Added to the root, against zero; larger is closer to plain momentum.",
        constraint=_POSITIVE,
    )
    slots = ("mean", "mean_square")

    def update(self, weights, gradient, slots, rate, t, hyper):
        import keras

        beta_1, beta_2 = hyper["beta_1"], hyper["beta_2"]
        mean, mean_square = slots["mean"], slots["mean_square"]
        mean += (1 - beta_1) * (gradient - mean)
        mean_square += (1 - beta_2) * (gradient * gradient - mean_square)
        rate *= keras.ops.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        step = rate * mean / (keras.ops.sqrt(mean_square) + hyper["epsilon"])
        return weights - step, {"mean": mean, "mean_square": mean_square}


class AdamW(Adam):
    """Adam with decoupled weight decay: w <- w - rate decay w beside Adam's step [1]_.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Share of the running mean gradient that is kept.
    beta_2 : float in [0, 1), default=0.999
        Share of the running mean square that is kept.
    epsilon : float in (0, inf), default=1e-07
        Added to the root, against zero; larger is closer to plain momentum.

    References
    ----------
    .. [1] Loshchilov, Hutter. Decoupled weight decay regularization. ICLR, 2019, algorithm 2.
    """

    decoupled_decay = True


_BY_NAME = {"sgd": SGD, "rmsprop": RMSprop, "adagrad": Adagrad, "adam": Adam, "adamw": AdamW}
NAMES = frozenset(_BY_NAME)


def resolve(optimizer: str | Optimizer) -> Optimizer:
    """The optimizer object of a name; an object is its own."""
    return _BY_NAME[optimizer]() if isinstance(optimizer, str) else optimizer
