"""Does each column look right (shape), and each pair of columns (trend)?

    column error   numbers: the largest gap between both distribution functions (Kolmogorov-Smirnov), a missing value counting
                   as one below all others; categories: total variation, half the sum of the differences of shares
    pair error     numbers: half the difference of both rank correlations, over the rows that have both values; any other
                   pair: total variation of the joint shares, numbers in ten bins of equally many training rows

All are 0 for equal tables and at most 1. As SDMetrics' "column shapes" and "column pair trends" they are 1 minus a similarity;
there numbers correlate by value, not by rank. Columns drawn independently of each other have the best shapes there can be,
so that shapes alone say little.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from eval.distributions import kolmogorov
from eval.tables.space import Space
from eval.tables.table import Column

BINS = 10
Prepared = tuple[np.ndarray, np.ndarray]
"""What `Shapes.prepare` gives: scaled values (n, c) and bins (n, c)."""


class Shapes:
    """Both errors of sets of rows that `prepare` has made ready, fitted on the training rows."""

    def __init__(self, columns: Sequence[Column], train: Float[np.ndarray, "n c"], space: Space) -> None:
        self.columns, self._space = tuple(columns), space
        shares = np.linspace(0, 1, BINS + 1)[1:-1]
        self._edges = [
            np.unique(np.nanquantile(train[:, i], shares)) if column.numeric and _some(train[:, i]) else np.zeros(0)
            for i, column in enumerate(columns)
        ]  # a value that makes up several tenths ends several bins at once, and they become one

    def prepare(self, rows: Float[np.ndarray, "n c"]) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n c"]]:
        """Numbers by rank, categories as they are; and all of it in bins, the last of a number's being "missing"."""
        scaled, bins = self._space.scaled(rows), np.empty(rows.shape, np.int64)
        for i, column in enumerate(self.columns):
            if not column.numeric:
                scaled[:, i] = bins[:, i] = rows[:, i].astype(int)
                continue
            bins[:, i] = np.searchsorted(self._edges[i], rows[:, i], side="left")
            bins[np.isnan(rows[:, i]), i] = len(self._edges[i]) + 1
        return scaled, bins

    def size(self, i: int) -> int:
        """How many bins column i has."""
        categories = self.columns[i].categories
        return len(self._edges[i]) + 2 if categories is None else len(categories)

    def column_errors(self, one: Prepared, other: Prepared) -> Float[np.ndarray, " c"]:
        """The error of each column, 0..1."""
        errors = np.zeros(len(self.columns))
        for i, column in enumerate(self.columns):
            if column.numeric:
                errors[i] = kolmogorov(*(np.nan_to_num(side[0][:, i], nan=-np.inf) for side in (one, other)))
            else:
                errors[i] = _variation(one[1][:, i], other[1][:, i], self.size(i))
        return errors

    def pair_errors(self, one: Prepared, other: Prepared) -> Float[np.ndarray, "c c"]:
        """The error of each pair, 0..1; 0 on the diagonal."""
        count = len(self.columns)
        errors = np.zeros((count, count))
        for i in range(count):
            for j in range(i):
                errors[i, j] = errors[j, i] = self._pair(one, other, i, j)
        return errors

    def _pair(self, one: Prepared, other: Prepared, i: int, j: int) -> float:
        if self.columns[i].numeric and self.columns[j].numeric:
            gap = correlation(*one[0][:, [i, j]].T) - correlation(*other[0][:, [i, j]].T)
            return abs(gap) / 2
        width = self.size(j)
        joint = [side[1][:, i] * width + side[1][:, j] for side in (one, other)]
        return _variation(joint[0], joint[1], self.size(i) * width)

    def mean_errors(self, one: Prepared, other: Prepared) -> list[float]:
        """The mean over columns, and, of two columns or more, the mean over pairs."""
        means = [float(self.column_errors(one, other).mean())]
        count = len(self.columns)
        if count > 1:
            means.append(float(self.pair_errors(one, other).sum() / (count * (count - 1))))
        return means


def correlation(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Pearson's over the pairs without NaN; 0 where either is constant."""
    both = ~(np.isnan(one) | np.isnan(other))
    a, b = one[both], other[both]
    if len(a) < 2 or a.min() == a.max() or b.min() == b.max():
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def _variation(one: np.ndarray, other: np.ndarray, size: int) -> float:
    shares = [np.bincount(side, minlength=size) / len(side) for side in (one, other)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _some(values: np.ndarray) -> bool:
    return bool((~np.isnan(values)).any())
