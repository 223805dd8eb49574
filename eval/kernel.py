"""Kernel Inception distance (Binkowski et al. 2018): an unbiased squared MMD, so that few images do not inflate it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

ALL_IMAGES = 5000  # of the smaller side: up to here every pair of images is used
SUBSETS, SUBSET_SIZE = 100, 1000
_ROWS = 1024  # rows of the kernel matrix in memory at a time


class KernelDistance(NamedTuple):
    """The squared MMD, its standard error, and how both were found."""

    value: float
    standard_error: float
    method: str


def kernel_distance(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m d"],
    *,
    seed: int = 0,
    groups: Int[np.ndarray, " n"] | None = None,
) -> KernelDistance:
    """KID with the kernel (x.y / d + 1)^3 and its standard error; ValueError with fewer than 3 images on a side.

    Up to 5000 images on either side: the unbiased estimate over all pairs (Gretton et al. 2012, eq. 3) and its delete-one
    jackknife. Above: the mean over 100 random subsets of 1000 (Binkowski et al. 2018, section 4); drawn from n images
    without replacement, their deviation is that of n images times sqrt(n / 1000 - 1). Both errors lie on the large side
    where the two folders come from one distribution.

    `groups`: the number of the group of each image of x, from 0; the jackknife then leaves out a whole group of x at a time.
    The subsets do not heed it.
    """
    n = min(len(x), len(y))
    if n < 3:
        raise ValueError(f"n={n}: KID and its standard error need 3 images or more on either side")
    if n <= ALL_IMAGES:
        whole = "" if groups is None else ", whole groups of real images"
        return KernelDistance(*_jackknife(x, y, groups), f"all pairs, delete-one jackknife{whole}")
    random = np.random.default_rng(seed)
    values = [mmd2(_subset(x, random), _subset(y, random)) for _ in range(SUBSETS)]
    error = float(np.std(values, ddof=1) / np.sqrt(n / SUBSET_SIZE - 1))
    return KernelDistance(float(np.mean(values)), error, f"{SUBSETS} subsets of {SUBSET_SIZE}")


def mmd2(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> float:
    """The unbiased squared MMD; where both sides are alike it is negative about half the time."""
    xx, yy, xy = _partners(x), _partners(y), _row_sums(x, y)[0]
    return _mean(xx, len(x) - 1) + _mean(yy, len(y) - 1) - 2 * _mean(xy, len(y))


def polynomial_kernel(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """(x.y / d + 1)^3 in float64 (Binkowski et al. 2018, section 4)."""
    base = x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1
    return base * base * base


def _jackknife(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> tuple[float, float]:
    """The estimate and its standard error, from what it becomes without each image in turn, or each group of x."""
    n, m = len(x), len(y)
    xx, yy, (xy, yx) = _partners(x), _partners(y), _row_sums(x, y)  # (n,) (m,) (n,) (m,)
    within_x, within_y, across = _mean(xx, n - 1), _mean(yy, m - 1), _mean(xy, m)
    if groups is None:
        without_x = (xx.sum() - 2 * xx) / ((n - 1) * (n - 2)) + within_y - 2 * (xy.sum() - xy) / ((n - 1) * m)
    else:
        without_x = within_y + _without_groups(x, xx, xy, groups, m)
    without_y = within_x + (yy.sum() - 2 * yy) / ((m - 1) * (m - 2)) - 2 * (xy.sum() - yx) / (n * (m - 1))
    variance = (len(without_x) - 1) * without_x.var() + (m - 1) * without_y.var()
    return within_x + within_y - 2 * across, float(np.sqrt(variance))


def _without_groups(x: np.ndarray, xx: np.ndarray, xy: np.ndarray, groups: np.ndarray, m: int) -> np.ndarray:
    """What x has to do with the estimate without each of its groups in turn (g,)."""
    left = len(x) - np.bincount(groups)  # (g,)
    inside = np.array(
        [_partners(x[groups == group]).sum() for group in range(len(left))]
    )  # counted in xx of both partners
    pairs = xx.sum() - 2 * np.bincount(groups, xx) + inside
    return pairs / (left * (left - 1)) - 2 * (xy.sum() - np.bincount(groups, xy)) / (left * m)


def _row_sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the kernel matrix (n, m) over its rows and over its columns."""
    rows, columns = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _ROWS):
        block = polynomial_kernel(x[start : start + _ROWS], y)
        rows[start : start + _ROWS] = block.sum(axis=1)
        columns += block.sum(axis=0)
    return rows, columns


def _partners(x: np.ndarray) -> np.ndarray:
    """Each image's kernel with all others of its folder, summed (n,)."""
    own = (np.square(x.astype(np.float64)).sum(axis=1) / x.shape[1] + 1) ** 3
    return _row_sums(x, x)[0] - own


def _mean(sums: np.ndarray, partners: int) -> float:
    return float(sums.sum() / (len(sums) * partners))


def _subset(features: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return features[random.choice(len(features), SUBSET_SIZE, replace=False)]
