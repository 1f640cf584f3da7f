"""What of skops's tree may be read: a walk through it before skops makes an object.

skops has a list of names that it trusts. Ours is closer: a class that we trust must be used as what
it is (on skops's list it may be called as a function, too), functions and classes of the user's are
put in by what he passed, trees, support vector machines and sparse matrices are looked into, and
nothing may be referred to so often that it swells.
"""

import importlib
import inspect
import json
import re
from collections.abc import Iterable
from contextvars import ContextVar
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import numpy as np
import scipy.sparse as sp

from skdeep.exceptions import LoadError
from skdeep.persistence import constructors, lookups, machines, trees
from skdeep.persistence.codec import Custom, name_of, own_class

_HERE = __name__
_FROM_SKLEARN = """
calibration: _CalibratedClassifier _SigmoidCalibration
cluster._bisect_k_means: _BisectingTree
compose._column_transformer: make_column_selector
gaussian_process._gpc: _BinaryGaussianProcessClassifierLaplace
gaussian_process.kernels: CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation \
    Matern PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel
metrics._scorer: _CurveScorer _MultimetricScorer _PassthroughScorer _Scorer
model_selection._split: GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut \
    LeavePGroupsOut LeavePOut PredefinedSplit RepeatedKFold RepeatedStratifiedKFold ShuffleSplit \
    StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit
multiclass: _ConstantPredictor
neural_network._stochastic_optimizers: AdamOptimizer SGDOptimizer
_loss.loss: HalfTweedieLoss HalfTweedieLossIdentity
"""
_TREE = "sklearn.tree._tree.Tree"
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
_SPARSE = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
# What may be read besides what skops trusts by itself, by how a node is made into an object.
_TRUSTED: dict[str, frozenset[str]] = {
    "ObjectNode": frozenset(
        f"sklearn.{module}.{name}"
        for module, names in re.findall(r"^(\S+):((?:.*\\\n)*.*)$", _FROM_SKLEARN, re.MULTILINE)
        for name in names.replace("\\", "").split()
    ),
    "DictNode": frozenset({"sklearn.utils._bunch.Bunch"}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "SparseMatrixNode": frozenset(
        f"scipy.sparse._{kind}.{kind}_{form}" for kind in _SPARSE for form in ("matrix", "array")
    ),
    "ConstructorFromReduceNode": frozenset(
        {
            *("builtins.complex", "builtins.frozenset", "builtins.range"),
            *(f"{constructors.__name__}.{name}" for name in constructors.NAMES),
        }
    ),
    "FunctionNode": frozenset({"numpy.mean", "numpy.median", "numpy.nan_to_num"}),
}
_FUNCTIONS_OF = ("sklearn.feature_selection", "sklearn.metrics", "sklearn.metrics.pairwise")
# Nodes that look their class up by its name, so that another name has another class.
_BY_NAME = {
    *("ConstructorFromReduceNode", "DictNode", "FunctionNode", "ListNode", "MethodNode"),
    *("ObjectNode", "PartialNode", "SetNode", "TupleNode", "TypeNode"),
}
substitutes: ContextVar[list] = ContextVar("skdeep_substitutes")


def __getattr__(name: str) -> Any:
    """``substitute_3``, while a file is loaded: the fourth of the user's objects that it names."""
    if (found := re.fullmatch(r"substitute_(\d+)", name)) and substitutes.get(None):
        return substitutes.get()[int(found[1])]
    raise AttributeError(f"module {_HERE!r} has no attribute {name!r}")


class Audit:
    """One walk through skops's tree.

    Attributes
    ----------
    schema : dict
        The tree to hand to skops: with the user's objects in it, and all that stands at two places
        alike at both, for skops takes what it meets first.
    trusted : set of str
        Names that skops may be told to trust.
    substitutes : list
        The user's objects that the tree names.
    places : dict of str to str
        Where a name stands in the estimator, as a user would write it.

    Raises
    ------
    LoadError
        For what skops's writer does not write.
    """

    def __init__(self, schema: dict, members: dict[str, bytes], custom: Custom) -> None:
        self.members, self.custom = members, custom
        self.substitutes: list[Any] = []
        self.trusted: set[str] = set()
        self.places: dict[str, str] = {}
        self._given: dict[str, str] = {}  # the substitute's name, by that in the file
        self._substituted: set[int] = set()  # nodes, by their id()
        self._others: dict[str, str] = {}  # names that are left to skops, and their place
        self._functions: dict[str, Any] = {}
        self._widths: dict[str, set[int]] = {}
        if type(schema.get("protocol")) is not int or schema["protocol"] < 2:
            raise LoadError("the estimator is written in a protocol that skops has given up.")
        self._check_members()
        self._made: dict[Any, tuple[dict, int] | None] = {}  # by label: node and size
        self.schema, size = self._resolved(schema)
        if size > sum(1 for _ in nodes_of(schema)):
            raise LoadError("a part of the estimator refers to others so often that it swells.")
        self._visit(self.schema, self.schema["__class__"], np.inf)
        for name, where in self._others.items():
            if name in self.trusted:
                raise LoadError(f"{where} uses {name} as what it is not.")
        for where, widths in self._widths.items():
            if len(widths) > 1:
                raise LoadError(f"the trees of {where} are of rows of unequal length.")

    def _check_members(self) -> None:
        """Refuse arrays that are huge in memory alone, or point out of themselves."""
        for name, data in self.members.items():
            if data[:2] == b"PK":  # sparse arrays, the only ones that are compressed
                with ZipFile(BytesIO(data)) as archive:
                    if sum(m.file_size for m in archive.infolist()) > 2**28 + 64 * len(data):
                        raise LoadError(f"the part {name!r} swells when it is read.")
                matrix = sp.load_npz(BytesIO(data))
                if hasattr(matrix, "check_format"):  # SciPy itself looks at the others' indices
                    matrix.check_format(full_check=True)

    def _resolved(self, value: Any) -> tuple[Any, int]:
        """A copy of a part, equal labels being the same node, and how many nodes it grows to."""
        if isinstance(value, list):
            parts = [self._resolved(part) for part in value]
            return [part for part, _ in parts], sum(size for _, size in parts)
        if not isinstance(value, dict):
            return value, 0
        is_node = _is_node(value)
        label = value.get("__id__") if is_node else None
        if label is not None and label in self._made:
            if (made := self._made[label]) is None:
                raise LoadError("a part of the estimator refers to itself.")
            return made
        if label is not None:
            self._made[label] = None
        pairs = {key: self._resolved(part) for key, part in value.items()}
        node = {key: part for key, (part, _) in pairs.items()}
        size = is_node + sum(size for _, size in pairs.values())
        if label is not None:
            self._made[label] = node, size
        return node, size

    def _visit(self, value: Any, where: str, width: float) -> None:
        """Check a part of the tree, inside an estimator of rows of some width."""
        if isinstance(value, list):
            for i, part in enumerate(value):
                self._visit(part, f"{where}[{i}]", width)
        if not isinstance(value, dict):
            return
        if _is_node(value):
            width = min(width, self._width(value))
            self._node(value, where, width)
        for key, part in value.items():
            below = where if key in ("content", "__reduce__") else f"{where}.{key}"
            self._visit(part, below, width)

    def _node(self, node: dict, where: str, width: float) -> None:
        """Check one node, and trust its name if that is known to us."""
        if id(node) in self._substituted:
            return
        loader, name = node["__loader__"], full_name(node)
        self.places.setdefault(name, where)
        if loader == "CachedNode":
            raise LoadError(f"{where} is a reference, which skops does not write.")
        if loader == "DictNode":
            _mend_keys(node, where)
        if loader == "FunctionNode":
            self._check_function(node, name, where)
        if loader == "ObjectNode":
            self._check_machine(node, name, where)
            self._check_lookups(node, name, where)
        if own_class(name) is not None and loader in ("ObjectNode", "TypeNode"):
            self.trusted.add(name)
        elif name in self.custom and self._may_be(loader, self.custom[name]):
            self._substitute(node, name)
        elif name in _TRUSTED.get(loader, ()) or (loader == "FunctionNode" and _is_known(name)):
            self.trusted.add(name)
        elif loader == "TreeNode" and self._is_sound_tree(node, where, width):
            self.trusted.add(_TREE)
        elif name == _PREDICTOR and trees.is_sound_predictor(node, self._fetch, width):
            self.trusted.add(name)
        else:
            self._others.setdefault(name, where)

    def _check_function(self, node: dict, name: str, where: str) -> None:
        if self._functions.setdefault(name, node.get("__id__")) != node.get("__id__"):
            raise LoadError(
                f"{where} and another place have different functions of one name, {name}; "
                f"give them names of their own, by def."
            )

    def _check_machine(self, node: dict, name: str, where: str) -> None:
        """Refuse a support vector machine that would have libsvm read what is not its own."""
        from sklearn import svm  # which imports half of scikit-learn
        from sklearn.svm._base import BaseLibSVM

        theirs = getattr(svm, node["__class__"], None)
        cls: Any = self.custom[name] if name in self.custom else theirs
        is_machine = isinstance(cls, type) and issubclass(cls, BaseLibSVM)
        state = node.get("content") or {}
        is_plain = is_machine and state.get("__loader__") == "DictNode"
        if not is_machine or (is_plain and "support_vectors_" not in state["content"]):
            return  # or not fitted
        is_classifier = cls._impl in ("c_svc", "nu_svc")
        if not (is_plain and machines.is_sound(state["content"], is_classifier, self._fetch)):
            raise LoadError(
                f"the arrays of {where}, a support vector machine, do not fit together."
            )

    def _check_lookups(self, node: dict, name: str, where: str) -> None:
        """Refuse an estimator whose numbers point out of what they are followed in."""
        own = self.custom[name] if name in self.custom else None
        bases = [cls.__name__ for cls in own.__mro__] if isinstance(own, type) else []
        names = [node["__class__"], *bases]
        check = next((lookups.CHECKS[n] for n in names if n in lookups.CHECKS), None)
        state = node.get("content")
        if check is None or state is None:
            return
        if state.get("__loader__") != "DictNode" or not check(state["content"], self._fetch):
            raise LoadError(
                f"the numbers of {where}, {name}, do not fit together, or cannot be checked: "
                f"Birch, and HistGradientBoosting with categories of a DataFrame, go into pickles "
                f"alone."
            )

    @staticmethod
    def _may_be(loader: str, thing: Any) -> bool:
        """Whether a node may stand for an object of the user's: no function is called to load."""
        return isinstance(thing, type) or loader in ("FunctionNode", "TypeNode")

    def _substitute(self, node: dict, name: str) -> None:
        """Put the user's object in place of a name."""
        if node["__loader__"] not in _BY_NAME:
            self.trusted.add(name)
            return
        if name not in self._given:
            self._given[name] = f"substitute_{len(self.substitutes)}"
            self.substitutes.append(self.custom[name])
        node["__module__"], node["__class__"] = _HERE, self._given[name]
        self._substituted.add(id(node))
        self.trusted.add(full_name(node))
        if node["__loader__"] == "MethodNode":  # of an object whose class the user vouches for
            self.trusted.add(f"{full_name(node)}.{node['content']['func']}")

    def _is_sound_tree(self, node: dict, where: str, width: float) -> bool:
        n_features = trees.sound_tree(node, self._fetch)
        if direct := re.fullmatch(r"(.*\.estimators_)(\[\d+\])+\.tree_", where):
            self._widths.setdefault(direct[1], set()).add(n_features)
        return 0 < n_features <= width < np.inf

    def _width(self, node: dict) -> float:
        """``n_features_in_`` of an estimator that a node stands for; infinite if it has none."""
        state = node.get("content")
        if node["__loader__"] != "ObjectNode" or not isinstance(state, dict):
            return np.inf
        if state.get("__loader__") != "DictNode":
            return np.inf
        width = state["content"].get("n_features_in_")
        return np.inf if width is None else int(self._fetch(width))

    def _fetch(self, node: dict) -> Any:
        """The number, the array or the sparse matrix of a node."""
        if node["__loader__"] == "JsonNode":
            return json.loads(node["content"])
        if node["__loader__"] == "SparseMatrixNode":
            return sp.load_npz(BytesIO(self.members[node["file"]]))
        if node["__loader__"] != "NdArrayNode" or node["type"] != "numpy":
            raise LoadError(f"{full_name(node)} stands where a number belongs.")
        return np.load(BytesIO(self.members[node["file"]]), allow_pickle=False)


def full_name(node: dict) -> str:
    """What a node says that it is."""
    module, name = node["__module__"], node["__class__"]
    if not (isinstance(module, str) and isinstance(name, str)):
        raise LoadError("a part of the estimator has no name.")
    return f"{module}.{name}"


def nodes_of(value: Any) -> Iterable[dict]:
    """All nodes of a tree."""
    if isinstance(value, list | dict):
        if isinstance(value, dict) and _is_node(value):
            yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from nodes_of(part)


def _is_node(value: dict) -> bool:
    return isinstance(value.get("__loader__"), str)


def _is_known(name: str) -> bool:
    """Whether it is a public function of scikit-learn's that only computes."""
    module, _, function = name.rpartition(".")
    if not module.startswith(_FUNCTIONS_OF):
        return False
    for public in _FUNCTIONS_OF:
        room = importlib.import_module(public)
        found = getattr(room, function, None) if function in room.__all__ else None
        if inspect.isfunction(found) and name_of(found) == name:
            return True
    return False


def _mend_keys(node: dict, where: str) -> None:
    """Refuse keys that skops mixes up, and mend its False, which it reads as ``bool("false")``."""
    kinds = [full_name(kind) for kind in node["key_types"]["content"]]
    loaders = {node["key_types"]["__loader__"] == "ListNode"} | {
        kind["__loader__"] == "TypeNode" for kind in node["key_types"]["content"]
    }
    if loaders != {True} or not all(k.startswith(("builtins.", "numpy.")) for k in kinds):
        raise LoadError(f"{where} has keys of kinds that are not read: {', '.join(kinds)}.")
    if len(kinds) != len(node["content"]):
        raise LoadError(f"{where} has two keys that read the same, as 1 and '1' do.")
    if "builtins.NoneType" in kinds:
        raise LoadError(f"{where} has the key None.")
    node["content"] = {
        "" if kind in ("builtins.bool", "numpy.bool") and key == "false" else key: value
        for kind, (key, value) in zip(kinds, node["content"].items())
    }


def without_doubles(pairs: list[tuple[str, Any]]) -> dict:
    """A dict, if no key is there twice."""
    if len(made := dict(pairs)) != len(pairs):
        keys = sorted(key for key, _ in pairs)
        raise LoadError(f"a dict has two keys that read the same: {', '.join(keys)}.")
    return made
