"""Look at a label map before the first step: which values it has, how many objects, and which of them fitting loses."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from data.components import components
from data.fit import fit_label_map, geometry


@dataclass(frozen=True)
class SeenLabels:
    """What one label map is; an object is a connected region of one value. `given`: False where the item had none."""

    given: bool
    objects: dict[int, int]  # value -> number of objects
    cut_off: int = 0  # objects that fitting leaves outside the image
    vanished: int = 0  # objects too small to survive scaling


def look_at_labels(
    label_map: UInt8[np.ndarray, "h w"] | None, size: tuple[int, int], fit: str, *, values: int
) -> SeenLabels:
    """Count the objects of a label map of 0..values-1, before and after fitting; a higher value is a ValueError."""
    if label_map is None:
        return SeenLabels(False, {})
    if (highest := int(label_map.max())) >= values:
        raise ValueError(f"its label map holds {highest}, and there are names for 0 to {values - 1} only")
    fitted = fit_label_map(label_map, size, fit)
    moved = geometry(label_map.shape, size, fit)
    rows = _target(label_map.shape[0], moved.height, moved.top, size[0])
    columns = _target(label_map.shape[1], moved.width, moved.left, size[1])
    inside = (rows >= 0)[:, None] & (columns >= 0)[None]
    back = np.where(inside, fitted[np.ix_(rows, columns)], 0)  # (h, w): what became of each pixel
    objects, cut_off, vanished = {}, 0, 0
    for value in np.unique(label_map[label_map > 0]):
        regions, _ = components(label_map == value)
        every, seen, kept = (set(np.unique(regions[here])) - {0} for here in (regions > 0, inside, back == value))
        objects[int(value)] = len(every)
        cut_off, vanished = cut_off + len(every - seen), vanished + len(seen - kept)
    return SeenLabels(True, objects, cut_off, vanished)


def describe_labels(seen: list[SeenLabels], names: list[str], fit: str) -> list[str]:
    """Sentences for people: the objects of each name, images without any, and objects that fitting loses."""
    counts = {name: sum(s.objects.get(k, 0) for s in seen) for k, name in enumerate(names) if k > 0}
    images = {name: sum(k in s.objects for s in seen) for k, name in enumerate(names) if k > 0}
    named = ", ".join(f"{name} {counts[name]} objects in {images[name]} images" for name in counts)
    parts = [f"Label maps: {named}"]
    if empty := sum(not s.objects for s in seen):
        unlabelled = sum(not s.given for s in seen)
        parts.append(f"{empty} image{'s are' if empty > 1 else ' is'} all background ({unlabelled} without any label)")
    cut_off, vanished = sum(s.cut_off for s in seen), sum(s.vanished for s in seen)
    if lost := cut_off + vanished:
        total = sum(counts.values())
        parts.append(
            f"data.fit={fit} loses {lost} of {total} objects ({cut_off} cut off, {vanished} too small at this size)"
        )
    return parts


def _target(n: int, scaled: int, offset: int, size: int) -> np.ndarray:
    """For each of `n` rows (or columns) of a map, the fitted one that its middle falls into; -1: none."""
    index = np.floor((np.arange(n) + 0.5) * scaled / n).astype(np.int64) + offset
    return np.where((index >= 0) & (index < size), index, -1)
