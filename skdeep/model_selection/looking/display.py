"""Pictures of a search."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skdeep.model_selection.looking import landscape_plots, trial_plots
from skdeep.model_selection.looking.content import Content
from skdeep.model_selection.looking.importance import importance_table, shown
from skdeep.model_selection.looking.landscape import Landscape
from skdeep.model_selection.looking.scales import give_fonts
from skdeep.model_selection.looking.sources import content_of
from skdeep.validation import did_you_mean

KINDS = ("convergence", "parallel", "dependence", "importance", "curves", "slice")
WITHOUT_PARAMETERS = ("convergence", "importance", "curves")
N_SINGLE, N_PAIRS, N_SLICES = 4, 2, 3  # shown unless parameters are named
MOST_BARS = 12
PANEL = (3.8, 3.2)  # inches


class SearchDisplay:
    """What a search has tried, and what its scores tell of the parameters.

    Made by :meth:`from_search`; :meth:`plot` draws one of six pictures:

    - ``"convergence"``: the score of each trial in order, the best so far, the estimator's own
      configuration, failures, and what the best is worth by an honest score where there is one.
    - ``"parallel"``: a line for each trial through all of its values.
    - ``"dependence"``: the mean score by a parameter or by two, over all else, as a model has it.
    - ``"importance"``: shares of the score's variance, of each parameter and each pair.
    - ``"curves"``: scores after few epochs and more, and losses by epoch: of rows held out where
      the network had any, else of those that it learnt from.
    - ``"slice"``: the model along a parameter through the best trial: mean, band and trials, and
      below them the expected improvement, by which a search decides where to look next.

    The model is the Gaussian process of :class:`BayesSearchCV`, whatever has searched.

    Parameters
    ----------
    content : Content
        The trials.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        What the last picture was drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    BayesSearchCV.report : All of it on one page, with a table.
    load_search : The trials as a table.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skdeep.model_selection import BayesSearchCV, SearchDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"C": (1e-3, 1e3, "log"), "gamma": (1e-4, 10.0, "log"), "shrinking": [True, False]}
    >>> search = BayesSearchCV(SVC(), space, n_iter=12, random_state=0).fit(X, y)
    >>> display = SearchDisplay.from_search(search)
    >>> display.plot("convergence").axes_[0].get_ylabel()
    'accuracy'
    >>> display.importance()[["parameter", "partner", "share"]].head(4).round(1)
       parameter partner  share
    0          C            0.4
    1      gamma            0.4
    2          C   gamma    0.2
    3  shrinking            0.0
    """

    def __init__(self, content: Content) -> None:
        self.content = content

    @classmethod
    def from_search(cls, source: Any) -> "SearchDisplay":
        """Read a search; nothing is drawn yet.

        Parameters
        ----------
        source : search, str, Path, SearchRecord or OptimizeResult
            A fitted search, of skdeep or scikit-learn; the journal of one, by its path or as
            :func:`load_search` returned it, be the search running or dead; or what
            :func:`minimize` or scikit-optimize returned. A journal does not hold the space, nor
            does a search of scikit-learn: it is told then by what was tried, where numbers that
            are spread evenly over the decades make a logarithmic axis.

        Returns
        -------
        display : SearchDisplay

        Raises
        ------
        TypeError
            If ``source`` is none of these.
        IsADirectoryError
            If it is the path of a folder.
        """
        return cls(content_of(source))

    def plot(
        self,
        kind: str = "convergence",
        *,
        parameters: Sequence[str | tuple[str, str]] | None = None,
        ax: Any = None,
    ) -> "SearchDisplay":
        """Draw one of the pictures.

        Parameters
        ----------
        kind : {'convergence', 'parallel', 'dependence', 'importance', 'curves', 'slice'}, \
                default='convergence'
            Which one.
        parameters : list of str, default=None
            What it is about: the axes of "parallel", a panel each of "dependence", of which a pair
            of names is a map, and of "slice". None takes those that matter most.
        ax : Axes or array of Axes, default=None
            Where to draw, one for each panel; of "slice" two for each, the lower ones last. None
            makes a figure.

        Returns
        -------
        self : SearchDisplay

        Raises
        ------
        ValueError
            If there is nothing to draw: of "curves" without epochs, or without enough scores for a
            model.
        TypeError
            If ``ax`` has something else than Axes.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, but is {kind!r}.")
        if not len(self.content):
            raise ValueError("the search has no trial yet: there is nothing to draw.")
        if parameters is not None:
            self._check_parameters(kind, parameters)
        getattr(self, f"_plot_{kind}")(parameters, ax)
        give_fonts(self.figure_)
        return self

    def importance(self) -> pd.DataFrame:
        """Whose doing the scores are: shares of their variance over the space.

        Returns
        -------
        table : DataFrame
            A row for each parameter and each pair, the largest share first. Columns ``parameter``,
            ``partner`` (of a pair, else ""), ``share``, what the parameter does by itself or the
            two do beyond that (Sobol's first-order and second-order indices), and ``total`` of a
            parameter: with all that it takes part in (its total index).

        Notes
        -----
        The functional analysis of variance of [1]_, of the Gaussian process's mean. It holds as far
        as that predicts trials that it has not seen, which the picture tells. Shares are exact to
        about 0.01.

        References
        ----------
        .. [1] Hutter, Hoos, Leyton-Brown. An efficient approach for assessing hyperparameter
           importance. ICML, 2014.
        """
        return self._importance.copy()

    def report(self, path: str | Path) -> None:
        """Write a page about the search, as :meth:`BayesSearchCV.report` does."""
        from skdeep.model_selection.looking.report import write_report

        write_report(self, path)

    @cached_property
    def landscape(self) -> Landscape:
        """The model."""
        return Landscape(self.content)

    @cached_property
    def _importance(self) -> pd.DataFrame:
        return importance_table([*self.content.space.dimensions], self.landscape.median)

    def _check_parameters(self, kind: str, parameters: Any) -> None:
        if kind in WITHOUT_PARAMETERS:
            raise ValueError(f"{kind!r} is about all parameters; leave `parameters` out.")
        if isinstance(parameters, str) or not len(parameters):
            raise ValueError(f"parameters must be a list of names, but is {parameters!r}.")
        known = self.content.space.dimensions
        for each in parameters:
            pair = each if isinstance(each, tuple) and kind == "dependence" else (each,)
            if len(pair) > 2 or len(set(pair)) < len(pair):
                raise ValueError(f"a map is of two different parameters, but one is of {each!r}.")
            for name in pair:
                if name not in known:
                    raise ValueError(
                        f"{name!r} is no parameter of the search{did_you_mean(str(name), known)}"
                    )

    def _plot_convergence(self, parameters: None, ax: Any) -> None:
        axes = self._panels(ax, 1, (7.0, 4.0))
        trial_plots.convergence(self.content, axes[0])

    def _plot_parallel(self, parameters: Any, ax: Any) -> None:
        names = parameters or self.foremost(trial_plots.MOST_PARALLEL)
        axes = self._panels(ax, 1, (max(6.0, 1.5 * (len(names) + 1)), 4.4))
        trial_plots.parallel(self.content, axes[0], names)

    def _plot_dependence(self, parameters: Any, ax: Any) -> None:
        if parameters is None:
            table = shown(self._importance)
            pairs = table[table["partner"] != ""].head(N_PAIRS)[["parameter", "partner"]]
            parameters = [*self.foremost(N_SINGLE), *map(tuple, pairs.to_numpy())]
        landscape = self.landscape
        axes = self._panels(ax, len(parameters))
        landscape_plots.dependence(landscape, axes, parameters)
        for panel, each in zip(axes, parameters):
            if isinstance(each, str):
                panel.set_ylabel(trial_plots.plain(self.content.score_name))

    def _plot_importance(self, parameters: None, ax: Any) -> None:
        table = shown(self._importance).head(MOST_BARS)
        axes = self._panels(ax, 1, (6.4, 1.6 + 0.3 * len(table)))
        landscape_plots.importance(self.content, table, self.landscape.trust, axes[0])

    def _plot_curves(self, parameters: None, ax: Any) -> None:
        n = bool(self.content.partial) + bool(self.content.losses)
        if n == 0:
            raise ValueError(
                "there are no learning curves: the search has noted neither losses nor scores "
                "after few epochs, as BayesSearchCV(fidelity='epochs') does for networks."
            )
        trial_plots.curves(self.content, self._panels(ax, n, (5.2 * n, 3.8)))

    def _plot_slice(self, parameters: Any, ax: Any) -> None:
        names = parameters or self.foremost(N_SLICES)
        landscape = self.landscape
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(
                2,
                len(names),
                squeeze=False,
                layout="constrained",
                figsize=(PANEL[0] * len(names), 4.4),
                height_ratios=[3, 1],
            )
        axes = self._panels(ax, 2 * len(names))
        landscape_plots.slices(landscape, axes.reshape(2, -1), names)

    def foremost(self, n: int) -> list[str]:
        """The parameters that matter most, or, without a model, the first."""
        names = [*self.content.space.dimensions]
        if len(names) <= n and n > N_SINGLE:
            return names
        try:
            table = shown(self._importance)
        except ValueError:
            return names[:n]
        table = table[table["partner"] == ""]
        return table["parameter"].head(n).tolist()

    def _panels(self, ax: Any, n: int, size: tuple[float, float] | None = None) -> np.ndarray:
        """Axes to draw n panels on, (n,): those that are given, or new ones."""
        if ax is None:
            import matplotlib.pyplot as plt

            n_columns = min(n, 3) if size is None else n
            n_rows = -(-n // n_columns)
            if size is None:
                size = (PANEL[0] * n_columns, PANEL[1] * n_rows)
            _, grid = plt.subplots(
                n_rows, n_columns, squeeze=False, figsize=size, layout="constrained"
            )
            for unused in grid.flat[n:]:
                unused.remove()
            axes = grid.ravel()[:n]
        else:
            from matplotlib.axes import Axes

            axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
            if len(axes) != n:
                raise ValueError(f"ax must be {n} Axes, one for each panel, but is {len(axes)}.")
            if not all(isinstance(each, Axes) for each in axes):
                raise TypeError(
                    f"ax must be Axes of matplotlib, or an array of them, but is {ax!r}."
                )
        self.axes_, self.figure_ = axes, axes[0].figure
        return axes
