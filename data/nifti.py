"""NIfTI volumes as sets of slices, with masks or without.

Orientation. A plane by name (axial, coronal, sagittal) is cut after turning the volume to the nearest of the patient's
axes (nothing is resampled), and shown as radiologists and DICOM viewers do, from the feet, the front and the left:

| plane | row 0 | column 0 | slices run |
|---|---|---|---|
| axial | anterior | patient's right | from inferior to superior |
| coronal | superior | patient's right | from posterior to anterior |
| sagittal | superior | anterior | from left to right |

An axis by number is the array's own: slices along it, rows and columns the other two in their order, nothing flipped.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from einops import rearrange
from jaxtyping import Bool

from data.decode import MAX_PIXELS, UnusableImageError
from data.fit import fit_image, fit_label_map
from data.folder import FolderConfig
from data.intensity import IntensityConfig
from data.item import BACKGROUND, Entry, Item, Listing
from data.libraries import medical
from data.listing import select_items, sha256
from data.nifti_names import bids_subject, find_mask, patient_of, read_label_names, stem, volume_names, with_channels
from data.nifti_volume import AXES, Source, Volume, pixel_spacing, read_volume, slices_along
from data.palette import NAMES_FILE
from data.percentiles import checked_percentiles

UNLIKE = 3.0  # between the greatest values of two volumes of one kind; beyond, the scanner's units mean nothing


@dataclass
class NiftiConfig(FolderConfig):
    """Slices of NIfTI volumes below `path`, or of one; `file_list` and `val_list` may name volumes, with .nii.gz or without.

    `labels`: folder of the masks (it may be the volumes' own), or the mask of one volume. The mask of `a/x.nii.gz` is
    `a/x` there (not in the volumes' own), or `x` and one of _seg _mask _label _labels (or with -), with or without the
    name of the contrast (`x_flair` and `x_seg`: BraTS) or nnU-Net's `_0000`; .nii or .nii.gz. `pattern`: which volumes,
    as in `*_flair.nii.gz`.
    `axis`: axial, coronal, sagittal, or 0, 1, 2 of the array, or a list of them.
    `empty_slices`: keep, drop, or the share to keep of a volume's slices without foreground (without masks: of one
    value), evenly spaced. `slice_step`: every so many-th slice.
    `volume_index`: which volume of a 4-D file (None: each is a channel). `percentiles`: [low, high], as [0.5, 99.5]:
    each channel of each volume is scaled linearly so that these percentiles of it become 0 and 1, for scanners whose
    units mean nothing (MR). `nodata`: takes the place of NaN before that.
    `label_names`: of the mask's values 1, 2, ...; None: as labels.json in or beside `labels` names them, {"1": "head"},
    else label_1, label_2, ... `square_pixels`: resample slices of
    unequal spacing to the finer of the two.
    """

    name: str = "nifti"
    labels: str | None = None
    val_labels: str | None = None
    pattern: str = "*"
    axis: Any = "axial"
    empty_slices: Any = "keep"
    slice_step: int = 1
    volume_index: int | None = None
    percentiles: Any = None
    label_names: list[str] | None = None
    square_pixels: bool = False

    PLACES: ClassVar[tuple[str, ...]] = (*FolderConfig.PLACES, "labels", "val_labels", "pattern")
    IDLE: ClassVar[tuple[str, ...]] = ("complex",)

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = self.axes
        if not axes or not set(axes) <= set(AXES) or len(set(axes)) < len(axes):
            raise ValueError(f"data.axis={self.axis}: use one of {', '.join(AXES)}, or a list of different ones")
        if self.slice_step < 1:
            raise ValueError(f"data.slice_step={self.slice_step}: it must be at least 1")
        if self.volume_index is not None and self.volume_index < 0:
            raise ValueError(f"data.volume_index={self.volume_index}: it counts from 0")
        if self.label_names is not None and self.labels is None:
            raise ValueError(
                "data.labels is missing: data.label_names names the values of masks, so say where they are, data.labels=DIR"
            )
        names = [BACKGROUND, *(self.label_names or [])]
        if len(set(names)) < len(names):
            raise ValueError(f"data.label_names={self.label_names}: names of 1, 2, ..., each once, no {BACKGROUND}")
        _empty_share(self.empty_slices)
        checked_percentiles(self.percentiles)

    def stated_intensity(self) -> IntensityConfig | None:
        """See `FolderConfig`; what was scaled by percentiles goes from 0 to 1."""
        stated = super().stated_intensity()
        return IntensityConfig(high=1.0) if stated is None and self.percentiles is not None else stated

    def validation(self) -> "NiftiConfig | None":
        """See `FolderConfig`; volumes elsewhere have their masks in `val_labels`."""
        held = super().validation()
        if held is None:
            return None
        assert isinstance(held, NiftiConfig)
        return replace(held, labels=self.val_labels or self.labels, val_labels=None)

    @property
    def clips(self) -> bool:
        """See `FolderConfig`."""
        return super().clips or self.percentiles is not None

    @property
    def axes(self) -> list[str]:
        """`axis` as a list of keys of AXES."""
        return [str(axis) for axis in (self.axis if isinstance(self.axis, list | tuple) else [self.axis])]


def _empty_share(empty_slices: Any) -> float:
    """The share of empty slices to keep."""
    if empty_slices in ("keep", "drop"):
        return 1.0 if empty_slices == "keep" else 0.0
    if type(empty_slices) not in (int, float) or not 0.0 <= empty_slices <= 1.0:
        raise ValueError(f"data.empty_slices={empty_slices}: use keep, drop, or a fraction in 0..1")
    return float(empty_slices)


@dataclass(frozen=True)
class _Found:
    """A volume that can be used: its slices by axis, its type and greatest value, and the largest label of its mask."""

    name: str
    patient: str
    source: Source
    slices: dict[str, list[int]]
    dtype: np.dtype
    peak: float
    top: int


def list_nifti(config: NiftiConfig, *, are_masks: bool = False) -> Listing:
    """The slices of all NIfTI volumes below data.path; with `are_masks` each volume is the mask of itself.

    An entry is `<volume>/<slice>`, 4 digits from 0, with several axes `<volume>/<axis>_<slice>` and the attribute
    "plane". Its group is the patient as far as the name tells: the BIDS subject, or the volume's name without the
    contrast and the number of a channel, or the folder of volumes called after contrasts alone. Every volume is read
    once here, and those that cannot be used are foreign. All items are of one type, the narrowest that holds every
    volume's values. ValueError where a folder or argument is wrong or nothing is left.
    """
    named = config.label_names
    if named is None and config.labels is not None:
        named = read_label_names(config.labels)
    found, foreign = _look(config, are_masks, named)
    dtype = np.result_type(*{volume.dtype for volume in found}) if found else np.dtype(np.uint8)
    entries = [entry for volume in found for entry in _entries(volume, dtype, config)]
    if found and not entries:
        raise ValueError(f"data.empty_slices={config.empty_slices}: all slices of the {len(found)} volumes are empty")
    top = max((volume.top for volume in found), default=0)
    names = named or [f"label_{k + 1}" for k in range(top)]
    listing = Listing(
        sorted(entries, key=lambda entry: entry.name),
        sorted(foreign),
        [] if config.labels is None else [BACKGROUND, *names],
        grouped_by="patient",
        local_groups=not all(bids_subject(volume.name) for volume in found),
        notes=[] if config.clips else _unlike(found),
    )
    where = Path(config.path).expanduser()
    return select_items(listing, where, config.file_list, config.held_out, config.max_images)


def _unlike(found: list[_Found]) -> list[str]:
    """What to tell of volumes that can hardly have one scale: their greatest values are far apart."""
    peaks = [volume.peak for volume in found]
    if not peaks or not max(peaks) > UNLIKE * min(peaks) > 0:
        return []
    mend = "data.percentiles=[0.5,99.5] brings each to one scale"
    return [f"the volumes' greatest values go from {min(peaks):g} to {max(peaks):g} ({mend})"]


def _look(config: NiftiConfig, are_masks: bool, named: list[str] | None) -> tuple[list[_Found], list[tuple[str, str]]]:
    """Read every volume once; (name, reason) of what cannot be used, as masks whose values have none of the names."""
    medical("nibabel")
    found = []
    folder, names, foreign = volume_names(config.path, config.labels, config.pattern)
    cases = with_channels(names) if config.labels is None else set()  # else a mask tells what a number means
    for name in names:
        try:
            source, shared = _source(folder, name, config, are_masks)
            volume = read_volume(source)
            slices = {axis: _kept(volume, axis, config) for axis in config.axes}
            top = 0 if volume.mask is None else int(volume.mask.max())
            if named is not None and top > len(named):
                where = NAMES_FILE if config.label_names is None else "data.label_names"
                raise UnusableImageError(f"its mask holds {top}, {where} names 1..{len(named)}")
            peak = float(volume.image.max())
            patient = patient_of(name, shared, cases)
            found.append(_Found(name, patient, source, slices, volume.image.dtype, peak, top))
        except (ValueError, OSError) as error:
            foreign.append((name, str(error)))
    return found, foreign


def _source(folder: Path, name: str, config: NiftiConfig, are_masks: bool) -> tuple[Source, str]:
    """Where volume and mask are, and what their names share; ValueError where the mask is missing."""
    file, mask, shared = folder / name, folder / name if are_masks else None, stem(name)
    if config.labels is not None:
        mask, shared = find_mask(Path(config.labels).expanduser(), shared, file)
    source = Source(
        path=file,
        digest=sha256(file.read_bytes()),
        mask_path=mask,
        mask_digest=None if mask is None else sha256(mask.read_bytes()),
        volume_index=config.volume_index,
        percentiles=checked_percentiles(config.percentiles),
        nodata=config.nodata_fill,
    )
    return source, shared


def _kept(volume: Volume, axis: str, config: NiftiConfig) -> list[int]:
    """Numbers of the slices along `axis` to use."""
    if not axis.isdigit() and not volume.oriented:
        raise UnusableImageError("its header does not say how it lies (no sform or qform): use data.axis=0, 1 or 2")
    if volume.mask is not None:
        empty = ~slices_along(volume.mask, volume.affine, axis).any(axis=(1, 2))
    else:
        planes = slices_along(volume.image, volume.affine, axis)
        empty = (planes == planes[:, :1, :1]).all(axis=(1, 2, 3))
    return _thinned(np.asarray(empty), config.slice_step, _empty_share(config.empty_slices))


def _thinned(empty: Bool[np.ndarray, " n"], step: int, share: float) -> list[int]:
    numbers = np.arange(0, len(empty), step)
    blank = numbers[empty[numbers]]
    count = round(share * len(blank))
    spared = {int(blank[i * len(blank) // count]) for i in range(count)}
    return [int(k) for k in numbers if not empty[k] or int(k) in spared]


def _entries(found: _Found, dtype: np.dtype, config: NiftiConfig) -> list[Entry]:
    entries, source, several = [], found.source, len(found.slices) > 1
    for axis, numbers in found.slices.items():
        for k in numbers:
            read = partial(_read_slice, source, axis, k, dtype, config.square_pixels)
            bytes_and_choices = (source.digest, source.mask_digest, source.volume_index, source.percentiles)
            bytes_and_choices += () if source.nodata is None else (source.nodata,)
            facts = (*bytes_and_choices, axis, k, dtype.name, config.square_pixels)
            name = f"{stem(found.name)}/{axis}_{k:04d}" if several else f"{stem(found.name)}/{k:04d}"
            attributes, digest = {"plane": axis} if several else {}, sha256(repr(facts))
            entries.append(Entry(name, digest, read, attributes, found.patient, file=found.name))
    return entries


def _read_slice(source: Source, axis: str, k: int, dtype: np.dtype, square: bool) -> Item:
    volume = read_volume(source)
    image = rearrange(slices_along(volume.image, volume.affine, axis)[k], "h w c -> c h w")
    label_map = None if volume.mask is None else slices_along(volume.mask, volume.affine, axis)[k]
    size = _square_size(image.shape[1:], pixel_spacing(volume, axis)) if square else image.shape[1:]
    if size != image.shape[1:]:
        image = fit_image(image, size, "resize")
        image = image if dtype.kind == "f" else np.rint(image)
        # At a half of each pixel an edge stays where it is; small objects have their benefit when the set's size is made.
        label_map = None if label_map is None else fit_label_map(label_map, size, "resize", least=0.5)
    label_map = None if label_map is None else np.ascontiguousarray(label_map)
    return Item(np.ascontiguousarray(image, dtype), label_map)


def _square_size(shape: tuple[int, int], spacing: tuple[float, float]) -> tuple[int, int]:
    """The size at which pixels are as high as wide, the finer of the two spacings; `shape` where they nearly are."""
    row, column = spacing
    if math.isclose(row, column, rel_tol=1e-3):
        return shape
    fine = min(spacing)
    if shape[0] * shape[1] * max(spacing) > MAX_PIXELS * fine:
        raise UnusableImageError(f"pixels of {row:g} x {column:g} mm cannot be made square: they would be too many")
    return max(1, round(shape[0] * row / fine)), max(1, round(shape[1] * column / fine))
