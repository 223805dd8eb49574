"""Distances between small grey images that neither a shift of a few pixels nor a flip or a quarter turn can hide."""

import numpy as np
from jaxtyping import Float

from eval.fit import fit_image

SIDE = 32  # longest side in pixels at which they are taken
REACH = 2  # shift either way in those pixels: a sixteenth of the longest side
_ROWS = 512
_SAME = 1e-6  # of an image's energy: float32 cannot tell less from no difference


def small(rows: Float[np.ndarray, "n p"], size: tuple[int, int]) -> Float[np.ndarray, "n h w"]:
    """Thumbnails of `size`, given as rows of pixels, shrunk to at most 32 pixels a side."""
    scale = min(1.0, SIDE / max(size))
    target = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    return np.concatenate([fit_image(row.reshape(1, *size), target, "resize") for row in rows])


def tolerant_distances(
    queries: Float[np.ndarray, "n h w"], references: Float[np.ndarray, "m h w"]
) -> Float[np.ndarray, "n m"]:
    """Root mean square difference of every pair, at the best shift and flip of the query, and quarter turn of a square one.

    What is compared is the centre of the reference, all but a border of REACH pixels, with a window of the query of the
    same size: so all shifts compare as many pixels. The best of many tries is nearer than one try would be, for copies
    and for strangers alike: such a distance means something only beside others taken in the same way.
    """
    h, w = references.shape[1:]
    reach_y, reach_x = (min(REACH, (side - 1) // 4) for side in (h, w))
    centre = references[:, reach_y : h - reach_y, reach_x : w - reach_x]
    offset = np.float32(centre.mean())  # contrast may be far below brightness, whose squares would drown it
    windows = (centre - offset).reshape(len(references), -1)  # (m, p)
    energy = np.square(windows).sum(axis=1)  # (m,)
    squares = np.empty((len(queries), len(references)), np.float32)
    for start in range(0, len(queries), _ROWS):
        part = queries[start : start + _ROWS] - offset
        squares[start : start + _ROWS] = _best(part, windows, reach_y, reach_x)
    squares += energy
    squares[squares < _SAME * energy] = 0
    return np.sqrt(squares / windows.shape[1])


def _best(queries: np.ndarray, references: np.ndarray, reach_y: int, reach_x: int) -> np.ndarray:
    """The least |q|^2 - 2 q.r over all windows q of each query however turned; |q - r|^2 = |q|^2 - 2 q.r + |r|^2."""
    n, h, w = queries.shape
    turned = [queries, queries.transpose(0, 2, 1)] if h == w else [queries]
    least = np.full((n, len(references)), np.inf, np.float32)
    for flipped in (view[:, ::up, ::left] for view in turned for up in (1, -1) for left in (1, -1)):
        for y in range(2 * reach_y + 1):
            for x in range(2 * reach_x + 1):
                window = flipped[:, y : y + h - 2 * reach_y, x : x + w - 2 * reach_x].reshape(n, -1)
                scores = (-2 * window) @ references.T  # (n, m)
                scores += np.square(window).sum(axis=1)[:, None]
                np.minimum(least, scores, out=least)
    return least


def feature_distances(
    queries: Float[np.ndarray, "n d"], references: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "n m"]:
    """Euclidean distance of every pair; exactly 0 for equal rows up to a thousandth of their length."""
    references = references.astype(np.float64)
    offset = references.mean(axis=0)
    one, other = queries - offset, references - offset
    energy = np.square(other).sum(axis=1)
    squares = np.square(one).sum(axis=1)[:, None] + energy - 2 * one @ other.T
    squares[squares < _SAME * energy] = 0
    return np.sqrt(squares).astype(np.float32)
