"""Networks of convolutions, from images or series to features under the last layer.

.. [1] Le Cun et al. Handwritten digit recognition with a back-propagation network. NIPS, 1990.
.. [2] LeCun, Bottou, Bengio, Haffner. Gradient-based learning applied to document recognition.
   Proceedings of the IEEE 86(11), 1998.
.. [3] Wang, Yan, Oates. Time series classification from scratch with deep neural networks. IJCNN,
   2017.
.. [4] Ismail Fawaz et al. InceptionTime: finding AlexNet for time series classification. Data
   Mining and Knowledge Discovery 34, 2020.
"""

from typing import Any

import keras

from skdeep import layers

LAST = "channels_last"  # whatever Keras's settings say


def _lenet(x: Any, filters: tuple, dense: tuple, *, padding: str) -> Any:
    """Two convolutions of 5 x 5 with average pooling, and dense layers."""
    smallest = 16 if padding == "valid" else 12
    if min(x.shape[1:3]) < smallest:
        raise ValueError(
            f"LeNet needs images of at least {smallest} x {smallest} pixels, but they are "
            f"{x.shape[1]} x {x.shape[2]}; use architecture='small'."
        )
    for i, n in enumerate(filters):
        x = keras.layers.Conv2D(
            n,
            5,
            padding="valid" if i else padding,
            activation="tanh",
            data_format=LAST,
            name=f"conv_{i}",
        )(x)
        x = keras.layers.AveragePooling2D(2, data_format=LAST, name=f"pool_{i}")(x)
    x = keras.layers.Flatten(data_format=LAST, name="flatten")(x)
    for i, n in enumerate(dense):
        x = keras.layers.Dense(n, activation="tanh", name=f"dense_{i}")(x)
    return x


def small(x: Any, filters: tuple = (32, 64)) -> Any:
    """Convolutions of 3 x 3, each pooled before it is normalised: a quarter of the work."""
    for i, n in enumerate(filters):
        x = keras.layers.Conv2D(
            n, 3, padding="same", use_bias=False, data_format=LAST, name=f"conv_{i}"
        )(x)
        x = keras.layers.MaxPooling2D(2, padding="same", data_format=LAST, name=f"pool_{i}")(x)
        x = layers.BatchNormalization(name=f"normalization_{i}")(x)
        x = keras.layers.Activation("relu", name=f"activation_{i}")(x)
    x = keras.layers.Flatten(data_format=LAST, name="flatten")(x)
    return keras.layers.Dense(128, activation="relu", name="dense")(x)


def lenet1(x: Any) -> Any:
    """The network of 1990, for images of 28 x 28 [1]_."""
    return _lenet(x, (4, 12), (), padding="valid")


def lenet5(x: Any) -> Any:
    """The network of 1998 [2]_."""
    return _lenet(x, (6, 16), (120, 84), padding="same")


def fcn(x: Any) -> Any:
    """Three convolutions along the steps of series, and the mean over steps [3]_, section II.B."""
    for i, (filters, size) in enumerate([(128, 8), (256, 5), (128, 3)]):
        x = _convolved(x, filters, size, f"conv_{i}")
        x = _activated(x, str(i))
    return keras.layers.GlobalAveragePooling1D(data_format=LAST, name="mean")(x)


def inception(x: Any) -> Any:
    """Six blocks of filters of three lengths, and shortcuts past three of them [4]_, section 3."""
    past = x
    for i in range(6):
        narrow = _convolved(x, 32, 1, f"bottleneck_{i}") if x.shape[-1] > 1 else x
        pooled = keras.layers.MaxPooling1D(3, 1, "same", data_format=LAST, name=f"pool_{i}")(x)
        parts = [_convolved(narrow, 32, size, f"conv_{i}_{size}") for size in (40, 20, 10)]
        parts.append(_convolved(pooled, 32, 1, f"conv_{i}_pool"))
        x = _activated(keras.layers.Concatenate(name=f"concat_{i}")(parts), str(i))
        if i % 3 == 2:
            past = _convolved(past, x.shape[-1], 1, f"shortcut_{i}")
            past = layers.BatchNormalization(name=f"shortcut_{i}_normalization")(past)
            x = keras.layers.Add(name=f"add_{i}")([x, past])
            past = x = keras.layers.Activation("relu", name=f"add_{i}_activation")(x)
    return keras.layers.GlobalAveragePooling1D(data_format=LAST, name="mean")(x)


def _convolved(x: Any, filters: int, size: int, name: str) -> Any:
    return keras.layers.Conv1D(
        filters, size, padding="same", use_bias=False, data_format=LAST, name=name
    )(x)


def _activated(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(name=f"normalization_{name}")(x)
    return keras.layers.Activation("relu", name=f"activation_{name}")(x)


ARCHITECTURES = {
    "fcn": fcn,
    "inception": inception,
    "lenet1": lenet1,
    "lenet5": lenet5,
    "small": small,
}
