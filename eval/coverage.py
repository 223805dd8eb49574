"""Are the samples among the real images (precision, density), and do they reach all of these (recall, coverage)?

A set's support is the union of balls around its points, each as wide as the way to the point's k-th nearest neighbour in
the same set. With X real and Y synthetic, B(x) the ball of x among X and B(y) that of y among Y:

    precision = share of Y within some B(x)            recall   = share of X within some B(y)
    density   = mean over Y of #{x : y in B(x)} / k    coverage = share of X whose B(x) holds some y

Precision and recall: Kynkäänniemi et al. 2019, equation 1. Density and coverage: Naeem et al. 2020, equations 3 and 4. Of one
real outlier the ball is wide: it raises precision by what lies there by chance, density by 1/k of it; and one synthetic
outlier, whose ball is wide, raises recall, but not coverage. Distances are Euclidean between features; a ball's edge is
outside.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

NEIGHBOURS = 5  # k, of all four (Naeem et al. 2020, section 4.2)
_ROWS = 1024  # rows of the distance matrix in memory at a time


class Coverage(NamedTuple):
    """The four figures; density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def coverage(
    real: Float[np.ndarray, "n d"], synthetic: Float[np.ndarray, "m d"], *, neighbours: int = NEIGHBOURS
) -> Coverage:
    """The four figures of two sets of features; of fewer than k + 1 points in a set, k is one less than their number.

    ValueError with fewer than 3 points on a side.
    """
    least = min(len(real), len(synthetic))
    if least < 3:
        raise ValueError(f"n={least}: precision, recall, density and coverage need 3 images or more on either side")
    k = min(neighbours, least - 1)
    real, synthetic = real.astype(np.float64), synthetic.astype(np.float64)
    around_real, around_synthetic = _radii(real, k), _radii(synthetic, k)
    near_real = np.zeros(len(synthetic))  # how many balls of real points hold each synthetic one
    found, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for start in range(0, len(real), _ROWS):
        rows = slice(start, start + _ROWS)
        squares = _squares(real[rows], synthetic)  # (rows, m)
        inside = squares < around_real[rows, None]
        near_real += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        found[rows] = (squares < around_synthetic).any(axis=1)
    return Coverage(
        precision=float((near_real > 0).mean()),
        recall=float(found.mean()),
        density=float(near_real.mean() / k),
        coverage=float(covered.mean()),
    )


def _radii(points: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each point to its k-th nearest other (n,)."""
    radii = np.empty(len(points))
    for start in range(0, len(points), _ROWS):
        squares = _squares(points[start : start + _ROWS], points)
        squares[np.arange(len(squares)), np.arange(start, start + len(squares))] = -1.0  # itself, the nearest of all
        radii[start : start + len(squares)] = np.partition(squares, k, axis=1)[:, k]
    return radii


def _squares(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distances (n, m); never below 0."""
    products = one @ other.T
    return np.maximum(np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2 * products, 0.0)
