"""One DICOM file: which frames it holds and where they lie, and a frame's pixels in physical units.

The format: DICOM PS3.3 (information objects) and PS3.5 (encoding). Nothing of a patient leaves this file but what
`Frame.patient` holds.
"""

import io
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Num

from data.decode import UnusableImageError
from data.dicom_check import GREY, check, frame_count, in_one_line, other_plug_ins
from data.libraries import medical, one_line
from data.listing import sha256

LOSSY_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81))  # JPEG baseline, extended, near-lossless LS
LIMIT = 1e-3  # mm of position, and cosine of directions, below which two are the same


@dataclass(frozen=True)
class Frame:
    """A frame of a file. `name`: of the file, relative to data.path; `series` and `patient` as the file states them.

    `shape`: (rows, columns, samples). `dtype`: the narrowest type that holds all values its header allows. `normal`
    and `along`: the slice's normal and its position along it in mm; None where the file does not say. `window`: the
    range of values that the file asks to be shown. `attributes`: of the tags asked for those that it states.
    """

    path: Path
    name: str
    digest: str
    index: int
    series: str
    patient: str
    shape: tuple[int, int, int]
    dtype: str
    lossy: bool
    number: int
    normal: tuple[float, ...] | None
    along: float | None
    window: tuple[float, float] | None
    attributes: tuple[tuple[str, str], ...]


def find_frames(path: Path, name: str, attributes: tuple[str, ...]) -> list[Frame]:
    """The frames of a file; none for a DICOMDIR. ValueError in one line, or OSError, where it holds no usable image."""
    raw = path.read_bytes()
    digest = sha256(raw)
    with one_line(tell=False):
        dataset = _parsed(raw)
        if "DirectoryRecordSequence" in dataset:
            return []
        check(dataset)
        return [_frame(dataset, path, name, digest, i, attributes) for i in range(frame_count(dataset))]


def read_frame(path: Path, digest: str, index: int) -> Num[np.ndarray, "c h w"]:
    """A frame in physical units, `RescaleSlope * stored + RescaleIntercept` (HU in CT), bright where it is to be bright.

    MONOCHROME1, where large is dark, is turned round on the stored values: low + high - stored, the bounds being those
    of BitsStored (4095 - stored in 12 bits). The same step again undoes it exactly. Pixels of PixelPaddingValue are no
    image; they take the darkest value of their frame. Colour comes as RGB. ValueError in one line, or OSError.
    """
    dataset = _dataset(path, digest)
    with one_line():
        stored = _decoded(dataset, index)
        low, high = _stored_range(dataset)
        if dataset.PhotometricInterpretation not in GREY:
            return rearrange(stored, "h w c -> c h w").astype(_value_type(low, high, 1.0, 0.0))
        padding = _padding(dataset, stored, index)
        slope, intercept = _rescale(dataset, index)
        values = stored.astype(np.float64)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            values = low + high - values
        values = values * slope + intercept
        if padding.all():
            raise UnusableImageError("every pixel is padding")
        if padding.any():
            values[padding] = values[~padding].min()
        return values.astype(_value_type(low, high, slope, intercept))[None]


def _decoded(dataset: Any, index: int) -> np.ndarray:
    """Stored values of a frame, (rows, columns) or (rows, columns, 3) in RGB.

    Bits above BitsStored, where old files keep an overlay (PS3.5 8.1.1), are cleared by pydicom. A decoder's warning,
    such as more pixels than the frame has, is an error here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return medical("pydicom.pixels").pixel_array(dataset, index=index)
    except RuntimeError as error:  # what pydicom raises once all plug-ins that are there have failed
        syntax = dataset.file_meta.TransferSyntaxUID
        reason = " ".join(str(error).split())
        if not syntax.is_encapsulated or not (plug_ins := other_plug_ins(syntax)):
            raise
        raise UnusableImageError(f"{reason} (damaged, or try another plug-in: install {plug_ins})") from None


@lru_cache(maxsize=2)  # the frames of one file are asked for one after the other
def _dataset(path: Path, digest: str) -> Any:
    raw = path.read_bytes()
    if sha256(raw) != digest:
        raise UnusableImageError("it has changed since it was listed")
    with one_line(tell=False):
        return _parsed(raw)


def _parsed(raw: bytes) -> Any:
    if not raw:
        raise UnusableImageError("empty file")
    if raw[128:132] != b"DICM":
        raise UnusableImageError("not a DICOM file (no DICM behind a preamble of 128 bytes)")
    return medical("pydicom").dcmread(io.BytesIO(raw))


def _frame(dataset: Any, path: Path, name: str, digest: str, index: int, attributes: tuple[str, ...]) -> Frame:
    low, high = _stored_range(dataset)
    slope, intercept = _rescale(dataset, index)
    grey = dataset.PhotometricInterpretation in GREY
    number = dataset.get("InstanceNumber")
    normal, along = _place(dataset, index)
    syntax = dataset.file_meta.TransferSyntaxUID
    return Frame(
        path=path,
        name=name,
        digest=digest,
        index=index,
        series=str(dataset.get("SeriesInstanceUID") or f"folder {Path(name).parent.as_posix()}"),
        patient=_patient(dataset, path),
        shape=(int(dataset.Rows), int(dataset.Columns), 1 if grey else 3),
        dtype=_value_type(low, high, slope, intercept).name,
        lossy=dataset.get("LossyImageCompression") == "01" or syntax in LOSSY_SYNTAXES,
        number=0 if number is None else int(number),
        normal=normal,
        along=along,
        window=_window(dataset, index) if grey else None,
        attributes=tuple((keyword, text) for keyword in attributes if (text := in_one_line(dataset.get(keyword)))),
    )


def _patient(dataset: Any, path: Path) -> str:
    """PatientID, or where that is blank the study, the series, at last the folder: the widest that is known."""
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
        if stated := str(dataset.get(keyword) or "").strip():
            return stated
    return f"folder {path.resolve().parent.as_posix()}"


def _stated(dataset: Any, index: int, macro: str, keyword: str) -> Any:
    """A frame's value of `keyword`: its own, the one shared by all frames (PS3.3 C.7.6.16), or the file's; or None."""
    own, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    for group in ([own[index]] if own else []) + ([shared[0]] if shared else []):
        if macro in group and keyword in group[macro][0]:
            return group[macro][0][keyword].value
    return dataset.get(keyword)


def _place(dataset: Any, index: int) -> tuple[tuple[float, ...] | None, float | None]:
    """The slice's normal, and its ImagePositionPatient along it in mm."""
    position = _stated(dataset, index, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _stated(dataset, index, "PlaneOrientationSequence", "ImageOrientationPatient")
    if not position or not orientation:
        return None, None
    directions = np.asarray(orientation, np.float64).reshape(2, 3)
    normal = np.cross(directions[0], directions[1])
    along = float(normal @ np.asarray(position, np.float64))
    if not np.isfinite(along) or abs(np.linalg.norm(normal) - 1.0) > LIMIT:
        raise UnusableImageError("ImageOrientationPatient or ImagePositionPatient is not a place")
    return tuple(float(v) for v in normal), along


def _rescale(dataset: Any, index: int) -> tuple[float, float]:
    slope = _stated(dataset, index, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = _stated(dataset, index, "PixelValueTransformationSequence", "RescaleIntercept")
    if dataset.PhotometricInterpretation not in GREY:
        return 1.0, 0.0
    pair = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
    if not np.isfinite(pair).all() or pair[0] == 0.0 or max(abs(v) for v in pair) > 1e30:
        raise UnusableImageError(f"RescaleSlope {pair[0]:g}, RescaleIntercept {pair[1]:g}: values would be lost")
    return pair


def _stored_range(dataset: Any) -> tuple[int, int]:
    """The least and greatest stored value that BitsStored and PixelRepresentation allow."""
    count = 2 ** int(dataset.BitsStored)
    return (-count // 2, count // 2 - 1) if int(dataset.get("PixelRepresentation", 0)) == 1 else (0, count - 1)


def _value_type(low: int, high: int, slope: float, intercept: float) -> np.dtype:
    """The narrowest type for `slope * stored + intercept` over low..high."""
    ends = low * slope + intercept, high * slope + intercept
    if slope.is_integer() and intercept.is_integer():
        for name in ("uint8", "uint16", "int32"):
            if np.iinfo(name).min <= min(ends) and max(ends) <= np.iinfo(name).max:
                return np.dtype(name)
        return np.dtype(np.float64)
    return np.dtype(np.float32 if high - low < 2**24 else np.float64)


def _padding(dataset: Any, stored: np.ndarray, index: int) -> np.ndarray:
    """Which pixels are padding: of PixelPaddingValue, or from there to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2).

    Where BitsStored holds no such value, cells of PixelData may, in bits that are cleared; real pixels are never equal.
    """
    first, last = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if first is None:
        return np.zeros(stored.shape, bool)
    ends, words = [int(first), int(first if last is None else last)], 2 ** int(dataset.BitsAllocated)
    read = [value for end in ends if (value := _as_stored(end, *_stored_range(dataset), words)) is not None]
    values = stored
    if len(read) < 2:
        bits = int(dataset.BitsAllocated)
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated or bits not in (16, 32):
            return np.zeros(stored.shape, bool)
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        cells = np.frombuffer(dataset.PixelData, f"{order}u{bits // 8}", stored.size, index * stored.size * bits // 8)
        values, read = cells.reshape(stored.shape), [end % words for end in ends]
    return (values >= min(read)) & (values <= max(read))


def _as_stored(value: int, low: int, high: int, words: int) -> int | None:
    """A value that may be written as unsigned for a signed one, or the other way round, in low..high; None: it is not."""
    spellings = [value, value - words, value + words] + [value + low + low] * (low < 0 <= value <= high - low)
    return next((spelling for spelling in spellings if low <= spelling <= high), None)


def _window(dataset: Any, index: int) -> tuple[float, float] | None:
    """The values that the file's first window shows as black and as white (PS3.3 C.11.2.1.2), as `read_frame` has them."""
    center = _first(_stated(dataset, index, "FrameVOILUTSequence", "WindowCenter"))
    width = _first(_stated(dataset, index, "FrameVOILUTSequence", "WindowWidth"))
    function = _stated(dataset, index, "FrameVOILUTSequence", "VOILUTFunction") or "LINEAR"
    if center is None or width is None or function == "SIGMOID":
        return None
    ends = (center - width / 2, center + width / 2)
    if function == "LINEAR":
        ends = (center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        slope, intercept = _rescale(dataset, index)
        turned = slope * sum(_stored_range(dataset)) + 2 * intercept
        ends = (turned - ends[1], turned - ends[0])
    return ends if np.isfinite(ends).all() and ends[0] < ends[1] else None


def _first(value: Any) -> float | None:
    values = [value] if isinstance(value, str | int | float) else list(value or [])
    return float(values[0]) if values else None
