"""A tree of DICOM files as a set of images, grouped by patient, in physical units.

Slices are shown as they are stored, which for patients lying on their backs is the radiologists' way. No resampling to
square pixels. DICOM segmentations are not read: an image set from DICOM has no label maps.
"""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Num

from data.dicom_file import LIMIT, Frame, find_frames, read_frame
from data.folder import FolderConfig
from data.intensity import IntensityConfig
from data.item import Entry, Item, Listing
from data.libraries import medical
from data.listing import files_at, select_items, sha256
from data.percentiles import checked_percentiles, scaled

# What may become an attribute: how an image was made, never whose or when it is. ProtocolName and SeriesDescription are
# free text, into which people may have typed anything: look at their values before you give a checkpoint away.
ATTRIBUTES = (
    "AcquisitionContrast", "BodyPartExamined", "ContrastBolusAgent", "ConvolutionKernel",
    "EchoTime", "FlipAngle", "ImageLaterality", "ImageType", "KVP", "Laterality", "MRAcquisitionType",
    "MagneticFieldStrength", "Manufacturer", "ManufacturerModelName", "Modality", "PatientPosition", "ProtocolName",
    "RepetitionTime", "ScanningSequence", "SequenceName", "SequenceVariant", "SeriesDescription", "SliceThickness",
    "ViewPosition",
)  # fmt: skip
Key = tuple[Path, str, int]  # path, digest and frame: what read_frame wants


@dataclass
class DicomConfig(FolderConfig):
    """All frames of the DICOM files below `path`, however deep and however named, or of one file.

    `window`: the values to be black and white, as [center, width] in the units of the values (HU in CT), or `dicom`:
    the window that the files state, which must be one. It is the set's value_range : no image
    is clipped on its own. `percentiles`: [low, high], as [0.5, 99.5]: each series is scaled linearly so that these
    percentiles become 0 and 1, for scanners whose units mean nothing (MR). `hide_patients`: groups are hashes of
    PatientID; a hash hides an ID from readers, not from somebody who can try all IDs. `dicom_attributes`: tags whose
    values become attributes of the images, out of ATTRIBUTES; where one is missing its value is not known.
    """

    name: str = "dicom"
    window: Any = None
    percentiles: Any = None
    hide_patients: bool = True
    dicom_attributes: list[str] = field(default_factory=list)

    IDLE: ClassVar[tuple[str, ...]] = ("nodata", "complex")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value_range is not None and (self.window is not None or self.percentiles is not None):
            raise ValueError("data.value_range has no effect beside data.window or data.percentiles: give one of them")
        if self.window not in (None, "dicom"):
            _window_ends(self.window)
        checked_percentiles(self.percentiles)
        if self.window is not None and self.percentiles is not None:
            raise ValueError("data.window and data.percentiles are two answers to one question: give one of them")
        for keyword in self.dicom_attributes:
            if keyword not in ATTRIBUTES:
                raise ValueError(f"data.dicom_attributes: {keyword} is not one of {', '.join(ATTRIBUTES)}")

    def stated_intensity(self) -> IntensityConfig | None:
        """See `FolderConfig`; `window=dicom` looks into the files. ValueError where they state none, or several."""
        if self.percentiles is not None:
            return IntensityConfig(high=1.0)
        if self.window is None:
            return super().stated_intensity()
        low, high = _stated_window(self.path) if self.window == "dicom" else _window_ends(self.window)
        return IntensityConfig(low=low, high=high)  # another intensity needs a value_range, which is refused beside it

    @property
    def clips(self) -> bool:
        """See `FolderConfig`."""
        return super().clips or self.percentiles is not None or self.window is not None


def list_dicom(config: DicomConfig) -> Listing:
    """All frames of the DICOM files below data.path.

    An entry is `<series>/<k>`: a hash of SeriesInstanceUID, and 4 digits that count the frames from 0 by position along
    the slices' normal, or by InstanceNumber where positions are missing or directions differ. Its group is the patient;
    where PatientID is blank, the study. A DICOMDIR is passed over; what holds no usable image, or an image of another
    size than the rest of its series, is foreign. Images of more than 8 bits are of one type, the narrowest that holds
    them all; with `percentiles` all are float32.
    """
    bounds = checked_percentiles(config.percentiles)
    frames, foreign = _scan(config.path, tuple(config.dicom_attributes))
    deep = [np.dtype(frame.dtype) for frame in frames if frame.dtype != "uint8"]
    deep_type = np.result_type(*deep) if deep else np.dtype(np.uint8)
    entries = []
    for series, ordered in _series(frames, foreign).items():
        keys = tuple((frame.path, frame.digest, frame.index) for frame in ordered)
        whole = sha256(repr([key[1:] for key in keys]))
        for k, frame in enumerate(ordered):
            dtype = np.dtype(np.uint8) if frame.dtype == "uint8" else deep_type
            if bounds is None:
                read, facts = partial(_read, keys[k], dtype), (frame.digest, frame.index, dtype.name)
            else:
                read, facts = partial(_read_scaled, keys[k], keys, bounds), (whole, k, bounds)
            name, group = f"{_hash(series)}/{k:04d}", _hash(frame.patient) if config.hide_patients else frame.patient
            digest = sha256(repr(facts))
            entries.append(Entry(name, digest, read, dict(frame.attributes), group, frame.lossy, frame.name))
    listing = Listing(sorted(entries, key=lambda entry: entry.name), sorted(foreign), grouped_by="patient")
    stated = {keyword for frame in frames for keyword, _ in frame.attributes}
    listing.notes += [f"no image states a {keyword}" for keyword in config.dicom_attributes if keyword not in stated]
    where = Path(config.path).expanduser()
    return select_items(listing, where, config.file_list, config.held_out, config.max_images)


def _stated_window(path: str) -> tuple[float, float]:
    """The one window that all files state, as (low, high)."""
    frames, _ = _scan(path, ())
    stated = {frame.window: frame.name for frame in reversed(frames)}
    mend = "use data.window=[center, width]"
    if (name := stated.pop(None, None)) is not None or not stated:
        raise ValueError(f"data.window=dicom: {name or path} states no window (center, width, linear): {mend}")
    if len(stated) > 1:
        (one, first), (two, second) = list(stated.items())[-2:]
        both = f"{second} {two} and {first} {one}"
        raise ValueError(f"data.window=dicom: {len(stated)} windows are stated ({both}): {mend}")
    (window,) = stated
    assert window is not None
    return window


def _scan(path: str, attributes: tuple[str, ...]) -> tuple[list[Frame], list[tuple[str, str]]]:
    medical("pydicom")
    frames, foreign = [], []
    folder, names = files_at(path)
    names = [name for name in names if name.split("/")[-1].upper() != "DICOMDIR"]
    if not names:
        raise ValueError(f"no files in {folder}: data.path is a folder of DICOM files")
    for name in names:
        try:
            frames += find_frames(folder / name, name, attributes)
        except (ValueError, OSError) as error:
            foreign.append((name, str(error)))
    return frames, foreign


def _series(frames: list[Frame], foreign: list[tuple[str, str]]) -> dict[str, list[Frame]]:
    """The frames of each series in order, all of one size; files of another size go to `foreign`."""
    series: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        series[frame.series].append(frame)
    for key, members in series.items():
        size = Counter(frame.shape for frame in members).most_common(1)[0][0]
        odd = {f.name: f.shape for f in members if f.shape != size}
        foreign += [(name, f"{_size(shape)}, and its series is {_size(size)}") for name, shape in odd.items()]
        series[key] = _ordered([frame for frame in members if frame.shape == size])
    return series


def _ordered(frames: list[Frame]) -> list[Frame]:
    first = frames[0].normal
    if first is not None and all(
        frame.normal is not None and math.dist(frame.normal, first) < LIMIT for frame in frames
    ):
        return sorted(frames, key=lambda f: (round((f.along or 0.0) / LIMIT), f.number, f.name, f.index))
    return sorted(frames, key=lambda f: (f.number, f.name, f.index))


def _read(key: Key, dtype: np.dtype) -> Item:
    return Item(read_frame(*key).astype(dtype))


def _read_scaled(key: Key, series: tuple[Key, ...], percentiles: tuple[float, float]) -> Item:
    image = read_frame(*key)  # first, for a broken frame is to say so itself
    return Item(scaled(image, *_percentiles(series, percentiles)))


@lru_cache(maxsize=64)
def _percentiles(series: tuple[Key, ...], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Percentiles of a series' values, of about 64 rows and columns of each frame; frames that cannot be read do not count."""
    samples = []
    for key in series:
        try:
            samples.append(_thinned(read_frame(*key)))
        except (ValueError, OSError):
            continue
    bottom, top = np.percentile(np.concatenate(samples), percentiles)
    return float(bottom), float(top)


def _thinned(image: Num[np.ndarray, "c h w"]) -> np.ndarray:
    _, h, w = image.shape
    return image[:, :: max(1, h // 64), :: max(1, w // 64)].ravel()


def _window_ends(window: Any) -> tuple[float, float]:
    """[center, width] as (low, high)."""
    try:
        center, width = (float(v) for v in window)
    except (TypeError, ValueError):
        center, width = math.nan, math.nan
    if not (math.isfinite(center) and 0 < width < math.inf):
        raise ValueError(f"data.window={window}: use [center, width] with width > 0, or dicom")
    return center - width / 2, center + width / 2


def _size(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} x {shape[1]}" + (" in colour" if shape[2] == 3 else "")


def _hash(text: str) -> str:
    return sha256(text)[:12]
