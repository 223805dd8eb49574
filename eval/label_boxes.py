"""Boxes as the compared images show them: moved, shrunk and cut as the images were fitted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from eval.comparison import Side
from eval.labels import LabelBox

SIZES = 64  # bins of a box's side, in equal steps of its logarithm from 1 pixel to the image
LEAST_SHARE = 0.25  # of a box's area that must be inside the frame for it to count


class BoxRows(NamedTuple):
    """One row per image that the annotations name: how many boxes, how many of each size, how many of each category."""

    count: Float[np.ndarray, "n 1"]
    sizes: Float[np.ndarray, "n s"]
    categories: Float[np.ndarray, "n k"]


def box_rows(boxes: Sequence[list[LabelBox] | None], side: Side, categories: Sequence[str]) -> BoxRows:
    """The rows of one side; a box's size is the root of its area in pixels of the compared images."""
    size, fit = side.preparation.size, side.preparation.fit
    number = {category: i for i, category in enumerate(categories)}
    rows = []
    for of_image, image in zip(boxes, side.folder.images, strict=True):
        if of_image is None:
            continue
        counts = np.zeros(1 + SIZES + len(categories))
        for box in of_image:
            area = visible_area(box, image.size, size, fit)
            if area > 0:
                place = np.log(max(np.sqrt(area), 1.0)) / np.log(np.hypot(*size))
                counts[[0, 1 + min(int(place * SIZES), SIZES - 1), 1 + SIZES + number[box.category]]] += 1
        rows.append(counts)
    count, sizes, of_category = np.split(
        np.array(rows).reshape(-1, 1 + SIZES + len(categories)), [1, 1 + SIZES], axis=1
    )
    return BoxRows(count, sizes, of_category)


def visible_area(box: LabelBox, old: tuple[int, int], new: tuple[int, int], fit: str) -> float:
    """Area in pixels of the fitted image, from (h, w) `old` to `new`; 0 where less than a quarter of the box is left."""
    scale = {
        "resize": (new[0] / old[0], new[1] / old[1]),
        "center_crop": (1.0, 1.0),
        "crop": (max(new[0] / old[0], new[1] / old[1]),) * 2,
        "pad": (min(new[0] / old[0], new[1] / old[1]),) * 2,
    }[fit]
    sides, whole = [], 1.0
    for low, length, factor, full, frame in zip((box.y, box.x), (box.height, box.width), scale, old, new, strict=True):
        shift = (frame - full * factor) / 2  # both crops and pads are centred; resizing leaves none
        start, end = low * factor + shift, (low + length) * factor + shift
        sides.append(max(0.0, min(end, frame) - max(start, 0.0)))
        whole *= length * factor
    area = sides[0] * sides[1]
    return area if area >= LEAST_SHARE * whole else 0.0
