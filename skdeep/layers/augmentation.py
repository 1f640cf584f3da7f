"""Random image transformations inside the compiled step."""

import keras
from keras import ops

from skdeep.engine import random
from skdeep.layers.regularization import layer_key

KINDS = ("flip", "shift", "rotate", "crop")


class Augment(keras.layers.Layer):
    """Changes each training image at random, in ways that keep its meaning.

    Parameters
    ----------
    kinds : tuple of str
        Any of "flip" (left to right, half of the images), "shift" (by up to an eighth of the
        side, zeros move in), "rotate" (by up to 15 degrees, zeros at the corners), "crop" (to
        between three quarters and all of the side, scaled back).

    Notes
    -----
    All four are one affine map of coordinates, interpolated once, bilinearly.
    """

    def __init__(self, kinds: tuple[str, ...], **kwargs):
        super().__init__(**kwargs)
        self.kinds = kinds

    def call(self, x, training=False):
        if not training or not self.kinds:
            return x
        matrix, offset = self._maps(ops.shape(x)[0], layer_key(self), x.shape[1:3])
        return _resample(x, matrix, offset)

    def _maps(self, n, key, size):
        """Affine maps from output to input coordinates, centred: (n, 2, 2) and (n, 2)."""
        height, width = size
        draw = lambda use, low, high: random.uniform(random.fold(key, use), (n,), low, high)  # noqa: E731
        mirror = ops.ones((n,))
        angle, scale = ops.zeros((n,)), ops.ones((n,))
        down, right = ops.zeros((n,)), ops.zeros((n,))
        if "flip" in self.kinds:
            mirror = ops.where(draw(1, 0.0, 1.0) < 0.5, -1.0, 1.0)
        if "rotate" in self.kinds:
            angle = draw(2, -0.2618, 0.2618)
        if "crop" in self.kinds:
            scale = draw(3, 0.75, 1.0)
            down += draw(4, -0.5, 0.5) * (1 - scale) * (height - 1)
            right += draw(5, -0.5, 0.5) * (1 - scale) * (width - 1)
        if "shift" in self.kinds:
            down += draw(6, -0.125, 0.125) * height
            right += draw(7, -0.125, 0.125) * width
        cosine, sine = ops.cos(angle) * scale, ops.sin(angle) * scale
        rows = [ops.stack([cosine, -sine * mirror], 1), ops.stack([sine, cosine * mirror], 1)]
        return ops.stack(rows, axis=1), ops.stack([down, right], axis=1)


def _resample(x, matrix, offset):
    """Images (n, h, w, c) read at affinely mapped coordinates; zero outside."""
    height, width, channels = x.shape[1:]
    centre = ops.convert_to_tensor([(height - 1) / 2, (width - 1) / 2], "float32")
    grid = ops.stack(ops.meshgrid(ops.arange(height), ops.arange(width), indexing="ij"), axis=-1)
    grid = ops.reshape(ops.cast(grid, "float32"), (1, height * width, 2)) - centre
    place = ops.matmul(grid, ops.transpose(matrix, (0, 2, 1))) + offset[:, None] + centre
    corner = ops.floor(place)
    part = ops.cast(place - corner, x.dtype)
    corner = ops.cast(corner, "int32")
    flat = ops.reshape(x, (-1, channels))
    first = ops.arange(ops.shape(x)[0])[:, None] * (height * width)
    result = 0.0
    for down in (0, 1):
        for right in (0, 1):
            row, column = corner[..., 0] + down, corner[..., 1] + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixel = first + ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1)
            share = (part[..., 0] if down else 1 - part[..., 0]) * (
                part[..., 1] if right else 1 - part[..., 1]
            )
            share = share * ops.cast(inside, x.dtype)
            result += ops.take(flat, pixel, axis=0) * share[..., None]
    return ops.reshape(result, ops.shape(x))
