"""Who is in the synthetic table, and is the target as frequent among them as among the real ones?

A subgroup is all rows of one category, or of one quarter of a number. Three questions: are the categories as frequent as
they were (and is what was frequent now more frequent, which is amplified bias), which rare categories are lost, and does the
target's rate in each subgroup stay what it was.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from eval.bias import entropy
from eval.tables.table import MISSING_STATE, Column

QUARTERS = (0.25, 0.5, 0.75)
MOST_GROUPS = 12  # of a column that are shown; the others are one group "others"
SURPRISE = 0.01  # a category is lost where an honest sampler would have missed it with less probability
LEAST_ROWS = 10  # on either side behind a subgroup's rate


class Outcome(NamedTuple):
    """What is averaged in a subgroup: the share of a class, or the mean of a number."""

    words: str
    values: Float[np.ndarray, " n"]  # NaN where the target is unknown


class Subgroups:
    """The subgroups of every column but the target, fitted on the training rows (n, c)."""

    def __init__(self, columns: Sequence[Column], train: Float[np.ndarray, "n c"], target: int | None) -> None:
        self.columns, self._train, self.target = tuple(columns), train, target
        self.others = [i for i in range(len(columns)) if i != target]
        self._edges = {i: _edges(train[:, i]) for i in self.others if columns[i].numeric}

    def codes(self, rows: Float[np.ndarray, "n c"]) -> Int[np.ndarray, "n g"]:
        """Which subgroup of each column of `others` a row is in."""
        found = np.empty((len(rows), len(self.others)), np.int64)
        for k, i in enumerate(self.others):
            if i in self._edges:
                found[:, k] = np.searchsorted(self._edges[i], rows[:, i], side="left")
                found[np.isnan(rows[:, i]), k] = len(self._edges[i]) + 1
            else:
                found[:, k] = rows[:, i].astype(int)
        return found

    def names(self, i: int) -> list[str]:
        """The subgroups of column i in words."""
        categories = self.columns[i].categories
        if categories is not None:
            return list(categories)
        edges = [f"{edge:.4g}" for edge in self._edges[i]]
        ranges = [f"{low} < x ≤ {high}" for low, high in pairwise(edges)]
        parts = [f"x ≤ {edges[0]}", *ranges, f"x > {edges[-1]}"] if edges else ["any number"]
        return [*parts, MISSING_STATE]

    def outcome(self, rows: Float[np.ndarray, "n c"]) -> Outcome | None:
        """The target as what is averaged: of two classes the rarer, of more the most frequent one; None without a target."""
        if self.target is None:
            return None
        column, values = self.columns[self.target], rows[:, self.target]
        if column.categories is None:
            return Outcome(f"mean {column.name}", values)
        known = [k for k, text in enumerate(column.categories[: column.known]) if text != MISSING_STATE]
        counts = {k: int((self._train[:, self.target] == k).sum()) for k in known}
        chosen = min(counts, key=lambda k: counts[k]) if len(known) == 2 else max(counts, key=lambda k: counts[k])
        unknown = values == (column.categories.index(MISSING_STATE) if MISSING_STATE in column.categories else -1)
        share = np.where(unknown, np.nan, (values == chosen).astype(np.float64))
        return Outcome(f"share of {column.name} = {column.categories[chosen]}", share)


def rate_gap(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], sizes: Sequence[int]) -> float:
    """The mean difference of the rates, each subgroup counting by its rows; a side is its codes (n, g) and outcomes (n,)."""
    gaps = []
    for k, size in enumerate(sizes):
        sides = [_rates(codes[:, k], outcomes, size) for codes, outcomes in (one, other)]
        (counts, rates), (others, other_rates) = sides
        both = (counts > 0) & (others > 0)
        if both.any():
            gaps.append(np.average(np.abs(rates - other_rates)[both], weights=counts[both]))
    return float(np.mean(gaps)) if gaps else 0.0


def _rates(codes: np.ndarray, outcomes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(outcomes)
    counts = np.bincount(codes[known], minlength=size)
    sums = np.bincount(codes[known], weights=outcomes[known], minlength=size)
    return counts, np.divide(sums, counts, out=np.zeros(size), where=counts > 0)


def category_figures(
    one: Int[np.ndarray, "n q"], other: Int[np.ndarray, "m q"], sizes: Sequence[int]
) -> tuple[float, float]:
    """Over categorical columns, the mean total variation of their shares and the mean entropy lost, in bits."""
    gaps, lost = [], []
    for k, size in enumerate(sizes):
        a, b = (np.bincount(side[:, k], minlength=size) / len(side) for side in (one, other))
        gaps.append(np.abs(a - b).sum() / 2)
        lost.append(entropy(a) - entropy(b))
    return float(np.mean(gaps)), float(np.mean(lost))


def shares(
    columns: Sequence[Column], real: np.ndarray, synthetic: np.ndarray
) -> dict[str, dict[str, dict[str, float]]]:
    """{column: {"real": {category: share}, "synthetic": ...}}, the most frequent categories first and the rest as one."""
    found = {}
    for i, column in enumerate(columns):
        if column.categories is None:
            continue
        size = len(column.categories)
        sides = [np.bincount(rows[:, i].astype(int), minlength=size) / len(rows) for rows in (real, synthetic)]
        order = np.argsort(-sides[0], kind="stable")
        shown, rest = order[:MOST_GROUPS], order[MOST_GROUPS:]
        found[column.name] = {
            name: {column.categories[k]: float(side[k]) for k in shown}
            | ({f"{len(rest)} others": float(side[rest].sum())} if len(rest) else {})
            for name, side in zip(("real", "synthetic"), sides, strict=True)
        }
    return found


def lost_categories(columns: Sequence[Column], real: np.ndarray, synthetic: np.ndarray) -> list[dict[str, Any]]:
    """Categories of the real rows that no synthetic row has, and the probability that as many honest rows would lack them.

    That is (1 - share)^m; below SURPRISE it is called "lost", else "absent by chance, perhaps".
    """
    lost = []
    for i, column in enumerate(columns):
        if column.categories is None:
            continue
        sides = [np.bincount(rows[:, i].astype(int), minlength=len(column.categories)) for rows in (real, synthetic)]
        for k in np.flatnonzero((sides[0] > 0) & (sides[1] == 0)):
            chance = float((1 - sides[0][k] / len(real)) ** len(synthetic))
            lost.append({
                "column": column.name, "category": column.categories[k], "real_rows": int(sides[0][k]),
                "chance": chance, "lost": chance < SURPRISE,
            })  # fmt: skip
    return sorted(lost, key=lambda entry: entry["chance"])


def target_rates(groups: Subgroups, real: np.ndarray, synthetic: np.ndarray) -> dict[str, Any] | None:
    """The outcome in every subgroup with LEAST_ROWS on both sides, and the difference with Welch's interval of 95 %."""
    outcomes = [outcome for rows in (real, synthetic) if (outcome := groups.outcome(rows)) is not None]
    if not outcomes:
        return None
    codes, rows = [groups.codes(side) for side in (real, synthetic)], []
    for k, i in enumerate(groups.others):
        names = groups.names(i)
        largest = np.argsort(-np.bincount(codes[0][:, k], minlength=len(names)), kind="stable")[:MOST_GROUPS]
        for group in sorted(largest):
            sides = [o.values[(c[:, k] == group) & ~np.isnan(o.values)] for o, c in zip(outcomes, codes, strict=True)]
            if min(len(side) for side in sides) >= LEAST_ROWS:
                rows.append({"column": groups.columns[i].name, "group": names[group], **_difference(*sides)})
    return {"outcome": outcomes[0].words, "rows": rows}


def _difference(real: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    gap = float(synthetic.mean() - real.mean())
    half = 1.96 * float(np.sqrt(real.var(ddof=1) / len(real) + synthetic.var(ddof=1) / len(synthetic)))
    return {
        "real": float(real.mean()), "synthetic": float(synthetic.mean()), "n_real": len(real),
        "n_synthetic": len(synthetic), "difference": gap, "low": gap - half, "high": gap + half,
    }  # fmt: skip


def _edges(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, QUARTERS)) if len(known) else np.zeros(0)
