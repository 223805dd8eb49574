"""Images with label maps, read from folders of pairs; every map in the labels of the real training images."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Num, UInt8
from tqdm import tqdm

from eval.decode import decode
from eval.images import find_images
from eval.utility.arms import fingerprint, pixel_hash
from eval.utility.segmentation.config import SegmentationConfig, mask_folder
from eval.utility.segmentation.masks import Value, names_of_values, read_mask, read_names, value_of

BACKGROUND = "background"
ENDS = ("", "_mask", "_seg", "_label", "_labels")


@dataclass(frozen=True, eq=False)  # arrays have no one equality
class Pair:
    """An image in its files' own values with its labels, 0 the background; `name` is its path below images/."""

    name: str
    image: Num[np.ndarray, "c h w"]
    label_map: UInt8[np.ndarray, "h w"]
    group: str | None = None
    """The patient or scene that it is of, where that was asked for."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.label_map.shape[0], self.label_map.shape[1]


@dataclass(frozen=True)
class Pairs:
    """What a study segments, by split; `names[k]` is what label k + 1 is called."""

    splits: dict[str, list[Pair]]
    names: list[str]


@dataclass(frozen=True)
class _Coded:
    """A folder as it is on disk: images, their masks in codes, and {value: name} where a file says so."""

    images: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    names: dict[Value, str] | None


def read_pairs(config: SegmentationConfig) -> Pairs:
    """Read all folders; `test` is there only where it was given, `synthetic` may be empty.

    Labels go by their names. A folder whose labels.json is missing has the values of the training masks.
    ValueError, one line, for an image without a mask of its size, pixels stored in different ways, a label that the
    training masks do not have, or one of theirs that no validation or test mask has.
    """
    folders = {key: _read(key, path) for key, path in config.folders().items()}
    train = folders["train"]
    codes = {code for mask in train.masks.values() for code in np.unique(mask).tolist()}
    table = train.names if train.names is not None else names_of_values(codes)
    _check_depth(folders)
    # labels that no mask of train's folder holds can neither be learnt nor be missed
    used = {value_of(code) for code in codes}
    names = list(dict.fromkeys(name for value, name in _sorted(table) if value in used and name != BACKGROUND))
    if not names:
        raise ValueError(f"train={config.train}: no mask holds anything but the background")
    groups = {key: config.groups(key, list(folder.images)) for key, folder in folders.items()}
    found = {
        key: [_pair(folder, name, folder.names or table, names, key, groups[key].get(name)) for name in folder.images]
        for key, folder in folders.items()
    }
    splits = config.splits(found)
    for key in ("train", "val", "test"):
        held_labels = {label for pair in splits.get(key, []) for label in np.unique(pair.label_map).tolist()}
        for k, name in enumerate(names, start=1):
            if key in splits and k not in held_labels:
                raise ValueError(f"{key}: no mask holds the label {name}, which the masks of train={config.train} do")
    return Pairs(splits, names)


def pairs_hash(pairs: list[Pair]) -> str:
    """A hash of images and labels, in their order."""
    return fingerprint(pixel_hash(pair.image) + pixel_hash(pair.label_map) for pair in pairs)


def _sorted(table: dict[Value, str]) -> list[tuple[Value, str]]:
    """By value, numbers before colours: the order in which data=masks numbers its labels."""
    return sorted(table.items(), key=lambda item: (isinstance(item[0], str), item[0]))


def _read(key: str, root: Path) -> _Coded:
    where = mask_folder(key, root)
    by_stem: dict[str, list[Path]] = {}
    for path in find_images(where):
        by_stem.setdefault(path.relative_to(where).with_suffix("").as_posix(), []).append(path)
    images, masks = {}, {}
    for path in tqdm(find_images(root / "images"), f"reading {key}", leave=False, unit="pair"):
        name = path.relative_to(root / "images").as_posix()
        stem = PurePosixPath(name).with_suffix("").as_posix()
        own = [mask for end in ENDS for mask in by_stem.get(stem + end, [])]
        if len(own) != 1:
            raise ValueError(f"{path}: has {len(own) or 'no'} mask{'s' if own else ''} in {where}")
        try:
            image = decode(path.read_bytes(), path.suffix.lower())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        images[name] = image[:1] if len(image) == 3 and (image[0] == image).all() else image
        masks[name] = read_mask(own[0])
        if masks[name].shape != image.shape[1:]:
            (mask_h, mask_w), (h, w) = masks[name].shape, image.shape[1:]
            raise ValueError(f"{own[0]}: has {mask_h} x {mask_w} pixels, its image {h} x {w}")
    return _Coded(images, masks, read_names(where))


def _check_depth(folders: dict[str, _Coded]) -> None:
    dtypes = {key: {str(image.dtype) for image in folder.images.values()} for key, folder in folders.items()}
    first = min(dtypes["train"])
    for key, found in dtypes.items():
        if other := next((dtype for dtype in sorted(found) if dtype != first), None):
            raise ValueError(f"{key}: holds {other} pixels, train {first}: store all alike")


def _pair(folder: _Coded, name: str, table: dict[Value, str], names: list[str], key: str, group: str | None) -> Pair:
    codes, places = np.unique(folder.masks[name], return_inverse=True)
    labels = []
    for code in codes.tolist():
        called = table.get(value_of(code), BACKGROUND if code == 0 else None)
        if called is None:
            raise ValueError(f"{key}: the mask of {name} holds {value_of(code)}, which has no name in labels.json")
        if called != BACKGROUND and called not in names:
            raise ValueError(
                f"{key}: the mask of {name} holds the label {called}, none of train's ({', '.join(names)})"
            )
        labels.append(0 if called == BACKGROUND else 1 + names.index(called))
    label_map = np.array(labels, np.uint8)[places.reshape(folder.masks[name].shape)]
    return Pair(name, folder.images[name], label_map, group)
