"""Annotations in COCO's JSON: `data=coco data.path=IMAGES data.annotations=FILE.json`."""

import json
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from data.coco_file import fact, facts_of, rasterised, read_coco
from data.folder import MISSING, FolderConfig, is_image, is_lossy, read_image
from data.item import BACKGROUND, Entry, Item, Listing
from data.listing import existing_folder, file_digest, names_below, select_items, sha256
from data.rasterise import coco_tools

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
    if not path.is_file():
        raise ValueError(f"data.annotations: no file {path}")
    coco = read_coco(path)
    label_of = {category: k for k, category in enumerate(sorted(coco.names), start=1)}
    entries = []
    for record in coco.records:
        name = PurePosixPath(record["file_name"]).as_posix()
        own = coco.annotations.get(record["id"], [])
        facts = [file_digest(folder / name), record.get("width"), record.get("height"), own, sorted(label_of.items())]
        entries.append(
            Entry(
                name,
                sha256(json.dumps(facts, sort_keys=True)),
                partial(_read, folder / name, config, record, own, label_of),
                {key: value for key in config.image_attributes if (value := fact(record, key)) is not None},
                fact(record, config.group),
                is_lossy(name),
            )
        )
    entries.sort(key=lambda entry: entry.name)
    _check_facts(config, path, entries)
    others = len({name for name in names_below(folder) if is_image(name)} - {entry.name for entry in entries})
    listing = Listing(
        entries,
        label_names=[BACKGROUND, *(coco.names[category] for category in label_of)],
        grouped_by=config.group if any(entry.group for entry in entries) else None,
        notes=[f"{others} images in the folder are not in {path.name}"] if others and not config.file_list else [],
    )
    if unused := sorted({key for record in coco.records for key in facts_of(record)} - {*config.image_attributes}):
        known = ",".join([*config.image_attributes, *unused])
        listing.notes.append(f"no condition: the images' {', '.join(unused)} (data.image_attributes=[{known}])")
    return select_items(listing, folder, config.file_list, config.held_out, config.max_images)


def _read(path: Path, config: CocoConfig, record: dict[str, Any], own: list[Any], label_of: dict[int, int]) -> Item:
    if not path.is_file():
        raise ValueError(_missing(record["file_name"], config))
    item = read_image(path, config)
    h, w = item.image.shape[1:]
    stated = (record.get("height", h), record.get("width", w))
    if stated != (h, w):
        raise ValueError(f"the annotations are for {stated[0]} x {stated[1]} pixels, the image has {h} x {w}")
    return Item(item.image, rasterised(own, label_of, (h, w), config.label_from)) if own else item


def _missing(name: str, config: CocoConfig) -> str:
    """What to say of an image that the annotations name and that is not there: it may lie a folder higher or lower."""
    near = next((place for place in _places_near(Path(config.path).expanduser()) if (place / name).is_file()), None)
    mend = "" if near is None else f"; did you mean data.path={near}?"
    return f"{Path(config.annotations).name} names it, but there is no such file in {config.path}{mend}"


@cache
def _places_near(folder: Path) -> list[Path]:
    """The folder above and those within; looked up once, for all images may be missing, and folders hold thousands."""
    return [folder.parent, *sorted(place for place in folder.iterdir() if place.is_dir())]


def _check_facts(config: CocoConfig, path: Path, entries: list[Entry]) -> None:
    for key in config.image_attributes:
        if not any(key in entry.attributes for entry in entries):
            raise ValueError(f"data.image_attributes: no image in {path} has a {key}")
    grouped = [entry for entry in entries if entry.group]
    if grouped and len(grouped) < len(entries):
        lacking = next(entry for entry in entries if not entry.group)
        raise ValueError(f"data.group={config.group}: {lacking.name} has no {config.group} in {path}")
