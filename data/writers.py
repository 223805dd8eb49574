"""Pixels to image files in the set's own units, and to pictures for people to look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
import torch
from jaxtyping import Num, UInt, UInt8
from PIL import Image

from data.decode import decode
from data.image_set import ImageSpec, to_integers


def write_image(path: Path, pixels: UInt[np.ndarray, "c h w"], spec: ImageSpec) -> Path:
    """Write stored pixels as the physical values that the set's own files hold (0..4095 for 12-bit data).

    PNG where it can hold them: grey in 8 or 16 bits, RGB in 8. Else (16-bit colour, real or negative values, other
    channels) an uncompressed TIFF. Returns the path that was written, its suffix .png or .tif.
    """
    values = file_values(pixels, spec)
    if (len(values), values.dtype.name) in ((1, "uint8"), (1, "uint16"), (3, "uint8")):
        path = path.with_suffix(".png")
        write_png(path, values)
    else:
        path = path.with_suffix(".tif")
        image = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
        photometric = "rgb" if len(values) == 3 else "minisblack"
        planar = None if len(values) == 1 else "contig"
        tifffile.imwrite(path, image, photometric=photometric, planarconfig=planar, metadata=None)
    return path


def read_pixels(path: Path, spec: ImageSpec) -> UInt[np.ndarray, "c h w"]:
    """A file that `write_image` wrote, as stored pixels again."""
    values = decode(path)
    if spec.file_dtype is None:
        return values
    return to_integers(torch.from_numpy(2.0 * spec.intensity.forward(values) - 1.0), spec.dtype)


def file_values(pixels: UInt[np.ndarray, "c h w"], spec: ImageSpec) -> Num[np.ndarray, "c h w"]:
    """The values that a file of this set holds for `pixels`, in `spec.file_dtype`: clipped to what that can hold."""
    assert pixels.dtype.name == spec.dtype
    if spec.file_dtype is None:
        return pixels
    physical = spec.intensity.inverse(pixels / np.iinfo(spec.dtype).max)
    if spec.file_dtype.startswith("float"):
        return physical.astype(spec.file_dtype)
    limits = np.iinfo(spec.file_dtype)  # the range of the set may be wider than what its files hold
    return np.clip(np.rint(physical), limits.min, limits.max).astype(spec.file_dtype)


def write_png(path: Path, pixels: UInt[np.ndarray, "c h w"]) -> None:
    """Write grey (c = 1, 8 or 16 bits) or 8-bit RGB (c = 3) without loss."""
    assert len(pixels) == 1 or (len(pixels) == 3 and pixels.dtype == np.uint8)
    image = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(image)).save(path, format="PNG")


def image_grid(
    pixels: UInt[np.ndarray, "n c h w"], *, columns: int | None = None, gap: int = 2
) -> UInt8[np.ndarray, "k H W"]:
    """A picture of all images row by row, 8-bit, about square unless `columns` is given, `gap` white pixels between.

    k is 3 for RGB and 1 for all else; of other numbers of channels the first is shown.
    """
    n, c, h, w = pixels.shape
    shown = pixels if c in (1, 3) else pixels[:, :1]
    if shown.dtype == np.uint16:
        shown = np.rint(shown / 257.0).astype(np.uint8)  # 65535 = 255 * 257
    # a few tall images need not fill the square
    across = columns or min(n, max(1, round((n * h / w) ** 0.5)))
    rows = -(-n // across)
    canvas = np.full((shown.shape[1], rows * (h + gap) - gap, across * (w + gap) - gap), 255, np.uint8)
    for i, image in enumerate(shown):
        top, left = i // across * (h + gap), i % across * (w + gap)
        canvas[:, top : top + h, left : left + w] = image
    return canvas


def write_animation(path: Path, frames: Sequence[UInt8[np.ndarray, "k H W"]], *, seconds: float = 4.0) -> None:
    """Write frames (grey or RGB) as a GIF that plays in about `seconds`, rests on the last frame and repeats."""
    pictures = [Image.fromarray(frame[0] if len(frame) == 1 else frame.transpose(1, 2, 0)) for frame in frames]
    each = max(20, round(1000 * seconds / len(pictures)))  # milliseconds; viewers slow down anything faster
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=[each] * (len(pictures) - 1) + [1500], loop=0
    )
