"""From label maps to instances with boxes, and how far two label maps, or two lists of boxes, agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from data.item import Box

NEIGHBOURS = np.ones((3, 3), bool)  # pixels that touch by a corner belong together


@dataclass(frozen=True)
class Instance:
    """One connected component of one class: the smallest box around it (whole pixels), its pixels, their number."""

    box: Box
    mask: Bool[np.ndarray, "h w"]
    area: int


def instances(label_map: UInt8[np.ndarray, "h w"], *, min_area: int = 1) -> list[Instance]:
    """The 8-connected components of each class with at least `min_area` pixels, by class, then in reading order.

    Objects of one class that touch are one instance: a label map cannot tell them apart.
    """
    found = []
    for label in np.unique(label_map[label_map > 0]):
        numbers, count = components(label_map == label)
        areas = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
        for i, (rows, columns) in enumerate(ndimage.find_objects(numbers)):
            if areas[i] >= min_area:
                x, y = float(columns.start), float(rows.start)
                box = Box(x, y, columns.stop - x, rows.stop - y, int(label))
                found.append(Instance(box, numbers == i + 1, int(areas[i])))
    return found


def without_small(label_map: UInt8[np.ndarray, "h w"], min_area: int) -> UInt8[np.ndarray, "h w"]:
    """The map with every component of fewer than `min_area` pixels made background."""
    if min_area <= 1:
        return label_map
    kept = np.zeros_like(label_map)
    for instance in instances(label_map, min_area=min_area):
        kept[instance.mask] = instance.box.label
    return kept


def agreement(map_a: UInt8[np.ndarray, "*shape"], map_b: UInt8[np.ndarray, "*shape"], num_labels: int) -> float:
    """Mean IoU, |A and B| / |A or B|, over the foreground classes that are in either map; 1 where there are none.

    The background is left out: it would make any two maps of small objects agree.
    """
    shared, size_a, size_b = _counts(map_a, map_b, num_labels)
    union = size_a + size_b - shared
    present = union > 0
    return float(np.mean(shared[present] / union[present])) if present.any() else 1.0


def majority(maps: UInt8[np.ndarray, "n *shape"], num_labels: int) -> UInt8[np.ndarray, "*shape"]:
    """The label that most of the maps have at each pixel; of several the lowest."""
    return np.stack([(maps == label).sum(axis=0) for label in range(num_labels)]).argmax(axis=0).astype(np.uint8)


def dice(
    map_a: UInt8[np.ndarray, "*shape"], map_b: UInt8[np.ndarray, "*shape"], num_labels: int
) -> Float[np.ndarray, " k"]:
    """2 |A and B| / (|A| + |B|) of the classes 1..num_labels-1; NaN for a class that neither map has.

    A whole volume, or a stack of maps, is scored as one by giving it as one array.
    """
    shared, size_a, size_b = _counts(map_a, map_b, num_labels)
    total = size_a + size_b
    return np.where(total > 0, 2 * shared / np.maximum(total, 1), np.nan)


def box_iou(a: Sequence[Box], b: Sequence[Box]) -> Float[np.ndarray, "n m"]:
    """Area of the intersection over that of the union, for each pair; 0 where both are empty. Labels play no part."""
    edges_a, edges_b = _edges(a)[:, None], _edges(b)[None]  # (n, 1, 4), (1, m, 4)
    low = np.maximum(edges_a[..., :2], edges_b[..., :2])
    high = np.minimum(edges_a[..., 2:], edges_b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(-1)  # (n, m)
    union = (edges_a[..., 2:] - edges_a[..., :2]).prod(-1) + (edges_b[..., 2:] - edges_b[..., :2]).prod(-1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match_boxes(found: Sequence[Box], true: Sequence[Box], *, min_iou: float = 0.5) -> tuple[int, int, int]:
    """(true positives, false positives, false negatives) of the best one-to-one matching of boxes of equal label.

    Two boxes may be matched when their IoU is at least `min_iou`. Of all matchings one with the most pairs is taken
    (the assignment problem, not greedily), so that swapping `found` and `true` swaps the two kinds of error.
    """
    if not 0.0 < min_iou <= 1.0:
        raise ValueError(f"min_iou={min_iou}: it must be in (0, 1]")
    same_label = np.equal.outer([box.label for box in found], [box.label for box in true])
    allowed = same_label & (box_iou(found, true) >= min_iou)
    pairs = int(allowed[linear_sum_assignment(allowed, maximize=True)].sum())
    return pairs, len(found) - pairs, len(true) - pairs


def f1(true_positives: int, false_positives: int, false_negatives: int) -> float:
    """2 TP / (2 TP + FP + FN), 1 where there was nothing to find and nothing was found. Add counts over images first."""
    total = 2 * true_positives + false_positives + false_negatives
    return 2 * true_positives / total if total else 1.0


def components(mask: Bool[np.ndarray, "h w"]) -> tuple[np.ndarray, int]:
    """The number of its 8-connected region for each pixel, 0 outside, and how many regions there are."""
    numbers, count = ndimage.label(mask, structure=NEIGHBOURS)  # pyright: ignore[reportGeneralTypeIssues]
    return numbers, count


def _counts(
    map_a: np.ndarray, map_b: np.ndarray, num_labels: int
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Pixels of each foreground class that both maps have, that a has, that b has."""
    assert map_a.shape == map_b.shape
    sets = (map_a[map_a == map_b], map_a, map_b)
    shared, size_a, size_b = (np.bincount(pixels.ravel(), minlength=num_labels)[1:] for pixels in sets)
    assert len(size_a) == len(size_b) == num_labels - 1, "a map holds a label that is not below num_labels"
    return shared, size_a, size_b


def _edges(boxes: Sequence[Box]) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom."""
    corners = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]
    return np.array(corners, np.float64).reshape(-1, 4)
