"""Any folder of images as an image set: listed, looked at, fitted, and cached under a key of its content."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt

from data.cache import content_key, read_entry, write_entry
from data.decode import decode
from data.fit import FITS, fit_image
from data.image_set import ImagesConfig, ImageSet, ImageSpec, LoadedImages, Progress, height_width, to_integers
from data.intensity import INTENSITIES, IntensityConfig
from data.listing import Listed, list_images
from data.split import split
from data.survey import Seen, common_channels, common_depth, describe, look, measured_intensity

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
MISSING = "???"  # OmegaConf's mark of a field that must be given


@dataclass
class FolderConfig(ImagesConfig):
    """A folder of images, flat or one subfolder a class: png jpg jpeg tif tiff bmp webp pgm npy, in any case.

    `fit`: crop (scaled, then the centre), resize (stretched), pad, or center_crop (never scaled); see `fit_image`.
    `on_error`: raise, or skip files that cannot be used and list them. `file_list`: a text file of names below `path`,
    one a line. `max_images`: use that many, evenly spaced. `channels`: 1 or 3 for a set that mixes grey and colour.
    `intensity`: linear, log or db over `value_range` = [low, high] (dB for db); without a range it is measured: the bit
    depth of unsigned values, least to greatest of others.
    `val_path`, `val_list`: a folder of its own, or a list of names, for validation in place of `val_fraction`.
    """

    name: str = "folder"
    path: str = MISSING
    fit: str = "crop"
    on_error: str = "raise"
    file_list: str | None = None
    max_images: int | None = None
    channels: int | None = None
    intensity: str = "linear"
    value_range: Any = None
    val_path: str | None = None
    val_list: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choices = {"name": ("folder",), "fit": FITS, "on_error": ("raise", "skip"), "intensity": INTENSITIES}
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"data.{field}={getattr(self, field)}: use {' or '.join(allowed)}")
        for field in ("max_images", "channels"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"data.{field}={value}: it must be at least 1")
        if self.value_range is None and self.intensity != "linear":
            raise ValueError(f"data.intensity={self.intensity} needs data.value_range=[low, high]")
        self.stated_intensity()

    def stated_intensity(self) -> IntensityConfig | None:
        """The map that `value_range` asks for; None where it is to be measured."""
        if self.value_range is None:
            return None
        try:
            low, high = (float(v) for v in self.value_range)
        except (TypeError, ValueError):
            raise ValueError(f"data.value_range={self.value_range}: use [low, high]") from None
        return IntensityConfig(self.intensity, low, high)


def load_folder(config: FolderConfig, *, cache_dir: Path, progress: Progress | None = None) -> LoadedImages:
    """The training and validation sets of a folder. Every image is decoded and checked, or was when it was cached."""
    if config.path == MISSING:
        raise ValueError("data.path is missing: data=folder data.path=DIR")
    images, report, skipped, key = _load(config, None, cache_dir, progress)
    if config.val_path is None and config.val_list is None:
        train, val = split(images, config.val_fraction, seed=0)
        return LoadedImages(train, val, report, skipped, key)
    val_folder = config.val_path or config.path
    val_config = replace(config, path=val_folder, file_list=config.val_list, max_images=None)
    val, val_report, val_skipped, _ = _load(val_config, images.spec, cache_dir, progress)
    if Path(val_folder).resolve() == Path(config.path).resolve() and (both := sorted({*images.names} & {*val.names})):
        raise ValueError(f"{both[0]} is used for training and for validation ({len(both)} such files)")
    return LoadedImages(images, val, f"{report} Validation: {val_report}", skipped + val_skipped, key)


def _load(
    config: FolderConfig, like: ImageSpec | None, cache_dir: Path, progress: Progress | None
) -> tuple[ImageSet, str, list[tuple[str, str]], str]:
    """Images, report, skipped files and key; `like` is the training set's spec, which a validation set must fit."""
    listed, bad = list_images(config.path, config.file_list, config.max_images)
    pixel_fields = ("image_size", "fit", "on_error", "channels", "intensity", "value_range")
    key = content_key(
        {
            "config": {k: v for k, v in asdict(config).items() if k in pixel_fields},
            "files": [(file.name, _digest(file.path)) for file in listed],
            "foreign": bad,
            "like": like.to_dict() if like else None,
        }
    )
    entry = read_entry(cache_dir, key)
    if entry is None:
        _build(config, listed, bad, like, cache_dir, key, progress)
        entry = read_entry(cache_dir, key)
        assert entry is not None
    pixels, meta = entry
    labels = None if meta["class_labels"] is None else np.asarray(meta["class_labels"], np.int64)
    images = ImageSet(pixels, labels, meta["names"], ImageSpec.from_dict(meta["spec"]))
    return images, meta["report"], [(name, reason) for name, reason in meta["skipped"]], key


def _digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:  # named with all other bad files when it is decoded
        return str(error)


def _build(
    config: FolderConfig,
    listed: list[Listed],
    bad: list[tuple[str, str]],
    like: ImageSpec | None,
    cache_dir: Path,
    key: str,
    progress: Progress | None,
) -> None:
    """Look at every file, settle what the set is, and write its pixels."""
    stated = like.intensity if like else config.stated_intensity()
    files, seen, broken = _survey(listed, stated, progress)
    skipped = sorted(bad + broken)
    if skipped and (config.on_error == "raise" or not seen):
        name, reason = skipped[0]
        total = len(listed) + len(bad)
        mend = "data.on_error=skip leaves them out and lists them" if seen else "no usable image is left"
        raise ValueError(f"{len(skipped)} of {total} files in {config.path} cannot be used; {name}: {reason} ({mend})")
    spec = _spec(config, files, seen, stated)
    if like is not None:
        spec = _checked_against(spec, like, seen)
    labels = None if not spec.classes else [spec.classes.index(str(file.class_name)) for file in files]
    meta = {
        "spec": spec.to_dict(),
        "names": [file.name for file in files],
        "class_labels": labels,
        "report": describe(seen, spec, labels, config.fit),
        "skipped": skipped,
    }
    shape = (len(files), spec.channels, spec.height, spec.width)
    images = _fitted(files, spec, config.fit, progress)
    write_entry(cache_dir, key, images, shape=shape, dtype=spec.dtype, meta=meta)


def _survey(
    listed: list[Listed], stated: IntensityConfig | None, progress: Progress | None
) -> tuple[list[Listed], list[Seen], list[tuple[str, str]]]:
    files, seen, broken = [], [], []
    for i, file in enumerate(listed):
        try:
            seen.append(look(file.path, file.name, stated))
            files.append(file)
        except (ValueError, OSError) as error:
            broken.append((file.name, str(error)))
        if progress is not None:
            progress("looking at images", i + 1, len(listed))
    return files, seen, broken


def _spec(config: FolderConfig, files: list[Listed], seen: list[Seen], stated: IntensityConfig | None) -> ImageSpec:
    depth = common_depth(seen)
    intensity = stated or measured_intensity(seen, depth)
    height, width = height_width(config.image_size)
    as_stored = {"uint8": IntensityConfig("linear", 0, 255), "uint16": IntensityConfig("linear", 0, 65535)}
    return ImageSpec(
        channels=common_channels(seen, config.channels),
        height=height,
        width=width,
        dtype="uint8" if depth == "uint8" and intensity == as_stored["uint8"] else "uint16",
        intensity=intensity,
        classes=sorted({file.class_name for file in files if file.class_name is not None}),
        file_dtype=None
        if intensity == as_stored.get(depth)
        else {"int": "int32", "float": "float32"}.get(depth, depth),
    )


def _checked_against(spec: ImageSpec, train: ImageSpec, seen: list[Seen]) -> ImageSpec:
    """The validation set under the training set's classes; a ValueError where the two are not alike."""
    if unknown := sorted(set(spec.classes) - set(train.classes)):
        raise ValueError(f"validation class {unknown[0]} is not among the training classes {', '.join(train.classes)}")
    alike = replace(spec, classes=train.classes)
    if alike != train or bool(spec.classes) != bool(train.classes):
        raise ValueError(f"validation images are {spec}, training images {train}: they must be alike")
    if (outside := float(np.mean([s.outside for s in seen]))) > 0.01:
        raise ValueError(f"{outside:.0%} of the validation values are outside the training range: set data.value_range")
    return alike


def _fitted(
    files: list[Listed], spec: ImageSpec, fit: str, progress: Progress | None
) -> Iterator[UInt[np.ndarray, "c h w"]]:
    for i, file in enumerate(files):
        image = _with_channels(decode(file.path), spec.channels)
        try:
            fitted = fit_image(image, (spec.height, spec.width), fit)
        except ValueError as error:
            raise ValueError(f"{file.path}: {error}") from None
        unit = spec.intensity.forward(fitted)
        yield to_integers(torch.from_numpy(2.0 * unit - 1.0), spec.dtype)
        if progress is not None:
            progress("fitting images", i + 1, len(files))


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[0] == channels:
        return image
    if channels == 1:
        return np.tensordot(LUMA, image.astype(np.float64), axes=1)[None]
    return np.repeat(image, channels, axis=0)
