"""The one space in which rows are compared: numbers by their rank among the real ones, categories one-hot, missing a state.

A number becomes the share of real values below it (half of those equal to it): exactly at a knot for every 30 rows, straight
between them and, beyond the smallest and largest, on by the real range. So neither unit nor skew counts, what is far out
stays far out, and among its neighbours a fitted value is not more evenly spaced than a new one would be. A category
becomes a one-hot vector over sqrt 2: two rows that differ in it are as far apart there as the smallest and the largest
number. Where a number may be missing, a further coordinate says so, and the number stands in the middle.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from eval.tables.table import Column

MOST_CATEGORIES = 100  # with a coordinate of their own, the most frequent ones; the others share one
KNOTS = (10, 1000)  # least and most; between them one for 30 rows, as quantiles are taken in TabDDPM
MEASURED_IN = "numbers by rank among the real rows, categories one-hot, missing as a state of its own"


class Space:
    """Fitted on real rows (n, c)."""

    def __init__(self, columns: Sequence[Column], real: Float[np.ndarray, "n c"]) -> None:
        self.columns = tuple(columns)
        self._known = [ranks_of(real[:, i]) if column.numeric else None for i, column in enumerate(columns)]
        self._folds = [None if column.numeric else fold_of(column, real[:, i]) for i, column in enumerate(columns)]

    def scaled(self, rows: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """Numbers as their rank, NaN where missing; categories as numbers 0, 1, ... by frequency, rare ones as one."""
        found = np.empty_like(rows, dtype=np.float64)
        for i, (known, fold) in enumerate(zip(self._known, self._folds, strict=True)):
            if known is not None:
                found[:, i] = rank(rows[:, i], *known)
            elif fold is not None:
                found[:, i] = fold[rows[:, i].astype(int)]
        return found

    def sizes(self) -> list[int]:
        """How many categories `scaled` tells apart in each column; 0 for numbers."""
        return [0 if fold is None else int(fold.max()) + 1 for fold in self._folds]

    def encode(self, rows: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n d"]:
        """The rows as points."""
        return assemble(self.columns, self.scaled(rows), self.sizes())


class MinMaxSpace(Space):
    """The space of TabDDPM's distances (Kotelnikov et al. 2023, section 5.3): numbers from 0, the least, to 1, the largest."""

    def __init__(self, columns: Sequence[Column], train: Float[np.ndarray, "n c"]) -> None:
        super().__init__(columns, train)
        lows, highs = (_ignoring_nan(reduce, train) for reduce in (np.nanmin, np.nanmax))
        self._low, self._range = lows, np.where(highs > lows, highs - lows, 1.0)

    def scaled(self, rows: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """Numbers over their range, NaN where missing; categories as in Space."""
        found = super().scaled(rows)
        numeric = [i for i, column in enumerate(self.columns) if column.numeric]
        found[:, numeric] = ((rows - self._low) / self._range)[:, numeric]
        return found


def assemble(
    columns: Sequence[Column], scaled: Float[np.ndarray, "n c"], sizes: Sequence[int]
) -> Float[np.ndarray, "n d"]:
    """Points of scaled rows: numbers, a coordinate for missing where it occurs, and one-hot categories over sqrt 2."""
    parts = []
    for i, (column, size) in enumerate(zip(columns, sizes, strict=True)):
        values = scaled[:, i]
        if not column.numeric:
            parts.append((values[:, None] == np.arange(size)) / np.sqrt(2))
            continue
        parts.append(np.nan_to_num(values, nan=0.5)[:, None])
        if column.missing:
            parts.append(np.isnan(values)[:, None].astype(np.float64))
    return np.concatenate(parts, axis=1)


def ranks_of(values: Float[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
    """The knots: different values, ascending, and the share of all below each, half of those equal to it counted."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return known, known
    count = min(max(len(known) // 30, KNOTS[0]), KNOTS[1])
    knots = np.unique(known[np.linspace(0, len(known) - 1, count).round().astype(int)])
    ends = [np.searchsorted(known, knots, side=side) for side in ("left", "right")]
    return knots, (ends[0] + ends[1]) / (2 * len(known))


def rank(values: Float[np.ndarray, " n"], different: np.ndarray, shares: np.ndarray) -> Float[np.ndarray, " n"]:
    """The share that belongs to each value, NaN for NaN; beyond the known ones on by their range."""
    if not len(different):
        return np.where(np.isnan(values), np.nan, 0.5)
    low, high = different[0], different[-1]
    reach = (high - low) or max(1.0, abs(high))
    found = np.interp(values, different, shares)
    return found + (np.minimum(values - low, 0) + np.maximum(values - high, 0)) / reach


def fold_of(column: Column, values: Float[np.ndarray, " n"]) -> np.ndarray:
    """Each category's number by its frequency among `values`; all beyond the most frequent 100 have the last one."""
    assert column.categories is not None
    counts = np.bincount(values.astype(int), minlength=len(column.categories))
    order = np.argsort(-counts, kind="stable")
    fold = np.empty(len(order), int)
    fold[order] = np.minimum(np.arange(len(order)), MOST_CATEGORIES)
    return fold


def _ignoring_nan(reduce, values: np.ndarray) -> np.ndarray:
    return np.array([reduce(column) if (~np.isnan(column)).any() else 0.0 for column in values.T])
