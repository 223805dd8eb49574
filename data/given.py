"""What a user gives to sampling beside the checkpoint: images, label maps to follow, masks that say where to fill in.

Whatever their size, they come to the model's as the training images did. `data.given_files` says what they may be.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, Num, UInt, UInt8

from data.fit import fit_hole, fit_label_map
from data.folder import FolderConfig, is_image
from data.given_files import Given, find_images, find_labels, naming
from data.given_list import listed
from data.image_set import ImageSpec, Progress
from data.images import fit_pixels
from data.intensity import IntensityConfig

MAX_OUTSIDE = 0.01  # share of values outside the training range; more is another kind of data


@dataclass(frozen=True)
class GivenImages:
    """Images as the model's set stores them; `shapes` (h, w) are those of what was given."""

    path: str
    found: list[Given]
    pixels: UInt[np.ndarray, "n c h w"]
    shapes: list[tuple[int, int]]

    @property
    def names(self) -> list[str]:
        """The name of each image."""
        return [given.name for given in self.found]


def load_given_images(
    option: str,
    path: str,
    spec: ImageSpec,
    how: FolderConfig,
    *,
    every_slice: bool = True,
    most: int | None = None,
    input_list: str | None = None,
    progress: Progress | None = None,
) -> GivenImages:
    """The images of `option`=`path` in the size and on the scale of `spec`; found, read and fitted as `how` says.

    `input_list`: a text file of the names that are used (`data.given_list`); `most`: the first so many of them
    alone are read; None: all. `progress` is called after each image.
    ValueError naming the option and what cannot be read or is not like the training images.
    """
    found = listed(find_images(option, path, how, every_slice=every_slice), path, input_list)[:most]
    as_stored = IntensityConfig(high=float(np.iinfo(spec.dtype).max))  # where files hold no physical values
    like = replace(spec, intensity=as_stored if spec.file_dtype is None else spec.intensity)
    low, high = like.intensity.limits
    pixels, shapes, outside = [], [], []
    for given in found:
        with naming(given.where):
            image = given.read()
            if given.volume is not None:
                image = _as_deep(image, spec, how)
            _check_alike(image, spec)
            outside.append(((image < low) | (image > high)).mean())
            pixels.append(fit_pixels(image, like, how.fit))
            shapes.append((image.shape[1], image.shape[2]))
        if progress is not None:
            progress(f"reading {option}", len(shapes), len(found))
    if not how.clips and (share := float(np.mean(outside))) > MAX_OUTSIDE:
        known = f"{low:g}..{high:g}"
        raise ValueError(f"{option}={path}: {share:.0%} of the values are outside {known}, which this checkpoint knows")
    return GivenImages(path, found, np.stack(pixels), shapes)


def load_label_maps(
    path: str,
    spec: ImageSpec,
    how: FolderConfig,
    images: GivenImages | None,
    *,
    most: int | None = None,
    input_list: str | None = None,
) -> tuple[list[Given], UInt8[np.ndarray, "n h w"]]:
    """What was found at labels=`path` and its label maps; those of the `images` where these are given.

    The values are the numbers of the model's labels, 0 the background, as in `labels/` of earlier samples, or those of
    the masks of training (255 for the label 1): all of them one or the other. In a COCO file categories have the names of
    its labels, and so have the values of a NumPy archive that names them. `input_list` and `most` are as for
    images, and count where there are none. ValueError naming what is no label map, or may mean either, or an image
    without one.
    """
    found = _find("labels", path, spec, how, images)
    if images is None:
        found = listed(found, path, input_list)[:most]
    seen = {given.where: _values(given) for given in found if not given.numbered}
    label_of = _meaning(path, seen, spec.label_names, _mask_values(spec))
    values, labels = np.array(list(label_of)), np.array(list(label_of.values()), np.uint8)
    maps = []
    for i, given in enumerate(found):
        with naming(given.where):  # read once more: all of them need not fit into memory
            label_map = given.read()
            label_map = label_map if given.numbered else labels[np.searchsorted(values, label_map)]
            maps.append(_fit(label_map, spec, how.fit, None if images is None else images.shapes[i]))
    return found, np.stack(maps)


def _values(given: Given) -> list[float]:
    with naming(given.where):
        return np.unique(given.read()).astype(np.float64).tolist()


def _mask_values(spec: ImageSpec) -> dict[float, int]:
    """{value: number of its label} of the masks of training; by the labels' names where the checkpoint does not say."""
    values = [value for value in spec.label_values if isinstance(value, int)]  # colours are in no grey file
    if values:
        return {float(value): k for k, value in enumerate(values)}
    names = [(k, name) for k, name in enumerate(spec.label_names) if re.fullmatch(r"label_[1-9]\d{0,9}", name)]
    return {**{float(name[6:]): k for k, name in names}, 0.0: 0}


def _meaning(
    path: str, seen: dict[str, list[float]], label_names: list[str], named: dict[float, int]
) -> dict[float, int]:
    """{value: number of its label}, ascending, of the values that are `seen` in each file; `named`: those of masks."""
    numbers = {float(k): k for k in range(len(label_names))}
    named = dict(sorted(named.items()))
    unlike = {  # the files that hold anything else
        way: [where for where, values in seen.items() if not set(values) <= table.keys()]
        for way, table in (("numbers", numbers), ("named", named))
    }
    if not unlike["numbers"] and not unlike["named"]:
        for value in sorted({value for values in seen.values() for value in values}):
            if numbers[value] != named[value]:
                number, name = label_names[numbers[value]], label_names[named[value]]
                mend = "a COCO file would tell them by name, labels=FILE.json"
                raise ValueError(
                    f"labels={path}: {value:g} may be the number of {number} or the value of {name} ({mend})"
                )
    if unlike["numbers"] and unlike["named"]:
        neither = [where for where in unlike["numbers"] if where in unlike["named"]]
        if not neither:
            other = f"those of {unlike['named'][0]} numbers of labels: bring them to one"
            raise ValueError(f"{unlike['numbers'][0]}: its values are those of masks, and {other}")
        values, known = seen[neither[0]], ", ".join(f"{k} {name}" for k, name in enumerate(label_names))
        raise ValueError(f"{neither[0]}: its values are {values[0]:g} to {values[-1]:g}, but the labels are {known}")
    return named if unlike["numbers"] else numbers


def load_masks(path: str, spec: ImageSpec, how: FolderConfig, images: GivenImages) -> Bool[np.ndarray, "n h w"]:
    """Where to fill in, for each of the `images`: the pixels of a mask that are not 0, and those that they reach into."""
    masks = []
    for i, given in enumerate(_find("mask", path, spec, how, images)):
        with naming(given.where):
            masks.append(_fit_hole(given.read() != 0, spec, how.fit, images.shapes[i]))
    if not np.any(masks):
        raise ValueError(f"mask={path}: nothing to fill in, for every pixel is 0 (those to fill in have another value)")
    return np.stack(masks)


def stated_classes(option: str, found: list[Given], spec: ImageSpec) -> Int64[np.ndarray, " n"]:
    """The number of the class of each, for image files that of their first folder; null where nothing is said of it.

    ValueError for a class that is none of the model's, and for a file outside of folders where others lie in folders.
    """
    stated = [given.attributes.get("class") for given in found]
    if not any(stated):
        return np.full(len(found), len(spec.classes), np.int64)
    for given, name in zip(found, stated, strict=True):
        if name is not None and name not in spec.classes:
            where = f"in the folder {name}" if given.name.startswith(f"{name}/") else f"of the class {name}"
            where = where if name else "in no folder"
            known = ", ".join(spec.classes)
            raise ValueError(
                f"{option}: {given.name} is {where}, but the classes are {known} (class_label= sets one for all)"
            )
    return np.array([len(spec.classes) if name is None else spec.classes.index(name) for name in stated], np.int64)


def _find(option: str, path: str, spec: ImageSpec, how: FolderConfig, images: GivenImages | None) -> list[Given]:
    """What lies at `path`; with `images` that of each by its name, where a single image file is for all of them."""
    volumes = images is not None and images.found[0].volume is not None
    found = find_labels(option, path, spec, how, images.path if images is not None and volumes else None)
    if images is None:
        return found
    file = Path(path).expanduser()
    if file.is_file() and is_image(file.name):
        return found * len(images.names)
    by_name = {given.name: given for given in found}
    if missing := [name for name in images.names if name not in by_name]:
        count = f"{len(missing)} of {len(images.names)} missing"
        raise ValueError(f"{option}={path}: nothing for the image {missing[0]} ({count}): files go by their names")
    return [by_name[name] for name in images.names]


def _as_deep(image: Num[np.ndarray, "c h w"], spec: ImageSpec, how: FolderConfig) -> Num[np.ndarray, "c h w"]:
    """A slice in the type of the training images where that holds its values: their readers chose one for all volumes."""
    if how.name == "dicom" and image.dtype == np.uint8:  # kept apart from deeper ones in training as well
        return image
    return image.astype(np.result_type(image.dtype, spec.file_dtype or spec.dtype))


def _check_alike(image: np.ndarray, spec: ImageSpec) -> None:
    depth, wanted = "float32" if image.dtype.kind == "f" else image.dtype.name, spec.file_dtype or spec.dtype
    if depth != wanted:
        raise ValueError(f"it holds {depth} values and the training images {wanted}: bring it to their depth")
    if image.shape[0] != spec.channels and {image.shape[0], spec.channels} != {1, 3}:
        raise ValueError(f"it has {image.shape[0]} channels and the training images {spec.channels}")


def _fit(
    values: UInt8[np.ndarray, "h w"], spec: ImageSpec, fit: str, shape: tuple[int, int] | None
) -> UInt8[np.ndarray, "H W"]:
    """As the image of `shape` that it belongs to is fitted; of the model's size it belongs to the fitted image."""
    size = (spec.height, spec.width)
    if shape is None or values.shape == shape:
        return fit_label_map(values, size, fit)
    _check_size(values.shape, size, shape)
    return values


def _fit_hole(
    hole: Bool[np.ndarray, "h w"], spec: ImageSpec, fit: str, shape: tuple[int, int]
) -> Bool[np.ndarray, "H W"]:
    size = (spec.height, spec.width)
    if hole.shape == shape:
        return fit_hole(hole, size, fit)
    _check_size(hole.shape, size, shape)
    return hole


def _check_size(own: tuple[int, ...], size: tuple[int, int], shape: tuple[int, int]) -> None:
    if own != size:
        own_size, wanted = f"{own[0]} x {own[1]}", f"{shape[0]} x {shape[1]}"
        raise ValueError(f"it is {own_size} and its image {wanted}: make them the same size")
