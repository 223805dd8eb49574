"""Images with a mask image each: `data=masks data.path=IMAGES data.masks=DIR`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
from jaxtyping import UInt8

from data.decode import decode
from data.folder import MISSING, FolderConfig, is_image, is_lossy, read_image
from data.item import Entry, Item, Listing
from data.listing import existing_folder, file_digest, names_below, select_items, sha256, without_masks
from data.palette import MOST, NAMES_FILE, Value, found_palette, names_file, numbered, read_palette, value_list

ENDS = ("", "_mask", "_seg", "_label", "_labels")


@dataclass
class MasksConfig(FolderConfig):
    """Images and, in the folder `masks`, an image of the same name for each, with any extension or _mask _seg _label.

    A mask holds whole numbers, 0 the background, or colours, black the background; an indexed PNG counts as numbers, and
    a value that a GeoTIFF declares to be no data as a value.
    `palette`: a JSON file that names them, {"ship": [255, 0, 0], "land": "#00ff00"} or {"1": "ship"}; without it
    labels.json in or beside `masks` where there is one, else every value found is a label of its own. Values become
    0, 1, 2, ... in their order. `class_folders`: the first folder of a name is the image's class.
    """

    name: str = "masks"
    masks: str = MISSING
    val_masks: str | None = None
    palette: str | None = None
    class_folders: bool = False

    PLACES: ClassVar[tuple[str, ...]] = (*FolderConfig.PLACES, "masks", "val_masks", "palette", "class_folders")

    def validation(self) -> "MasksConfig | None":
        """See `FolderConfig`; images elsewhere have their masks in `val_masks`."""
        held = super().validation()
        if held is None:
            return None
        assert isinstance(held, MasksConfig)
        return replace(held, masks=self.val_masks or self.masks, val_masks=None)


def list_masks(config: MasksConfig) -> Listing:
    """The images below data.path that lie outside the folder of masks; an image without a mask is an error of its own."""
    if config.masks == MISSING:
        raise ValueError("data.masks is missing: data=masks data.path=IMAGES data.masks=DIR")
    folder, mask_folder = existing_folder(config.path), existing_folder(config.masks)
    together = folder.resolve() == mask_folder.resolve()
    names = images_among(names_below(folder), folder, mask_folder)
    names = [name for name in names if PurePosixPath(name).name != NAMES_FILE]
    images, foreign = [name for name in names if is_image(name)], [name for name in names if not is_image(name)]
    if not images:
        raise ValueError(f"no images in {folder} beside the masks")
    found = _masks_by_stem(mask_folder)
    masks = {name: _masks_of(name, found, together) for name in images}
    label_names, values = _labels(config, mask_folder, sorted({mask for several in masks.values() for mask in several}))
    table = json.dumps([label_names, sorted(map(repr, values.items()))])
    entries = []
    for name in images:
        digest = file_digest(folder / name, *(mask_folder / mask for mask in masks[name]))
        entries.append(
            Entry(
                name,
                sha256(f"{digest} {table}"),
                partial(_read, folder / name, [mask_folder / mask for mask in masks[name]], config, values),
                {"class": name.split("/")[0]} if config.class_folders and "/" in name else {},
                lossy=is_lossy(name),
            )
        )
    unread = [(name, "not an image by its extension") for name in foreign]
    listing = Listing(entries, unread, label_names, label_values=value_list(values))
    return select_items(listing, folder, config.file_list, config.held_out, config.max_images)


def images_among(names: Iterable[str], images: str | Path, masks: str | Path) -> list[str]:
    """Of the files `names` below the folder `images` those that are no masks, which lie in the folder `masks`."""
    return without_masks(names, images, masks, lambda name: PurePosixPath(name).stem.endswith(ENDS[1:]))


def _masks_by_stem(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names_below(folder):
        if is_image(name):
            found.setdefault(PurePosixPath(name).with_suffix("").as_posix(), []).append(name)
    return found


def _masks_of(image: str, found: Mapping[str, list[str]], together: bool) -> list[str]:
    """The masks that go by the name of an image: one, or the user's mistake."""
    stem = PurePosixPath(image).with_suffix("").as_posix()
    return [mask for end in ENDS[together:] for mask in found.get(stem + end, [])]


def _labels(config: MasksConfig, folder: Path, masks: list[str]) -> tuple[list[str], dict[Value, int]]:
    """The names of the labels, and the label of each value of a mask."""
    path = names_file(folder) if config.palette is None else Path(config.palette).expanduser()
    if path is not None:
        return numbered(read_palette(path))
    seen: set[Value] = set()
    for mask in masks:
        try:
            seen.update(_values(_read_mask(folder / mask, colours=False)))
        except (ValueError, OSError):
            continue  # told of as its image's error when that is read
        if len(seen) > MOST:
            raise ValueError(
                f"the masks hold more than {MOST} values ({mask} is one): name those meant in data.palette"
            )
    return numbered(found_palette(seen))


def _read_mask(path: Path, *, colours: bool) -> np.ndarray:
    """A mask as (h, w) whole numbers or, of channels that differ or where `colours` are wanted, (h, w, 3)."""
    if is_lossy(path.name):
        raise ValueError("coded with loss, which blurs its values: save it as PNG")
    mask = decode(path, indexed=not colours, every_value=True).transpose(1, 2, 0)  # (h, w, c)
    if mask.shape[2] not in (1, 3) or (mask.shape[2] == 3 and mask.dtype != np.uint8):
        raise ValueError(f"{mask.shape[2]} channels of {mask.dtype}: a mask has one, or is 8-bit RGB")
    if mask.dtype.kind == "f" and not (mask == np.rint(mask)).all():
        raise ValueError("holds fractions: a mask is of whole numbers")
    mask = mask.astype(np.int64)
    if mask.shape[2] == 3 and (colours or (mask != mask[:, :, :1]).any()):
        return mask
    return np.repeat(mask[:, :, :1], 3, axis=2) if colours else mask[:, :, 0]


def _codes(mask: np.ndarray) -> np.ndarray:
    """Whole numbers (h, w) in the order of the values; of a colour its bytes in one, which is faster to look for."""
    return mask if mask.ndim == 2 else mask[..., 0] << 16 | mask[..., 1] << 8 | mask[..., 2]


def _values(mask: np.ndarray) -> dict[Value, int]:
    """The values in a mask, each with its code."""
    codes = np.unique(_codes(mask)).tolist()
    return {code if mask.ndim == 2 else (code >> 16, code >> 8 & 255, code & 255): code for code in codes}


def _read(path: Path, masks: list[Path], config: MasksConfig, values: Mapping[Value, int]) -> Item:
    if len(masks) != 1:
        several = f"{len(masks)} masks ({masks[0].name}, {masks[1].name})" if masks else "no mask"
        raise ValueError(f"it has {several} in {config.masks}")
    item, colours = read_image(path, config), not all(isinstance(value, int) for value in values)
    try:
        label_map = _label_map(_read_mask(masks[0], colours=colours), values)
    except ValueError as error:
        raise ValueError(f"its mask {masks[0].name}: {error}") from None
    if label_map.shape != item.image.shape[1:]:
        (mask_h, mask_w), (h, w) = label_map.shape, item.image.shape[1:]
        raise ValueError(f"its mask {masks[0].name} has {mask_h} x {mask_w} pixels, the image {h} x {w}")
    return Item(item.image, label_map)


def _label_map(mask: np.ndarray, values: Mapping[Value, int]) -> UInt8[np.ndarray, "h w"]:
    label_map, codes = np.zeros(mask.shape[:2], np.uint8), _codes(mask)
    for value, code in _values(mask).items():
        if value not in values:
            raise ValueError(f"holds {value}, which has no name in the palette")
        label_map[codes == code] = values[value]
    return label_map
