"""The nearest real image of every synthetic one, in pixels: the first question is whether it was copied."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

PERCENTILE = 1.0  # of the real-to-real distances
_ROWS = 256


@dataclass(frozen=True)
class Nearest:
    """Distances are root mean squares over pixels in [0, 1]; arrays have one entry per synthetic image (n) or real one (m)."""

    index: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]
    real_distance: Float[np.ndarray, " m"]

    @property
    def threshold(self) -> float:
        """The 1st percentile of the distances from each real image to its nearest other."""
        return float(np.percentile(self.real_distance, PERCENTILE))

    @property
    def copies(self) -> int:
        """How many synthetic images are exactly a real one."""
        return int((self.distance == 0).sum())

    @property
    def share_closer(self) -> float:
        """Share of synthetic images at least as near to a real one as the threshold; new images would give about 1 %."""
        return float((self.distance <= self.threshold).mean())

    def closest(self, count: int) -> Int[np.ndarray, " k"]:
        """The synthetic images of the `count` closest pairs, closest first."""
        return np.argsort(self.distance, kind="stable")[:count]


def find_nearest(synthetic: Float[np.ndarray, "n p"], real: Float[np.ndarray, "m p"]) -> Nearest:
    """Nearest neighbours of images given as rows of pixels; ValueError with fewer than 2 real images."""
    if len(real) < 2:
        raise ValueError(f"{len(real)} real images: nearest neighbours among them need 2 or more")
    index = _nearest_rows(synthetic, real, exclude_self=False)
    return Nearest(index, _root_mean_square(synthetic, real[index]), nearest_distance(real, real, exclude_self=True))


def nearest_distance(
    queries: Float[np.ndarray, "n p"], references: Float[np.ndarray, "m p"], *, exclude_self: bool = False
) -> Float[np.ndarray, " n"]:
    """Distance of each row to the nearest of `references`; with `exclude_self`, to the nearest but that of its own number."""
    index = _nearest_rows(queries, references, exclude_self=exclude_self)
    return _root_mean_square(queries, references[index])


def share_closer(synthetic: Float[np.ndarray, "n p"], real: Float[np.ndarray, "m p"]) -> float:
    """`Nearest.share_closer` of two sets of rows."""
    return find_nearest(synthetic, real).share_closer


def _nearest_rows(queries: np.ndarray, references: np.ndarray, *, exclude_self: bool) -> np.ndarray:
    """Row of the nearest reference, from |q - r|^2 = |q|^2 + |r|^2 - 2 q.r without the term that is the same for all.

    In float64: where contrast is low, the terms are far larger than their differences.
    """
    references = references.astype(np.float64)
    squares = np.square(references).sum(axis=1)  # (m,)
    nearest = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _ROWS):
        scores = squares - 2 * queries[start : start + _ROWS] @ references.T  # (rows, m)
        if exclude_self:
            rows = np.arange(len(scores))
            scores[rows, start + rows] = np.inf
        nearest[start : start + len(scores)] = scores.argmin(axis=1)
    return nearest


def _root_mean_square(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Taken from the difference itself, so that a copy's distance is exactly 0."""
    return np.sqrt(np.square(a - b).mean(axis=1, dtype=np.float64))
