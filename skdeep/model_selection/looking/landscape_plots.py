"""Pictures of what a model makes of the scores: dependence, importance, slices."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skdeep.model_selection.looking.content import Content
from skdeep.model_selection.looking.landscape import Landscape
from skdeep.model_selection.looking.scales import plain, positions, scale, text_of
from skdeep.model_selection.looking.trial_plots import BEST, DEFAULT, MODEL, TRIAL, shown_range
from skdeep.model_selection.spaces.dimensions import Choice, Dimension

N_ALONG, N_ALONG_PAIR = 60, 24
LEAST_BARS = 4  # that have room
PALE = "#d2deea"
MOST_LINES = 6  # levels that have a line each


def importance(content: Content, rows: pd.DataFrame, trust: str, ax: Any) -> None:
    """Bars of the shares, parameters and pairs told apart by colour."""
    y = np.arange(len(rows))[::-1]
    is_pair = (rows["partner"] != "").to_numpy()
    shares, totals = rows["share"].to_numpy(), rows["total"].to_numpy()
    for kind, lengths, style in (
        (~is_pair, totals, {"color": PALE, "label": "with its interactions: total index"}),
        (~is_pair, shares, {"color": TRIAL, "label": "alone: first-order Sobol index"}),
        (is_pair, shares, {"color": DEFAULT, "label": "pair: second-order index"}),
    ):
        if kind.any():
            ax.barh(y[kind], lengths[kind], height=0.7, **style)
    longest = np.nanmax([shares, totals])
    for height, share, total in zip(y, shares, totals):
        words = f"{share:.1%}" if np.isnan(total) else f"{share:.1%} of {total:.1%}"
        end = np.nanmax([share, total]) + 0.01 * longest
        ax.text(end, height, words, va="center", fontsize="small")
    ax.set_yticks(
        y, [plain(content.label(*pair)) for pair in zip(rows["parameter"], rows["partner"])]
    )
    ax.set(
        ylim=(min(-0.6, len(rows) - LEAST_BARS), len(rows) - 0.4),
        xlabel=f"share of the variance of {plain(content.score_name)}",
        xlim=(0, 1.3 * longest or 1),
        title=trust,
    )
    ax.title.set_fontsize("small")
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize="small", loc="lower right")


def dependence(landscape: Landscape, axes: Iterable[Any], wanted: Sequence[str | tuple]) -> None:
    """The mean over all else by a parameter, or by two, with the trials as points."""
    for ax, each in zip(axes, wanted):
        if isinstance(each, str):
            _draw_dependence(landscape, ax, each)
        else:
            _draw_pair(landscape, ax, *each)


def _draw_dependence(landscape: Landscape, ax: Any, name: str) -> None:
    content = landscape.content
    j, dimension = _dimension(content, name)
    grid = landscape.grid(j, N_ALONG)
    mean = landscape.dependence([j], [grid])
    _draw_trials(content, ax, j)
    style = "D" if isinstance(dimension, Choice) else "-"
    if isinstance(dimension, Choice):
        ax.plot(positions(dimension, grid), mean, ":", color=MODEL, linewidth=1)
    ax.plot(positions(dimension, grid), mean, style, color=MODEL, linewidth=2.2, label="mean")
    scale(ax, "x", dimension)
    _label_level_axis(ax, dimension)
    _limit_scores(content, ax, mean, np.inf)
    ax.set_xlabel(plain(content.label(name)))


def _draw_trials(content: Content, ax: Any, j: int, alpha: np.ndarray | float = 0.5) -> np.ndarray:
    """Trials by the value of dimension j and their score; returns which there are."""
    dimension = [*content.space.dimensions.values()][j]
    there = content.space.active(content.U)[:, j] & np.isfinite(content.expected)
    rows = np.flatnonzero(there)
    x = positions(dimension, content.U[rows, j])
    if isinstance(dimension, Choice):  # side by side, in order
        x = x + 0.5 * ((np.arange(len(rows)) / max(len(rows) - 1, 1)) - 0.5)
    alphas = alpha if np.isscalar(alpha) else np.asarray(alpha)[rows]
    y = content.expected[rows]
    ax.scatter(x, y, s=16, color=TRIAL, alpha=alphas, linewidths=0, label="trial")
    chosen = rows == content.best
    ax.plot(x[chosen], y[chosen], "*", color=BEST, markersize=12, label="chosen")
    return rows


def _draw_pair(landscape: Landscape, ax: Any, first: str, second: str) -> None:
    """A map; or a line for each level, where one of the two has few that have no order."""
    content = landscape.content
    dimensions = content.space.dimensions
    if _has_lines(dimensions[first]) and not isinstance(dimensions[second], Choice):
        first, second = second, first
    (i, along), (j, across) = _dimension(content, first), _dimension(content, second)
    grids = [landscape.grid(i, N_ALONG_PAIR), landscape.grid(j, N_ALONG_PAIR)]
    mean = landscape.dependence([i, j], grids)
    x, y = positions(along, grids[0]), positions(across, grids[1])
    scale(ax, "x", along)
    _label_level_axis(ax, along)
    ax.set_xlabel(plain(content.label(first)))
    if _has_lines(across) and not isinstance(along, Choice):
        for k, level in enumerate(across.levels):  # type: ignore[attr-defined]
            ax.plot(x, mean[:, k], linewidth=2, label=plain(text_of(level), 18))
        ax.legend(title=plain(content.label(second)), frameon=False, fontsize="small")
        ax.set_ylabel(plain(content.score_name))
        return
    colours = "viridis" if content.greater_is_better else "viridis_r"
    if isinstance(along, Choice) or isinstance(across, Choice):
        drawn = ax.pcolormesh(x, y, mean.T, cmap=colours, shading="nearest")
    else:
        drawn = ax.contourf(x, y, mean.T, levels=18, cmap=colours)
    scale(ax, "y", across)
    active = content.space.active(content.U)
    rows = np.flatnonzero(np.isfinite(content.expected) & active[:, i] & active[:, j])
    at = positions(along, content.U[rows, i]), positions(across, content.U[rows, j])
    # Whole, though many stand on the border; beside which the layout makes no room for them.
    above = {"clip_on": False, "zorder": 3, "in_layout": False}
    ax.scatter(*at, s=14, color="white", edgecolor="black", linewidths=0.5, alpha=0.8, **above)
    chosen = rows == content.best
    star = {"color": BEST, "markeredgecolor": "white", "markersize": 14, **above}
    ax.plot(at[0][chosen], at[1][chosen], "*", **star)
    ax.set_ylabel(plain(content.label(second)))
    ax.figure.colorbar(drawn, ax=ax, label=plain(content.score_name), format="%.3g")


def _has_lines(dimension: Dimension) -> bool:
    return isinstance(dimension, Choice) and dimension.size <= MOST_LINES


def slices(landscape: Landscape, axes: np.ndarray, names: Sequence[str]) -> None:
    """Through the best trial along a parameter: the model above, what a trial may gain below."""
    content = landscape.content
    for (upper, lower), name in zip(axes.T, names):
        j, dimension = _dimension(content, name)
        centre = _best_with(content, j)
        grid = landscape.grid(j, 4 * N_ALONG)
        U = content.space.snap(np.where(np.arange(len(centre)) == j, grid[:, None], centre))
        x, (mean, low, high, gain) = positions(dimension, grid), landscape.as_searched(U)
        _draw_trials(content, upper, j, _nearness(content, centre, j))
        if isinstance(dimension, Choice):
            reach = np.abs(np.array([low, high]) - mean)
            upper.errorbar(x, mean, reach, fmt="D", color=MODEL, capsize=4, label="model")
            lower.bar(x, gain, color=DEFAULT, width=0.5)
        else:
            upper.fill_between(x, low, high, color=MODEL, alpha=0.18, linewidth=0, label="95%")
            upper.plot(x, mean, color=MODEL, linewidth=2, label="model")
            lower.fill_between(x, gain, color=DEFAULT, alpha=0.35, linewidth=0)
            lower.plot(x, gain, color=DEFAULT, linewidth=1.5)
            if gain.max() > 0:
                lower.plot(x[gain.argmax()], gain.max(), "v", color=DEFAULT, markersize=7)
        for ax in (upper, lower):
            scale(ax, "x", dimension)
        _label_level_axis(lower, dimension)
        _limit_scores(content, upper, np.concatenate([mean, low, high]))
        upper.tick_params(labelbottom=False)
        lower.set(xlabel=plain(content.label(name)), xlim=upper.get_xlim(), yticks=[])
        lower.set_ylim(bottom=0, top=1.3 * gain.max() or 1)
    axes[0, 0].set_ylabel(plain(content.score_name))
    axes[1, 0].set_ylabel("expected\ngain")
    axes[0, 0].legend(frameon=False, fontsize="small")


def _best_with(content: Content, j: int) -> np.ndarray:
    """u, (n_dimensions,), of the chosen trial, or of the best that has dimension j."""
    there = content.is_scored & content.space.active(content.U)[:, j]
    if content.best is not None and there[content.best]:
        return content.U[content.best]
    goodness = np.where(there, content.sign * content.scores, -np.inf)
    return content.U[int(goodness.argmax())]


def _nearness(content: Content, centre: np.ndarray, j: int) -> np.ndarray:
    """How near the trials, (n,), are to a slice through the centre: from 0.12 up to 0.9."""
    others = np.arange(len(centre)) != j
    apart = np.where(content.space.is_category, content.U != centre, np.abs(content.U - centre))
    return 0.12 + 0.78 * np.exp(-8 * (apart[:, others] ** 2).sum(axis=1) / max(len(centre) - 1, 1))


def _limit_scores(content: Content, ax: Any, also: np.ndarray, beyond: float = 0.6) -> None:
    """Show the scores that are in proportion, and as much of a model as is near them.

    ``beyond`` is how far to either side, as a share of the range of these scores.
    """
    worst, best = shown_range(content)
    reach = abs(best - worst)
    low, high = sorted((worst, best))
    low = max(low - beyond * reach, min(low, np.nanmin(also)))
    high = min(high + beyond * reach, max(high, np.nanmax(also)))
    margin = 0.06 * (high - low)
    ax.set_ylim(low - margin, high + margin)


def _label_level_axis(ax: Any, dimension: Dimension) -> None:
    """Long names of levels stand at an angle."""
    if isinstance(dimension, Choice):
        longest = max(len(text_of(level, 14)) for level in dimension.levels)
        if longest * dimension.size > 28:
            ax.tick_params(axis="x", labelrotation=40)
            for label in ax.get_xticklabels():
                label.set_ha("right")


def _dimension(content: Content, name: str) -> tuple[int, Dimension]:
    return [*content.space.dimensions].index(name), content.space.dimensions[name]
