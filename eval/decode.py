"""One image file to an array of its true values: 16-bit and float images keep every level."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".npy", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def decode(content: bytes, suffix: str) -> np.ndarray:
    """Grey or RGB values (c, h, w), c = 1 or 3; palettes are looked up, alpha is dropped, orientation tags are applied.

    Raises ValueError or OSError with the reason, without the file's name.
    """
    if not content:
        raise ValueError("empty file")
    if suffix == ".npy":
        if not content.startswith(b"\x93NUMPY"):
            raise ValueError("not a .npy file")  # NumPy would take it for a pickle and advise to trust it
        pixels = np.load(io.BytesIO(content), allow_pickle=False)
    elif content[:4] in TIFF_MAGIC:
        pixels = _decode_tiff(content)
    else:
        pixels = _decode_by_pillow(content)
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)  # (c, h, w)
    if pixels.ndim not in (2, 3) or len(planes) not in (1, 3) or planes.dtype.kind not in "uif" or not planes.size:
        raise ValueError(
            f"array of shape {pixels.shape} and type {pixels.dtype}: only grey and RGB images are compared"
        )
    if not np.isfinite(planes).all():
        raise ValueError("holds NaN or infinite values")
    return planes


def _decode_by_pillow(content: bytes) -> np.ndarray:
    # Pillow would read 16-bit colour with 8 bits; a PNG's header holds depth and colour type in bytes 24 and 25
    if content.startswith(b"\x89PNG") and content[24] == 16 and content[25] in (2, 6):
        raise ValueError("16-bit colour PNG, of which only 8 bits would be read: save it as TIFF or as 8-bit PNG")
    try:
        with Image.open(io.BytesIO(content)) as image:
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:  # whose own text is a memory address
        raise ValueError("cannot identify the image's format") from error
    if upright.mode.startswith(("I", "F")):
        return np.asarray(upright)
    return np.asarray(upright.convert("L" if upright.mode in ("1", "L", "LA") else "RGB"))


def _decode_tiff(content: bytes) -> np.ndarray:
    """By tifffile, as Pillow knows neither deep nor real-valued colour; by Pillow what needs tables (palettes, LZW)."""
    import tifffile  # only here: most folders hold none

    with tifffile.TiffFile(io.BytesIO(content)) as tif:
        page = tif.series[0].keyframe
        plain = page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
        deep_colour = page.samplesperpixel > 1 and page.bitspersample > 8
        packed = page.compression not in (tifffile.COMPRESSION.NONE, tifffile.COMPRESSION.ADOBE_DEFLATE)
        if not plain or (packed and not deep_colour):
            return _decode_by_pillow(content)
        planar = page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        return np.moveaxis(tif.asarray(), 0, -1) if planar else tif.asarray()
