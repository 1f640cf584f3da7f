"""Dimensions on the axes of a picture: where values stand, and what is written there."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skdeep.model_selection.spaces.dimensions import Choice, Dimension, Range

LONGEST = 24  # characters of a level or a name
MOST_TICKS = 6
MOST_LEVELS = 10  # that have a tick each


def text_of(value: Any, longest: int = LONGEST) -> str:
    """A value in a few characters."""
    if isinstance(value, BaseEstimator):
        text = " ".join(repr(value).split()).removesuffix("()")
    elif isinstance(value, str):
        text = value
    elif isinstance(value, float | np.floating):
        text = f"{value:.4g}"
    else:
        text = getattr(value, "__name__", None) or " ".join(repr(value).split())
    return shortened(text, longest)


def shortened(text: str, longest: int) -> str:
    """A text without its middle if it is too long: names differ at their ends."""
    if len(text) <= longest:
        return text
    n_last = longest // 2
    return f"{text[: longest - 1 - n_last]}…{text[len(text) - n_last :]}"


def ticks(dimension: Dimension) -> tuple[np.ndarray, list[str]]:
    """Where to write a value on the axis from 0 to 1 of u, and the values."""
    if isinstance(dimension, Choice):
        step = -(-int(dimension.size) // MOST_LEVELS)
        indices = np.arange(0, int(dimension.size), step)
        return dimension.middle(indices), [text_of(dimension.levels[i]) for i in indices]
    if not isinstance(dimension, Range):  # a distribution, by its quantiles
        u = dimension.snap(np.linspace(0, 1, 5))
        return u, [text_of(dimension.decode(each)) for each in u]
    numbers = _round_numbers(dimension)
    inside = [float(number) for number in numbers if dimension.low <= number <= dimension.high]
    return np.array([dimension.encode(each) for each in inside]), written(inside)


def written(numbers: Sequence[float] | np.ndarray) -> list[str]:
    """Numbers of a scale, with as many digits as tell them apart."""
    step = float(np.diff(np.sort(numbers)).min()) if len(numbers) > 1 else np.inf
    digits = (
        d for d in range(6, 17) if all(abs(float(f"{n:.{d}g}") - n) < 1e-3 * step for n in numbers)
    )
    enough = next(digits, 17)
    return [f"{n:.{enough}g}" for n in numbers]


def _round_numbers(dimension: Range) -> Iterable[float]:
    """Some of a range and a little beyond."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = dimension.low, dimension.high
    if not dimension.log:
        whole = isinstance(low, int)
        return MaxNLocator(MOST_TICKS - 1, integer=whole).tick_values(low, high)
    if high >= 100 * low:
        return LogLocator(numticks=MOST_TICKS).tick_values(low, high)
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    return np.unique(np.outer(decades, [1, 2, 5]).round(12))


def positions(dimension: Dimension, u: np.ndarray) -> np.ndarray:
    """Where u, (m,), stand on an axis of values: numbers as they are, levels by index."""
    if isinstance(dimension, Choice):
        return dimension.index(u).astype(float)
    return np.array([float(dimension.decode(each)) for each in u])


def scale(ax: Any, which: str, dimension: Dimension) -> None:
    """Make an axis of matplotlib's, "x" or "y", one of the dimension's values."""
    if isinstance(dimension, Choice):
        n = int(dimension.size)
        shown = np.arange(0, n, -(-n // MOST_LEVELS))
        labels = [plain(text_of(dimension.levels[i]), 14) for i in shown]
        getattr(ax, f"set_{which}ticks")(shown, labels)
        getattr(ax, f"set_{which}lim")(-0.5, n - 0.5)
    elif getattr(dimension, "log", False):
        getattr(ax, f"set_{which}scale")("log")


def plain(text: str, longest: int = 100) -> str:
    """Text for matplotlib, to which dollars are the ends of formulas.

    What no font of the system has, and what cannot be printed, is written as its number.
    """
    known = "".join(c if _family_of(c) is not None else _number_of(c) for c in text)
    return shortened(known, longest).replace("$", r"\$")


def give_fonts(figure: Any) -> None:
    """Let texts of a figure, whose font lacks some of their characters, find them elsewhere."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        families = [family for family in map(_family_of, text.get_text()) if family]
        if families:
            text.set_fontfamily([*text.get_fontfamily(), *dict.fromkeys(families)])


def _number_of(character: str) -> str:
    return character.encode("unicode_escape").decode()


@cache
def _family_of(character: str) -> str | None:
    """The font that has a character: "" if it is the usual one, None if there is none."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    if not character.isprintable():
        return None
    if get_font(findfont(FontProperties())).get_char_index(ord(character)):
        return ""
    fonts = [font for font in fontManager.ttflist if font.style == "normal"]
    for font in sorted(fonts, key=lambda font: ("Sans" not in font.name, font.name, font.fname)):
        is_placeholder = "LastResort" in font.name.replace(" ", "")  # a box for each
        if not is_placeholder and get_font(font.fname).get_char_index(ord(character)):
            return font.name
    return None
