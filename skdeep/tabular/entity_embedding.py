"""Entity embeddings: categories as vectors, in which alike ones are near to each other.

``method="target"`` [1]_ trains a network that reads each column through a table of vectors, one for
each category, and keeps the tables: categories that y treats alike get like vectors.

``method="cooccurrence"`` needs no y. Of a row, categories a and b of two columns occur together;
with p the shares of the rows,

    M_ab = max(0, log p(a, b) / (p(a) p(b))),

the positive pointwise mutual information, whose rows are factored, for the categories of a column,
as M = U S V^T; their vectors are U S^(1/2), of the largest singular values [2]_: categories that
keep the same company get like vectors.

.. [1] Guo, Berkhahn. Entity embeddings of categorical variables. arXiv 1604.06737, 2016.
.. [2] Levy, Goldberg. Neural word embedding as implicit matrix factorization. NeurIPS, 2014,
   equation 6 and section 3.3.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.linalg import orthogonal_procrustes
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
)

from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor
from skdeep.hyperparameters import Declared, are_counts, hyperparameter
from skdeep.persistence import saved
from skdeep.preprocessing import TableEncoder
from skdeep.preprocessing.table.columns import refuse_infinity
from skdeep.preprocessing.table.encoder import MOST_CODES
from skdeep.preprocessing.table.reading import KINDS, columns_of, read
from skdeep.validation import naming, unchanged_on_error

MOST_COMPONENTS = 50  # where n_components is None, as in fast.ai's early rule for [1]_


@saved
class EntityEmbedding(Declared, TransformerMixin, BaseEstimator):
    """Categories to vectors, for any model.

    X is a DataFrame or an array whose columns are categories: strings, pandas' categories,
    booleans, or numbers, each value of which is a category. Choose them by a ``ColumnTransformer``,
    which hands other columns on. Missing values are a category, if training had them.

    Parameters
    ----------
    method : {'cooccurrence', 'target'}, default='target'
        What vectors are fitted by: y, or the other columns of X, without y.
    n_components : int in [1, inf) or None, default=None
        Length of a column's vectors, at most its number of codes (by co-occurrence also that of the
        other columns). None is half of its number of codes, at most 50.
    target_type : {'auto', 'classes', 'numbers'}, default='auto'
        What y holds. ``'auto'`` takes floats with fractions for numbers, all else for classes;
        counts have to be told.
    min_frequency : int in [1, inf), float in (0, 1) or None, default=None
        Categories of fewer rows are rare, and share a vector with those never seen. An int counts
        rows, by weight; a float below 1 is a share of them; None makes none rare.
    cv : int, splitter, iterable or None, default=None
        With it, ``fit_transform`` gives each training row vectors that were fitted without the y of
        its fold. An integer counts folds.
    hidden_layer_sizes : array-like, default=(100,)
        Of the network above the vectors; ``()`` is a linear model.
    epochs : int in [1, inf), default=20
        Passes of the network over the rows.
    batch_size : int in [1, inf), default=200
        Rows in a step of it.
    learning_rate : float in (0, inf), default=0.01
        Its step size.
    random_state : int, RandomState instance or None, default=None
        Seed of the network, and of the singular vectors of large tables.

    Attributes
    ----------
    embeddings_ : dict of str to DataFrame
        For each column that varies, the vectors of its categories, by category, to look at. Where
        there are rare categories or missing values, these are rows too, at the beginning and at
        the end; '(unseen)' is what others get.
    vectors_ : list of ndarray of shape (n_codes, n_components), float32
        The same by code of ``encoder_``.
    encoder_ : TableEncoder
        What reads the columns.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if all are strings.

    See Also
    --------
    sklearn.preprocessing.TargetEncoder : One number for each category, the mean of y.

    Notes
    -----
    **The vectors of training rows leak**, under ``method="target"`` and without ``cv``: a category
    of few rows has learnt their targets, which a model on top takes for a fact about new rows. With
    ``cv`` :meth:`fit_transform`, which pipelines call in training, gives rows the vectors of a
    network that has not seen their fold; those of a fit are known up to a rotation and a shift, by
    which the vectors of a fold's network are brought nearest to those of the network fitted on all
    rows (Procrustes). ``fit_transform(X, y)`` is then another matrix than
    ``fit(X, y).transform(X)``. ``min_frequency`` helps too.

    Categories that are rare share a vector, which new ones get. Where none is rare, new ones get
    the mean vector, by frequency. Columns that do not vary have no output.

    Co-occurrence is of pairs within rows: it takes two columns or more, and as many rows as tell
    chance from company; the memory is that of all pairs that occur.

    References
    ----------
    Guo, Berkhahn. Entity embeddings of categorical variables. arXiv 1604.06737, 2016. Levy,
    Goldberg. Neural word embedding as implicit matrix factorization. NeurIPS, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdeep import EntityEmbedding
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"city": rng.choice(["Bern", "Oslo", "Rome", "Kiel"], size=800)})
    >>> rain = X["city"].map({"Bern": 0.3, "Oslo": 0.8, "Rome": 0.3, "Kiel": 0.8})
    >>> y = rng.random(800) < rain
    >>> vectors = EntityEmbedding(random_state=0).fit(X, y).embeddings_["city"]
    >>> def distance(one, other):
    ...     return np.linalg.norm(vectors.loc[one] - vectors.loc[other])
    >>> bool(distance("Oslo", "Kiel") < 0.5 * distance("Oslo", "Rome"))
    True
    """

    method: str = hyperparameter(
        default="target",
        doc="What vectors are fitted by: y, or the other columns of X, without y.",
        constraint=StrOptions({"target", "cooccurrence"}),
    )
    n_components: int | None = hyperparameter(
        default=None,
        doc="Length of a column's vectors, at most its number of codes (by co-occurrence also "
        "that of the other columns). None is half of its number of codes, at most 50.",
        constraint=[Interval(Integral, 1, None, closed="left"), None],
    )
    target_type: str = hyperparameter(
        default="auto",
        doc="What y holds. ``'auto'`` takes floats with fractions for numbers, all else for "
        "classes; counts have to be told.",
        constraint=StrOptions({"auto", "classes", "numbers"}),
    )
    min_frequency: float | None = hyperparameter(
        default=None,
        doc="Categories of fewer rows are rare, and share a vector with those never seen. An int "
        "counts rows, by weight; a float below 1 is a share of them; None makes none rare.",
        constraint=[
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
    )
    cv: Any = hyperparameter(
        default=None,
        doc="With it, ``fit_transform`` gives each training row vectors that were fitted without "
        "the y of its fold. An integer counts folds.",
        constraint=["cv_object"],
    )
    hidden_layer_sizes: Any = hyperparameter(
        default=(100,),
        doc="Of the network above the vectors; ``()`` is a linear model.",
        constraint=["array-like"],
    )
    epochs: int = hyperparameter(
        default=20,
        doc="Passes of the network over the rows.",
        constraint=Interval(Integral, 1, None, closed="left"),
    )
    batch_size: int = hyperparameter(
        default=200,
        doc="Rows in a step of it.",
        constraint=Interval(Integral, 1, None, closed="left"),
    )
    learning_rate: float = hyperparameter(
        default=1e-2,
        doc="Its step size.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-4, 1e-1, "log"),
    )
    random_state: Any = hyperparameter(
        default=None,
        doc="Seed of the network, and of the singular vectors of large tables.",
        constraint=["random_state"],
    )

    def fit(self, X, y=None, sample_weight=None):
        """Find the vectors.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Columns of categories.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Classes or numbers; ignored under ``method="cooccurrence"``.
        sample_weight : array-like of shape (n_samples,), default=None
            How many rows each row stands for, not negative.

        Returns
        -------
        self : EntityEmbedding
            As it was, if the fit fails.

        Raises
        ------
        ValueError, TypeError
            If a column does not hold categories, none of them varies, or y is missing.
        """
        self._validate_params()
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight)
        return self

    def fit_transform(self, X, y=None, sample_weight=None, groups=None):
        """Fit, and give the vectors of the training rows: with ``cv`` those out of fold.

        Parameters
        ----------
        X, y, sample_weight : array-likes
            As in :meth:`fit`.
        groups : array-like of shape (n_samples,), default=None
            For ``cv``, if it splits by groups. In a Pipeline ``fit(X, y, <step>__groups=groups)``.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_out), float32

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`.
        """
        self._validate_params()
        with unchanged_on_error(self):
            codes, y, weight, seed = self._fit(X, y, sample_weight)
            if self.cv is None or self.method == "cooccurrence":
                return _looked_up(codes, self.vectors_)
            return self._out_of_fold(codes, y, weight, groups, seed)

    def transform(self, X):
        """Vectors of rows X, those of their columns side by side.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Columns as in ``fit``.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_out), float32
        """
        check_is_fitted(self)
        with naming("X"):
            return _looked_up(_integers(self.encoder_.transform(X)), self.vectors_)

    def get_feature_names_out(self, input_features=None):
        """Names of the outputs: the column's and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns, if X had none.

        Returns
        -------
        names : ndarray of shape (n_features_out,) of object
        """
        check_is_fitted(self)
        columns = self.encoder_.get_feature_names_out(input_features)
        return np.array(
            [f"{c}_{i}" for c, v in zip(columns, self.vectors_) for i in range(v.shape[1])], object
        )

    @property
    def embeddings_(self):
        """Vectors by category."""
        check_is_fitted(self)
        found = {}
        for name, encoder, vectors in zip(
            self.encoder_.get_feature_names_out(), self._categories(), self.vectors_
        ):
            index = ["(unseen)", *encoder.categories.tolist(), *["(missing)"] * encoder.has_missing]
            found[name] = pd.DataFrame(vectors, index=pd.Index(index, dtype=object))
        return found

    @property
    def n_features_in_(self):
        """Columns of X."""
        return self._of_encoder("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the columns of X, where it had names."""
        return self._of_encoder("feature_names_in_")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "vectors_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = self.method == "target"
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _of_encoder(self, name: str) -> Any:
        if not hasattr(self, "encoder_"):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return getattr(self.encoder_, name)

    def _categories(self) -> list:
        """The encoder's record of each column that varies."""
        encoders = self.encoder_._fitted.encoders
        return [encoders[position] for position in sorted(encoders)]

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> tuple:
        """Fit encoder and vectors; codes (n, n_columns), y, weights and seed of the rows used."""
        if not are_counts(self.hidden_layer_sizes):
            raise ValueError(
                f"hidden_layer_sizes must hold positive integers, one for each hidden layer, but "
                f"is {self.hidden_layer_sizes!r}; () is a linear model."
            )
        with naming("X"):
            self.encoder_, X = self._new_encoder(X)
        with naming("sample_weight"):
            weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            if not 0 < (total := weight.sum()) < np.inf:
                raise ValueError(f"it sums to {total:g}, but must have a positive, finite sum.")
        with naming("X"):
            codes = _integers(self.encoder_.fit(X, sample_weight=weight).transform(X))
        sizes = self.encoder_.cardinalities_
        if not len(sizes) or (self.method == "cooccurrence" and len(sizes) < 2):
            wanted = "two columns that vary" if len(sizes) else "a column that varies"
            raise ValueError(
                f"X must have {wanted}, of at least two categories each, but has {len(sizes)} of "
                f"n_features = {self.n_features_in_}, at n_samples = {len(codes)}"
                f"{' and min_frequency=' * bool(self.min_frequency)}{self.min_frequency or ''}."
            )
        counts = _counts(codes, weight, sizes)
        lengths = [self._length(c, sizes.sum() - len(c)) for c in counts]
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        if self.method == "target":
            y = self._checked_y(y, codes)
            vectors = self._learnt(codes, y, weight, lengths, seed)
        else:
            vectors = cooccurrence_vectors(codes, weight, counts, lengths, seed)
        self.vectors_ = [_completed(v, c) for v, c in zip(vectors, counts)]
        return codes, y, weight, seed

    def _new_encoder(self, X: Any) -> tuple[TableEncoder, Any]:
        """What is to read the columns, and X as it takes it; refused if that is no categories."""
        if sp.issparse(X):
            raise TypeError("X is sparse, but must hold categories; pass X.toarray().")
        encoder = TableEncoder(
            categories="codes", min_frequency=self.min_frequency, max_categories=MOST_CODES
        ).set_output(transform="default")  # whatever is set for all
        X = encoder._checked(X, reset=True)
        for name, array in zip(_check_feature_names_in(encoder), columns_of(X), strict=True):
            found = read(array, name)
            if "categorical" not in KINDS[found.family]:
                raise TypeError(
                    f"column {name!r} holds {found.family}s ({found.dtype}), which are no "
                    f"categories; choose the columns by a ColumnTransformer."
                )
            if found.family == "number" and np.isinf(found.values).any():
                refuse_infinity([name])
        kinds = dict.fromkeys(range(X.shape[1]), "categorical")
        return encoder.set_params(kinds=kinds), X

    def _length(self, counts: np.ndarray, n_others: int) -> int:
        """Length of the vectors of a column whose codes have counts (n_codes,)."""
        n_seen = int(np.count_nonzero(counts))
        wanted = self.n_components or min(MOST_COMPONENTS, (n_seen + 1) // 2)
        most = len(counts) if self.method == "target" else min(len(counts), n_others)
        return int(min(wanted, most))

    def _checked_y(self, y: Any, codes: np.ndarray) -> np.ndarray:
        if y is None:
            raise ValueError(
                "EntityEmbedding requires y to be passed, but the target y is None; without y set "
                "method='cooccurrence'."
            )
        with naming("y"):
            self._is_numbers = self.target_type == "numbers" or (
                self.target_type == "auto" and type_of_target(y).startswith("continuous")
            )
            y = self._network([], [])._check_y(y)
            check_consistent_length(codes, y)
        return y

    def _network(self, sizes: Any, lengths: list[int], seed: int = 0) -> Any:
        """The network to learn vectors of so many categories and components."""
        kind = _EmbeddingRegressor if self._is_numbers else _EmbeddingClassifier
        return kind(
            cardinalities=tuple(int(size) for size in sizes),
            n_components=tuple(lengths),
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            random_state=seed,
        )

    def _learnt(
        self, codes: np.ndarray, y: Any, weight: np.ndarray, lengths: list[int], seed: int
    ) -> list[np.ndarray]:
        """Vectors (n_codes, n_components) of each column, by a network that predicts y."""
        network = self._network(self.encoder_.cardinalities_, lengths, seed)
        model = network.fit(codes.astype(np.float32), y, weight).network_
        return [model.get_layer(f"vectors_{j}").get_weights()[0] for j in range(len(lengths))]

    def _out_of_fold(
        self, codes: np.ndarray, y: Any, weight: np.ndarray, groups: Any, seed: int
    ) -> np.ndarray:
        """Vectors of each row by a network fitted without its fold, turned to those of all rows."""
        sizes, lengths = self.encoder_.cardinalities_, [v.shape[1] for v in self.vectors_]
        found = np.full((len(codes), sum(lengths)), np.nan, np.float32)
        splitter = check_cv(self.cv, y, classifier=not self._is_numbers)
        for train, test in splitter.split(codes, y, groups):
            counts = _counts(codes[train], weight[train], sizes)
            learnt = self._learnt(codes[train], y[train], weight[train], lengths, seed)
            turned = [
                turned_onto(_completed(v, c), c, whole)
                for v, c, whole in zip(learnt, counts, self.vectors_)
            ]
            found[test] = _looked_up(codes[test], turned)
        if np.isnan(found).any():
            raise ValueError(
                f"cv={self.cv!r} puts some rows into no test fold, as it must to give each its "
                f"vectors; take KFold or another partition."
            )
        return found


class _EmbeddingNetwork(Declared):
    """Codes to vectors, side by side, and hidden layers on them."""

    cardinalities: Any = hyperparameter(default=(), doc="Codes of each column.", structural=True)
    n_components: Any = hyperparameter(default=(), doc="Length of its vectors.", structural=True)
    hidden_layer_sizes: Any = hyperparameter(default=(100,), doc="Units.", structural=True)

    def _features(self, inputs, task):
        import keras

        parts = []
        for j, (size, length) in enumerate(zip(self.cardinalities, self.n_components)):
            # From small numbers: what is seldom seen stays near the mean.
            table = keras.layers.Embedding(size, length, name=f"vectors_{j}")
            parts.append(table(inputs[:, j]))
        x = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="row")(parts)
        for i, width in enumerate(self.hidden_layer_sizes):
            x = keras.layers.Dense(width, activation="relu", name=f"hidden_{i}")(x)
        return x


class _EmbeddingClassifier(_EmbeddingNetwork, BaseNetworkClassifier):
    """For classes."""


class _EmbeddingRegressor(_EmbeddingNetwork, BaseNetworkRegressor):
    """For numbers."""


def cooccurrence_vectors(
    codes: np.ndarray,
    weight: np.ndarray,
    counts: list[np.ndarray],
    lengths: list[int],
    random_state: int,
) -> list[np.ndarray]:
    """U S^(1/2) of the pointwise mutual information M, (n_codes, length) for each column.

    ``codes`` (n, n_columns) and ``weight`` (n,) are of the rows; ``counts`` their sums by code.
    """
    codes, weight = codes[weight > 0], weight[weight > 0]
    n, n_columns = codes.shape
    starts = np.cumsum([0, *map(len, counts)])
    places = (codes + starts[:-1]).ravel()
    rows = sp.csr_array(
        (np.ones(n * n_columns), places, np.arange(0, n * n_columns + 1, n_columns)),
        shape=(n, starts[-1]),
    )
    together = (rows.T @ sp.diags_array(weight) @ rows).tocoo()
    total, single = weight.sum(), np.concatenate(counts)
    column = np.repeat(np.arange(n_columns), np.diff(starts))
    a, b = together.row, together.col
    information = np.log(together.data * total / (single[a] * single[b]))
    kept = (column[a] != column[b]) & (information > 0)
    M = sp.csr_array((information[kept], (a[kept], b[kept])), shape=together.shape)
    found = []
    for start, stop, length in zip(starts, starts[1:], lengths):
        U, S, _ = randomized_svd(M[start:stop], length, random_state=random_state)
        found.append(U * np.sqrt(S))
    return found


def turned_onto(vectors: np.ndarray, counts: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Vectors (n_codes, k) rotated and shifted to be nearest to others, by counts (n_codes,)."""
    centre, goal = (np.average(v, axis=0, weights=counts) for v in (vectors, onto))
    root = np.sqrt(counts)[:, None]
    rotation, _ = orthogonal_procrustes(root * (vectors - centre), root * (onto - goal))
    return (vectors - centre) @ rotation + goal


def _completed(vectors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Vectors (n_codes, k) with that of rare categories, or the mean, where no row had the code."""
    seen = counts > 0
    other = vectors[0] if seen[0] else np.average(vectors, axis=0, weights=counts)
    return np.where(seen[:, None], vectors, other).astype(np.float32)


def _counts(codes: np.ndarray, weight: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Weight of the rows with each code, (n_codes,) for each column."""
    return [np.bincount(column, weight, size) for column, size in zip(codes.T, sizes)]


def _integers(codes: np.ndarray) -> np.ndarray:
    return np.rint(codes).astype(np.int64)


def _looked_up(codes: np.ndarray, vectors: list[np.ndarray]) -> np.ndarray:
    """Vectors of codes (n, n_columns), side by side, float32."""
    parts = [table[column] for column, table in zip(codes.T, vectors)]
    return np.concatenate(parts, axis=1).astype(np.float32, copy=False)
