"""Label maps and boxes drawn over images, for people to look at."""

from collections.abc import Sequence

import numpy as np
from einops import repeat
from jaxtyping import Bool, UInt, UInt8
from scipy import ndimage

from data.item import Box
from data.writers import image_grid

# One for each label, in turn: Okabe and Ito's colours, which differ for colour-blind eyes too, all far from grey.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0), (0, 114, 178))
SQUARES = 16  # of a hole, along the longer side of the image


def overlay(
    image: UInt[np.ndarray, "c h w"],
    label_map: UInt8[np.ndarray, "h w"] | None = None,
    boxes: Sequence[Box] = (),
    *,
    scale: int = 3,
) -> UInt8[np.ndarray, "3 H W"]:
    """The image `scale` times as large in 8-bit RGB, with a line one pixel wide around each region and each box.

    Stored pixels in, as `image_grid` takes them, and what comes out goes into it. Lines run just outside what they
    enclose, so that they hide no pixel of it; at the edge of the image, a box's line runs along the edge.
    """
    if scale < 1:
        raise ValueError(f"scale={scale}: it must be a whole number of at least 1")
    eight_bit = image_grid(image[None])  # (1 or 3, h, w)
    large = repeat(eight_bit, "k h w -> k (h s) (w r)", s=scale, r=scale)
    canvas = np.repeat(large, 3 // len(large), axis=0)  # (3, H, W)
    if label_map is not None:
        regions = repeat(label_map, "h w -> (h s) (w r)", s=scale, r=scale)
        for label in np.unique(regions[regions > 0]):
            region = regions == label
            _paint(canvas, ndimage.binary_dilation(region, np.ones((3, 3))) & ~region, int(label))
    for box in boxes:
        _paint(canvas, _frame(box, scale, canvas.shape[1], canvas.shape[2]), box.label)
    return canvas


def coloured(label_map: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "3 h w"]:
    """The label map itself as a picture: each label in its colour on black."""
    canvas = np.zeros((3, *label_map.shape), np.uint8)
    for label in np.unique(label_map[label_map > 0]):
        _paint(canvas, label_map == label, int(label))
    return canvas


def with_hole(image: UInt[np.ndarray, "c h w"], hole: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "3 h w"]:
    """The image in 8-bit RGB, with white and grey squares where the hole is, as editors show what is transparent."""
    eight_bit = image_grid(image[None])  # (1 or 3, h, w)
    side = max(1, max(hole.shape) // SQUARES)
    y, x = np.indices(hole.shape) // side
    squares = np.where((y + x) % 2 == 0, 255, 190).astype(np.uint8)
    return np.where(hole, squares, np.repeat(eight_bit, 3 // len(eight_bit), axis=0))


def colour_of(label: int) -> tuple[int, int, int]:
    """The colour (r, g, b) of a label, 1 or more."""
    return COLOURS[(label - 1) % len(COLOURS)]


def _paint(canvas: UInt8[np.ndarray, "3 H W"], where: Bool[np.ndarray, "H W"], label: int) -> None:
    canvas[:, where] = np.array(colour_of(label), np.uint8)[:, None]


def _frame(box: Box, scale: int, height: int, width: int) -> Bool[np.ndarray, "H W"]:
    columns = (round(box.x * scale) - 1, round((box.x + box.width) * scale))  # just outside, on either side
    rows = (round(box.y * scale) - 1, round((box.y + box.height) * scale))
    left, right = np.clip(columns, 0, width - 1)
    top, bottom = np.clip(rows, 0, height - 1)
    frame = np.zeros((height, width), bool)
    frame[top : bottom + 1, [left, right]] = True
    frame[[top, bottom], left : right + 1] = True
    return frame
