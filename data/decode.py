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
MOST_CHANNELS = 8  # a first axis of no more, and a last one of more, are channels and width
MAX_PIXELS = 2**27  # a single image beyond this is a mistake, or wants cutting into tiles
TRANSPARENT = "partly transparent: put it on a background and save it without an alpha channel"

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it would log is raised here


class UnusableImageError(ValueError):
    """An image that can be read but not used as it is; the message says why and what mends it."""


def decode(
    path: Path,
    *,
    nodata: float | None = None,
    amplitude: bool = False,
    indexed: bool = False,
    every_value: bool = False,
) -> Num[np.ndarray, "c h w"]:
    """The values of an image file as (c, h, w): uint8, uint16, int32, float32 or float64, all finite.

    A palette is looked up, an opaque alpha channel dropped, an orientation tag applied. A 12-bit PGM comes as PIL
    gives it, scaled to 16 bits. `nodata` takes the place of NaN and of the value that a GeoTIFF declares to be no data;
    None makes either an error. `amplitude` takes the absolute value of complex values. For masks: `every_value` takes
    the declared value for one like others, and so does `indexed`, which leaves small numbers as they are stored: a
    palette's indices, and grey values of 1, 2 or 4 bits (which images have scaled to 255). What cannot be read exactly
    is a ValueError with the reason, in one line and without the file's name, which the caller knows; a file that cannot
    be opened is an OSError.
    """
    data = path.read_bytes()
    if not data:
        raise UnusableImageError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image, declared = _read(data, path.suffix.lower(), indexed)
            if declared is not None and not (indexed or every_value):
                image = _without_nodata(image, declared, nodata)
            return as_planes(image, nodata, amplitude)
    except UnusableImageError:
        raise
    except UnidentifiedImageError:
        raise ValueError("its content is none of png, jpeg, tiff, bmp, webp, pgm") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError("too many pixels for one image: cut it into tiles") from None
    except Exception as error:  # decoders fed with damaged bytes raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"truncated or damaged ({reason})") from None


def _read(data: bytes, suffix: str, indexed: bool) -> tuple[np.ndarray, str | None]:
    """What the file holds, and the value that it declares to be no data."""
    declared = None
    if suffix == ".npy":
        image = _from_npy(data)
    elif data[:4] in TIFF_MAGIC:  # by content, for PIL would read a misnamed 16-bit colour TIFF as 8-bit
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            image, tag = _from_tiff(tif, data), tif.series[0].keyframe.tags.get("GDAL_NODATA")
            declared = None if tag is None else str(tag.value)
    else:
        with Image.open(io.BytesIO(data), formats=PIL_FORMATS) as picture:
            if getattr(picture, "is_animated", False) and picture.format in ("PNG", "WEBP"):
                raise UnusableImageError("animated: save one image per file")
            bits, kind = (data[24], data[25]) if picture.format == "PNG" else (8, 0)  # of its header
            if bits == 16 and kind != 0:
                raise UnusableImageError("16-bit colour PNG is read with 8 bits only: save it as TIFF or as 8-bit PNG")
            image = _from_pil(picture, indexed)
        if indexed and kind == 0 and bits in (2, 4):
            image = image // (255 // (2**bits - 1))
    return (image.astype(np.uint8) if indexed and image.dtype.kind == "b" else image), declared


def _from_npy(data: bytes) -> np.ndarray:
    image = np.load(io.BytesIO(data), allow_pickle=False)
    if image.ndim == 3 and image.shape[0] <= MOST_CHANNELS < image.shape[2]:
        raise UnusableImageError(
            f"shape {image.shape} looks like (channels, height, width): save it as (height, width, channels)"
        )
    return image


def as_planes(image: np.ndarray, nodata: float | None, amplitude: bool) -> np.ndarray:
    """(h, w) or (h, w, c) of any type to (c, h, w) of one that the rest of the package knows; see `decode`."""
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or 0 in image.shape:
        raise UnusableImageError(f"shape {image.shape}: an image is (height, width) or (height, width, channels)")
    if image.dtype.kind == "c" and amplitude:
        image = np.abs(image)
    kind, size = image.dtype.kind, image.dtype.itemsize
    if kind == "b":
        image = image.astype(np.uint8) * np.uint8(255)
    elif kind == "u" and size <= 2:
        image = image.astype(image.dtype.newbyteorder("="))
    elif kind in "iu":
        small = image.min() >= np.iinfo(np.int32).min and image.max() <= np.iinfo(np.int32).max
        image = image.astype(np.int32 if small else np.float64)
    elif kind == "f":
        image = image.astype(np.float64 if size > 4 else np.float32)
    else:
        amplitude_of = " (data.complex=amplitude takes it)" if kind == "c" else ""
        raise UnusableImageError(
            f"values of type {image.dtype}: save real numbers, such as the amplitude{amplitude_of}"
        )
    return np.ascontiguousarray(finite(image, nodata).transpose(2, 0, 1))


def finite(image: Num[np.ndarray, "*shape"], nodata: float | None) -> Num[np.ndarray, "*shape"]:
    """The image with `nodata` in the place of NaN; UnusableImageError where it then holds NaN or infinite values."""
    if image.dtype.kind == "f" and nodata is not None:
        image = np.where(np.isnan(image), image.dtype.type(nodata), image)
    if not np.isfinite(image).all():
        mend = " (data.nodata=VALUE does so with NaN)" if nodata is None and np.isnan(image).any() else ""
        raise UnusableImageError(f"holds NaN or infinite values: replace them by numbers{mend}")
    return image


def _from_pil(image: Image.Image, indexed: bool = False) -> np.ndarray:
    image.load()
    upright = ImageOps.exif_transpose(image)
    if indexed and upright.mode in ("1", "P"):
        return np.asarray(upright)
    if upright.mode.startswith("I"):
        values = np.asarray(upright)
        return values.astype(np.uint16) if values.min() >= 0 and values.max() <= 65535 else values
    if upright.mode == "F":
        return np.asarray(upright)
    if upright.mode not in ("1", "L", "P", "RGB", "LA", "RGBA", "PA"):
        raise UnusableImageError(f"colour mode {upright.mode}: save it as grey or RGB")
    if upright.mode in ("LA", "RGBA", "PA") or "transparency" in upright.info:
        alpha = np.asarray(upright.convert("RGBA"))[:, :, 3]
        if alpha.min() < 255:
            raise UnusableImageError(TRANSPARENT)
    return np.asarray(upright.convert("L" if upright.mode in ("1", "L", "LA") else "RGB"))


def _from_tiff(tif: tifffile.TiffFile, data: bytes) -> np.ndarray:
    series, page = tif.series[0], tif.series[0].keyframe
    if len(tif.series) > 1 or series.axes not in ("YX", "YXS", "SYX"):
        raise UnusableImageError(f"TIFF with {len(tif.pages)} pages (axes {series.axes}): save one image per file")
    if np.prod(series.shape, dtype=np.float64) > MAX_PIXELS:
        raise UnusableImageError("too many pixels for one image: cut it into tiles")
    photometric = tifffile.PHOTOMETRIC
    if page.photometric not in (photometric.MINISBLACK, photometric.MINISWHITE, photometric.RGB):
        return _tiff_by_pil(page, data)
    try:
        image = series.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        return _tiff_by_pil(page, data)
    if series.axes == "SYX":
        image = image.transpose(1, 2, 0)
    if page.photometric == photometric.MINISWHITE:
        if image.dtype.kind not in "bu":
            raise UnusableImageError("white is zero, in signed or real values: save it with black as zero")
        image = ~image
    return _upright(_without_alpha(image, page), page)


def _without_nodata(image: np.ndarray, tag: str, nodata: float | None) -> np.ndarray:
    """Put `nodata` where the image has the value of the tag GDAL_NODATA; NaN and complex values are seen to later."""
    if image.dtype.kind not in "iuf":
        return image
    try:
        declared = np.float64(tag.strip("\0 "))
    except ValueError:
        raise UnusableImageError(f"its no-data value {tag!r} is no number") from None
    with np.errstate(over="ignore"):
        empty = image == (image.dtype.type(declared) if image.dtype.kind == "f" else declared)
    if not empty.any():
        return image
    if nodata is None:
        raise UnusableImageError(f"{empty.mean():.1%} of it is no data ({declared:g}): data.nodata=VALUE fills it")
    kind = image.dtype
    if kind.kind != "f" and not (nodata == int(nodata) and np.iinfo(kind).min <= nodata <= np.iinfo(kind).max):
        raise UnusableImageError(f"data.nodata={nodata:g} is no value of {image.dtype} images")
    return np.where(empty, image.dtype.type(nodata), image)


def _tiff_by_pil(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    # PIL knows compressions and palettes that tifffile leaves to another package. But it reads 16-bit colour as 8-bit,
    # and turns white-is-zero around only in 8 bits.
    white_is_zero = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    if page.bitspersample > 8 and (page.samplesperpixel > 1 or white_is_zero):
        name = tifffile.COMPRESSION(page.compression).name
        raise UnusableImageError(f"compression {name} with this colour and depth: save it uncompressed or as deflate")
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        return _from_pil(image)


def _without_alpha(image: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    alpha = [i for i, kind in enumerate(page.extrasamples) if kind in (1, 2)]  # associated, unassociated
    if image.ndim == 2 or not alpha:
        return image
    planes = [image.shape[2] - len(page.extrasamples) + i for i in alpha]
    if (image[:, :, planes] != np.iinfo(image.dtype).max).any():
        raise UnusableImageError(TRANSPARENT)
    return np.delete(image, planes, axis=2)


def _upright(image: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    tag = page.tags.get("Orientation")
    orientation = 1 if tag is None else int(tag.value)
    turned = np.swapaxes(image, 0, 1) if orientation >= 5 else image  # 5..8 swap rows and columns
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return turned
