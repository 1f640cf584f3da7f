"""Checks of numbers that scikit-learn's other estimators follow blindly.

Columns of a sparse matrix that were told by a file, arrays whose lengths compiled code takes from
another, a divisor. The names are those of scikit-learn's attributes, but for the last check.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from skdeep.persistence.trees import is_within

Fetch = Callable[[Any], Any]  # from a node of skops's schema to the array or number that it holds


def _has_sound_vocabulary(state: dict, fetch: Fetch) -> bool:
    """Columns of words are 0, 1, ..., each once."""
    if "vocabulary_" not in state:
        return True
    columns = [fetch(place) for place in state["vocabulary_"]["content"].values()]
    return state["vocabulary_"]["__loader__"] == "DictNode" and sorted(columns) == [
        *range(len(columns))
    ]


def _has_sound_categories(state: dict, fetch: Fetch) -> bool:
    """The columns of one-hot vectors are as many as categories, less those dropped or grouped."""
    if "categories_" not in state:
        return True
    parts = state["categories_"]["content"]
    n_columns = [_length(part, fetch) for part in parts]
    if bool(fetch(state["_infrequent_enabled"])):
        mappings = [fetch(part) for part in state["_default_to_infrequent_mappings"]["content"]]
        rare = [fetch(part) for part in state["_infrequent_indices"]["content"]]
        for i, (mapping, places) in enumerate(zip(mappings, rare, strict=True)):
            if (mapping is None) != (places is None):
                return False
            if mapping is not None:
                n_grouped = n_columns[i] - len(places) + 1
                if len(mapping) != n_columns[i] or not is_within(mapping, n_grouped):
                    return False
                n_columns[i] = n_grouped
    dropped = _items(state["_drop_idx_after_grouping"], fetch)
    if dropped is not None:
        fits = len(dropped) == len(n_columns)
        if not fits or any(
            d is not None and not 0 <= d < n for d, n in zip(dropped, n_columns, strict=True)
        ):
            return False
        n_columns = [n - (d is not None) for n, d in zip(n_columns, dropped, strict=True)]
    given = [fetch(part) for part in state["_n_features_outs"]["content"]]
    return (
        len(n_columns) == fetch(state["n_features_in_"])
        and given == n_columns
        and all(_is_sorted(part, fetch) for part in parts)
    )


def _length(node: dict, fetch: Fetch) -> int:
    return len(node["content"]) if node.get("type") == "json" else len(fetch(node))


def _items(node: dict, fetch: Fetch) -> list | None:
    """The numbers, or None, in an array of objects; None where there is no array."""
    if node.get("type") != "json":
        found = fetch(node)
        return None if found is None else found.tolist()
    return [fetch(part) for part in node["content"]]


def _is_sorted(node: dict, fetch: Fetch) -> bool:
    """Numbers are searched by halves, which else may end behind the last one."""
    if node.get("type") == "json" or (values := fetch(node)).dtype.kind in "SU":
        return True
    return np.array_equal(values, np.sort(values), equal_nan=values.dtype.kind == "f")


def _has_sound_covariance(state: dict, fetch: Fetch) -> bool:
    """SciPy reads as many rows and columns of the precision as data have columns."""
    square = (n := state.get("n_features_in_") and fetch(state["n_features_in_"]), n)
    found = [fetch(state[name]) for name in ("covariance_", "precision_") if name in state]
    return all(matrix is None or matrix.shape == square for matrix in found)


def _has_sound_metric(state: dict, fetch: Fetch) -> bool:
    """So does the Mahalanobis distance of a search for neighbours."""
    if "effective_metric_params_" not in state:
        return True
    matrix = state["effective_metric_params_"]["content"].get("VI")
    if matrix is None:
        return True
    n = fetch(state["n_features_in_"])
    return np.shape(fetch(matrix)) == (n, n)


def _is_never_written(state: dict, fetch: Fetch) -> bool:
    """Skops writes none; its centres' norms are read by their number."""
    return False


def _has_sound_size(state: dict, fetch: Fetch) -> bool:
    return fetch(state["n_features"]) > 0  # or it is divided by zero


def _has_sound_columns(state: dict, fetch: Fetch) -> bool:
    """The trees of an isolation forest see as many columns as each is handed."""
    if "estimators_" not in state:
        return True
    n = fetch(state["_max_features"])
    trees = [part["content"]["content"] for part in state["estimators_"]["content"]]
    columns = [fetch(part) for part in state["estimators_features_"]["content"]]
    return len(trees) == len(columns) and all(
        fetch(tree["n_features_in_"]) == n == len(places)
        for tree, places in zip(trees, columns, strict=True)
    )


def _has_sound_stages(state: dict, fetch: Fetch) -> bool:
    """The trees of a stage write into as many columns as the first guess has.

    One column is always there. For more, the first guess is zero, or the classes' shares.
    """
    if "estimators_" not in state:
        return True
    first = state["estimators_"]["content"][0]
    n_trees = len(first["content"]) if first["__loader__"] == "ListNode" else 0
    if n_trees == 1:
        return True
    guess = state["init_"]
    if guess["__loader__"] == "JsonNode":
        return fetch(guess) == "zero" and fetch(state["n_trees_per_iteration_"]) == n_trees
    shares = guess["content"]["content"]
    is_prior = guess["__class__"] == "DummyClassifier" and fetch(shares["strategy"]) == "prior"
    return is_prior and fetch(shares["class_prior_"]).shape == (n_trees,)


def _has_own_columns(state: dict, fetch: Fetch) -> bool:
    """Nothing comes between the columns that are checked and those that trees see."""
    return state.get("_preprocessor", {}).get("__loader__", "JsonNode") == "JsonNode"


def _has_sound_posterior(state: dict, fetch: Fetch) -> bool:
    """Of a Gaussian process's arrays LAPACK compares no shapes, but answers with what fits."""
    if "half_basis" not in state:
        return True  # of another's class of that name
    (n, d), (m, p) = (np.shape(fetch(state[name])) for name in ("Z", "half_basis"))
    shapes = {
        "Z": (n, d),
        "t": (n,),
        "weights": (n,),
        "cholesky": (n, n),
        "half_basis": (n, p),
        "basis_cholesky": (p, p),
        "coefficients": (p,),
    }
    arrays = {name: fetch(state[name]) for name in shapes}
    return m == n and all(
        arrays[name].shape == shape and arrays[name].dtype == np.float64
        for name, shape in shapes.items()
    )


CHECKS: dict[str, Callable[[dict, Fetch], bool]] = {
    name: check
    for check, names in {
        _has_own_columns: "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        _has_sound_categories: "OneHotEncoder",
        _has_sound_columns: "IsolationForest",
        _has_sound_covariance: "EllipticEnvelope EmpiricalCovariance GraphicalLasso "
        "GraphicalLassoCV LedoitWolf MinCovDet OAS ShrunkCovariance",
        _has_sound_metric: "KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer "
        "LocalOutlierFactor NearestNeighbors RadiusNeighborsClassifier RadiusNeighborsRegressor "
        "RadiusNeighborsTransformer",
        _is_never_written: "Birch",
        _has_sound_posterior: "Posterior",
        _has_sound_size: "FeatureHasher",
        _has_sound_stages: "GradientBoostingClassifier GradientBoostingRegressor",
        _has_sound_vocabulary: "CountVectorizer DictVectorizer TfidfVectorizer",
    }.items()
    for name in names.split()
}
