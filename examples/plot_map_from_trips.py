"""
A map from the price of trips
=============================

A table of taxi trips has two columns of words, where from and where to, and what the trip cost.
Nothing says where any of the sixty places lies. ``EntityEmbedding`` gives each place a vector of
two numbers, those by which a small network tells the price best; and as prices grow with distance,
the vectors have to be a map.

A map that is learnt so has no north, and need not have a scale: it is turned and stretched onto the
true one here (linearly, by least squares) to compare them. Places of few trips are less sure.

What to notice: the vectors are features for any other model. A linear model on one-hot columns
knows which places are far off on the whole, but not which two are far from each other; the same
model on products of the vectors does.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from skdeep import EntityEmbedding

rng = np.random.default_rng(0)
names = np.array([f"place {i:02}" for i in range(60)])
where = rng.uniform(-10, 10, size=(60, 2))  # km
popular = rng.dirichlet(np.full(60, 1.5))
start, end = rng.choice(60, size=(2, 12_000), p=popular)
distance = np.linalg.norm(where[start] - where[end], axis=1)
price = 4 + 2.1 * distance + rng.normal(0, 2, len(distance))  # euros
trips = pd.DataFrame({"from": names[start], "to": names[end]})

X_train, X_test, y_train, y_test = train_test_split(trips, price, random_state=0)
embedding = EntityEmbedding(
    n_components=2, target_type="numbers", hidden_layer_sizes=(128,), epochs=60, random_state=0
).fit(X_train, y_train)
vectors = embedding.embeddings_["from"].loc[names]

linear = make_pipeline(OneHotEncoder(handle_unknown="ignore"), RidgeCV()).fit(X_train, y_train)
products = make_pipeline(embedding, StandardScaler(), PolynomialFeatures(4), RidgeCV())
print(f"R2 of a linear model on one-hot columns: {linear.score(X_test, y_test):.2f}")
print(f"on products of vectors: {products.fit(X_train, y_train).score(X_test, y_test):.2f}")

turned = LinearRegression().fit(vectors, where).predict(vectors)
apart = np.linalg.norm(turned - where, axis=1)
print(f"median distance of a place from its place: {np.median(apart):.1f} km")

fig, axes = plt.subplots(figsize=(6, 6), layout="constrained")
axes.plot(*np.stack([where, turned]).transpose(2, 0, 1), color="0.8", zorder=0)
axes.scatter(*where.T, s=3_000 * popular, color="0.4", alpha=0.6, label="where it is")
axes.scatter(*turned.T, s=25, color="C3", label="its vector, turned and stretched")
axes.set(aspect="equal", xlabel="km to the east", ylabel="km to the north")
axes.legend(loc="lower left")
plt.show()
