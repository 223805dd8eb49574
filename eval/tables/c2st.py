"""Can a classifier tell synthetic rows from real ones? The classifier two-sample test (Lopez-Paz & Oquab 2017).

Equally many rows of both sides, boosted trees on the raw columns, five folds: each row is judged by trees that did not see it.
The area under the curve is 0.5 where nothing tells them apart, and 1 where everything does. Its interval is DeLong's over rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from eval.floor import Floor, Spread, floor_size
from eval.membership import Interval, auc

FOLDS, TREES = 5, 100
METHOD = f"{TREES} boosted trees, {FOLDS} folds, DeLong intervals of 90 %"


def two_sample_auc(
    one: Float[np.ndarray, "n c"], other: Float[np.ndarray, "m c"], categorical: list[int], *, seed: int
) -> Interval:
    """The area under the curve of telling `other` from `one`; NaN is a value, and `categorical` columns hold 0, 1, ... 100."""
    rows = np.concatenate([one, other])
    label = np.repeat([0, 1], [len(one), len(other)])
    scores = np.empty(len(rows))
    options: dict[str, Any] = {"categorical_features": categorical or None, "early_stopping": False, "max_iter": TREES}
    for known, asked in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, label):
        trees = HistGradientBoostingClassifier(random_state=seed, **options).fit(rows[known], label[known])
        scores[asked] = trees.decision_function(rows[asked])
    return auc(scores[label == 1], scores[label == 0])


@dataclass(frozen=True)
class Drawn:
    """One draw: two disjoint sets of n real rows."""

    one: np.ndarray
    other: np.ndarray
    size: int


def draw(real: Float[np.ndarray, "n c"], n_synthetic: int, *, seed: int) -> Drawn:
    """The draw that all sources of a comparison are judged on."""
    n = floor_size(len(real), n_synthetic)
    order = np.random.default_rng(seed).permutation(len(real))
    return Drawn(real[order[:n]], real[order[n : 2 * n]], n)


def c2st_floor(
    drawn: Drawn,
    floor: Interval,
    synthetic: Float[np.ndarray, "m c"],
    categorical: list[int],
    *,
    alarm: float,
    seed: int,
) -> Floor:
    """The area of synthetic against real beside `floor`, that of real against other real rows.

    The excess reaches as far that one honest file in 1 / `alarm` is told apart.

    The excess is over 0.5 where the floor lies below, as chance and folds of few rows may have it.
    """
    chosen = np.random.default_rng(seed + 1).permutation(len(synthetic))[: drawn.size]
    matched = two_sample_auc(drawn.one, synthetic[chosen], categorical, seed=seed)
    gap, error = matched.value - max(0.5, floor.value), float(np.hypot(_error(matched), _error(floor)))
    spreads = [
        _spread(floor.value, _error(floor)),
        _spread(matched.value, _error(matched)),
        _spread(gap, error, 1 - alarm),
    ]
    return Floor(drawn.size, 1, *spreads)


def _error(interval: Interval) -> float:
    """Of a normal with this interval of 95 %, of which an end may have been cut off at 0 or 1."""
    half = max(interval.high - interval.value, interval.value - interval.low)
    return half / float(norm.ppf(0.975))


def _spread(mean: float, error: float, within: float = 0.95) -> Spread:
    half = float(norm.ppf(within)) * error
    return Spread(mean, mean - half, mean + half)
