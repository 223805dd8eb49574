"""The outline of an instance as a polygon that runs along the edges of its pixels."""

import numpy as np
from jaxtyping import Bool

EAST = 0
STEP = ((1, 0), (0, 1), (-1, 0), (0, -1))  # (x, y) of a step east, south, west, north
AHEAD_ON_THE_RIGHT = ((0, 0), (0, -1), (-1, -1), (-1, 0))  # (row, column) of that pixel from the corner stood on


def outline(mask: Bool[np.ndarray, "h w"]) -> list[tuple[int, int]]:
    """The corners (x, y) of an 8-connected component's outer border, clockwise from the top left of its first pixel.

    Pixel (row, column) covers column..column+1 by row..row+1, so the polygon covers just the component's pixels, and its
    holes. Where pixels touch by a corner only, the polygon touches itself.
    """
    inside = np.pad(mask, 1)
    row, column = np.argwhere(inside)[0]
    start = (int(column) - 1, int(row) - 1)
    (x, y), heading, corners = start, EAST, [start]
    while True:
        x, y = x + STEP[heading][0], y + STEP[heading][1]
        if (x, y) == start:  # no pixel touches the first one's top left corner, so it is passed once
            return corners
        ahead = (AHEAD_ON_THE_RIGHT[heading - 1], AHEAD_ON_THE_RIGHT[heading])  # on the left, on the right
        joined, straight = (inside[y + 1 + row, x + 1 + column] for row, column in ahead)
        turn = -1 if joined else 0 if straight else 1  # left first, so that pixels that touch by a corner are joined
        heading = (heading + turn) % 4
        if turn:
            corners.append((x, y))
