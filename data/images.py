"""Listed items of any format as an image set: looked at, fitted, cached under a key of their content, and split."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Num, UInt

from data.attributes import (
    attribute_numbers,
    attribute_values,
    describe_attributes,
    rows_without_image,
    with_groups,
    with_table,
)
from data.cache import Recipe, cached, content_key
from data.fit import check_fit, fit_image, fit_label_map
from data.folder import MISSING, FolderConfig
from data.image_set import NOT_PIXELS, ImageSet, ImageSpec, LoadedImages, Progress, height_width, to_integers
from data.intensity import IntensityConfig
from data.item import BACKGROUND, Entry, Item, Listing
from data.label_map import look_at_labels
from data.split import split, with_copies
from data.survey import Seen, common_channels, common_depth, describe, look, measured_intensity

Reader = Callable[[Any], Listing]  # list_<format>(config)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
ALWAYS_IN_KEY = ("image_size", "fit", "on_error", "channels", "intensity", "value_range")


@dataclass
class _Loaded:
    """One listing as a set; `groups` are those of its images, None where nothing groups them, `digests` their content's."""

    images: ImageSet
    report: str
    skipped: list[tuple[str, str]]
    key: str
    groups: list[str | None] | None
    digests: list[str]
    grouped_by: str | None
    local_groups: bool


def load_listed(
    config: FolderConfig, reader: Reader, *, cache_dir: Path, progress: Progress | None = None
) -> LoadedImages:
    """The training and validation sets of what `reader` lists. Every item is read and checked, or was when cached.

    ValueError where the folder, a list, annotations, or (unless data.on_error=skip) any item is not what it must be.
    """
    if config.path == MISSING:
        raise ValueError(f"data.path is missing: data={config.name} data.path=DIR")
    train = _load(config, reader, None, cache_dir, progress)
    report, skipped, val_key, val = train.report, train.skipped, train.key, None
    if (validation := config.validation()) is None:
        groups = with_copies(train.groups, train.digests)
        train_set, val_set = split(train.images, config.val_fraction, seed=0, groups=groups)
    else:
        val = _load(validation, reader, train.images.spec, cache_dir, progress)
        _check_apart(config, train, val)
        train_set, val_set, val_key = train.images, val.images, val.key
        report, skipped = f"{report}\nValidation: {val.report}", skipped + val.skipped
    report += _describe_groups(train, train_set, val)
    return LoadedImages(
        train_set, val_set, report, skipped, content_key({"pixels": [train.key, val_key], "train": train_set.names})
    )


def _load(
    config: FolderConfig, reader: Reader, like: ImageSpec | None, cache_dir: Path, progress: Progress | None
) -> _Loaded:
    """`like` is the training set's spec, which a validation set must fit."""
    listing, told = reader(config), ""
    if config.attributes is not None:
        listing = with_table(listing, config.attributes)
        told = rows_without_image(listing, config.attributes) if like is None and config.takes_all else ""
    listing = with_groups(listing, config.group)
    if like is not None:
        listing = _labelled_alike(listing, like.label_names)
    key = content_key(_description(config, listing, like))
    pixels, meta = cached(cache_dir, key, lambda: _recipe(config, listing, like, progress))
    spec, names = ImageSpec.from_dict(meta["spec"]).encoded(config.encoding()), meta["names"]
    spec = replace(spec, label_values=like.label_values if like else listing.label_values)  # not cached: see `key_form`
    labels = meta["class_labels"]
    labels = None if labels is None else np.asarray(labels, np.int64).reshape(len(names), len(spec.attributes))
    entry_of = {entry.name: entry for entry in listing.entries}
    groups = [entry_of[name].group for name in names] if any(e.group for e in listing.entries) else None
    digests = [entry_of[name].digest for name in names]
    skipped = [(name, reason) for name, reason in meta["skipped"]]
    images = ImageSet(pixels, labels, names, spec)
    return _Loaded(
        images, meta["report"] + told, skipped, key, groups, digests, listing.grouped_by, listing.local_groups
    )


def _description(config: FolderConfig, listing: Listing, like: ImageSpec | None) -> dict[str, Any]:
    """All that pixels and labels depend on. What a plain folder has not is left out: old caches and runs stay known."""
    default = {field.name: field.default for field in fields(config)}
    settings = {
        name: value
        for name, value in asdict(config).items()
        if name in ALWAYS_IN_KEY or (name not in ("name", *NOT_PIXELS, *config.PLACES) and value != default[name])
    }
    description = {
        "config": settings,
        "files": [(entry.name, entry.digest) for entry in listing.entries],
        "foreign": listing.foreign,
        "like": like.key_form() if like else None,
    }
    if config.name != "folder" or config.attributes or config.group:  # else the class is a part of the name
        description["attributes"] = [dict(entry.attributes) for entry in listing.entries]
        description["labels"] = [config.name, listing.label_names, listing.notes]
    return description


def _recipe(config: FolderConfig, listing: Listing, like: ImageSpec | None, progress: Progress | None) -> Recipe:
    """Look at every item, settle what the set is, and say how its pixels come about."""
    if not listing.entries and not listing.foreign:
        raise ValueError(f"no images in {config.path}")
    stated = like.intensity if like else config.stated_intensity()
    usable, seen, broken = _survey(config, listing, stated, progress)
    skipped = sorted(listing.foreign + broken)
    if skipped and (config.on_error == "raise" or not seen):
        name, reason = skipped[0]
        mend = "data.on_error=skip leaves them out and lists them" if seen else "no usable image is left"
        count = f"{len(skipped)} of {len(listing.entries) + len(listing.foreign)} files cannot be used"
        raise ValueError(f"{count}; {name}: {reason} ({mend})")
    if listing.label_names == [BACKGROUND]:  # not in validation, which has the names of training
        raise ValueError(f"no mask of the images in {config.path} holds anything but 0: there is no label to learn")
    spec = _spec(config, listing.label_names, usable, seen, stated)
    if like is not None:
        spec = _as_in_training(spec, like, seen, clips=config.clips)
    labels = attribute_numbers(usable, spec.attributes)
    copies = len(usable) - len({entry.digest for entry in usable})
    told = describe_attributes(labels, spec.attributes) + listing.notes
    meta = {
        "spec": spec.to_dict(),
        "names": [entry.name for entry in usable],
        "class_labels": None if labels is None else labels.tolist(),
        "report": describe(seen, spec, told, fit=config.fit, copies=copies),
        "skipped": skipped,
    }
    shape = (len(usable), spec.channels + bool(spec.label_names), spec.height, spec.width)
    return Recipe(_fitted(usable, spec, config.fit, progress), shape, spec.dtype, meta)


def _survey(
    config: FolderConfig, listing: Listing, stated: IntensityConfig | None, progress: Progress | None
) -> tuple[list[Entry], list[Seen], list[tuple[str, str]]]:
    """The entries that can be used, what is in each, and (name, reason) of the others."""
    usable, seen, broken, size = [], [], [], height_width(config.image_size)
    for i, entry in enumerate(listing.entries):
        try:
            item = entry.read()
            check_fit(item.image.shape[1:], size, config.fit)
            labels = None
            if listing.label_names:
                labels = look_at_labels(item.label_map, size, config.fit, values=len(listing.label_names))
            seen.append(look(item.image, entry.name, stated, lossy=entry.lossy, labels=labels))
            usable.append(entry)
        except (ValueError, OSError) as error:
            broken.append((entry.name, str(error)))
        if progress is not None:
            progress("looking at images", i + 1, len(listing.entries))
    return usable, seen, broken


def _spec(
    config: FolderConfig, label_names: list[str], usable: list[Entry], seen: list[Seen], stated: IntensityConfig | None
) -> ImageSpec:
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
        attributes=attribute_values(usable),
        file_dtype=None if intensity == full_range.get(depth) else depth,
        label_names=label_names,
    )


def _as_in_training(spec: ImageSpec, train: ImageSpec, seen: list[Seen], *, clips: bool) -> ImageSpec:
    """The validation set's spec under the training attributes; a ValueError where the two sets are not alike."""
    for name, values in spec.attributes.items():
        known = train.attributes.get(name, [])
        if unknown := sorted(set(values) - set(known)):
            named = ", ".join(known) if known else "the training images have none"
            raise ValueError(f"validation {name} {unknown[0]} is not a training {name} ({named})")
    if train.classes and not spec.classes:
        raise ValueError("the training images are in class folders and the validation images are not")
    if spec.channels != train.channels:
        both = f"training images have {train.channels} channels, validation images {spec.channels}"
        raise ValueError(f"{both}: set data.channels=1 or data.channels=3")
    if (spec.dtype, spec.file_dtype) != (train.dtype, train.file_dtype):
        raise ValueError("training and validation images differ in bit depth: bring all files to one")
    if (outside := float(np.mean([s.outside for s in seen]))) > 0.01 and not clips:
        raise ValueError(f"{outside:.0%} of the validation values are outside the training range: set data.value_range")
    return replace(spec, attributes=train.attributes)


def _labelled_alike(listing: Listing, names: list[str]) -> Listing:
    """A validation listing whose label maps have the training set's numbers; a ValueError for a name that it lacks."""
    if listing.label_names == names:
        return listing
    if not names or not listing.label_names:
        which = "training" if names else "validation"
        raise ValueError(f"the {which} images have label maps and the other images have none")
    if unknown := [name for name in listing.label_names if name not in names]:
        raise ValueError(f"validation label {unknown[0]} is not a training label ({', '.join(names)})")
    table = np.full(256, 255, np.uint8)  # 255 is beyond every name that is missing, so it is found out when looked at
    table[: len(listing.label_names)] = [names.index(name) for name in listing.label_names]
    entries = [replace(entry, read=partial(_renumbered, entry.read, table)) for entry in listing.entries]
    return replace(listing, entries=entries, label_names=names)


def _renumbered(read: Callable[[], Item], table: np.ndarray) -> Item:
    item = read()
    return Item(item.image, None if item.label_map is None else table[item.label_map])


def _check_apart(config: FolderConfig, train: _Loaded, val: _Loaded) -> None:
    """ValueError where an image or a group is in both sets, as far as names tell."""
    place = Path(config.path).expanduser().resolve()
    val_place = Path(config.val_path or config.path).expanduser().resolve()
    if val_place.is_relative_to(place):
        within = PurePosixPath(val_place.relative_to(place).as_posix())
        names = {(within / name).as_posix() for name in val.images.names}
        if both := sorted(names & set(train.images.names)):
            count = f"({len(both)} such images)"
            raise ValueError(f"{both[0]} is in training and in validation {count}: leave them out of one of the two")
    if train.local_groups and val_place != place:
        return  # the same name need not be the same thing
    if both := sorted({group for group in train.groups or [] if group} & set(val.groups or [])):
        mend = "hold whole groups out" + ", or say what a group is in data.group" * (val_place != place)
        raise ValueError(
            f"{train.grouped_by or 'group'} {both[0]} is in training and in validation ({len(both)} such groups): {mend}"
        )


def _describe_groups(loaded: _Loaded, train: ImageSet, val: _Loaded | None) -> str:
    """How many groups, with how many images, are trained on, and how many `val`, or the rest of `loaded`, holds out."""
    if loaded.groups is None:
        return ""
    group_of = dict(zip(loaded.images.names, loaded.groups, strict=True))
    training = Counter(group for name in train.names if (group := group_of.pop(name)))
    held_out = Counter(group for group in (group_of.values() if val is None else val.groups or []) if group)
    by = f" by {loaded.grouped_by}" if loaded.grouped_by else ""
    counts = [f"{len(groups)} ({_count(groups.total(), 'image')})" for groups in (training, held_out)]
    said = f" Groups{by}, none divided: {counts[0]} to train on, {counts[1]} held out."
    if val is None and len(training | held_out) == 1:
        said += (
            " One group cannot be divided, so nothing is held out for validation: data.group=null divides its images."
        )
    return said


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _fitted(
    usable: list[Entry], spec: ImageSpec, fit: str, progress: Progress | None
) -> Iterator[UInt[np.ndarray, "planes h w"]]:
    """The pixels of each item and, as one more plane, its label map; an item without one is all background."""
    size = (spec.height, spec.width)
    for i, entry in enumerate(usable):
        item = entry.read()
        planes = fit_pixels(item.image, spec, fit)
        if spec.label_names:
            label_map = np.zeros(size, np.uint8) if item.label_map is None else fit_label_map(item.label_map, size, fit)
            planes = np.concatenate([planes, label_map[None].astype(spec.dtype)])
        yield planes
        if progress is not None:
            progress("fitting images", i + 1, len(usable))


def fit_pixels(image: Num[np.ndarray, "k i j"], spec: ImageSpec, fit: str) -> UInt[np.ndarray, "c h w"]:
    """An image in physical values as the set stores it: its channels, its size, its scale of values."""
    unit = spec.intensity.forward(fit_image(_with_channels(image, spec.channels), (spec.height, spec.width), fit))
    return to_integers(torch.from_numpy(2.0 * unit - 1.0), spec.dtype)


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[0] == channels:
        return image
    if channels == 1:
        return np.tensordot(LUMA, image.astype(np.float64), axes=1)[None]
    return np.repeat(image, channels, axis=0)
