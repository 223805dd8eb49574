"""How far two distributions of numbers lie apart, and how sure one is of it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from eval.group_draws import redrawn

BOOTSTRAPS = 100


def wasserstein(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """W1, the area between the two distribution functions, in the unit of the values: a shift by s reads s."""
    grid = np.sort(np.concatenate([one, other]))
    return float(np.abs(_reached(one, grid) - _reached(other, grid))[:-1] @ np.diff(grid))


def kolmogorov(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"]) -> float:
    """The largest gap between the two distribution functions, 0..1 (Kolmogorov-Smirnov)."""
    grid = np.concatenate([one, other])
    return float(np.abs(_reached(one, grid) - _reached(other, grid)).max())


def mean_wasserstein(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "m k"]) -> float:
    """The mean of W1 over columns."""
    return float(np.mean([wasserstein(a, b) for a, b in zip(one.T, other.T, strict=True)]))


def bootstrap_error(
    distance: Callable[[np.ndarray, np.ndarray], float],
    one: np.ndarray,
    other: np.ndarray,
    *,
    seed: int,
    groups: Int[np.ndarray, " n"] | None = None,
) -> float:
    """The standard deviation of `distance` over redraws of the rows of both sides (Efron 1979).

    `groups`: the number of the group of each row of `one`, from 0; of g groups, g - 1 are drawn whole.
    """
    random = np.random.default_rng(seed)
    values = [distance(_redrawn(one, random, groups), _redrawn(other, random)) for _ in range(BOOTSTRAPS)]
    return float(np.std(values, ddof=1))


def _reached(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Share of `values` at or below each point of `grid`."""
    return np.searchsorted(np.sort(values), grid, side="right") / len(values)


def _redrawn(rows: np.ndarray, random: np.random.Generator, groups: np.ndarray | None = None) -> np.ndarray:
    if groups is not None:
        return np.repeat(rows, redrawn(groups, random), axis=0)
    return rows[random.integers(0, len(rows), len(rows))]
