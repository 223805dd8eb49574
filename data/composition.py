"""New label maps out of given ones: turned as training turned its images, with objects of other maps set into them."""

from collections import defaultdict

import numpy as np
from jaxtyping import Int64, UInt8
from scipy import ndimage

from data.augment import views
from data.components import components

GAP = 2  # pixels of background around what is set in: an object that touched another would be one with it
TRIES = 20


def compose(
    label_maps: UInt8[np.ndarray, "m h w"],
    attributes: Int64[np.ndarray, "m a"],
    copies: int,
    most: int,
    flips: dict[str, bool],
    *,
    seed: int,
) -> UInt8[np.ndarray, "n h w"]:
    """`copies` new maps of each: a view of it under `flips`, with 0 to `most` objects at free places.

    They are of all maps with the same `attributes`: a map of a class without objects stays without.

    Copy-paste of label maps alone (Dwibedi et al. 2017; Ghiasi et al. 2021): a model draws the image to them, so that no
    edge shows. An object is a connected region of foreground, labels that touch together; those that the edge of their
    map cuts are not set in. Map i depends on (seed, i) alone. ValueError where no map holds an object.
    """
    kinds, objects = [tuple(row) for row in attributes.tolist()], defaultdict[tuple[int, ...], list[np.ndarray]](list)
    for kind, label_map in zip(kinds, label_maps, strict=True):
        objects[kind] += _objects(label_map)
    if not any(objects.values()):
        raise ValueError("no label map holds an object that its edge does not cut: leave it out")
    made = []
    for i in range(len(label_maps) * copies):
        rng, given = np.random.default_rng([seed, i]), i // copies
        made.append(_composed(label_maps[given], objects[kinds[given]], most, flips, rng))
    return np.stack(made)


def _composed(
    label_map: np.ndarray, objects: list[np.ndarray], most: int, flips: dict[str, bool], rng: np.random.Generator
) -> UInt8[np.ndarray, "h w"]:
    composed = _turned(label_map, flips, rng).copy()
    for _ in range(rng.integers(most + 1) if objects else 0):
        _set_in(composed, _turned(objects[rng.integers(len(objects))], flips, rng), rng)
    return composed


def _set_in(label_map: np.ndarray, cut: np.ndarray, rng: np.random.Generator) -> None:
    """Where the map has background all around the object; it stays out where no such place is found in a few tries."""
    (h, w), (height, width) = cut.shape, label_map.shape
    for _ in range(TRIES if h <= height and w <= width else 0):
        top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
        around = label_map[max(0, top - GAP) : top + h + GAP, max(0, left - GAP) : left + w + GAP]
        if not around.any():
            label_map[top : top + h, left : left + w] = cut
            return


def _objects(label_map: np.ndarray) -> list[np.ndarray]:
    """Each object in the smallest box around it."""
    numbers, _ = components(label_map > 0)
    found = []
    for i, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1):
        inside = rows.start > 0 < columns.start and rows.stop < len(label_map) and columns.stop < label_map.shape[1]
        if inside:
            found.append(np.where(numbers[rows, columns] == i, label_map[rows, columns], 0).astype(np.uint8))
    return found


def _turned(label_map: np.ndarray, flips: dict[str, bool], rng: np.random.Generator) -> np.ndarray:
    seen = views(label_map[None, None], **flips)
    return seen[rng.integers(len(seen))][0, 0]
