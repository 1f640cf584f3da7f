"""Checks of what scikit-learn follows blindly: the indices in trees.

A tree is an array of nodes that hold the numbers of their children and of a feature. scikit-learn
does not look whether they are within bounds, so that a file made by hand could have it read any
memory; for that reason skops trusts no tree. Here each number is looked at before the tree is
made.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Fetch = Callable[[Any], Any]  # from a node of skops's schema to the array or number that it holds


def sound_tree(state: dict, fetch: Fetch) -> int:
    """Features that a ``sklearn.tree._tree.Tree`` looks at; 0 if it points out of itself."""
    n_features, n_classes, n_outputs = map(fetch, state["__reduce__"]["args"]["content"])
    content = state["content"]["content"]
    nodes, count = fetch(content["nodes"]), fetch(content["node_count"])
    leaf = nodes["left_child"] == -1
    # Tree itself compares the shapes of its values.
    fits = nodes.shape == (count,) and np.shape(n_classes) == (n_outputs,) and np.min(n_classes) > 0
    if not fits or not _is_sound(nodes["left_child"], nodes["right_child"], leaf):
        return 0
    # scikit-learn reserves memory for paths by it.
    if fetch(content["max_depth"]) != _depth(nodes["left_child"], nodes["right_child"], leaf):
        return 0
    return n_features if is_within(nodes["feature"][~leaf], n_features) else 0


def is_sound_predictor(state: dict, fetch: Fetch, n_features: float) -> bool:
    """The same of a tree of ``HistGradientBoosting``, if it splits no categories."""
    nodes = fetch(state["content"]["content"]["nodes"])
    leaf = nodes["is_leaf"].astype(bool)
    return (
        nodes.ndim == 1
        and not nodes["is_categorical"].any()
        and _is_sound(nodes["left"], nodes["right"], leaf)
        and is_within(nodes["feature_idx"][~leaf], n_features)
    )


def _is_sound(left: np.ndarray, right: np.ndarray, leaf: np.ndarray) -> bool:
    """Whether there are nodes, and all inner ones have children, which come after them."""
    parents = np.flatnonzero(~leaf)
    children = np.stack([left, right]).astype(np.int64)[:, parents]
    return len(leaf) > 0 and bool(np.all((children > parents) & (children < len(leaf))))


def _depth(left: np.ndarray, right: np.ndarray, leaf: np.ndarray) -> int:
    """Steps from the first node of a sound tree to its deepest leaf."""
    depth, level = -1, np.zeros(1, np.int64)
    while len(level):
        inner = level[~leaf[level]]
        depth, level = depth + 1, np.unique(np.concatenate([left[inner], right[inner]]))
    return depth


def is_within(features: np.ndarray, n_features: float) -> bool:
    """Whether all are places in a row."""
    return bool(np.all((features >= 0) & (features < n_features)))
