"""Boxes, polygons and run lengths to masks, and masks to a label map. Pixel (y, x) covers [x, x + 1) x [y, y + 1)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from data.item import Box


def box_mask(box: Box, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The pixels whose middle lies in the box; a box too small for any has the one that its own middle lies in.

    ValueError for a box without area, or outside the image.
    """
    h, w = shape
    if not (box.width > 0 and box.height > 0 and all(math.isfinite(v) for v in (box.x, box.y, box.width, box.height))):
        raise ValueError(f"box {[box.x, box.y, box.width, box.height]}: width and height must be above 0")
    if box.x >= w or box.y >= h or box.x + box.width <= 0 or box.y + box.height <= 0:
        raise ValueError(f"box {[box.x, box.y, box.width, box.height]} lies outside the image of {h} x {w}")
    mask = np.zeros(shape, bool)
    mask[_pixels(box.y, box.height, h), _pixels(box.x, box.width, w)] = True
    return mask


def _pixels(start: float, length: float, size: int) -> slice:
    first, last = math.ceil(start - 0.5), math.ceil(start + length - 0.5)
    if last <= first:
        first = math.floor(start + length / 2)
        last = first + 1
    # What lies in the image by less than half a pixel still has its border pixel.
    return slice(min(max(first, 0), size - 1), max(min(last, size), 1))


def polygon_mask(polygons: Sequence[Any], shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The union of polygons [x1, y1, x2, y2, ...], as pycocotools draws them; one too small to be drawn has one pixel.

    ValueError for what is no polygon, or lies farther outside the image than the image is large.
    """
    tools, (h, w) = coco_tools(), shape
    mask = np.zeros(shape, bool)
    if not polygons:
        raise ValueError("a segmentation without a polygon")
    for polygon in polygons:
        if not isinstance(polygon, list | tuple) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon must be a list of x, y of three points or more")
        xy = np.array([number(value, "a polygon's coordinate") for value in polygon]).reshape(-1, 2)
        low, high = xy.min(0), xy.max(0)
        if (low < -max(shape)).any() or (high > 2 * max(shape)).any() or (high < 0).any() or (low > (w, h)).any():
            raise ValueError(f"a polygon lies outside the image of {h} x {w}")
        rle = tools.frPyObjects([xy.ravel().tolist()], h, w)[0]
        drawn = rle_mask({"size": [h, w], "counts": rle["counts"].decode("ascii")}, shape)
        if not drawn.any():
            x, y = np.clip(np.floor((low + high) / 2), 0, (w - 1, h - 1)).astype(int)
            drawn[y, x] = True
        mask |= drawn
    return mask


def rle_mask(rle: Any, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """COCO's run lengths, down the columns and of 0 and 1 in turn, as a list of counts or as its compressed string."""
    size, counts = rle.get("size"), rle.get("counts")
    if size != list(shape):
        raise ValueError(f"run lengths of size {size} in an image of {list(shape)}")
    if isinstance(counts, str):
        counts = _decompressed(counts)
    if not isinstance(counts, list) or not all(
        type(count) is int and 0 <= count <= math.prod(shape) for count in counts
    ):
        raise ValueError("run lengths must be whole numbers, none below 0, or their compressed string")
    if sum(counts) != math.prod(shape):
        raise ValueError(f"run lengths add up to {sum(counts)} pixels, the image has {math.prod(shape)}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape, order="F")


def _decompressed(text: str) -> list[int]:
    """The counts of a compressed string: little-endian groups of 5 bits, offset by 48, 32 marking that more follow.

    From the fourth on each is the difference to the count two before. Checked here, for the C code of pycocotools would
    follow a broken string out of its memory.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("a compressed string of run lengths is damaged")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # the sign
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("a compressed string of run lengths is cut off")
    return counts


def paint(masks: Sequence[tuple[Bool[np.ndarray, "h w"], int]], shape: tuple[int, int]) -> UInt8[np.ndarray, "h w"]:
    """A label map of masks with their values, smaller ones on top of larger ones; of equal ones the later."""
    label_map = np.zeros(shape, np.uint8)
    for mask, value in sorted(masks, key=lambda pair: -int(pair[0].sum())):
        label_map[mask] = value
    return label_map


def number(value: Any, what: str) -> float:
    """A finite number out of JSON; a ValueError names `what` it should have been."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        pass
    raise ValueError(f"{what} is {str(value)[:40]!r}, not a number")


def coco_tools() -> Any:
    """pycocotools.mask; ValueError that names the extra where it is not installed."""
    try:
        from pycocotools import mask
    except ImportError:
        raise ValueError("pycocotools is not installed: pip install 'speckle[labels]' (or -e '.[labels]')") from None
    return mask
