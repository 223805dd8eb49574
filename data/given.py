"""What a user gives to sampling beside the checkpoint: images, label maps to follow, masks that say where to fill in.

Each is a folder, whose files go by their names below it without suffix ("cat/000001"), or one file. Files that are no
images are left alone. Whatever their size, they come to the model's as the training images did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt, UInt8

from data.decode import decode
from data.fit import fit_label_map
from data.folder import FolderConfig, is_image, is_lossy, read_image
from data.image_set import ImageSpec
from data.images import fit_pixels
from data.intensity import IntensityConfig
from data.listing import existing_folder, names_below

MAX_OUTSIDE = 0.01  # share of values outside the training range; more is another kind of data


@dataclass(frozen=True)
class GivenImages:
    """Images as the model's set stores them; `shapes` (h, w) are those of the files."""

    names: list[str]
    pixels: UInt[np.ndarray, "n c h w"]
    shapes: list[tuple[int, int]]


def load_given_images(option: str, path: str, spec: ImageSpec, how: FolderConfig) -> GivenImages:
    """The images of `option`=`path` in the size and on the scale of `spec`; read and fitted as `how` says.

    ValueError naming the option and a file that cannot be read or is not like the training images.
    """
    files = _files(option, path)
    as_stored = IntensityConfig(high=float(np.iinfo(spec.dtype).max))  # where files hold no physical values
    like = replace(spec, intensity=as_stored if spec.file_dtype is None else spec.intensity)
    low, high = like.intensity.limits
    pixels, shapes, outside = [], [], []
    for file in files.values():
        with _naming(option, file):
            image = read_image(file, how).image
            _check_alike(image, spec)
            outside.append(((image < low) | (image > high)).mean())
            pixels.append(fit_pixels(image, like, how.fit))
            shapes.append((image.shape[1], image.shape[2]))
    if (share := float(np.mean(outside))) > MAX_OUTSIDE:
        known = f"{low:g}..{high:g}"
        raise ValueError(f"{option}={path}: {share:.0%} of the values are outside {known}, which this checkpoint knows")
    return GivenImages(list(files), np.stack(pixels), shapes)


def load_label_maps(
    path: str, spec: ImageSpec, fit: str, images: GivenImages | None
) -> tuple[list[str], UInt8[np.ndarray, "n h w"]]:
    """The names and the label maps of labels=`path`, those of the `images` where these are given.

    An image file holds the label of each pixel, 0 the background, as `labels/` of earlier samples does. ValueError
    naming a file that does not, or an image without one.
    """
    files = _files("labels", path) if images is None else _files_of("labels", path, images)
    maps = []
    for i, file in enumerate(files.values()):
        with _naming("labels", file):
            values = _read_plane(file)
            if values.min() < 0 or values.max() >= len(spec.label_names) or (values != np.rint(values)).any():
                known = ", ".join(f"{k} {name}" for k, name in enumerate(spec.label_names))
                raise ValueError(f"its values are {values.min():g} to {values.max():g}, but the labels are {known}")
            maps.append(_fit(values.astype(np.uint8), spec, fit, None if images is None else images.shapes[i]))
    return list(files), np.stack(maps)


def load_masks(path: str, spec: ImageSpec, fit: str, images: GivenImages) -> Bool[np.ndarray, "n h w"]:
    """Where to fill in, for each of the `images`: the pixels of a mask that are not 0."""
    masks = []
    for i, file in enumerate(_files_of("mask", path, images).values()):
        with _naming("mask", file):
            masks.append(_fit((_read_plane(file) != 0).astype(np.uint8), spec, fit, images.shapes[i]) > 0)
    if not np.any(masks):
        raise ValueError(f"mask={path}: nothing to fill in, for every pixel is 0 (those to fill in have another value)")
    return np.stack(masks)


def folder_classes(option: str, names: list[str], spec: ImageSpec) -> Int64[np.ndarray, " n"]:
    """The number of the class whose folder each lies in; null for all where none lies in a folder.

    ValueError for a folder that is no class of the model's.
    """
    folders = [name.rpartition("/")[0] for name in names]
    if not any(folders):
        return np.full(len(names), len(spec.classes), np.int64)
    for name, folder in zip(names, folders, strict=True):
        if folder not in spec.classes:
            where = f"in the folder {folder}" if folder else "in no folder"
            known = ", ".join(spec.classes)
            raise ValueError(
                f"{option}: {name} is {where}, but the classes are {known} (class_label= sets one for all)"
            )
    return np.array([spec.classes.index(folder) for folder in folders], np.int64)


def _files(option: str, path: str) -> dict[str, Path]:
    """{name: file}, sorted."""
    file = Path(path).expanduser()
    if file.is_file():
        return {file.stem: file}
    with _naming(option, file):
        folder = existing_folder(path)
    files: dict[str, Path] = {}
    for name in filter(is_image, names_below(folder)):
        stem = Path(name).with_suffix("").as_posix()
        if stem in files:
            raise ValueError(f"{option}={path}: {name} and {files[stem].name} have one name: keep one of them")
        files[stem] = folder / name
    if not files:
        raise ValueError(f"{option}={path}: no image in it")
    return dict(sorted(files.items()))


def _files_of(option: str, path: str, images: GivenImages) -> dict[str, Path]:
    """The file for each image, of its name; a single file is for all of them."""
    files = _files(option, path)
    if Path(path).expanduser().is_file():
        return dict.fromkeys(images.names, next(iter(files.values())))
    if missing := [name for name in images.names if name not in files]:
        count = f"{len(missing)} of {len(images.names)} missing"
        raise ValueError(f"{option}={path}: nothing for the image {missing[0]} ({count}): files go by their names")
    return {name: files[name] for name in images.names}


def _check_alike(image: np.ndarray, spec: ImageSpec) -> None:
    depth, wanted = "float32" if image.dtype.kind == "f" else image.dtype.name, spec.file_dtype or spec.dtype
    if depth != wanted:
        raise ValueError(f"it holds {depth} values and the training images {wanted}: bring it to their depth")
    if image.shape[0] != spec.channels and {image.shape[0], spec.channels} != {1, 3}:
        raise ValueError(f"it has {image.shape[0]} channels and the training images {spec.channels}")


def _read_plane(path: Path) -> np.ndarray:
    if is_lossy(path.name):
        raise ValueError("coded with loss, which blurs its values: save it as PNG")
    planes = decode(path, indexed=True)
    if (planes != planes[:1]).any():
        raise ValueError("in colour, where one channel is wanted")
    return planes[0]


def _fit(
    values: UInt8[np.ndarray, "h w"], spec: ImageSpec, fit: str, shape: tuple[int, int] | None
) -> UInt8[np.ndarray, "H W"]:
    """As the image of `shape` that it belongs to is fitted; of the model's size it belongs to the fitted image."""
    size = (spec.height, spec.width)
    if shape is None or values.shape == shape:
        return fit_label_map(values, size, fit)
    if values.shape != size:
        own, wanted = f"{values.shape[0]} x {values.shape[1]}", f"{shape[0]} x {shape[1]}"
        raise ValueError(f"it is {own} and its image {wanted}: make them the same size")
    return values


@contextmanager
def _naming(option: str, file: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{option}={file}: {error}") from None
