"""
A map of digits, and walks across it
====================================

A variational autoencoder learns two numbers for each image of 8 x 8 pixels, without a look at the
labels. Where do the ten digits lie? What is between them? And what does the same model make of a
digit once it is told which one it is?

What to notice: the digits are islands of one map, because their shapes are; every point of it,
between them too, is an image. Given the label, the two numbers are free for the hand: each column
below is one hand, slant and width, writing all ten. The bound on the likelihood says what the
label is worth.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skdeep import VariationalAutoencoder

digits = load_digits()
X, y = digits.images / 16, digits.target
train, test = np.arange(1400), np.arange(1400, len(X))
settings = {
    "n_components": 2,
    "likelihood": "bernoulli",
    "epochs": 150,
    "batch_size": 50,
    "learning_rate": 2e-3,
    "learning_rate_schedule": "cosine",
    "random_state": 0,
}
blind = VariationalAutoencoder(**settings).fit(X[train])
told = VariationalAutoencoder(**settings, conditional=True).fit(X[train], y[train])

bits = (X[test] > 0.5).astype(float)
print(f"log-likelihood of new digits as bits: {blind.score(bits):.1f} nats")
print(f"given their labels:                   {told.score(bits, y[test]):.1f} nats")


def sheet(images):
    """Images (n_rows, n_columns, 8, 8) as one, with a line of white between them."""
    n_rows, n_columns = images.shape[:2]
    framed = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)])
    return framed.swapaxes(1, 2).reshape(10 * n_rows, 10 * n_columns)


fig = plt.figure(figsize=(11, 10), layout="constrained")
top, bottom = fig.subfigures(2, 1, height_ratios=[1, 0.9])
islands, between = top.subplots(1, 2)
codes = blind.transform(X)
points = islands.scatter(*codes.T, c=y, cmap="tab10", s=5)
islands.legend(*points.legend_elements(), title="digit", fontsize=7, loc="upper right")
islands.set(title="codes of images, colours were not seen", xlabel="$z_1$", ylabel="$z_2$")

side = 15
axis = np.linspace(-2.2, 2.2, side)
grid = np.array([[a, b] for b in axis[::-1] for a in axis])
images = blind.inverse_transform(grid).reshape(side, side, 8, 8)
between.imshow(sheet(images), cmap="gray_r")
between.set(title="what each place of the map decodes to", xticks=[], yticks=[])

strips, hands = bottom.subplots(1, 2, width_ratios=[1, 1])
pairs = [(4, 9), (3, 8), (0, 6), (7, 1), (2, 3), (5, 9), (6, 4)]
first = {label: X[train][y[train] == label][0] for label in range(10)}
walks = np.stack([blind.interpolate(first[a], first[b], n=12) for a, b in pairs])
strips.imshow(sheet(walks), cmap="gray_r")
strips.set(title="walks from one digit to another", xticks=[], yticks=[])

hand = np.random.default_rng(3).normal(size=(12, 2))
rows = np.stack([told.inverse_transform(hand, np.full(12, label)) for label in range(10)])
hands.imshow(sheet(rows), cmap="gray_r")
hands.set(title="given the digit: twelve hands", xticks=[], yticks=[])
plt.show()
