"""NumPy archives: `data=npz data.path=FILE.npz`, a set in one file, or `data.path=DIR`, an item a file."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.decode import as_planes
from data.folder import FolderConfig
from data.item import BACKGROUND, Entry, Item, Listing
from data.listing import existing_folder, file_digest, names_below, select_items

IMAGE = ("image", "images")
LABELS = ("label_map", "label_maps", "label", "labels", "mask", "masks")
NAME = ("name", "names")
LABEL_NAMES = ("label_names",)
ATTRIBUTE = "attribute."  # begins the name of an array that is an attribute, where the rest would say otherwise


@dataclass
class NpzConfig(FolderConfig):
    """NumPy archives, read without pickles. The arrays go by their names, with or without a plural's s:

    `image`: (n, c, h, w) or (n, h, w), or (n, h, w, c) of 1, 3 or 4 channels. `label_map`, `label` or `mask`: whole
    numbers (n, h, w), 0 the background. `name`: (n,) texts. `label_names`: texts, that of the background first; without
    it label_1, label_2, ... Every other array of n texts or whole numbers is the attribute of its name, and so is
    `label` of that shape, as `class` (`attribute.label` is the attribute called label); an empty text is an unknown
    value, and all else is ignored. In a file for each item nothing has the axis n.
    """

    name: str = "npz"


class Arrays(NamedTuple):
    """What an archive holds, item by item."""

    images: np.ndarray  # (n, ...)
    label_maps: np.ndarray | None  # (n, h, w)
    names: list[str] | None
    label_names: list[str] | None
    attributes: dict[str, list[str]]


def list_npz(config: NpzConfig) -> Listing:
    """The items of one archive, or of all in a folder. In a folder an archive that cannot be read is its item's error."""
    path = Path(config.path).expanduser()
    listing = (
        _list_file(path, config)
        if path.is_file()
        else _list_folder(existing_folder(config.path, wanted="file or folder"), config)
    )
    return select_items(listing, path, config.file_list, config.held_out, config.max_images)


def _list_file(path: Path, config: NpzConfig) -> Listing:
    try:
        arrays = _load(path, several=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    entries = []
    for i, name in enumerate(arrays.names or [f"{i:06d}" for i in range(len(arrays.images))]):
        image, label_map = arrays.images[i], None if arrays.label_maps is None else arrays.label_maps[i]
        digest = hashlib.sha256(f"{image.shape} {image.dtype}".encode() + image.tobytes())
        digest.update(
            b"" if label_map is None else f"{label_map.shape} {label_map.dtype}".encode() + label_map.tobytes()
        )
        attributes = {key: values[i] for key, values in arrays.attributes.items() if values[i]}
        entries.append(Entry(name, digest.hexdigest(), partial(_item, image, label_map, config), attributes))
    entries.sort(key=lambda entry: entry.name)
    return Listing(entries, label_names=_label_names([_stated(arrays)]))


def _list_folder(folder: Path, config: NpzConfig) -> Listing:
    names = names_below(folder)
    foreign = [(name, "not an archive by its extension") for name in names if not name.lower().endswith(".npz")]
    entries, stated = [], []
    for name in [name for name in names if name.lower().endswith(".npz")]:
        attributes = {}
        try:
            arrays = _load(folder / name, several=False)
            attributes = {key: values[0] for key, values in arrays.attributes.items() if values[0]}
            stated.append(_stated(arrays))
        except (ValueError, OSError):
            pass  # told of when it is read
        entries.append(Entry(name, file_digest(folder / name), partial(_read, folder / name, config), attributes))
    if not entries:
        raise ValueError(f"no .npz archives in {folder}")
    return Listing(entries, foreign, _label_names(stated))


def _stated(arrays: Arrays) -> tuple[int | None, list[str] | None]:
    """The greatest label of an archive, None where it has no label maps, and its label_names."""
    return None if arrays.label_maps is None else int(arrays.label_maps.max()), arrays.label_names


def _label_names(stated: list[tuple[int | None, list[str] | None]]) -> list[str]:
    """Names for all label maps; none where there are no maps. ValueError where two archives name them differently."""
    highest = max((most for most, _ in stated if most is not None), default=None)
    if highest is None:
        return []
    named = [names for _, names in stated if names is not None]
    if any(names != named[0] for names in named):
        raise ValueError("label_names differ between the archives: bring them to one")
    return named[0] if named else [BACKGROUND, *(f"label_{k}" for k in range(1, max(highest, 1) + 1))]


def _read(path: Path, config: NpzConfig) -> Item:
    arrays = _load(path, several=False)
    return _item(arrays.images[0], None if arrays.label_maps is None else arrays.label_maps[0], config)


def _item(image: np.ndarray, label_map: np.ndarray | None, config: NpzConfig) -> Item:
    last = image.ndim == 3 and image.shape[2] in (1, 3, 4) and image.shape[0] not in (1, 3, 4)
    if image.ndim == 3 and not last:
        image = image.transpose(1, 2, 0)
    planes = as_planes(image, config.nodata_fill, config.complex == "amplitude")
    if label_map is not None and label_map.shape != planes.shape[1:]:
        raise ValueError(f"its label map has the shape {label_map.shape}, its image {planes.shape[1:]}")
    return Item(planes, None if label_map is None else label_map.astype(np.uint8))


def _load(path: Path, *, several: bool) -> Arrays:
    """What the archive holds; without `several` it is a single item. ValueError where that is not an image set."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] if several else archive[name][None] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"truncated or damaged ({reason[:200]})") from None
    images = _one(arrays, IMAGE)
    if images is None or images.ndim not in (3, 4) or 0 in images.shape:
        shapes = ", ".join(f"{name} {array.shape if several else array.shape[1:]}" for name, array in arrays.items())
        wanted = "(n, c, h, w) or (n, h, w)" if several else "(c, h, w) or (h, w)"
        raise ValueError(f"no array called image of shape {wanted}; it holds {shapes[:200] or 'nothing'}")
    n = len(images)
    maps = {name: array for name, array in arrays.items() if name in LABELS and array.ndim >= 3}
    attributes = {
        "class" if name in LABELS else name.removeprefix(ATTRIBUTE): _texts(array)
        for name, array in arrays.items()
        if name not in (*IMAGE, *NAME, *LABEL_NAMES)
        and array.shape[:1] == (n,) == (array.size,)
        and array.dtype.kind in "USiu"
    }
    names, label_names = _one(arrays, NAME), _one(arrays, LABEL_NAMES)
    return Arrays(
        images,
        _checked_maps(_one(maps, LABELS), n),
        _checked_names(_texts(names), n) if names is not None and several else None,
        None if label_names is None else _checked_label_names(_texts(label_names)),
        attributes,
    )


def _one(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    found = [name for name in names if name in arrays]
    if len(found) > 1:
        raise ValueError(f"it has both {found[0]} and {found[1]}: keep one")
    return arrays[found[0]] if found else None


def _checked_maps(maps: np.ndarray | None, n: int) -> np.ndarray | None:
    if maps is None:
        return None
    if len(maps) != n or 0 in maps.shape:
        raise ValueError(f"{n} images and label maps of shape {maps.shape}")
    if maps.ndim == 4 and 1 in (maps.shape[1], maps.shape[3]):
        maps = maps[:, 0] if maps.shape[1] == 1 else maps[..., 0]
    if maps.dtype.kind not in "biu" or maps.min() < 0 or maps.max() > 255:
        raise ValueError(f"label maps of {maps.dtype}: use whole numbers in 0..255")
    return maps


def _checked_names(names: list[str], n: int) -> list[str]:
    if len(names) != n or len(set(names)) < n or not all(names):
        raise ValueError(f"name must hold {n} different texts, one an image")
    return names


def _checked_label_names(names: list[str]) -> list[str]:
    if not 2 <= len(names) <= 256 or len(set(names)) < len(names) or not all(names) or BACKGROUND in names[1:]:
        raise ValueError("label_names must be different texts, that of the background first")
    return [BACKGROUND, *names[1:]]


def _texts(array: np.ndarray) -> list[str]:
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array.reshape(-1)]
