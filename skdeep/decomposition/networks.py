"""From rows to codes and back: perceptrons, or convolutions that halve an image."""

from collections.abc import Sequence
from typing import Any


def encoder(
    n_features: int,
    n_outputs: int | Sequence[int],
    sizes: Sequence[int],
    activation: str,
    image_shape: Sequence[int] | None = None,
    n_conditions: int = 0,
) -> Any:
    """A model from rows (n, n_features) to (n, n_outputs), linear at its end.

    Several ``n_outputs`` give as many outputs. ``sizes`` are units, or filters of convolutions that
    halve the rows as images. ``n_conditions`` more columns are no part of the image.
    """
    import keras

    x = inputs = keras.Input((n_features + n_conditions,), name="rows")
    if image_shape is not None:
        x = x[:, :n_features]
        x = keras.layers.Reshape(_with_channels(image_shape))(x)
    for i, size in enumerate(sizes):
        if image_shape is None:
            x = keras.layers.Dense(size, name=f"hidden_{i}")(x)
        else:
            x = keras.layers.Conv2D(size, 3, strides=2, padding="same", name=f"hidden_{i}")(x)
        x = keras.layers.Activation(activation, name=f"activation_{i}")(x)
    if image_shape is not None:
        x = keras.layers.Flatten()(x)
        if n_conditions:
            x = keras.layers.Concatenate()([x, inputs[:, n_features:]])
    if isinstance(n_outputs, int):
        outputs = keras.layers.Dense(n_outputs, name="code")(x)
    else:
        outputs = [keras.layers.Dense(n, name=f"code_{i}")(x) for i, n in enumerate(n_outputs)]
    return keras.Model(inputs, outputs, name="encoder")


def decoder(
    n_inputs: int,
    n_features: int,
    sizes: Sequence[int],
    activation: str,
    image_shape: Sequence[int] | None = None,
    dtype: str = "float32",
) -> Any:
    """A model from (n, n_inputs) to rows (n, n_features), linear at its end: the encoder's mirror.

    ``sizes`` are those of the encoder. ``dtype`` is that of the rows.
    """
    import keras

    x = inputs = keras.Input((n_inputs,), name="codes")
    if image_shape is None:
        for i, size in enumerate(reversed(sizes)):
            x = keras.layers.Dense(size, name=f"hidden_{i}")(x)
            x = keras.layers.Activation(activation, name=f"activation_{i}")(x)
        outputs = keras.layers.Dense(n_features, name="decoded", dtype=dtype)(x)
        return keras.Model(inputs, outputs, name="decoder")
    height, width, channels = _with_channels(image_shape)
    heights, widths = (_halved(side, len(sizes)) for side in (height, width))
    filters = [channels, *sizes]
    if sizes:
        x = keras.layers.Dense(heights[-1] * widths[-1] * filters[-1], name="begin")(x)
        x = keras.layers.Reshape((heights[-1], widths[-1], filters[-1]))(x)
    for i in reversed(range(len(sizes))):
        x = keras.layers.Activation(activation, name=f"activation_{i}")(x)
        kind = {"dtype": dtype} if i == 0 else {}
        x = keras.layers.Conv2DTranspose(
            filters[i], 3, strides=2, padding="same", name=f"hidden_{i}", **kind
        )(x)
        cropped = 2 * heights[i + 1] - heights[i], 2 * widths[i + 1] - widths[i]
        if any(cropped):
            x = keras.layers.Cropping2D(tuple((0, n) for n in cropped))(x)
    if not sizes:
        x = keras.layers.Dense(n_features, name="decoded", dtype=dtype)(x)
    return keras.Model(inputs, keras.layers.Reshape((n_features,))(x), name="decoder")


def _with_channels(image_shape: Sequence[int]) -> tuple[int, ...]:
    """(height, width, channels)."""
    return (*image_shape, 1)[:3]


def _halved(side: int, times: int) -> list[int]:
    """A side, and what each convolution leaves of it."""
    sides = [side]
    for _ in range(times):
        sides.append(-(-sides[-1] // 2))
    return sides
