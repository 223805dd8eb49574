"""All figures that compare two sets of rows by their distances and shares, taken together on the same draws."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from eval.coverage import NEIGHBOURS, coverage
from eval.tables.alpha import alpha_precision, beta_recall
from eval.tables.opening import Tables
from eval.tables.shapes import Shapes
from eval.tables.space import Space, assemble
from eval.tables.subgroups import Subgroups, category_figures, rate_gap

HIGHER_IS_BETTER = ("alpha_precision", "beta_recall", "precision", "recall", "density", "coverage")
METHODS = {
    "shape_error": "mean over columns of Kolmogorov-Smirnov or total variation",
    "trend_error": "mean over pairs of columns of half the difference of rank correlations, or total variation",
    "alpha_precision": "balls around the mean of the points, not of a learnt embedding",
    "beta_recall": f"balls around the mean, and to the {NEIGHBOURS}th nearest neighbour",
    "bias_categories": "mean total variation of shares over categorical columns",
    "skew_categories": "mean over categorical columns of the entropy of the real shares less the synthetic, bits",
    "bias_target": "mean difference over subgroups, by their rows",
}
_BALLS = f"balls to the {NEIGHBOURS}th nearest neighbour"


class Measures:
    """Calling it with the positions of two sets of rows gives their figures, in the order of `names`.

    The rows are the real ones followed by those of every source; `positions` says where a source's are.
    """

    def __init__(self, tables: Tables, real: np.ndarray, sources: Mapping[str, np.ndarray]) -> None:
        train, columns = tables.train.rows, tables.columns
        rows = np.concatenate([real, *sources.values()])
        self.space = Space(columns, tables.real)
        self.shapes = Shapes(columns, train, self.space)
        self._prepared = self.shapes.prepare(rows)
        self._points = assemble(columns, self.space.scaled(rows), self.space.sizes())
        self._groups = Subgroups(columns, train, tables.target)
        self._codes = self._groups.codes(rows)
        self._categorical = [i for i, column in enumerate(columns) if not column.numeric]
        self._outcome = self._standard_outcome(rows, train)
        self.positions = _positions({"real": real, **sources})
        self.names = ["shape_error", *(["trend_error"] if len(columns) > 1 else [])]
        self.names += HIGHER_IS_BETTER
        self.names += ["bias_categories", "skew_categories"] if self._categorical else []
        self.names += ["bias_target"] if self._outcome is not None and self._groups.others else []

    def __call__(self, one: Int[np.ndarray, " n"], other: Int[np.ndarray, " m"]) -> list[float]:
        """The figures of `other` compared with `one`."""
        scaled, bins = self._prepared
        found = self.shapes.mean_errors((scaled[one], bins[one]), (scaled[other], bins[other]))
        points = self._points[one], self._points[other]
        found += [alpha_precision(*points), beta_recall(*points), *coverage(*points)]
        if self._categorical:
            sizes = [self.shapes.size(i) for i in self._categorical]
            found += category_figures(bins[one][:, self._categorical], bins[other][:, self._categorical], sizes)
        if self._outcome is not None and self._groups.others:
            sizes = [len(self._groups.names(i)) for i in self._groups.others]
            found.append(
                rate_gap((self._codes[one], self._outcome[one]), (self._codes[other], self._outcome[other]), sizes)
            )
        return found

    def _standard_outcome(self, rows: np.ndarray, train: np.ndarray) -> Float[np.ndarray, " n"] | None:
        """A number in units of its spread, so that its gap is on a scale of its own."""
        outcome, known = self._groups.outcome(rows), self._groups.outcome(train)
        if outcome is None or known is None or not self._groups.columns[self._groups.target or 0].numeric:
            return None if outcome is None else outcome.values
        spread = np.nanstd(known.values)
        return outcome.values / (spread if spread > 0 else 1.0)


def method_of(name: str) -> str:
    """How the figure of that name is taken."""
    return METHODS.get(name, _BALLS)


def _positions(parts: Mapping[str, np.ndarray]) -> dict[str, Int[np.ndarray, " n"]]:
    ends = np.cumsum([len(part) for part in parts.values()])
    return {name: np.arange(end - len(part), end) for (name, part), end in zip(parts.items(), ends, strict=True)}
