"""Features whose inner products are kernels: maps drawn or computed once, which no step changes.

Each is for a kernel of unit scale: :class:`Standardize` before it brings rows there, so that a
compiled network serves every ``gamma``.
"""

import math

import keras
from keras import ops


def _fixed(layer, **shapes) -> None:
    """Weights of a layer that are not trained, by name; zeros until an estimator gives others."""
    for name, shape in shapes.items():
        weight = layer.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)
        setattr(layer, name, weight)


class Standardize(keras.layers.Layer):
    """(x - location) * scale, of a location for each column and one scale for all."""

    def build(self, shape):
        _fixed(self, location=shape[-1:], scale=())

    def call(self, x):
        return (x - self.location) * self.scale


class FourierFeatures(keras.layers.Layer):
    """sqrt(2 / D) cos(x W + b) and sqrt(2 / D) sin(x W + b): D waves in all [1]_, equation 1.

    Where the columns of W are drawn from a kernel's Fourier transform, and b uniformly, the inner
    product of two rows' waves has the kernel's value as its mean. Sines beside cosines have less
    variance than phases alone [2]_; of an odd D the last wave lacks its sine, and needs the phase.

    Parameters
    ----------
    units : int
        D.

    References
    ----------
    .. [1] Rahimi, Recht. Random features for large-scale kernel machines. NIPS, 2007.
    .. [2] Sutherland, Schneider. On the error of random Fourier features. UAI, 2015, section 2.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        n = -(-self.units // 2)
        _fixed(self, frequencies=(shape[-1], n), phases=(n,))

    def call(self, x):
        angles = ops.matmul(x, self.frequencies) + self.phases
        waves = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        return waves[:, : self.units] * math.sqrt(2 / self.units)


class TensorSketch(keras.layers.Layer):
    """Sketches of (x, sqrt(coef0)) to the tensor power ``degree`` [1]_, algorithm 1.

    Their inner product has (x . z + coef0) ** degree as its mean. Each factor is added up in D
    places that are drawn for its entries, with signs; the sketch of their tensor product is the
    circular convolution of the factors' sketches: a product after Fourier transforms.

    Parameters
    ----------
    units : int
        D.
    degree : int
    coef0 : float

    References
    ----------
    .. [1] Pham, Pagh. Fast and scalable polynomial kernels via explicit feature maps. KDD, 2013.
    """

    def __init__(self, units: int, degree: int, coef0: float, **kwargs):
        super().__init__(**kwargs)
        self.units, self.degree, self.coef0 = units, degree, coef0

    def build(self, shape):
        _fixed(self, places=(self.degree, shape[-1] + 1, self.units))

    def call(self, x):
        product = None
        for places in ops.unstack(ops.convert_to_tensor(self.places), axis=0):
            sketch = ops.matmul(x, places[:-1]) + math.sqrt(self.coef0) * places[-1]
            real, imaginary = ops.rfft(sketch)
            if product is None:
                product = real, imaginary
            else:
                a, b = product
                product = a * real - b * imaginary, a * imaginary + b * real
        return ops.irfft(product, fft_length=self.units)


class LandmarkFeatures(keras.layers.Layer):
    """k(x, landmarks) M: the kernel between rows and landmarks, mixed by a matrix (Nystroem [1]_).

    With M M^T the inverse of the landmarks' own kernel matrix, inner products are the kernel's best
    approximation in the span of the landmarks, and exact between them.

    Parameters
    ----------
    units : int
        How many landmarks.
    kernel : {"rbf", "laplacian", "polynomial"}
    degree, coef0 : int, float
        Of the polynomial.

    References
    ----------
    .. [1] Williams, Seeger. Using the Nystrom method to speed up kernel machines. NIPS, 2000.
    """

    def __init__(self, units: int, kernel: str, degree: int, coef0: float, **kwargs):
        super().__init__(**kwargs)
        self.units, self.kernel, self.degree, self.coef0 = units, kernel, degree, coef0

    def build(self, shape):
        _fixed(self, landmarks=(self.units, shape[-1]), mixture=(self.units, self.units))

    def call(self, x):
        landmarks = ops.convert_to_tensor(self.landmarks)
        if self.kernel == "laplacian":
            # XLA sums as it goes: the differences, (n, n_landmarks, n_columns), are never stored.
            distances = ops.sum(ops.abs(x[:, None] - landmarks), axis=-1)
            values = ops.exp(-distances)
        else:
            products = ops.matmul(x, ops.transpose(landmarks))
            if self.kernel == "polynomial":
                values = (products + self.coef0) ** self.degree
            else:
                squares = ops.sum(x * x, axis=1, keepdims=True)
                squares += ops.sum(landmarks * landmarks, axis=1)
                values = ops.exp(-ops.maximum(squares - 2 * products, 0))
        return ops.matmul(values, self.mixture)
