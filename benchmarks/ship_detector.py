"""Ships in a SAR image as boxes: a threshold and connected components, which know nothing of any network.

In dB of amplitude a pixel stands out when it exceeds the clutter around it, the median over a window, by `contrast` times
the clutter's spread (its median absolute deviation) and by at least `least` dB: a constant false-alarm rate detector
whose robust moments take the place of a guard band. The 8-connected components of what stands out are objects; one that
is longer than a ship, or runs over the edge of the image, may be land: `longest` and `at_edge` leave it out. An
object stands out with its skirts, which are wider the brighter it is, so its box is that around the pixels at most `depth`
dB below its peak, less `skirt` pixels on each side, by which the point spread function widens it.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import ndimage

from data.components import f1, instances, match_boxes
from data.item import Box


@dataclass(frozen=True)
class Detector:
    """Settings. Lengths marked * are in pixels of an image whose shorter side is 64 pixels and grow with it."""

    contrast: float = 4.0  # standard deviations
    least: float = 6.0  # dB
    depth: float = 11.0  # dB
    skirt: float = 0.75  # pixels
    min_area: int = 12  # pixels
    longest: float = 36.0  # *, diagonal of a box
    at_edge: bool = False  # whether what touches the image's edge counts
    window: float = 41.0  # *


GRID = {
    "contrast": (3.0, 4.0, 6.0),
    "depth": (8.0, 10.0, 12.0, 15.0),
    "skirt": (0.0, 0.25, 0.5, 0.75, 1.0),
    "min_area": (6, 12, 20),
    "longest": (36.0, 96.0),  # more than the diagonal of a square image
    "at_edge": (False, True),
}


def detect(decibels, detector):
    """Boxes of the ships in an image (h, w) in dB."""
    return boxes(decibels, objects(decibels, *clutter(decibels, detector.window), detector), detector)


def clutter(decibels, window):
    """Median around each pixel, and the median absolute deviation from it as a standard deviation: (h, w) each.

    Of every third pixel in each direction, which is a ninth of the work.
    """
    side = round(window * min(decibels.shape) / 64) | 1
    sparse = np.zeros((side, side), bool)
    sparse[side // 2 % 3 :: 3, side // 2 % 3 :: 3] = True
    level = ndimage.median_filter(decibels, footprint=sparse, mode="reflect")
    return level, 1.4826 * ndimage.median_filter(np.abs(decibels - level), footprint=sparse, mode="reflect")


def objects(decibels, level, spread, detector):
    """What stands out from clutter of this level and spread, as components."""
    bright = decibels > level + np.maximum(detector.contrast * spread, detector.least)
    return instances(bright.astype(np.uint8), min_area=min(GRID["min_area"]))


def boxes(decibels, candidates, detector):
    """Boxes of those components that are ships."""
    height, width = decibels.shape
    found = []
    for candidate in candidates:
        box = candidate.box
        inside = min(box.x, box.y) > 0 and box.x + box.width < width and box.y + box.height < height
        if (
            not (inside or detector.at_edge)
            or np.hypot(box.width, box.height) > detector.longest * min(height, width) / 64
        ):
            continue
        # The peak is a quantile, so that a single mast does not hide the deck.
        peak = np.quantile(decibels[candidate.mask], 0.9)
        core = candidate.mask & (decibels >= peak - detector.depth)
        if core.sum() >= detector.min_area:
            found.append(box_around(core, detector.skirt))
    return found


def box_around(mask, skirt):
    """The smallest box that holds all true pixels, less `skirt` on each side but at least one pixel wide and high."""
    y, x = np.nonzero(mask)
    sides = np.array([np.ptp(x) + 1.0, np.ptp(y) + 1.0])
    smaller = np.maximum(sides - 2 * skirt, 1.0)
    left, top = np.array([x.min(), y.min()]) + (sides - smaller) / 2
    return Box(float(left), float(top), float(smaller[0]), float(smaller[1]), 1)


def counts(found, true, min_iou):
    """Columns true positives, false positives, false negatives; a row an image (n, 3). Both are lists of lists of boxes."""
    return np.array([match_boxes(f, t, min_iou=min_iou) for f, t in zip(found, true, strict=True)]).reshape(-1, 3)


def tune(images, true, *, min_iou=0.5):
    """The detector of GRID with the highest F1 on images (h, w) in dB with these true boxes, and that F1."""
    backgrounds = [clutter(image, Detector.window) for image in images]
    best, best_score, stands_out = Detector(), -1.0, {}
    for values in product(*GRID.values()):
        detector = replace(Detector(), **dict(zip(GRID, values, strict=True)))
        if detector.contrast not in stands_out:  # what takes long
            stands_out[detector.contrast] = [objects(x, *b, detector) for x, b in zip(images, backgrounds, strict=True)]
        found = [boxes(x, o, detector) for x, o in zip(images, stands_out[detector.contrast], strict=True)]
        score = f1(*counts(found, true, min_iou).sum(axis=0).tolist())
        if score > best_score:
            best, best_score = detector, score
    return best, best_score
