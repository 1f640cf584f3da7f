"""Pictures of trials as they were: convergence, parallel coordinates, learning curves."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from skdeep.model_selection.looking.content import FAILED, STOPPED, Content
from skdeep.model_selection.looking.scales import plain, ticks, written
from skdeep.model_selection.spaces.dimensions import Choice

TRIAL, BEST, DEFAULT, MODEL, FAINT = "#4c78a8", "#c8385a", "#e08e0b", "#2a7f62", "0.55"
DASHES = ("--", ":")
IN_PROPORTION = 4.0  # times as far from the best as the median
CURVES_IN_PROPORTION = 10.0  # of scores after few epochs, which are low with good reason
MOST_PARALLEL = 12  # axes of parallel coordinates
ABSENT = -0.12  # where a line passes that has no value on an axis


def shown_range(content: Content) -> tuple[float, float]:
    """Worst and best score of a picture, which leaves out what is out of all proportion."""
    return in_proportion(content.expected, content.sign)


def in_proportion(
    scores: np.ndarray, sign: int, times: float = IN_PROPORTION
) -> tuple[float, float]:
    """Worst and best of scores, (n,), but for those that would flatten a picture.

    These are some times as far below the best as the median is.
    """
    goodness = sign * scores[np.isfinite(scores)]
    if not len(goodness):
        return 0.0, sign * 1.0
    best = goodness.max()
    inside = goodness[goodness >= best - times * (best - np.median(goodness))]
    worst = inside.min()
    if worst == best:
        worst = best - (abs(best) or 1.0) * 1e-3
    return sign * worst, sign * best


def convergence(content: Content, ax: Any) -> None:
    """Score of each trial, in order, and the best so far."""
    worst, best = _score_ends(content)
    number, margin = np.arange(len(content)), 0.07 * (best - worst)
    edge = worst - margin  # failures, and scores beyond
    states = np.array(content.states)
    found = np.isfinite(content.expected)
    beyond = found & (content.sign * content.expected < content.sign * worst)
    inside = found & ~beyond
    own = content.is_scored & content.is_default
    scored, stopped = inside & content.is_scored, inside & ~content.is_scored
    plain_marks = {"alpha": 0.65, "markersize": 4.5, "linestyle": "", "color": TRIAL, "marker": "o"}
    for rows, style in (
        (scored & ~own, {"label": "trial"}),
        (stopped, {"label": "stopped: as expected", "fillstyle": "none"}),
    ):
        if rows.any():
            ax.plot(number[rows], content.expected[rows], **plain_marks, **style)
    away = "v" if content.greater_is_better else "^"
    _marks(ax, number[beyond & ~own], edge, away, TRIAL, "far worse")
    _marks(ax, number[(states == FAILED) & ~found], edge, "x", FAINT, FAILED)
    _marks(ax, number[(states == STOPPED) & ~found], edge, "|", FAINT, STOPPED)
    ax.step(
        number, content.best_so_far, where="post", color=BEST, linewidth=1.8, label="best so far"
    )
    heights = np.where(beyond, edge, content.scores)[own]
    _marks(ax, number[own], heights, "D", DEFAULT, "default")
    if content.best is not None:
        _marks(ax, content.best, content.scores[content.best], "*", BEST, "chosen", 13)
    _draw_honest(content, ax)
    ends = edge - margin, best + margin
    ax.set(xlabel="trial", ylabel=plain(content.score_name), ylim=(min(ends), max(ends)))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.margins(x=0.03)
    ax.legend(
        fontsize="small",
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(0, 1.04),  # above the offset of the scores, if there is one
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _score_ends(content: Content) -> tuple[float, float]:
    """Worst and best that is shown: trials in proportion, and all that honest scores tell."""
    shown = [*shown_range(content), *content.honest.values(), *(content.interval or ())]
    if content.overtuning is not None:
        held_out = content.overtuning["holdout_score"].to_numpy(dtype=float)
        shown += held_out[np.isfinite(held_out)].tolist()
    ends = min(shown), max(shown)
    return ends if content.greater_is_better else ends[::-1]


def _draw_honest(content: Content, ax: Any) -> None:
    """What the best is worth, and what incumbents were on rows held out."""
    if content.interval is not None:
        ax.axhspan(*content.interval, color=MODEL, alpha=0.12, linewidth=0)
    for (name, score), style in zip(content.honest.items(), DASHES):
        ax.axhline(score, color=MODEL, linestyle=style, label=f"best, {name}: {score:.4g}")
    if content.overtuning is not None and len(content.overtuning):
        steps = content.overtuning
        number = np.append(steps["candidate"].to_numpy(), len(content) - 1)
        held_out = np.append(steps["holdout_score"], steps["holdout_score"].iloc[-1])
        ax.step(number, held_out, where="post", color=MODEL, label="incumbent, held out")


def _marks(ax: Any, x: Any, y: Any, mark: str, colour: str, label: str, size: float = 6) -> None:
    """Some trials, of which the legend tells if there are any."""
    if np.size(x):
        ax.plot(
            x, np.broadcast_to(y, np.shape(x)), mark, color=colour, label=label, markersize=size
        )


def parallel(content: Content, ax: Any, names: Sequence[str]) -> None:
    """A line for each trial through its values and its score, which also gives its colour."""
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    worst, best = shown_range(content)
    found = np.isfinite(content.expected)
    order = np.argsort(np.where(found, content.sign * content.expected, -np.inf), kind="stable")
    shade = Normalize(min(worst, best), max(worst, best), clip=True)
    colours = plt.get_cmap("viridis" if content.greater_is_better else "viridis_r")
    heights = np.column_stack([_heights(content, name, order) for name in names])
    ends = np.clip((content.expected - worst) / (best - worst), 0, 1)
    lines = np.column_stack([np.where(np.isnan(heights), ABSENT, heights), ends])
    x = np.arange(len(names) + 1)
    for rows, style in (
        (order[~found[order]], {"colors": "0.8", "linestyles": ":", "linewidths": 0.8}),
        (order[found[order]], {"linewidths": 1.0, "alpha": max(0.3, min(0.9, 30 / len(order)))}),
    ):
        if len(rows) and "colors" not in style:
            style["colors"] = colours(shade(content.expected[rows]))
        paths = [np.column_stack([x, lines[i]])[: None if found[i] else -1] for i in rows]
        ax.add_collection(LineCollection(paths, **style))
    if content.best is not None and content.is_scored[content.best]:
        ax.plot(x, lines[content.best], color=BEST, linewidth=2.4, label="chosen")
        ax.text(x[-1] + 0.06, ends[content.best], "chosen", color=BEST, va="center")
    missing = np.isnan(heights).any(axis=0)
    _draw_scales(content, ax, names, missing, (worst, best))


def _heights(content: Content, name: str, order: np.ndarray) -> np.ndarray:
    """Where the trials, (n,), stand on an axis from 0 to 1; nan where they have no value.

    Those of one level are spread over its bin, the better ones higher.
    """
    j = [*content.space.dimensions].index(name)
    dimension, u = content.space.dimensions[name], content.U[:, j]
    u = np.where(content.space.active(content.U)[:, j], u, np.nan)
    if isinstance(dimension, Choice):
        u = u.copy()
        level = np.where(np.isnan(u), -1, dimension.index(np.nan_to_num(u)))
        for each in np.unique(level[level >= 0]):
            rows = order[level[order] == each]
            width = 0.5 / dimension.size
            u[rows] += np.linspace(-width / 2, width / 2, len(rows)) if len(rows) > 1 else 0.0
    return u


def _draw_scales(
    content: Content, ax: Any, names: Sequence[str], missing: np.ndarray, ends: tuple[float, float]
) -> None:
    """An upright axis for each parameter and the score, with values beside it."""
    from matplotlib.ticker import MaxNLocator

    ground = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.6}
    for x, name in enumerate(names):
        dimension = content.space.dimensions[name]
        at, texts = ticks(dimension)
        if isinstance(dimension, Choice):
            texts = [plain(text, 14) for text in texts]
        _draw_scale(ax, x, at, texts, ground)
        if missing[x]:
            ax.text(x, ABSENT, "none ", ha="right", va="center", fontsize="x-small", color=FAINT)
    _draw_colours(ax, len(names), "viridis")
    worst, best = ends
    numbers = np.asarray(MaxNLocator(5).tick_values(min(ends), max(ends)))
    at = (numbers - worst) / (best - worst)
    inside = (at >= -1e-9) & (at <= 1 + 1e-9)
    _draw_scale(ax, len(names), at[inside], written(numbers[inside]), ground)
    labels = [plain(content.label(name), 18) for name in names]
    tilted = len(names) > 7
    ax.xaxis.tick_top()  # where axes end, while at the bottom lines may pass below them
    ax.set_xticks(
        range(len(names) + 1),
        [*labels, plain(content.score_name)],
        rotation=30 if tilted else 0,
        ha="left" if tilted else "center",
    )
    ax.set(xlim=(-0.3, len(names) + 0.3), ylim=(-0.18 if missing.any() else -0.05, 1.03), yticks=[])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_colours(ax: Any, x: int, colours: str) -> None:
    """The colours of scores along their axis."""
    from matplotlib.collections import LineCollection

    at = np.linspace(0, 1, 65)
    pieces = [[(x, low), (x, low + 0.02)] for low in at[:-1]]
    ax.add_collection(LineCollection(pieces, array=at[1:], cmap=colours, linewidths=7, zorder=2))


def _draw_scale(ax: Any, x: int, at: np.ndarray, texts: list[str], ground: dict) -> None:
    ax.plot([x, x], [0, 1], color="0.25", linewidth=1, zorder=3)
    for height, text in zip(at, texts):
        ax.plot([x - 0.02, x], [height, height], color="0.25", linewidth=1, zorder=3)
        ax.text(
            x - 0.035,
            height,
            text,
            ha="right",
            va="center",
            fontsize="x-small",
            bbox=ground,
            zorder=4,
        )


def curves(content: Content, axes: Iterable[Any]) -> None:
    """Scores after few epochs and more, and the loss by epoch, of each trial that has them."""
    first, *_ = panels = [*axes]
    if content.partial:
        ax = panels.pop(0)
        best = _ranks(content, {i: curve[-1, 1] for i, curve in content.partial.items()})
        for i in reversed(best):
            _draw_curve(content, ax, i, content.partial[i][:, 0], content.partial[i][:, 1], "o")
        levels = np.unique(np.concatenate([curve[:, 0] for curve in content.partial.values()]))
        ax.set_xscale("log", base=2)
        ax.set_xticks(levels, [f"{level:g}" for level in levels], minor=False)
        low, high = sorted(curve_ends(content))
        margin = 0.05 * (high - low)
        ax.set(
            xlabel="epochs", ylabel=plain(content.score_name), ylim=(low - margin, high + margin)
        )
    if content.losses:
        ax = panels.pop(0)
        best = _ranks(content, {i: curve[-1] for i, curve in content.losses.items()}, -1)
        for i in reversed(best):
            curve = content.losses[i]
            epochs = np.arange(1, len(curve) + 1)
            _draw_curve(content, ax, i, epochs, curve)
        lowest = min(np.nanmin(curve) for curve in content.losses.values())
        ax.set(xlabel="epoch", ylabel="loss", yscale="log" if lowest > 0 else "linear")
    if first.get_legend_handles_labels()[0]:  # the chosen may have no curve
        first.legend(frameon=False, fontsize="small")


def curve_ends(content: Content) -> tuple[float, float]:
    """Worst and best of the scores after few epochs and more, but for those out of proportion."""
    scores = [curve[:, 1] for curve in content.partial.values()]
    return in_proportion(np.concatenate([*scores, []]), content.sign, CURVES_IN_PROPORTION)


def _ranks(content: Content, last: dict[int, float], sign: int | None = None) -> list[int]:
    """Trials that have a curve, the best first: by score, and without one by the curve's end."""
    sign = content.sign if sign is None else sign

    def goodness(i: int) -> tuple[bool, float]:
        if content.is_scored[i]:
            return True, content.sign * content.scores[i]
        return False, sign * float(np.nan_to_num(last[i], nan=-np.inf))

    return sorted(last, key=goodness, reverse=True)


def _draw_curve(
    content: Content, ax: Any, i: int, x: np.ndarray, y: np.ndarray, mark: str = ""
) -> None:
    if i == content.best:
        style: dict[str, Any] = {"color": BEST, "linewidth": 2.2, "label": "chosen", "zorder": 4}
    elif content.is_default[i]:
        style = {"color": DEFAULT, "linewidth": 1.8, "label": "default", "zorder": 3}
    elif content.is_scored[i]:
        style = {"color": TRIAL, "linewidth": 1.0, "alpha": 0.6}
    else:
        style = {"color": FAINT, "linewidth": 0.8, "alpha": 0.5}
    ax.plot(x, y, marker=mark, markersize=3, **style)
