"""Annotations in YOLO's text files: `data=yolo data.path=DIR` with folders images/ and labels/ and a data.yaml."""

import itertools
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
import yaml
from jaxtyping import Bool

from data.folder import FolderConfig, is_image, is_lossy, read_image
from data.item import BACKGROUND, Box, Entry, Item, Listing
from data.listing import existing_folder, file_digest, names_below, select_items, sha256
from data.rasterise import box_mask, paint, polygon_mask

NAMES_FILES = ("data.yaml", "data.yml", "classes.txt")  # what names the classes
NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt")  # text files that stand beside labels


@dataclass
class YoloConfig(FolderConfig):
    """A YOLO set: images/a.png with labels/a.txt, in the same folders below (images/train) or above (train/images).

    A line of a label file is an object: class, then centre x, y, width and height, or the x, y of three or more corners,
    all as shares of the image. An empty file is an image without objects. Names come from data.yaml or classes.txt in
    `path` or the folder above; class c is the value c + 1 of the label maps. `subset`: train, val, ..., where a set is
    divided into such folders, or all; `val_subset`: the one for validation.
    """

    name: str = "yolo"
    subset: str | None = None
    val_subset: str | None = None

    PLACES: ClassVar[tuple[str, ...]] = (*FolderConfig.PLACES, "subset", "val_subset")

    def validation(self) -> "YoloConfig | None":
        """See `FolderConfig`; a subset of its own also makes a validation set."""
        held = super().validation()
        if held is None and self.val_subset is None:
            return None
        held = held if isinstance(held, YoloConfig) else replace(self, file_list=None, max_images=None)
        return replace(held, subset=self.val_subset or self.subset, val_subset=None)


def list_yolo(config: YoloConfig) -> Listing:
    """The images below a folder `images`, with the objects of their label files; see `YoloConfig`."""
    folder = existing_folder(config.path)
    label_names = [BACKGROUND, *_class_names(folder)]
    files = names_below(folder)
    images = [name for name in files if "images" in _folders(name) and is_image(name)]
    wanted = {_label_name(name) for name in images}
    texts = [name for name in files if "labels" in _folders(name) and name.endswith(".txt")]
    texts = [name for name in texts if name in wanted or PurePosixPath(name).name not in NO_LABELS]
    images, texts = _of_subset(config, images), set(_of_subset(config, texts))
    entries, foreign, image_of = [], [], {}
    for name in images:
        label = _label_name(name)
        if (other := image_of.setdefault(label, name)) != name:
            foreign.append((name, f"its label file is that of {other} too"))
            continue
        label_path = folder / label if label in texts else None
        facts = [file_digest(folder / name), label_path and file_digest(label_path), label_names]
        digest = sha256(json.dumps(facts))
        read = partial(_read, folder / name, label_path, config, len(label_names) - 1)
        entries.append(Entry(name, digest, read, lossy=is_lossy(name)))
    foreign += [(name, "a label file without an image") for name in texts - image_of.keys()]
    if not entries:
        above = next((place.parent for place in (folder, *folder.parents) if place.name == "images"), None)
        near = "" if above is None else f"; did you mean data.path={above}?"
        raise ValueError(f"no images in {folder}: a YOLO set has them in a folder called images{near}")
    listing = Listing(entries, sorted(foreign), label_names)
    return select_items(listing, folder, config.file_list, config.held_out, config.max_images)


def _class_names(folder: Path) -> list[str]:
    places = [place / name for place in (folder, folder.parent) for name in NAMES_FILES]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        around = [*sorted(place for place in folder.iterdir() if place.is_dir()), *folder.resolve().parents[1:2]]
        near = next((place for place in around if any((place / name).is_file() for name in NAMES_FILES)), None)
        mend = "" if near is None else f"; did you mean data.path={near}?"
        raise ValueError(f"{folder} has no data.yaml or classes.txt, which name the classes{mend}")
    try:
        text = path.read_text(encoding="utf-8")
        names = (
            yaml.safe_load(text)
            if path.suffix != ".txt"
            else {"names": [line for line in text.splitlines() if line.strip()]}
        )
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from None
    names = names.get("names") if isinstance(names, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[k] for k in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str | int) and str(name).strip() for name in names):
        raise ValueError(f"{path}: names must be a list of class names, or numbers from 0 with a name each")
    named = [str(name).strip() for name in names]
    if not 1 <= len(named) <= 255 or len({*named, BACKGROUND}) <= len(named):
        raise ValueError(f"{path}: 1 to 255 classes, each with a name of its own and none called {BACKGROUND}")
    return named


def _folders(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts[:-1]


def _label_name(image: str) -> str:
    """images/train/a.png has labels/train/a.txt: the last folder called images is the one that changes."""
    *folders, file = PurePosixPath(image).parts
    last = len(folders) - 1 - folders[::-1].index("images")
    return PurePosixPath(*folders[:last], "labels", *folders[last + 1 :], file).with_suffix(".txt").as_posix()


def _subset(name: str) -> str:
    """The folder around or in images/ or labels/ that divides a set into train, val and test; "" for none."""
    folders = [part for part in _folders(name) if part not in ("images", "labels")]
    return folders[0] if folders else ""


def _of_subset(config: YoloConfig, names: list[str]) -> list[str]:
    subsets = sorted({_subset(name) for name in names})
    if config.subset is not None and config.subset != "all":
        chosen = [name for name in names if _subset(name) == config.subset]
        if not chosen and subsets:
            raise ValueError(
                f"data.subset={config.subset}: {config.path} has {', '.join(s for s in subsets if s) or 'none'}"
            )
        return chosen
    if config.subset is None and len(subsets) > 1:
        raise ValueError(
            f"{config.path} has the subsets {', '.join(s or '(top)' for s in subsets)}: say data.subset= and "
            "data.val_subset=, or data.subset=all"
        )
    return names


def _read(path: Path, label_path: Path | None, config: YoloConfig, classes: int) -> Item:
    item = read_image(path, config)
    if label_path is None:
        return item
    try:
        lines = label_path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{label_path.name} is not a text file") from None
    shape = item.image.shape[1:]
    masks = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            label, values = _parse(line, classes)
            masks.append((_drawn(label, values, shape), label))
        except ValueError as error:
            raise ValueError(f"line {number} of {label_path.name}: {error}") from None
    return Item(item.image, paint(masks, shape))


def _drawn(label: int, values: list[float], shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    h, w = shape
    if len(values) == 4:
        x, y, width, height = values
        return box_mask(Box((x - width / 2) * w, (y - height / 2) * h, width * w, height * h, label), shape)
    corners = [value * side for value, side in zip(values, itertools.cycle((w, h)))]
    return polygon_mask([corners], shape)


def _parse(line: str, classes: int) -> tuple[int, list[float]]:
    """The label and the shares of one line."""
    first, *rest = line.split()
    if not first.isdecimal() or int(first) >= classes:
        raise ValueError(f"class {first[:40]!r} is not one of 0 to {classes - 1}")
    try:
        values = [float(value) for value in rest]
    except ValueError:
        raise ValueError("what follows the class must be numbers") from None
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise ValueError(f"{len(values)} numbers follow the class: a box has 4, a polygon x, y of 3 or more points")
    # Boxes that reach over the edge by rounding, or by a little, are common; pixels are not shares.
    if not all(-0.5 <= value <= 1.5 for value in values):
        raise ValueError("its numbers must be shares of the image's width and height, 0 to 1")
    return int(first) + 1, values
