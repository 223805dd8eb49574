"""Annotations in COCO's JSON: `data=coco data.path=IMAGES data.annotations=FILE.json`."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from data.folder import MISSING, FolderConfig, is_image, is_lossy, read_image
from data.item import BACKGROUND, Box, Entry, Item, Listing
from data.listing import existing_folder, file_digest, names_below, select_items
from data.rasterise import box_mask, coco_tools, number, paint, polygon_mask, rle_mask

LABEL_FROM = ("masks", "boxes")


@dataclass
class CocoConfig(FolderConfig):
    """The images that a COCO file names, in the folder `path`; categories are the label maps' values in order of id.

    `annotations`: the JSON file; `val_annotations`: one for validation. `label_from`: masks (polygons and run lengths,
    boxes where an annotation has neither) or boxes. Smaller objects lie on top of larger ones. `image_attributes`:
    fields of the images' records, or of `attributes` in them, that become attributes. `group` may name such a field.
    An image without annotations is all background.
    """

    name: str = "coco"
    annotations: str = MISSING
    val_annotations: str | None = None
    label_from: str = "masks"
    image_attributes: list[str] = field(default_factory=list)

    PLACES: ClassVar[tuple[str, ...]] = (*FolderConfig.PLACES, "annotations", "val_annotations", "image_attributes")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_from not in LABEL_FROM:
            raise ValueError(f"data.label_from={self.label_from}: use {' or '.join(LABEL_FROM)}")

    def validation(self) -> "CocoConfig | None":
        """See `FolderConfig`; annotations of their own also make a validation set."""
        held = super().validation()
        if held is None and self.val_annotations is None:
            return None
        held = held if isinstance(held, CocoConfig) else replace(self, file_list=None, max_images=None)
        return replace(held, annotations=self.val_annotations or self.annotations, val_annotations=None)


def list_coco(config: CocoConfig) -> Listing:
    """The images of the annotations file. A broken file is a ValueError; a broken annotation is its image's error."""
    if config.annotations == MISSING:
        raise ValueError("data.annotations is missing: data=coco data.path=IMAGES data.annotations=FILE.json")
    folder, path = existing_folder(config.path), Path(config.annotations).expanduser()
    if config.label_from == "masks":
        coco_tools()
    records, annotations, names = _read_file(path)
    label_of = {category: k for k, category in enumerate(sorted(names), start=1)}
    entries = []
    for record in records:
        name = PurePosixPath(record["file_name"]).as_posix()
        own = annotations.get(record["id"], [])
        facts = [file_digest(folder / name), record.get("width"), record.get("height"), own, sorted(label_of.items())]
        entries.append(
            Entry(
                name,
                hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest(),
                partial(_read, folder / name, config, record, own, label_of),
                {key: value for key in config.image_attributes if (value := _fact(record, key)) is not None},
                _fact(record, config.group),
                is_lossy(name),
            )
        )
    entries.sort(key=lambda entry: entry.name)
    _check_facts(config, path, entries)
    others = len({name for name in names_below(folder) if is_image(name)} - {entry.name for entry in entries})
    listing = Listing(
        entries,
        label_names=[BACKGROUND, *(names[category] for category in label_of)],
        grouped_by=config.group if any(entry.group for entry in entries) else None,
        notes=[f"{others} images in the folder are not in {path.name}"] if others and not config.file_list else [],
    )
    return select_items(listing, folder, config.file_list, config.held_out, config.max_images)


def _read_file(path: Path) -> tuple[list[dict[str, Any]], dict[Any, list[Any]], dict[int, str]]:
    """Image records, annotations by image id, and category names by id, all checked as far as they name each other."""
    if not path.is_file():
        raise ValueError(f"data.annotations: no file {path}")
    try:
        whole = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file ({' '.join(str(error).split())})") from None
    if not isinstance(whole, dict):
        raise ValueError(f"{path} is no COCO file: it holds a {type(whole).__name__}, not images and annotations")
    for key in ("images", "annotations", "categories"):
        if not isinstance(whole.get(key), list) or not all(isinstance(row, dict) for row in whole[key]):
            raise ValueError(f"{path} is no COCO file: it has no list of {key}")
    records, names = whole["images"], {}
    for row in whole["categories"]:
        if type(row.get("id")) is not int or not isinstance(row.get("name"), str) or not row["name"].strip():
            raise ValueError(f"{path}: the category {_short(row)} needs a whole number as id and a name")
        if row["id"] in names or row["name"] in (BACKGROUND, *names.values()):
            raise ValueError(f"{path}: the category {_short(row)} repeats an id or name, or is called {BACKGROUND}")
        names[row["id"]] = row["name"]
    if not 1 <= len(names) <= 255:
        raise ValueError(f"{path} has {len(names)} categories: a label map holds 1 to 255")
    for row in records:
        name = row.get("file_name")
        if type(row.get("id")) not in (int, str) or not isinstance(name, str) or not name:
            raise ValueError(f"{path}: the image {_short(row)} needs an id and a file_name")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
            raise ValueError(f"{path}: the file_name {name!r} must be a name inside data.path")
    for key in ("id", "file_name"):
        value, count = Counter(row[key] for row in records).most_common(1)[0] if records else (None, 1)
        if count > 1:
            raise ValueError(f"{path}: {count} images have the {key} {value}")
    known, by_image = {row["id"] for row in records}, {}
    for row in whole["annotations"]:
        image = row.get("image_id")
        if type(image) not in (int, str) or image not in known:
            raise ValueError(
                f"{path}: an annotation belongs to the image {str(image)[:40]!r}, which is not in the file"
            )
        by_image.setdefault(image, []).append(row)
    return records, by_image, names


def _read(path: Path, config: CocoConfig, record: dict[str, Any], own: list[Any], label_of: dict[int, int]) -> Item:
    item = read_image(path, config)
    h, w = item.image.shape[1:]
    stated = (record.get("height", h), record.get("width", w))
    if stated != (h, w):
        raise ValueError(f"the annotations are for {stated[0]} x {stated[1]} pixels, the image has {h} x {w}")
    if not own:
        return item
    masks, boxes = [], []
    for annotation in own:
        label = label_of.get(annotation.get("category_id")) if type(annotation.get("category_id")) is int else None
        if label is None:
            raise ValueError(f"the annotation {_short(annotation)} is of a category that the file does not list")
        box = _box(annotation, label)
        masks.append((_mask(annotation, box, (h, w), config.label_from), label))
        if box is not None and not annotation.get("iscrowd"):
            boxes.append(box)
    return Item(item.image, paint(masks, (h, w)), boxes)


def _box(annotation: dict[str, Any], label: int) -> Box | None:
    values = annotation.get("bbox")
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"the annotation {_short(annotation)} has a bbox that is not [x, y, width, height]")
    x, y, width, height = (number(value, "a value of a bbox") for value in values)
    return Box(x, y, width, height, label)


def _mask(annotation: dict[str, Any], box: Box | None, shape: tuple[int, int], label_from: str) -> Any:
    segmentation = annotation.get("segmentation")
    if segmentation and label_from == "masks":
        if isinstance(segmentation, dict):
            return rle_mask(segmentation, shape)
        if isinstance(segmentation, list):
            return polygon_mask(segmentation, shape)
        raise ValueError(
            f"the annotation {_short(annotation)} has a segmentation that is neither polygons nor run lengths"
        )
    if box is None:
        wanted = "bbox" if label_from == "boxes" else "segmentation or bbox"
        raise ValueError(f"the annotation {_short(annotation)} has no {wanted}")
    return box_mask(box, shape)


def _fact(record: dict[str, Any], key: str | None) -> str | None:
    """A field of an image's record, or of the attributes in it, as text; None where it has none."""
    extra = record.get("attributes")
    value = record.get(key, extra.get(key) if isinstance(extra, dict) else None) if key else None
    return str(value) if isinstance(value, str | int | float) and str(value) else None


def _check_facts(config: CocoConfig, path: Path, entries: list[Entry]) -> None:
    for key in config.image_attributes:
        if not any(key in entry.attributes for entry in entries):
            raise ValueError(f"data.image_attributes: no image in {path} has a {key}")
    grouped = [entry for entry in entries if entry.group]
    if grouped and len(grouped) < len(entries):
        lacking = next(entry for entry in entries if not entry.group)
        raise ValueError(f"data.group={config.group}: {lacking.name} has no {config.group} in {path}")


def _short(row: dict[str, Any]) -> str:
    """An annotation, image or category as far as its id tells."""
    return f"with id {str(row.get('id'))[:40]}"
