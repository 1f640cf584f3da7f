"""Ask where models that all fit the labels disagree: where a label tells most about the model.

For a classifier with weights w, of which the labels leave several possible, the mutual information
between a row's label and w is [1]_

    I(y; w) = H(E_w p(y | x, w)) - E_w H(p(y | x, w)),                          equation 2

the entropy of the mean less the mean of the entropies: what is noise, on which all w agree, drops
out. With a sample of m models in the place of w it is between 0 and log m.

For a regressor it grows with the variance of f(x) between the models. A batch is picked one by one,
each row at the largest variance that the rows before it leave, as if the m predictions were draws
of a Gaussian process [2]_ (``variance.py``): so that a row and its double are not both asked for.

.. [1] Houlsby, Huszar, Ghahramani, Lengyel. Bayesian active learning for classification and
   preference learning. arXiv:1112.5745, 2011. With networks thinned by dropout for w: Gal, Islam,
   Ghahramani. Deep Bayesian active learning with image data. ICML, 2017.
.. [2] Holzmuller, Zaverkin, Kastner, Steinwart. A framework and benchmark for deep batch active
   learning for regression. Journal of Machine Learning Research 24, 2023: MaxDet.
"""

import numpy as np

from skdeep.active_learning.strategies.uncertainty import entropy


def mutual_information(probabilities: np.ndarray) -> np.ndarray:
    """I(y; w) in nats, (n_samples,), of (n_members, n_samples, n_classes)."""
    expected = np.mean([entropy(each) for each in probabilities], axis=0)
    return np.maximum(entropy(probabilities.mean(axis=0)) - expected, 0.0)


def member_covariance(predictions: np.ndarray) -> np.ndarray:
    """Covariance between the members, (n_samples, n_samples), of (n_members, n_samples)."""
    centred = predictions - predictions.mean(axis=0)
    return centred.T @ centred / len(predictions)
