"""A search as one page of HTML that needs nothing else.

The page is ``page.html``, ``page.css`` and the scripts in one, with the trials as JSON. A browser
is told, by a policy on the page itself, to run this very script, and to ask for nothing from
anywhere. Whatever comes from the search (names, values, errors) is text: escaped in the HTML, in
JSON without any character that HTML gives a meaning, and put on the page by ``textContent`` alone.
"""

import base64
import hashlib
import html
import json
import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from skdeep.model_selection.looking.content import FAILED, Content
from skdeep.model_selection.looking.importance import shown
from skdeep.model_selection.looking.landscape import what_lacks
from skdeep.model_selection.looking.scales import text_of, ticks
from skdeep.model_selection.looking.trial_plots import MOST_PARALLEL, curve_ends, shown_range
from skdeep.model_selection.looking.winner import winner_code
from skdeep.model_selection.spaces.dimensions import Choice
from skdeep.persistence.files import replace

MARK = '<meta name="generator" content="skdeep search report">'
SCRIPTS = ("page.js", "pictures.js", "table.js")
LONGEST = 200  # characters of a value in the table
N_ALONG = 40  # places of a dependence
MOST_DEPENDENCES = 20
MOST_BARS = 16
MOST_EPOCHS = 200  # of a curve of losses


def write_report(display: Any, path: str | Path) -> None:
    """Write the page of a :class:`SearchDisplay`, to a place that :func:`report_path` takes."""
    # Half of a pair of surrogates, which no file can hold, is written as its number.
    replace(report_path(path), page_of(display).encode(errors="backslashreplace"))


def report_path(path: str | Path) -> Path:
    """Where a page is to be written to, if it can be.

    Raises
    ------
    FileNotFoundError
        If the folder is not there.
    IsADirectoryError
        If the path is a folder.
    FileExistsError
        If there is a file that is no such page.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise IsADirectoryError(
            f"the report needs the path of a file, but {str(path)!r} is a folder."
        )
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"the report cannot be written to {str(path)!r}: make the folder "
            f"{str(path.parent)!r} first."
        )
    if path.exists() and path.stat().st_size and not _is_report(path):
        raise FileExistsError(
            f"{str(path)!r} is a file, and no report of a search; give another path, or delete it."
        )
    return path


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(2048)


def page_of(display: Any) -> str:
    """The page of a :class:`SearchDisplay`, as text."""
    content: Content = display.content
    script, style = "".join(map(_part, SCRIPTS)), _part("page.css")
    policy = f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    policy += "; img-src data:; base-uri 'none'; form-action 'none'"
    title = title_of(content)
    parts = {
        "mark": MARK,
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "script": script,
        "verdict": _list(verdict(content), "verdict"),
        "facts": _list(_facts(content), "facts"),
        "hidden": "" if content.best is not None else "hidden",
        "code": html.escape(winner_code(content)),
        "data": as_script(data_of(display)),
    }
    # In one pass: what is put in may itself have braces.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("page.html"))


def title_of(content: Content) -> str:
    """What was searched, in a line."""
    if content.estimator is not None:
        steps = getattr(content.estimator, "steps", [("", content.estimator)])
        names = [step if isinstance(step, str) else type(step).__name__ for _, step, *_ in steps]
        return f"Search: {' → '.join(names)}"
    return "Search" if content.greater_is_better else "Minimisation"


def verdict(content: Content) -> list[tuple[str, str]]:
    """What came out: the best, what it is worth, and how many trials there were."""
    rows = []
    if content.best is not None:
        score = content.scores[content.best]
        spread = _std(content.folds[content.best])
        more = f" ± {spread:.2g} over {content.folds.shape[1]} folds" if spread is not None else ""
        rows.append((f"Best {content.score_name}", f"{score:.5g}{more}, trial {content.best}"))
    elif len(content):
        failed = content.states.count(FAILED) == len(content)
        none = "No trial has succeeded" if failed else "No trial has a score yet"
        rows.append((f"Best {content.score_name}", none))
    for name, score in content.honest.items():
        interval = ""
        if name == "corrected" and content.interval is not None:
            interval = ", 90%: {:.5g} to {:.5g}".format(*content.interval)
        rows.append((f"The same, {name}", f"{score:.5g}{interval}"))
    rows += [("No honest score", caveat) for caveat in content.caveats]
    own = np.flatnonzero(content.is_default & content.is_scored)
    if len(own):
        rows.append(("As it was given", f"{content.scores[own[0]]:.5g}, trial {own[0]}"))
    counts = [f"{content.states.count(state)} {state}" for state in dict.fromkeys(content.states)]
    rows.append(("Trials", f"{len(content)}: {', '.join(counts)}" if len(content) else "0"))
    return rows


def _facts(content: Content) -> list[tuple[str, str]]:
    rows = [*content.facts.items()]
    if "Space" not in content.facts:
        dimensions = content.space.dimensions.items()
        words = [f"{name}: {d}" for name, d in dimensions if name]
        rows.insert(2, ("Space", "\n".join(words)))
    return rows


def data_of(display: Any) -> dict[str, Any]:
    """What the script draws and lists, for JSON."""
    content: Content = display.content
    dimensions = [*content.space.dimensions.items()]
    names = [name for name, _ in dimensions]
    active = content.space.active(content.U) if len(content) else np.empty((0, len(dimensions)))
    data: dict[str, Any] = {
        "score": content.score_name,
        "greater": content.greater_is_better,
        "best": content.best,
        "range": shown_range(content),
        "names": content.space.names,
        "axes": [
            {
                "name": name or "sub-space",
                "label": content.label(name),
                "levels": isinstance(dimension, Choice),
                "ticks": [*zip(*ticks(dimension))],
            }
            for name, dimension in dimensions
        ],
        "parallel": [names.index(name) for name in display.foremost(MOST_PARALLEL)],
        "foremost": names.index(display.foremost(1)[0]),
        "trials": [_trial(content, i, active[i]) for i in range(len(content))],
        "honest": [*content.honest.items()],
        "interval": content.interval,
        "heldOut": [],
        "partial": content.partial,
        "partialRange": curve_ends(content),
        "losses": {i: _thinned(curve) for i, curve in content.losses.items()},
    }
    if content.overtuning is not None:
        steps = content.overtuning
        steps = steps[np.isfinite(steps["holdout_score"])]
        data["heldOut"] = [*zip(steps["candidate"], steps["holdout_score"])]
    lacking = what_lacks(content)
    if lacking:
        return data | {"modelless": f"{lacking}."}
    landscape, table = display.landscape, display.importance()
    for j in range(min(len(dimensions), MOST_DEPENDENCES)):
        grid = landscape.grid(j, N_ALONG)
        data["axes"][j]["dependence"] = [*zip(grid, landscape.dependence([j], [grid]))]
    data["importance"] = [
        {
            "label": content.label(first, second),
            "share": share,
            "total": total,
        }
        for first, second, share, total in shown(table).head(MOST_BARS).itertuples(index=False)
    ]
    return data | {"trust": landscape.trust}


def _trial(content: Content, i: int, active: np.ndarray) -> dict[str, Any]:
    point = content.points[i]
    return {
        "score": content.scores[i],
        "expected": content.expected[i],
        "std": _std(content.folds[i]),
        "state": content.states[i],
        "note": content.notes[i],
        "folds": content.folds[i],
        "seconds": content.seconds[i],
        "isDefault": bool(content.is_default[i]),
        "u": np.where(active, content.U[i], np.nan),
        "values": [_value(point[name]) if name in point else None for name in content.space.names],
    }


def _value(value: Any) -> Any:
    """A value for the table: a number as it is, all else as text."""
    if isinstance(value, np.generic):
        value = value.item()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and abs(value) <= 2**53:  # beyond, JavaScript has no integers
        return value
    return text_of(value, LONGEST)


def _std(folds: np.ndarray) -> float | None:
    """Standard deviation of a trial's folds, (n_splits,), if it has all and there are several."""
    return float(folds.std()) if len(folds) > 1 and np.isfinite(folds).all() else None


def _thinned(curve: np.ndarray) -> list:
    """(epoch, loss) of a curve, (n_epochs,), where it has one: of a long one, some."""
    known = np.flatnonzero(np.isfinite(curve))
    at = known[np.unique(np.linspace(0, len(known) - 1, MOST_EPOCHS).round().astype(int))]
    return [(int(i) + 1, curve[i]) for i in at]


def as_script(data: Any) -> str:
    """JSON that is safe within a <script>: it has no character that HTML gives a meaning."""
    text = json.dumps(_plain(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _plain(value: Any) -> Any:
    """What JSON has a form for; numbers that are not finite are null."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    return value


def _list(rows: list[tuple[str, str]], name: str) -> str:
    items = "".join(
        f"<div><dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd></div>"
        for term, text in rows
    )
    return f'<dl class="{name}">{items}</dl>'


def _part(name: str) -> str:
    return (files("skdeep.model_selection.looking") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
