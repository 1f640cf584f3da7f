"""How a batch of uncertain rows is best picked, on Fashion-MNIST and covtype.

    python benchmarks/active/choices.py            a quarter of an hour on one core
    python benchmarks/active/choices.py --save     and keep its result

The set-up is that of ``classification.py``, on other data. Of a score s, for margin one less the
margin, for disagreement the mutual information, a batch of k rows is

    top        the k highest
    power      k at random, row i with probability proportional to s_i, one after another [1]_
    clusters   those next to the centres of k clusters, by k-means with weights s, of the features
               under the last layer of the 10 k highest [2]_

.. [1] Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron, Gal. Stochastic batch acquisition:
   a simple baseline for deep active learning. Transactions on Machine Learning Research, 2023.
.. [2] Zhdanov. Diverse mini-batch active learning. arXiv:1901.05954, 2019.
"""

import argparse

import numpy as np
from classification import areas_of, told
from common import keep

BATCH = 20


def doubt(model, X):
    """One less the margin."""
    from skdeep.active_learning.strategies.uncertainty import margin

    return margin(model.predict_proba(X))


def information(model, X):
    """Mutual information of label and weights, by dropout."""
    from skdeep.active_learning.members import member_predictions
    from skdeep.active_learning.strategies.disagreement import mutual_information

    return mutual_information(member_predictions(model, None, None, X, None, None))


def variant(name: str, score, rule: str):
    """A strategy, which is a score and what makes a batch of it."""
    from skdeep.active_learning.strategies import batches

    def strategy(model, X):
        scores, rng = score(model, X), np.random.default_rng(len(X))
        if rule == "clusters":
            best = batches.top(scores, batches.PREFILTER * BATCH, rng)
            picked = best[batches.clustered(model.transform(X[best]), scores[best], BATCH, rng)]
        else:
            picked = getattr(batches, rule)(scores, BATCH, rng)
        places = np.zeros(len(X))
        places[picked] = np.arange(BATCH, 0, -1)
        return places

    strategy.__name__ = f"{name}_{rule}"
    return strategy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=["fashion_mnist", "covtype"])
    parser.add_argument("--only", nargs="+", help="names of strategies")
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    strategies = ["random"]
    for name, score in {"margin": doubt, "disagreement": information}.items():
        strategies += [variant(name, score, rule) for rule in ("top", "power", "clusters")]
    if arguments.only:
        strategies = [s for s in strategies if getattr(s, "__name__", s) in arguments.only]
    areas = {}
    for name in arguments.data:
        areas[name] = told(name, areas_of(name, strategies, arguments.seeds, BATCH)[0])
    if arguments.save:
        keep("choices", areas=areas)


if __name__ == "__main__":
    main()
