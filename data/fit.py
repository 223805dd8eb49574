"""Bring an image of any shape, and its label map with it, to the set's shape."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Num, UInt8
from scipy import ndimage

FITS = ("resize", "crop", "pad", "center_crop")
# A pixel is foreground where at least this share of it is. At 1/2 an edge is unbiased, but of strips narrower than a
# pixel half vanish; at 1/3 every strip of 2/3 pixel survives wherever it lies, and an edge moves outwards by only 1/6
# pixel on average. Small ships and lesions are what label maps are for, so they get the benefit.
FOREGROUND_SHARE = 1.0 / 3.0


class Geometry(NamedTuple):
    """Scale an image to `height` x `width`, then put its top left corner at (`top`, `left`) of the set's shape."""

    height: int
    width: int
    top: int
    left: int


def geometry(shape: tuple[int, int], size: tuple[int, int], fit: str) -> Geometry:
    """How an image of `shape` = (h, w) comes to `size` = (H, W); see `fit_image`."""
    check_fit(shape, size, fit)
    h, w = shape
    if fit == "resize":
        h, w = size
    elif fit in ("crop", "pad"):
        scale_h, scale_w = size[0] / h, size[1] / w
        scale = max(scale_h, scale_w) if fit == "crop" else min(scale_h, scale_w)
        h, w = max(1, round(h * scale)), max(1, round(w * scale))
    if fit == "pad":
        return Geometry(h, w, (size[0] - h) // 2, (size[1] - w) // 2)
    return Geometry(h, w, -((h - size[0]) // 2), -((w - size[1]) // 2))


def fit_image(image: Num[np.ndarray, "c h w"], size: tuple[int, int], fit: str) -> Float[np.ndarray, "c H W"]:
    """Bring `image` to `size` = (H, W), float64; an image that has that size already keeps its exact values.

    `resize`: the whole image, stretched where its aspect ratio differs. `crop`: scaled until both sides are covered,
    then the centre. `pad`: scaled until it fits, centred on its darkest border value. `center_crop`: the centre
    unscaled, so that a pixel keeps its physical size; an image smaller than `size` is a ValueError.
    """
    c, h, w = image.shape
    if (h, w) == size:
        return image.astype(np.float64)
    moved = geometry((h, w), size, fit)
    scaled = image.astype(np.float64) if fit == "center_crop" else _scale(image, (moved.height, moved.width))
    border = np.concatenate([scaled[:, 0], scaled[:, -1], scaled[:, :, 0], scaled[:, :, -1]], axis=1)  # (c, 2h + 2w)
    canvas = np.broadcast_to(border.min(axis=1)[:, None, None], (c, *size)).copy()
    return _place(scaled, canvas, moved)


def fit_label_map(
    label_map: UInt8[np.ndarray, "h w"], size: tuple[int, int], fit: str, *, least: float = FOREGROUND_SHARE
) -> UInt8[np.ndarray, "H W"]:
    """Bring a label map to `size` = (H, W) exactly as `fit_image` brings its image; no value appears that was not there.

    A pixel takes the foreground value that covers most of it where the foreground covers at least `least` of it, else
    the background's 0; which also surrounds what `pad` made smaller.
    """
    moved = geometry(label_map.shape, size, fit)
    rows, columns = coverage(label_map.shape[0], moved.height), coverage(label_map.shape[1], moved.width)
    scaled = np.zeros((moved.height, moved.width), np.uint8)
    most, foreground = np.zeros(scaled.shape), np.zeros(scaled.shape)
    for value in np.unique(label_map[label_map > 0]):
        share = rows @ (label_map == value) @ columns.T  # (height, width), of each pixel's area
        foreground += share
        larger = share > most + 1e-9  # of equal shares the lower value's counts
        scaled[larger], most[larger] = value, share[larger]
    scaled[foreground < least - 1e-9] = 0
    return _place(scaled[None], np.zeros((1, *size), np.uint8), moved)[0]


def unfit_label_map(label_map: UInt8[np.ndarray, "H W"], shape: tuple[int, int], fit: str) -> UInt8[np.ndarray, "h w"]:
    """Lay a label map of the set's shape back over the image of `shape` = (h, w) that `fit_image` brought there.

    What `crop` or `center_crop` cut off is background: nobody looked at it.
    """
    moved = geometry(shape, label_map.shape, fit)
    back = Geometry(label_map.shape[0], label_map.shape[1], -moved.top, -moved.left)
    scaled = _place(label_map[None], np.zeros((1, moved.height, moved.width), np.uint8), back)[0]
    return fit_label_map(scaled, shape, "resize", least=0.5)  # small objects had their benefit on the way there


def fit_hole(hole: Bool[np.ndarray, "h w"], size: tuple[int, int], fit: str) -> Bool[np.ndarray, "H W"]:
    """Where an image that `fit_image` brought to `size` holds anything of what its pixels in the `hole` were.

    Bicubic interpolation reaches 2 pixels far, of those that are farther apart, before or after.
    """
    moved = geometry(hole.shape, size, fit)
    if hole.any() and (moved.height, moved.width) != hole.shape:
        reach = math.ceil(2 * max(1.0, moved.height / hole.shape[0], moved.width / hole.shape[1]))
        rows, columns = coverage(hole.shape[0], moved.height), coverage(hole.shape[1], moved.width)
        hole = ndimage.binary_dilation(rows @ hole @ columns.T > 0, np.ones((3, 3)), iterations=reach)
    return _place(hole[None], np.zeros((1, *size), bool), moved)[0]


def coverage(n: int, scaled: int) -> Float[np.ndarray, "scaled n"]:
    """How much of each of `scaled` equal cells along a line each of `n` equal cells covers; a row adds up to 1."""
    edges, cells = np.arange(n + 1) / n, np.arange(scaled + 1) / scaled
    low, high = np.maximum(cells[:-1, None], edges[None, :-1]), np.minimum(cells[1:, None], edges[None, 1:])
    return np.clip(high - low, 0.0, None) * scaled


def check_fit(shape: tuple[int, int], size: tuple[int, int], fit: str) -> None:
    """ValueError where an image of `shape` cannot be brought to `size` this way."""
    if fit == "center_crop" and (shape[0] < size[0] or shape[1] < size[1]):
        small = f"{shape[0]} x {shape[1]} is smaller than data.image_size={size[0]} x {size[1]}"
        raise ValueError(f"{small}, and data.fit=center_crop never enlarges: train with data.fit=crop or pad")


def _scale(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    x = torch.from_numpy(image.astype(np.float64))[None]  # (1, c, h, w)
    x = F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)
    return x[0].numpy().clip(image.min(), image.max())  # bicubic overshoots at edges


def _place(scaled: np.ndarray, canvas: np.ndarray, moved: Geometry) -> np.ndarray:
    """Put what of `scaled` (c, h, w) lies inside it onto `canvas` (c, H, W)."""
    H, W = canvas.shape[1:]
    top, left = max(0, moved.top), max(0, moved.left)
    part = scaled[:, max(0, -moved.top) :, max(0, -moved.left) :][:, : H - top, : W - left]
    canvas[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return canvas
