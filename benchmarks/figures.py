"""The figures: which data, which tasks of which peers side by side, and what is aimed at."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

OURS = "skdeep"


class NoData(Exception):
    """A data set is not on this machine; the message says where it was sought."""


@dataclass(frozen=True)
class Target:
    """A bound on what was measured: on our value, or on a peer's value divided by ours.

    Parameters
    ----------
    measure : str
        What is compared: "seconds" (of one run), "process_seconds" (from the start of a fresh
        process to its answer), or a measurement that a task returns.
    versus : str, default=None
        The peer; None bounds our own value.
    at_least, at_most : float
    difference : bool, default=False
        Whether the peer's value is subtracted instead of divided by ours.
    unit : str
    """

    measure: str
    versus: str | None = None
    at_least: float = -np.inf
    at_most: float = np.inf
    difference: bool = False
    unit: str = ""

    def measured(self, found: dict[str, list[dict]]) -> float:
        """The value, from the measurements of each label."""
        values = {
            label: median(m[self.measure] for m in measurements)
            for label, measurements in found.items()
            if label in (OURS, self.versus)
        }
        if self.versus is None:
            return values[OURS]
        if self.difference:
            return values[OURS] - values[self.versus]
        return values[self.versus] / values[OURS]

    def met(self, value: float) -> bool:
        return self.at_least <= value <= self.at_most

    @property
    def text(self) -> str:
        """As it stands in the table."""
        bound, number = (
            ("at least", self.at_least) if self.at_least > -np.inf else ("at most", self.at_most)
        )
        what = self.measure.replace("_", " ")
        if self.versus is None:
            return f"{what}: {bound} {number:g} {self.unit}".rstrip()
        if self.difference:
            return f"{what} less that of {self.versus}: {bound} {number:g}"
        return f"{self.versus} / skdeep: {bound} {number:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Parameters
    ----------
    title : str
    data : callable
        Returns a dict of arrays, the same for all peers.
    tasks : dict
        For each label, in the order of running: (peer, task) or (peer, task, own settings).
    settings : dict
        Handed to every task.
    targets : tuple of Target
    quick : dict
        Settings in place of these in a quick run.
    repeats : int
        Rounds, in each of which every label runs.
    warm_up : int
        Runs before the first one that counts.
    at_least_seconds : float
        A round runs a task again until so long has passed, and takes the median.
    fresh : bool
        Whether every round starts new processes.
    slow : bool
        Whether it runs only when it is named, or with --slow.
    """

    title: str
    data: Callable[[], dict]
    tasks: dict[str, tuple]
    targets: tuple[Target, ...]
    settings: dict = field(default_factory=dict)
    quick: dict = field(default_factory=dict)
    repeats: int = 5
    warm_up: int = 1
    at_least_seconds: float = 0.0
    fresh: bool = False
    slow: bool = False


def iris():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    return {"X": X.astype(np.float32), "y": y}


def table():
    from sklearn.datasets import make_classification

    X, y = make_classification(10_000, 20, n_informative=10, n_classes=2, random_state=0)
    return {"X": X.astype(np.float32), "y": y}


def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return {"X": (X / 16).astype(np.float32), "y": y}


def random_images():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(6_400, 784), dtype=np.uint8)
    return {"X": X, "y": rng.integers(0, 10, size=6_400)}


def sparse_rows():
    """Rows of 60 words out of 100,000, as the three arrays of a CSR matrix."""
    n_rows, n_columns = SPARSE_SHAPE
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, n_columns, size=(n_rows, 60)), axis=1)
    first = columns[:, 1:] != columns[:, :-1]
    kept = np.concatenate([np.ones((n_rows, 1), bool), first], axis=1)
    return {
        "values": np.ones(kept.sum(), np.float32),
        "columns": columns[kept].astype(np.int32),
        "starts": np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32),
        "y": rng.integers(0, 2, size=n_rows),
    }


def series(n_steps, least=None):
    """1,280 random series of 8 features; of ``least`` to n_steps steps, with zeros behind."""

    def make():
        rng = np.random.default_rng(0)
        X = rng.normal(size=(1_280, n_steps, 8)).astype(np.float32)
        lengths = rng.integers(least or n_steps, n_steps + 1, size=len(X))
        X[np.arange(n_steps) >= lengths[:, None]] = 0
        return {"X": X, "lengths": lengths, "y": rng.integers(0, 2, size=len(X))}

    return make


def nothing():
    return {}


def kept(name):
    """A function that reads a kept data set, from $SKDEEP_DATA or shared/data by the checkout."""

    def read():
        beside = Path(__file__).resolve().parents[2] / "shared" / "data"
        folder = Path(os.environ.get("SKDEEP_DATA", beside))
        if not (folder / name).is_dir():
            raise NoData(f"{name} is neither in $SKDEEP_DATA nor in ../shared/data")
        spec = importlib.util.spec_from_file_location("load", folder / "load.py")
        reader = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(reader)
        return reader.load(name)

    return read


def adding_problem():
    """Rows of 100 random numbers, two of them marked: their sum is wanted [1]_.

    .. [1] Hochreiter, Schmidhuber. Long short-term memory. Neural Computation 9(8), 1997,
       section 5.4.
    """
    rng = np.random.default_rng(0)
    n, n_steps = 22_000, 100
    X, rows = np.zeros((n, n_steps, 2), np.float32), np.arange(n)
    X[:, :, 0] = rng.random((n, n_steps))
    X[rows, rng.integers(0, 50, n), 1] = 1
    X[rows, rng.integers(50, 100, n), 1] = 1
    return {"X": X, "y": X.prod(axis=2).sum(axis=1), "n_test": 2_000}


def tagging():
    """Rows of six letters and two brackets; a letter's tag hangs on the brackets on both sides."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 40, size=2_500)
    tokens = rng.integers(0, 8, size=lengths.sum())
    tags, first = np.empty_like(tokens), 0
    for n in lengths:
        row = tokens[first : first + n]
        before, after = _last_bracket(row), _last_bracket(row[::-1])[::-1]
        letter = (row % 3 + before + 2 * after * (row > 2)) % 3
        tags[first : first + n] = np.where(row < 6, letter, 3)
        first += n
    return {"tokens": tokens, "tags": tags, "lengths": lengths, "n_test": 500}


def _last_bracket(row):
    """Which of the two brackets came last at each step; 0 where none has."""
    place = np.maximum.accumulate(np.where(row >= 6, np.arange(len(row)), -1))
    return np.where(place < 0, 0, row[place] - 6)


def texts(name, table, label):
    """A kept table of texts, as bytes that a peer splits again."""

    def read():
        frame = kept(name)()[table]
        frame = frame.assign(test=frame["split"] == "test").sort_values("test", kind="stable")
        joined = "\0".join(frame["text"]).encode()
        y = np.unique(frame[label], return_inverse=True)[1]
        return {"texts": np.frombuffer(joined, np.uint8), "y": y, "n_test": frame["test"].sum()}

    return read


def candidates(n):
    from scipy.stats import loguniform, uniform
    from sklearn.model_selection import ParameterSampler

    space = {
        "learning_rate": loguniform(1e-4, 1e-1),
        "dropout": uniform(0, 0.5),
        "weight_decay": loguniform(1e-6, 1e-2),
    }
    drawn = ParameterSampler(space, n, random_state=0)
    return [{name: float(value) for name, value in c.items()} for c in drawn]


def two_widths(n):
    return np.random.default_rng(0).integers(16, 513, size=(n, 2)).tolist()


SPARSE_SHAPE = (2_560, 100_000)
ARCHITECTURES = [
    *([32], [64], [100], [128], [200], [256]),
    *([32, 32], [64, 64], [100, 50], [128, 128], [256, 128], [64, 64, 64]),
]
NOT_SLOWER = {"at_least": 1.0}
QUESTIONS = {  # chosen on a fifth of the training rows, as those of REVIEWS
    "cell": "gru",
    "bidirectional": True,
    "pooling": "max",
    "embedding_size": 128,
    "dropout": 0.5,
    "label_smoothing": 0.2,
    "weight_decay": 3e-4,
    "batch_size": 16,
    "epochs": 8,
    "learning_rate": 1e-2,
    "learning_rate_schedule": "cosine",
}
REVIEWS = {
    "bidirectional": True,
    "pooling": "max",
    "dropout": 0.5,
    "label_smoothing": 0.2,
    "epochs": 4,
    "learning_rate": 3e-3,
    "learning_rate_schedule": "cosine",
}

FIGURES = {
    "iris": Figure(
        "Iris, 20 epochs, batch 32, 100 units, repeated fit",
        iris,
        {
            OURS: (OURS, "fit"),
            "scikit-learn": ("sklearn", "fit"),
            "skorch": ("torch", "skorch_fit"),
            "scikeras": ("scikeras", "wrapper_fit"),
            "Keras's wrapper": ("keras", "wrapper_fit"),
        },
        (
            Target("seconds", "scikit-learn", at_least=3),
            Target("seconds", "skorch", at_least=15),
            Target("seconds", "Keras's wrapper", at_least=150),
        ),
        settings={"epochs": 20, "batch_size": 32},
        at_least_seconds=0.5,
        repeats=7,
    ),
    "own_model": Figure(
        "Iris, 20 epochs, batch 32, a Keras model of 100 units as the user's own, repeated fit",
        iris,
        {
            OURS: (OURS, "own_fit"),
            "scikeras": ("scikeras", "wrapper_fit"),
            "Keras's wrapper": ("keras", "wrapper_fit"),
        },
        (
            Target("seconds", "scikeras", at_least=30),
            Target("seconds", "Keras's wrapper", at_least=30),
        ),
        settings={"epochs": 20, "batch_size": 32},
        at_least_seconds=0.5,
        repeats=7,
    ),
    "table": Figure(
        "10,000 rows of 20 columns, 20 epochs, batch 200, 100 units, repeated fit",
        table,
        {
            OURS: (OURS, "fit"),
            "scikit-learn": ("sklearn", "fit"),
            "Keras fit": ("keras", "fit"),
        },
        (
            Target("seconds", "scikit-learn", at_least=3),
            Target("seconds", "Keras fit", at_least=15),
        ),
        settings={"epochs": 20, "batch_size": 200},
        at_least_seconds=0.5,
        repeats=7,
    ),
    "lenet": Figure(
        "LeNet-5, 6,400 images of 28 x 28, batch 128, two epochs, repeated fit",
        random_images,
        {
            OURS: (OURS, "lenet"),
            "Keras fit": ("keras", "lenet"),
            "Keras fit with oneDNN": ("keras", "lenet", {"onednn": True}),
            "Keras fit with oneDNN, without XLA": (
                "keras",
                "lenet",
                {"onednn": True, "jit_compile": False},
            ),
            "PyTorch": ("torch", "lenet"),
        },
        (
            Target("seconds", "Keras fit", at_least=1.5),
            Target("seconds", "Keras fit with oneDNN", at_least=1.5),
            Target("seconds", "Keras fit with oneDNN, without XLA", at_least=1.5),
            Target("seconds", "PyTorch", **NOT_SLOWER),
        ),
        settings={"epochs": 2, "batch_size": 128},
        repeats=7,
    ),
    **{
        name: Figure(
            f"LSTM, {title}, 8 features, 64 units, batch 64, 1,280 rows, two epochs",
            data,
            {OURS: (OURS, "lstm"), "PyTorch": ("torch", "lstm"), "Keras fit": ("keras", "lstm")},
            tuple(Target("seconds", peer, at_least=bound) for peer, bound in bounds.items()),
            settings={"epochs": 2, "batch_size": 64, "units": 64},
            repeats=7,
        )
        for name, title, data, bounds in [
            ("lstm", "50 steps", series(50), {"Keras fit": 2.5, "PyTorch": 1 / 1.15}),
            ("lstm_long", "200 steps", series(200), {"PyTorch": 1.0}),
            ("lstm_unequal", "10 to 200 steps", series(200, 10), {"PyTorch": 3.0}),
        ]
    },
    "search": Figure(
        "30 candidates (learning rate, dropout, weight decay) x 5 folds on digits",
        digits,
        {
            OURS: (OURS, "search"),
            "skorch": ("torch", "search"),
            "Keras's wrapper": ("keras", "search"),
        },
        (
            Target("seconds", "Keras's wrapper", at_least=40),
            Target("seconds", "skorch", at_least=5),
            Target("best_score", "Keras's wrapper", at_least=-0.01, difference=True),
            Target("best_score", "skorch", at_least=-0.01, difference=True),
        ),
        settings={"candidates": candidates(30), "epochs": 20, "batch_size": 32},
        quick={"candidates": candidates(3)},
        repeats=3,
        fresh=True,
        warm_up=0,
    ),
    "architectures": Figure(
        "12 architectures x 5 folds on digits, first run of a process",
        digits,
        {
            OURS: (OURS, "architectures"),
            "skorch": ("torch", "architectures"),
            "Keras's wrapper": ("keras", "architectures"),
        },
        (
            Target("seconds", "Keras's wrapper", at_least=5),
            Target("seconds", "skorch", **NOT_SLOWER),
        ),
        settings={"candidates": ARCHITECTURES, "epochs": 20, "batch_size": 32},
        quick={"candidates": ARCHITECTURES[::4]},
        repeats=3,
        fresh=True,
        warm_up=0,
    ),
    "first_fit": Figure(
        "First fit in a fresh process, import included: Iris, 20 epochs, batch 32",
        iris,
        {OURS: (OURS, "first_fit"), "Keras fit": ("keras", "first_fit")},
        (Target("process_seconds", "Keras fit", **NOT_SLOWER),),
        settings={"epochs": 20, "batch_size": 32},
        repeats=7,
        fresh=True,
        warm_up=0,
    ),
    "one_row": Figure(
        "predict of one row",
        iris,
        {OURS: (OURS, "one_row"), "Keras predict": ("keras", "one_row")},
        (
            Target("seconds", at_most=1e-3, unit="s"),
            Target("seconds", "Keras predict", **NOT_SLOWER),
        ),
        settings={"epochs": 20, "batch_size": 32},
        warm_up=10,
        at_least_seconds=1,
    ),
    "memory_refits": Figure(
        "Memory: growth over 600 refits of one program",
        iris,
        {OURS: (OURS, "memory_refits")},
        (Target("growth_mb", at_most=2, unit="MB"),),
        settings={"refits": 600},
        repeats=3,
        fresh=True,
        warm_up=0,
    ),
    "memory_xla": Figure(
        "Memory: growth for each new XLA program",
        iris,
        {OURS: (OURS, "memory_programs")},
        (Target("growth_mb_each", at_most=6, unit="MB"),),
        settings={"mode": "xla", "n_programs": 20},
        quick={"n_programs": 5},
        repeats=3,
        fresh=True,
        warm_up=0,
    ),
    "memory_graph": Figure(
        "Memory: growth for each new graph program",
        iris,
        {
            OURS: (OURS, "memory_programs"),
            "a bare TensorFlow loop": ("keras", "bare_programs"),
        },
        (Target("growth_mb_each", at_most=1, unit="MB"),),
        settings={"mode": "graph", "n_programs": 20},
        quick={"n_programs": 5},
        repeats=3,
        fresh=True,
        warm_up=0,
    ),
    "widths": Figure(
        "Memory: 200 candidates, two layers of 16 to 512 units",
        digits,
        {OURS: (OURS, "widths"), "Keras's wrapper": ("keras", "widths")},
        (
            Target("programs", at_most=40),
            Target("growth_mb_each", "Keras's wrapper", **NOT_SLOWER),
        ),
        settings={"candidates": two_widths(200), "epochs": 2, "batch_size": 200},
        quick={"candidates": two_widths(10)},
        repeats=1,
        fresh=True,
        warm_up=0,
    ),
    "sparse": Figure(
        "CSR, 100,000 columns, first layer of 256 units, batch 128: a step",
        sparse_rows,
        {OURS: (OURS, "sparse", {"epochs": [2, 6]}), "dense Adam": ("keras", "sparse")},
        (Target("step_seconds", "dense Adam", at_least=8),),
        settings={"shape": SPARSE_SHAPE, "batch_size": 128, "epochs": None},
    ),
    "import": Figure(
        "import skdeep",
        nothing,
        {OURS: (OURS, "import_package")},
        (
            Target("import_seconds", at_most=0.5, unit="s"),
            Target("tensorflow_loaded", at_most=0),
        ),
        repeats=7,
        fresh=True,
        warm_up=0,
    ),
    "adding": Figure(
        "The adding problem, 100 steps, 20,000 rows",
        adding_problem,
        {OURS: (OURS, "adding")},
        (
            Target("mean_squared_error", at_most=0.01),
            Target("seconds", at_most=300, unit="s"),
        ),
        settings={"epochs": 10, "batch_size": 64, "learning_rate": 5e-3},
        repeats=1,
        warm_up=0,
        slow=True,
    ),
    "tagging": Figure(
        "A label for each step, on which brackets before and after decide",
        tagging,
        {OURS: (OURS, "tagging"), "logistic regression": ("sklearn", "tagging")},
        (
            Target("accuracy", at_least=0.98),
            Target("accuracy", "logistic regression", at_least=0.18, difference=True),
        ),
        settings={"epochs": 15},
        repeats=1,
        warm_up=0,
        slow=True,
    ),
    "question_class": Figure(
        "Kinds of questions, from their words",
        texts("question_class", "questions", "coarse"),
        {OURS: (OURS, "texts"), "logistic regression": ("sklearn", "texts")},
        (Target("accuracy", "logistic regression", at_least=0, difference=True),),
        settings={"parameters": QUESTIONS, "seeds": 3},
        quick={"seeds": 1},
        repeats=1,
        warm_up=0,
        slow=True,
    ),
    "imdb": Figure(
        "Opinions of films, from their words",
        texts("imdb", "reviews", "label"),
        {OURS: (OURS, "texts"), "logistic regression": ("sklearn", "texts")},
        (Target("accuracy", "logistic regression", at_least=-0.01, difference=True),),
        settings={"parameters": REVIEWS, "seeds": 1},
        repeats=1,
        warm_up=0,
        slow=True,
    ),
    "mnist": Figure(
        "MNIST, CNNClassifier, official test",
        kept("mnist"),
        {OURS: (OURS, "accuracy")},
        (
            Target("accuracy", at_least=0.990),
            Target("seconds", at_most=300, unit="s"),
        ),
        settings={
            "kind": "CNNClassifier",
            "settings": {"epochs": 6, "learning_rate": 3e-3, "learning_rate_schedule": "cosine"},
        },
        repeats=1,
        warm_up=0,
        slow=True,
    ),
    "fashion_cnn": Figure(
        "Fashion-MNIST, CNNClassifier, official test",
        kept("fashion_mnist"),
        {OURS: (OURS, "accuracy")},
        (
            Target("accuracy", at_least=0.915),
            Target("seconds", at_most=600, unit="s"),
        ),
        settings={
            "kind": "CNNClassifier",
            "settings": {
                "epochs": 9,
                "learning_rate": 3e-3,
                "learning_rate_schedule": "cosine",
                "augment": ["flip"],
                "dropout": 0.3,
            },
        },
        repeats=1,
        warm_up=0,
        slow=True,
    ),
    "fashion_mlp": Figure(
        "Fashion-MNIST, MLPClassifier, official test",
        kept("fashion_mnist"),
        {OURS: (OURS, "accuracy")},
        (Target("accuracy", at_least=0.890),),
        settings={
            "kind": "MLPClassifier",
            "settings": {
                "hidden_layer_sizes": [256, 128],
                "epochs": 20,
                "learning_rate": 1e-3,
                "learning_rate_schedule": "cosine",
                "dropout": 0.2,
            },
        },
        repeats=1,
        warm_up=0,
        slow=True,
    ),
}
