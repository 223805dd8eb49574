"""Any folder of images as an image set: listed, looked at, fitted, and cached under a key of its content."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt

from data.cache import Recipe, cached, content_key
from data.decode import decode
from data.fit import FITS, check_fit, fit_image
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
    `val_path`: a folder of its own for validation; `val_list`: a text file of the names to hold out. Either takes the
    place of `val_fraction`, and is mapped and labelled as the training images are.
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
    """The training and validation sets of a folder. Every image is decoded and checked, or was when it was cached.

    ValueError where the folder, a list, or (unless data.on_error=skip) any file is not what it must be.
    """
    if config.path == MISSING:
        raise ValueError("data.path is missing: data=folder data.path=DIR")
    held_out = config.val_list if config.val_path is None else None
    listing = list_images(config.path, config.file_list, held_out=held_out, max_images=config.max_images)
    images, report, skipped, key = _load(config, *listing, None, cache_dir, progress)
    if config.val_path is None and config.val_list is None:
        train, val = split(images, config.val_fraction, seed=0)
        val_key = key
    else:
        listing = list_images(config.val_path or config.path, config.val_list)
        train, (val, val_report, val_skipped, val_key) = (
            images,
            _load(config, *listing, images.spec, cache_dir, progress),
        )
        report, skipped = f"{report}\nValidation: {val_report}", skipped + val_skipped
    return LoadedImages(train, val, report, skipped, content_key({"pixels": [key, val_key], "train": train.names}))


def _load(
    config: FolderConfig,
    files: list[Listed],
    foreign: list[tuple[str, str]],
    like: ImageSpec | None,
    cache_dir: Path,
    progress: Progress | None,
) -> tuple[ImageSet, str, list[tuple[str, str]], str]:
    """Images, report, skipped files and key; `like` is the training set's spec, which a validation set must fit."""
    pixel_fields = ("image_size", "fit", "on_error", "channels", "intensity", "value_range")
    key = content_key(
        {
            "config": {k: v for k, v in asdict(config).items() if k in pixel_fields},
            "files": [(file.name, file.digest) for file in files],
            "foreign": foreign,
            "like": like.to_dict() if like else None,
        }
    )
    pixels, meta = cached(cache_dir, key, lambda: _recipe(config, files, foreign, like, progress))
    labels = None if meta["class_labels"] is None else np.asarray(meta["class_labels"], np.int64)
    images = ImageSet(pixels, labels, meta["names"], ImageSpec.from_dict(meta["spec"]))
    return images, meta["report"], [(name, reason) for name, reason in meta["skipped"]], key


def _recipe(
    config: FolderConfig,
    files: list[Listed],
    foreign: list[tuple[str, str]],
    like: ImageSpec | None,
    progress: Progress | None,
) -> Recipe:
    """Look at every file, settle what the set is, and say how its pixels come about."""
    stated = like.intensity if like else config.stated_intensity()
    usable, seen, broken = _survey(config, files, stated, progress)
    skipped = sorted(foreign + broken)
    if skipped and (config.on_error == "raise" or not seen):
        name, reason = skipped[0]
        mend = "data.on_error=skip leaves them out and lists them" if seen else "no usable image is left"
        count = f"{len(skipped)} of {len(files) + len(foreign)} files cannot be used"
        raise ValueError(f"{count}; {name}: {reason} ({mend})")
    spec = _spec(config, usable, seen, stated)
    if like is not None:
        spec = _as_in_training(spec, like, seen)
    labels = [spec.classes.index(str(file.class_name)) for file in usable] if spec.classes else None
    copies = len(usable) - len({file.digest for file in usable})
    meta = {
        "spec": spec.to_dict(),
        "names": [file.name for file in usable],
        "class_labels": labels,
        "report": describe(seen, spec, labels, fit=config.fit, copies=copies),
        "skipped": skipped,
    }
    shape = (len(usable), spec.channels, spec.height, spec.width)
    return Recipe(_fitted(usable, spec, config.fit, progress), shape, spec.dtype, meta)


def _survey(
    config: FolderConfig, files: list[Listed], stated: IntensityConfig | None, progress: Progress | None
) -> tuple[list[Listed], list[Seen], list[tuple[str, str]]]:
    """The files that can be used, what is in each, and (name, reason) of the others."""
    usable, seen, broken, size = [], [], [], height_width(config.image_size)
    for i, file in enumerate(files):
        try:
            this = look(file.path, file.name, stated)
            check_fit((this.height, this.width), size, config.fit)
            usable.append(file)
            seen.append(this)
        except (ValueError, OSError) as error:
            broken.append((file.name, str(error)))
        if progress is not None:
            progress("looking at images", i + 1, len(files))
    return usable, seen, broken


def _spec(config: FolderConfig, files: list[Listed], seen: list[Seen], stated: IntensityConfig | None) -> ImageSpec:
    depth = common_depth(seen)
    intensity = stated or measured_intensity(seen, depth)
    full_range = {"uint8": IntensityConfig(high=255.0), "uint16": IntensityConfig(high=65535.0)}
    height, width = height_width(config.image_size)
    return ImageSpec(
        channels=common_channels(seen, config.channels),
        height=height,
        width=width,
        dtype="uint8" if depth == "uint8" and intensity == full_range["uint8"] else "uint16",
        intensity=intensity,
        classes=sorted({file.class_name for file in files if file.class_name is not None}),
        file_dtype=None if intensity == full_range.get(depth) else depth,
    )


def _as_in_training(spec: ImageSpec, train: ImageSpec, seen: list[Seen]) -> ImageSpec:
    """The validation set's spec under the training classes; a ValueError where the two sets are not alike."""
    if unknown := sorted(set(spec.classes) - set(train.classes)):
        known = ", ".join(train.classes) if train.classes else "the training images have none"
        raise ValueError(f"validation class {unknown[0]} is not a training class ({known})")
    if train.classes and not spec.classes:
        raise ValueError("the training images are in class folders and the validation images are not")
    if spec.channels != train.channels:
        both = f"training images have {train.channels} channels, validation images {spec.channels}"
        raise ValueError(f"{both}: set data.channels=1 or data.channels=3")
    if (spec.dtype, spec.file_dtype) != (train.dtype, train.file_dtype):
        raise ValueError("training and validation images differ in bit depth: bring all files to one")
    if (outside := float(np.mean([s.outside for s in seen]))) > 0.01:
        raise ValueError(f"{outside:.0%} of the validation values are outside the training range: set data.value_range")
    return replace(spec, classes=train.classes)


def _fitted(
    files: list[Listed], spec: ImageSpec, fit: str, progress: Progress | None
) -> Iterator[UInt[np.ndarray, "c h w"]]:
    for i, file in enumerate(files):
        image = _with_channels(decode(file.path), spec.channels)
        unit = spec.intensity.forward(fit_image(image, (spec.height, spec.width), fit))
        yield to_integers(torch.from_numpy(2.0 * unit - 1.0), spec.dtype)
        if progress is not None:
            progress("fitting images", i + 1, len(files))


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[0] == channels:
        return image
    if channels == 1:
        return np.tensordot(LUMA, image.astype(np.float64), axes=1)[None]
    return np.repeat(image, channels, axis=0)
