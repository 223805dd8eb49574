"""Copy-paste of foreground: the control that makes new pairs of image and label map for free."""

from typing import Any

import numpy as np
from scipy import ndimage

from eval.utility.paste import MOST_OBJECTS, free_place
from eval.utility.segmentation.pairs import Pair

TOUCHING = np.ones((3, 3))  # pixels that meet at a corner belong to one object


def copy_paste(pairs: list[Pair], count: int, seed: int) -> list[Pair]:
    """`count` pairs, each a training pair in its turn with 1 to 3 objects of others (Ghiasi et al. 2021, section 3).

    An object is a connected part of the foreground, whatever its labels. It is cut out along its outline and set down by
    whole pixels where it comes near no other; an image that has no such place stays as it is. Edges stay hard, which
    that paper found to be as good as blended ones.
    """
    rng = np.random.default_rng(seed)
    objects = [_objects(pair.label_map) for pair in pairs]
    return [_with_objects(i % len(pairs), pairs, objects, rng, f"pasted {i}") for i in range(count)]


def _objects(label_map: np.ndarray) -> list[tuple[tuple[slice, slice], np.ndarray]]:
    """Rows and columns of each object, and its mask in them."""
    labelled: Any = ndimage.label(label_map > 0, TOUCHING)  # its own annotation allows for a count alone
    numbers = labelled[0]
    return [(place, numbers[place] == k) for k, place in enumerate(ndimage.find_objects(numbers), start=1)]


def _with_objects(
    i: int,
    pairs: list[Pair],
    objects: list[list[tuple[tuple[slice, slice], np.ndarray]]],
    rng: np.random.Generator,
    name: str,
) -> Pair:
    image, label_map = pairs[i].image.copy(), pairs[i].label_map.copy()
    boxes = [np.array([x.start, y.start, x.stop, y.stop]) for (y, x), _ in objects[i]]
    choices = [
        (donor, place, mask)
        for j, donor in enumerate(pairs)
        if j != i and len(donor.image) == len(image)
        for place, mask in objects[j]
    ]
    for _ in range(rng.integers(1, MOST_OBJECTS + 1) if choices else 0):
        donor, place, mask = choices[rng.integers(len(choices))]
        h, w = mask.shape
        corner = free_place((h, w), pairs[i].size, boxes, rng)
        if corner is None:
            continue
        top, left = corner
        there = (slice(top, top + h), slice(left, left + w))
        image[:, *there][:, mask] = donor.image[:, *place][:, mask]
        label_map[there][mask] = donor.label_map[place][mask]
        boxes.append(np.array([left, top, left + w, top + h]))
    return Pair(name, image, label_map)
