"""Where an object can be set down in another image."""

import numpy as np

MOST_OBJECTS = 3
TRIES = 20
GAP = 2  # pixels kept free around an object that is there already


def free_place(
    shape: tuple[int, int], size: tuple[int, int], boxes: list[np.ndarray], rng: np.random.Generator
) -> tuple[int, int] | None:
    """The top left corner of a place of `shape` in an image of `size` that touches no box (x0, y0, x1, y1).

    None if none was found in a few tries.
    """
    (h, w), (height, width) = shape, size
    if h > height or w > width:
        return None
    for _ in range(TRIES):
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        apart = [
            left + w + GAP <= x0 or x1 + GAP <= left or top + h + GAP <= y0 or y1 + GAP <= top
            for x0, y0, x1, y1 in boxes
        ]
        if all(apart):
            return top, left
    return None
