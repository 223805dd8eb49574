"""Euclidean distances between rows as points, block by block."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

BLOCK = 1024  # rows of the distance matrix in memory at a time
_SAME = 1e-12  # of the squared lengths: float64 cannot tell less from no difference


def squares_in_blocks(
    one: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], block: int | None = BLOCK
) -> Iterator[tuple[slice, Float[np.ndarray, "b m"]]]:
    """Blocks of rows of `one` and their squared distances to all of `other`; exactly 0 for equal points."""
    centre = other.mean(axis=0)
    moved, target = one - centre, other - centre
    lengths = np.square(target).sum(axis=1)
    step = block or max(1, len(one))
    for start in range(0, len(one), step):
        part = moved[start : start + step]
        own = np.square(part).sum(axis=1)[:, None]
        squares = own + lengths - 2 * part @ target.T
        squares[squares <= _SAME * (own + lengths)] = 0
        yield slice(start, start + len(part)), squares


def distances(one: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """All distances, as float32."""
    found = np.empty((len(one), len(other)), np.float32)
    for rows, squares in squares_in_blocks(one, other):
        found[rows] = np.sqrt(squares)
    return found


def nearest(
    one: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], *, count: int = 1, exclude_self: bool = False
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Distances to the `count` nearest points of `other`, nearest first, and which these are.

    `exclude_self`: but for the point of its own number.
    """
    far, which = np.empty((len(one), count)), np.empty((len(one), count), np.int64)
    for rows, squares in squares_in_blocks(one, other):
        if exclude_self:
            squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
        found = np.argpartition(squares, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(squares, found, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        far[rows] = np.sqrt(np.take_along_axis(values, order, axis=1))
        which[rows] = np.take_along_axis(found, order, axis=1)
    return far, which
