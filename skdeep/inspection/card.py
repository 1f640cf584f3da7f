"""A model card: what a fitted network is, as a page of Markdown [1]_.

.. [1] Mitchell et al. Model cards for model reporting. FAT*, 2019.
"""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils._pprint import _changed_params

from skdeep.inspection.parts import network_of
from skdeep.targets import Labels, PerStep, Reals

_LONGEST = 200  # characters of a value
_MOST_COLUMNS = 50
_MOST_EPOCHS = 10
_LIBRARIES = ("skdeep", "tensorflow", "keras", "scikit-learn", "numpy")


def model_card(
    estimator: Any,
    path: str | os.PathLike | None = None,
    X: Any = None,
    y: Any = None,
    *,
    scoring: str | Sequence[str] | None = None,
) -> str:
    """Describe a fitted network as Markdown: data, parameters, training, scores, versions.

    What it is for and where it fails, no program can know: write that above it.

    Parameters
    ----------
    estimator : estimator
        A fitted network of skdeep, or a Pipeline or search that ends in one.
    path : str or path, default=None
        A file to write the card to.
    X : array-like of shape (n_samples, ...), default=None
        Rows that the estimator has not seen: their columns are described and, with y, predicted.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Their targets.
    scoring : str or list of str, default=None
        Names of scikit-learn's scorers. None is the accuracy of a classifier, R2 of a regressor.

    Returns
    -------
    card : str

    Notes
    -----
    Two cards of one model differ by date and versions alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeep import MLPClassifier
    >>> from skdeep.inspection import model_card
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(epochs=5, random_state=0)).fit(X, y)
    >>> card = model_card(model, X=X, y=y)
    >>> print(card[card.index("## Network"):card.index("## Scores")])
    ## Network
    <BLANKLINE>
    `MLPClassifier` has learnt 803 numbers.
    <BLANKLINE>
    | layer | kind | output_shape | parameters | trained |
    | --- | --- | --- | --- | --- |
    | `rows` | `InputLayer` | `(4,)` | 0 | 0 |
    | `hidden_0` | `Dense` | `(100,)` | 500 | 500 |
    | `activation_0` | `Activation` | `(100,)` | 0 | 0 |
    | `head` | `Dense` | `(3,)` | 303 | 303 |
    <BLANKLINE>
    """
    steps, network = network_of(estimator)
    if y is not None and X is None:
        raise ValueError("model_card got y without X; pass the rows too.")
    names = [_code(type(part).__name__) for part in (*steps, network)]
    sections = {
        f"# {' → '.join(names)}": _search(estimator),
        "## Data": _data(estimator, network, X),
        "## Parameters": _parameters(estimator),
        "## Training": _training(network),
        "## Network": _layers(network),
    }
    if y is not None:
        sections["## Scores"] = _scores(estimator, X, y, scoring)
    sections["## Versions"] = _versions()
    sections["## Use"] = [
        "Save the fitted estimator with `skdeep.save(estimator, path)`, and load it with\n"
        "`skdeep.load(path)`, in the versions above. Then call `predict` on rows of the columns\n"
        "above."
    ]
    card = "\n".join(
        "\n\n".join([title, *paragraphs]) + "\n" for title, paragraphs in sections.items()
    )
    if path is not None:
        Path(path).write_text(card, encoding="utf-8")
    return card


def _search(estimator: Any) -> list[str]:
    """Where the parameters come from, if a search found them."""
    if not hasattr(estimator, "best_params_"):
        return ["Fitted as it was given."]
    n = len(estimator.cv_results_["params"])
    score = getattr(estimator, "best_score_", np.nan)
    best = [
        (_code(name), _code(repr(value))) for name, value in sorted(estimator.best_params_.items())
    ]
    return [
        f"Found by {_code(type(estimator).__name__)} among {n} candidates; its mean score over "
        f"folds was {score:.4g}.",
        _table(["searched", "best"], best),
    ]


def _data(estimator: Any, network: Any, X: Any) -> list[str]:
    """What rows and targets were."""
    task, target = network._fitted.task, network._fitted.target
    per_step = isinstance(target, PerStep)
    target = target.each if per_step else target
    names = list(getattr(estimator, "feature_names_in_", ()))
    types = {}
    if hasattr(X, "dtypes") and hasattr(X, "columns"):
        names = list(X.columns)
        types = {name: str(dtype) for name, dtype in zip(names, X.dtypes, strict=True)}
    kind = "tokens" if task.n_tokens else "numbers"
    shape = " x ".join("any" if size is None else str(size) for size in task.input_shape)
    text = [f"The network takes {shape} {kind} of each row, as {task.input_dtype}."]
    if task.n_tokens:
        text.append(f"It knows {task.n_tokens - 1} tokens; all others are one.")
    if task.wide:
        text.append("Rows are sparse, and never made dense.")
    if names:
        listed = [(_code(name), _code(types.get(name, ""))) for name in names[:_MOST_COLUMNS]]
        if types:
            text.append(_table(["column", "dtype"], listed))
        else:
            text.append(_table(["column"], [row[:1] for row in listed]))
        if len(names) > _MOST_COLUMNS:
            text.append(f"And {len(names) - _MOST_COLUMNS} more.")
    if per_step:
        text.append("Each step of a row has a target.")
    if isinstance(target, Labels):
        labels = [", ".join(_code(repr(c)) for c in classes.tolist()) for classes in target.classes]
        text.append(_table(["target", "classes"], zip(map(str, count()), labels)))
    elif isinstance(target, Reals):
        means, scales = ([f"{v:.6g}" for v in part] for part in (target.mean, target.scale))
        numbers = zip(map(str, count()), means, scales)
        text.append("Targets were shifted by their mean and divided by their scale inside.")
        text.append(_table(["target", "mean", "scale"], numbers))
    return text


def _parameters(estimator: Any) -> list[str]:
    """Parameters of each part: those that are not the default, then the others."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    parts = {"": estimator} | {
        name: part
        for name, part in estimator.get_params(deep=True).items()
        if hasattr(part, "get_params") and not isinstance(part, type)
    }
    text = []
    for name, part in parts.items():
        own = part.get_params(deep=False)
        if part is estimator and len(parts) > 1 and hasattr(part, "steps"):
            del own["steps"]  # they follow
        changed = _changed_params(part)
        rows = [(_code(key), _code(repr(own[key]))) for key in sorted(own) if key in changed]
        others = [_code(f"{key}={own[key]!r}") for key in sorted(own) if key not in changed]
        text.append(f"### {_code(type(part).__name__)}{f' as {_code(name)}' if name else ''}")
        if rows:
            text.append(_table(["set", "to"], rows))
        if others:
            text.append(f"Defaults: {', '.join(others)}.")
    return text


def _training(network: Any) -> list[str]:
    """How training went: some epochs, the kept one among them."""
    history = network.history_
    history = history[[name for name in history if "/" not in name]]
    n, kept = len(history), network.best_epoch_
    text = f"{network.n_iter_} epochs"
    text += f"; the weights are those of epoch {kept}, the best." if kept >= 0 else "."
    shown = np.linspace(0, n - 1, min(n, _MOST_EPOCHS)).round().astype(int)
    rows = [
        (f"{epoch}", *(f"{value:.4g}" for value in history.loc[epoch]))
        for epoch in sorted({*shown.tolist(), *([kept] if kept >= 0 else [])})
    ]
    return [text, _table(["epoch", *map(_code, history)], rows)]


def _layers(network: Any) -> list[str]:
    """The layers, as ``summary()`` has them."""
    summary = network.summary().reset_index()
    rows = [
        [str(value) if isinstance(value, int) else _code(value) for value in row]
        for row in summary.itertuples(index=False)
    ]
    return [
        f"{_code(type(network).__name__)} has learnt {network.n_parameters_} numbers.",
        _table(list(summary), rows),
    ]


def _scores(estimator: Any, X: Any, y: Any, scoring: Any) -> list[str]:
    """Scores on given rows."""
    if scoring is None:
        scoring = "accuracy" if is_classifier(estimator) else "r2"
    names = [scoring] if isinstance(scoring, str) else list(scoring)
    scores = check_scoring(estimator, names)(estimator, X, y)
    rows = [(_code(name), f"{scores[name]:.4g}") for name in names]
    return [f"On {len(y)} rows, given for this card.", _table(["scorer", "score"], rows)]


def _versions() -> list[str]:
    rows = [("python", platform.python_version())]
    rows += [(name, version(name)) for name in _LIBRARIES]
    return [f"Written on {date.today().isoformat()}.", _table(["", "version"], rows)]


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; a bar in a cell would end it, even in code."""
    header = list(header)
    cells = ([cell.replace("|", r"\|") for cell in line] for line in (header, *rows))
    lines = [next(cells), ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(value: Any) -> str:
    """Text as code, which no Markdown or HTML inside of it can leave.

    On one line, without addresses in memory, cut where it is long.
    """
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(value).split()))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    if not text:
        return ""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"
