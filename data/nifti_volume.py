"""One NIfTI volume with its mask: the bytes checked before they are believed, then seen slice by slice.

The format: Cox et al., "A (sort of) new image data format standard: NIfTI-1" (2004), and its nifti1.h and nifti2.h.
"""

import gzip
import io
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Float, Num, Shaped, UInt8

from data.decode import UnusableImageError, finite
from data.libraries import medical, one_line
from data.listing import sha256
from data.percentiles import scaled

# Axes of the array as (slice, row, column). The numbers are the array's own axes; the planes are of the array turned to
# x = right, y = anterior, z = superior.
AXES = {"0": "xyz", "1": "yxz", "2": "zxy", "axial": "zyx", "coronal": "yzx", "sagittal": "xzy"}
MAX_BYTES = 2**32  # of one unpacked volume: a larger one is a mistake, or a gzip bomb
MAX_CHANNELS = 8  # BraTS has 4 contrasts; hundreds are a time series
FARTHEST = 1e9  # mm
MAGIC = {348: (344, b"n+1\0", "Nifti1Image"), 540: (4, b"n+2\0", "Nifti2Image")}  # by the header's own size


@dataclass(frozen=True)
class Source:
    """Where a volume comes from, and how it is read.

    `digest`, `mask_digest`: SHA-256 of the files. `volume_index` picks one of a 4-D file. `percentiles`: what becomes 0
    and 1, of each channel of the whole volume. `nodata` takes the place of NaN; None: NaN is an error.
    """

    path: Path
    digest: str
    mask_path: Path | None = None
    mask_digest: str | None = None
    volume_index: int | None = None
    percentiles: tuple[float, float] | None = None
    nodata: float | None = None


@dataclass(frozen=True)
class Volume:
    """Voxels in the file's own order. `affine` takes voxel indices to mm in (right, anterior, superior).

    `oriented`: the file says what its axes mean; else the affine knows voxel sizes only.
    """

    image: Num[np.ndarray, "x y z c"]
    mask: UInt8[np.ndarray, "x y z"] | None
    affine: Float[np.ndarray, "4 4"]
    oriented: bool


@lru_cache(maxsize=2)  # slices are asked for volume by volume
def read_volume(source: Source) -> Volume:
    """The volume and its mask, checked: finite real numbers, one shape and place, labels 0..255.

    uint8, uint16, int32, float32 or float64, slope and intercept applied; float32 where percentiles are scaled to 0 and
    1. ValueError in one line, or OSError.
    """
    image, affine, oriented = _read(source.path, source.digest)
    image = _channels_last(finite(image, source.nodata), source.volume_index)
    if source.percentiles is not None:
        image = scaled(image, *np.percentile(image, source.percentiles, axis=(0, 1, 2)))
    mask = None
    if source.mask_path is not None:
        assert source.mask_digest is not None
        values, mask_affine, mask_oriented = _read(source.mask_path, source.mask_digest)
        values = values.reshape(values.shape[:3] + tuple(n for n in values.shape[3:] if n != 1))
        if values.shape != image.shape[:3]:
            raise UnusableImageError(f"its mask has shape {values.shape}, and the volume {image.shape[:3]}")
        if oriented and mask_oriented:
            _check_same_place(affine, mask_affine, image.shape[:3])
        mask = _labels(values)
    return Volume(image, mask, affine, oriented)


def open_volume(path: Path) -> Any:
    """A volume as nibabel has it: a header that its bytes bear out, an affine, and voxels that nobody has looked at yet.

    ValueError in one line, or OSError.
    """
    raw = path.read_bytes()
    with one_line():
        return _opened(raw)


def slices_along(
    array: Shaped[np.ndarray, "x y z *c"], affine: Float[np.ndarray, "4 4"], axis: str
) -> Shaped[np.ndarray, "n h w *c"]:
    """A view of `array`, a volume's image or mask, as its slices along `axis`; see `data.nifti` on orientation."""
    rows_columns = " ".join(AXES[axis])
    if not axis.isdigit():
        orientations = medical("nibabel").orientations
        array = orientations.apply_orientation(array, orientations.io_orientation(affine))  # to x, y, z
        # Rows start at the anterior or superior end, columns at the patient's right or at the anterior end.
        array = np.flip(array, tuple("xyz".index(letter) for letter in AXES[axis][1:]))
    return rearrange(array, f"x y z ... -> {rows_columns} ...")


def pixel_spacing(volume: Volume, axis: str) -> tuple[float, float]:
    """Distance in mm between rows and between columns of a slice along `axis`."""
    sizes = np.linalg.norm(volume.affine[:3, :3], axis=0)  # by the file's axes
    if not axis.isdigit():
        axes = medical("nibabel").orientations.io_orientation(volume.affine)[:, 0].astype(int)
        sizes = sizes[np.argsort(axes)]
    _, row, column = ("xyz".index(letter) for letter in AXES[axis])
    return float(sizes[row]), float(sizes[column])


def _read(path: Path, digest: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """Values in 3 or more dimensions, affine, and whether the file says what its axes mean."""
    raw = path.read_bytes()
    if sha256(raw) != digest:
        raise UnusableImageError("it has changed since it was listed")
    with one_line():
        image = _opened(raw)
        values, affine = _values(image), np.asarray(image.affine, np.float64)
        oriented = bool(image.header["sform_code"] > 0 or image.header["qform_code"] > 0)
    return values.reshape(values.shape + (1,) * (3 - values.ndim)), affine, oriented


def _opened(raw: bytes) -> Any:
    nibabel, data = medical("nibabel"), _unpacked(raw)
    size = min(int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big"))
    place, magic, kind = MAGIC.get(size, (0, b"?", ""))
    if data[place : place + 4] != magic:
        raise UnusableImageError("not a NIfTI file (one file, header and voxels together)")
    image = getattr(nibabel, kind).from_bytes(data)
    _check_header(image, len(data))
    affine = np.asarray(image.affine, np.float64)
    # An orientation is NaN where an axis of the array points nowhere.
    if not (np.abs(affine).max() < FARTHEST and np.isfinite(nibabel.io_orientation(affine)).all()):
        raise UnusableImageError("its affine is singular or not finite: voxels have no place")
    return image


def _unpacked(raw: bytes) -> bytes:
    """All bytes of a gzip stream, its checksum verified, or `raw` itself where it is none."""
    if not raw:
        raise UnusableImageError("empty file")
    if raw[:2] != b"\x1f\x8b":
        return raw
    unpacked = io.BytesIO()
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        while chunk := stream.read(2**20):
            unpacked.write(chunk)
            if unpacked.tell() > MAX_BYTES:
                raise UnusableImageError(f"unpacks to more than {MAX_BYTES / 2**30:g} GiB")
    return unpacked.getvalue()


def _check_header(image: Any, available: int) -> None:
    """Refuse a header that cannot be true before anything of the size it claims is allocated."""
    shape, dtype = tuple(int(n) for n in image.shape), image.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        kind = "complex numbers: save the magnitude" if dtype.kind == "c" else f"{dtype}: save real numbers"
        raise UnusableImageError(f"voxels are {kind}")
    if not 2 <= len(shape) <= 7 or min(shape) < 1:
        raise UnusableImageError(f"shape {shape}: a volume has 3 dimensions, or 4 with channels")
    needed = int(image.dataobj.offset) + math.prod(shape) * dtype.itemsize
    if needed > available:
        raise UnusableImageError(f"truncated: shape {shape} of {dtype} needs {needed} bytes, {available} are there")


def _values(image: Any) -> np.ndarray:
    """Voxels with slope and intercept applied, in a type that the rest of the package knows."""
    stored = np.asarray(image.dataobj.get_unscaled())
    stored = stored.astype(stored.dtype.newbyteorder("="))
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    if (slope, intercept) != (1.0, 0.0):
        stored = (stored.astype(np.float64) * slope + intercept).astype(np.result_type(stored.dtype, np.float32))
    if stored.dtype.kind in "iu" and stored.dtype not in (np.uint8, np.uint16):
        limits = np.iinfo(np.int32)
        return stored.astype(np.int32 if limits.min <= stored.min() and stored.max() <= limits.max else np.float64)
    return stored


def _channels_last(image: np.ndarray, volume_index: int | None) -> np.ndarray:
    """(x, y, z, ...) to (x, y, z, c): all of the last axis, or the one that was picked."""
    shape = image.shape
    image = image.reshape(shape[:3] + (tuple(n for n in shape[3:] if n != 1) or (1,)))
    if image.ndim > 4:
        raise UnusableImageError(f"shape {shape}: a volume has 3 dimensions, or 4 with channels")
    count = image.shape[3]
    if volume_index is not None:
        if volume_index >= count:
            raise UnusableImageError(f"data.volume_index={volume_index}: it holds {count}, counted from 0")
        return image[..., volume_index : volume_index + 1]
    if count > MAX_CHANNELS:
        raise UnusableImageError(
            f"shape {shape}: {count} volumes are too many for channels, pick one with data.volume_index=0..{count - 1}"
        )
    return image


def _check_same_place(affine: np.ndarray, mask_affine: np.ndarray, shape: tuple[int, ...]) -> None:
    """Every voxel of the mask within a tenth of a voxel of the image's; corners are the farthest apart."""
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in shape], (1,), indexing="ij"), -1).reshape(-1, 4)
    apart = np.linalg.norm(corners @ (affine - mask_affine).T, axis=1).max()
    if apart > 0.1 * np.linalg.norm(affine[:3, :3], axis=0).min():
        raise UnusableImageError(
            f"its mask lies elsewhere: the affines put a corner {apart:.3g} mm apart (resample one onto the other)"
        )


def _labels(values: np.ndarray) -> UInt8[np.ndarray, "x y z"]:
    whole = np.rint(values)  # NaN is equal to nothing
    if not np.array_equal(whole, values):
        raise UnusableImageError("its mask holds fractions: a mask holds whole numbers, 0 for the background")
    if whole.min() < 0 or whole.max() > 255:
        raise UnusableImageError(f"its mask holds {whole.min():g}..{whole.max():g}: labels are 0..255")
    return whole.astype(np.uint8)
