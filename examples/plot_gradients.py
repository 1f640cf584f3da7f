"""
What a network's gradients do
=============================

How far does a deep network's gradient reach? Eight layers of sigmoids learn handwritten digits, by
plain gradient descent with momentum and by Adam. ``GradientNorms`` records the size of each layer's
gradient where an epoch begins, and how far the epoch moved the layer, relative to its weights.

What to notice: at first the gradient of the first layer is smaller than the last one's by almost
five orders of magnitude, as each sigmoid passes on a quarter at most. Gradient descent moves the
layers as unequally, and the network stays near where it was drawn; Adam divides each gradient by
its running size, moves all layers about alike, and learns. Rectified units that are on pass a
gradient on as it is: with them, gradient descent learns too.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import MLPClassifier
from skdeep.callbacks import GradientNorms
from skdeep.inspection import GradientDisplay
from skdeep.optimizers import SGD

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
networks = {
    "sigmoid, gradient descent": ("sigmoid", SGD(momentum=0.9), 0.03),
    "sigmoid, Adam": ("sigmoid", "adam", 0.003),
    "relu, gradient descent": ("relu", SGD(momentum=0.9), 0.03),
}
displays = {}
figure, axes = plt.subplots(3, 2, figsize=(9, 10), sharex=True, layout="constrained")
for row, (name, (activation, optimizer, learning_rate)) in zip(axes, networks.items(), strict=True):
    network = MLPClassifier(
        hidden_layer_sizes=(50,) * 8,
        activation=activation,
        optimizer=optimizer,
        learning_rate=learning_rate,
        epochs=40,
        batch_size=50,
        callbacks=[GradientNorms()],
        random_state=0,
    )
    model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)
    display = GradientDisplay.from_estimator(model, ax=row)
    row[0].set_title(name)
    gradients, updates = display.gradients.loc[0], display.updates.loc[0]
    print(
        f"{name:26} first layer against last, in epoch 0: "
        f"gradient {gradients['hidden_0'] / gradients['head']:.0e}, "
        f"update {updates['hidden_0'] / updates['head']:.0e}; "
        f"accuracy {model.score(X_test, y_test):.2f}"
    )
plt.show()
