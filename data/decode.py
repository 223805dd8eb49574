"""One image file to an array of its true values: no bit depth is dropped, nothing broken is half read."""

import io
import logging
import warnings
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Num
from PIL import Image, ImageOps, UnidentifiedImageError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".npy")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PIL_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM")
MAX_PIXELS = 2**27  # a single image beyond this is a mistake, or wants cutting into tiles

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it would log is raised here


def decode(path: Path) -> Num[np.ndarray, "c h w"]:
    """The values of an image file as (c, h, w): uint8, uint16, int32, float32 or float64, all finite.

    A palette is looked up, an opaque alpha channel dropped, an orientation tag applied. What cannot be read exactly
    is a ValueError that gives the reason and the mend (without the file's name, which the caller knows).
    """
    data = path.read_bytes()
    if not data:
        raise ValueError("empty file")
    if path.suffix.lower() == ".npy":
        image = _decode_npy(data)
    elif data[:4] in TIFF_MAGIC:
        image = _decode_tiff(data)
    else:
        image = _decode_pil(data)
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(f"shape {image.shape}: an image is (height, width) or (height, width, channels)")
    image = _plain_dtype(image)
    if not np.isfinite(image).all():
        raise ValueError("holds NaN or infinite values: replace them before training")
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _plain_dtype(image: np.ndarray) -> np.ndarray:
    kind, size = image.dtype.kind, image.dtype.itemsize
    if kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    if kind == "u" and size <= 2:
        return image.astype(image.dtype.newbyteorder("="))
    if kind in "iu":
        small = image.min() >= np.iinfo(np.int32).min and image.max() <= np.iinfo(np.int32).max
        return image.astype(np.int32 if small else np.float64)
    if kind == "f":
        return image.astype(np.float64 if size > 4 else np.float32)
    raise ValueError(f"values of type {image.dtype}: use whole or real numbers (the amplitude of complex data)")


def _decode_npy(data: bytes) -> np.ndarray:
    try:
        return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"not a readable .npy array ({error})") from None


def _decode_pil(data: bytes) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=PIL_FORMATS) as probe:
                if probe.format == "PNG":
                    probe.verify()  # checks the checksum of every chunk, which load() does not
            with Image.open(io.BytesIO(data), formats=PIL_FORMATS) as image:
                return _from_pil(image, data)
    except UnidentifiedImageError:
        raise ValueError("not an image that can be read (its content does not begin like one)") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError("too many pixels for one image: cut it into tiles") from None
    except (OSError, SyntaxError, EOFError, IndexError, KeyError) as error:  # what PIL raises on broken files
        raise ValueError(f"truncated or damaged ({error})") from None


def _from_pil(image: Image.Image, data: bytes) -> np.ndarray:
    if getattr(image, "is_animated", False) and image.format in ("PNG", "WEBP"):
        raise ValueError("animated: save one image per file")
    if image.format == "PNG" and data[24] == 16 and data[25] != 0:
        raise ValueError("16-bit colour PNG cannot be read without loss: save it as a 16-bit TIFF or an 8-bit PNG")
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        values = np.asarray(upright)
        return values.astype(np.uint16) if values.min() >= 0 and values.max() <= 65535 else values
    if upright.mode in ("1", "L", "P", "RGB", "LA", "RGBA", "PA"):
        return _opaque(upright)
    raise ValueError(f"colour mode {upright.mode}: save it as grey or RGB")


def _opaque(image: Image.Image) -> np.ndarray:
    """8-bit grey or RGB values; an alpha channel or a transparent colour in use is refused rather than guessed at."""
    grey = image.mode in ("1", "L", "LA")
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
        if alpha.min() < 255:
            raise ValueError("partly transparent: put it on a background and save it without an alpha channel")
    return np.asarray(image.convert("L" if grey else "RGB"))


def _decode_tiff(data: bytes) -> np.ndarray:
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            return _from_tiff(tif, data)
    except (tifffile.TiffFileError, OSError, KeyError, IndexError, EOFError) as error:
        raise ValueError(f"truncated or damaged TIFF ({error})") from None


def _from_tiff(tif: tifffile.TiffFile, data: bytes) -> np.ndarray:
    if not tif.pages:
        raise ValueError("TIFF without an image")
    series, page = tif.series[0], tif.series[0].keyframe
    if len(tif.series) > 1 or series.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"TIFF with {len(tif.pages)} pages (axes {series.axes}): save one image per file")
    if np.prod(series.shape) > MAX_PIXELS:
        raise ValueError("too many pixels for one image: cut it into tiles")
    photometric = tifffile.PHOTOMETRIC
    if page.photometric not in (photometric.MINISBLACK, photometric.MINISWHITE, photometric.RGB):
        return _tiff_by_pil(data, page)
    try:
        image = series.asarray()
    except (ValueError, ImportError) as error:
        if "imagecodecs" in str(error) or "codec" in str(error).lower():
            return _tiff_by_pil(data, page)
        raise ValueError(f"truncated or damaged TIFF ({error})") from None
    if series.axes == "SYX":
        image = image.transpose(1, 2, 0)
    if page.photometric == photometric.MINISWHITE:
        image = _invert(image)
    return _upright(_without_alpha(image, page), page)


def _tiff_by_pil(data: bytes, page: tifffile.TiffPage) -> np.ndarray:
    # PIL knows compressions that tifffile leaves to an extra package, but reads 16-bit colour as 8-bit.
    if page.samplesperpixel > 1 and page.bitspersample > 8:
        name = tifffile.COMPRESSION(page.compression).name
        raise ValueError(f"compression {name} of 16-bit colour: save it uncompressed or as deflate")
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            image.load()
            if image.mode == "F":
                return np.asarray(image)
            return _from_pil(image, data)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"TIFF that cannot be read ({error}): save it uncompressed") from None


def _invert(image: np.ndarray) -> np.ndarray:
    if image.dtype.kind not in "bu":
        raise ValueError("TIFF with white as zero and signed or real values: save it with black as zero")
    return ~image


def _without_alpha(image: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    alpha = [i for i, kind in enumerate(page.extrasamples) if kind in (1, 2)]  # associated, unassociated
    if image.ndim == 2 or not alpha:
        return image
    first = image.shape[2] - len(page.extrasamples)
    if (image[:, :, first + alpha[0]] != np.iinfo(image.dtype).max).any():
        raise ValueError("partly transparent: put it on a background and save it without an alpha channel")
    return np.delete(image, [first + i for i in alpha], axis=2)


def _upright(image: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    tag = page.tags.get("Orientation")
    orientation = 1 if tag is None else int(tag.value)
    turned = np.swapaxes(image, 0, 1) if orientation >= 5 else image  # 5..8 swap rows and columns
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return turned
