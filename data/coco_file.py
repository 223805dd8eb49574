"""COCO's JSON: images, annotations and categories that name each other, and the annotations of an image as a label map."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from data.item import BACKGROUND, Box
from data.rasterise import box_mask, number, paint, polygon_mask, rle_mask

Row = dict[str, Any]


@dataclass(frozen=True)
class CocoFile:
    """The images' records, the annotations by the id of their image, and the categories' names by their id."""

    records: list[Row]
    annotations: dict[Any, list[Row]]
    names: dict[int, str]


def read_coco(path: Path) -> CocoFile:
    """A COCO file, checked as far as its parts name each other; ValueError, which begins with the path."""
    whole = _lists(path)
    names = _category_names(path, whole["categories"])
    records = whole["images"]
    _check_records(path, records)
    known, by_image = {row["id"] for row in records}, {}
    for row in whole["annotations"]:
        image = row.get("image_id")
        if type(image) not in (int, str) or image not in known:
            raise ValueError(
                f"{path}: an annotation belongs to the image {str(image)[:40]!r}, which is not in the file"
            )
        by_image.setdefault(image, []).append(row)
    return CocoFile(records, by_image, names)


def rasterised(
    annotations: list[Row], label_of: dict[int, int], shape: tuple[int, int], label_from: str
) -> UInt8[np.ndarray, "h w"]:
    """The label map of an image's annotations, smaller ones on top.

    `label_of`: the label of each category's id. `label_from`: masks (a box where there is none) or boxes. ValueError
    for an annotation of no category, or without a place.
    """
    masks = []
    for annotation in annotations:
        category = annotation.get("category_id")
        label = label_of.get(category) if type(category) is int else None
        if label is None:
            raise ValueError(f"the annotation {_short(annotation)} is of a category that the file does not list")
        masks.append((_mask(annotation, _box(annotation, label), shape, label_from), label))
    return paint(masks, shape)


def fact(record: Row, key: str | None) -> str | None:
    """A field of an image's record, or of the attributes in it, as text; None where it has none."""
    extra = record.get("attributes")
    value = record.get(key, extra.get(key) if isinstance(extra, dict) else None) if key else None
    return str(value) if isinstance(value, str | int | float) and str(value) else None


def facts_of(record: Row) -> list[str]:
    """The names of the attributes that an image's record states."""
    extra = record.get("attributes")
    return [key for key in extra if fact(record, key) is not None] if isinstance(extra, dict) else []


def _lists(path: Path) -> dict[str, list[Row]]:
    try:
        whole = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file ({' '.join(str(error).split())})") from None
    if not isinstance(whole, dict):
        raise ValueError(f"{path} is no COCO file: it holds a {type(whole).__name__}, not images and annotations")
    keys = ("images", "annotations", "categories")
    for key in keys:
        if not isinstance(whole.get(key), list) or not all(isinstance(row, dict) for row in whole[key]):
            raise ValueError(f"{path} is no COCO file: it has no list of {key}")
    return {key: whole[key] for key in keys}


def _category_names(path: Path, categories: list[Row]) -> dict[int, str]:
    names: dict[int, str] = {}
    for row in categories:
        if type(row.get("id")) is not int or not isinstance(row.get("name"), str) or not row["name"].strip():
            raise ValueError(f"{path}: the category {_short(row)} needs a whole number as id and a name")
        if row["id"] in names or row["name"] in (BACKGROUND, *names.values()):
            raise ValueError(f"{path}: the category {_short(row)} repeats an id or name, or is called {BACKGROUND}")
        names[row["id"]] = row["name"]
    if not 1 <= len(names) <= 255:
        raise ValueError(f"{path} has {len(names)} categories: a label map holds 1 to 255")
    return names


def _check_records(path: Path, records: list[Row]) -> None:
    for row in records:
        name = row.get("file_name")
        if type(row.get("id")) not in (int, str) or not isinstance(name, str) or not name:
            raise ValueError(f"{path}: the image {_short(row)} needs an id and a file_name")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
            raise ValueError(f"{path}: the file_name {name!r} must be a name inside the folder of the images")
    names = [PurePosixPath(row["file_name"]).as_posix() for row in records]  # "./a.png" is "a.png"
    for key, values in (("id", [row["id"] for row in records]), ("file_name", names)):
        value, count = Counter(values).most_common(1)[0] if values else (None, 1)
        if count > 1:
            raise ValueError(f"{path}: {count} images have the {key} {value}")


def _box(annotation: Row, label: int) -> Box | None:
    values = annotation.get("bbox")
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"the annotation {_short(annotation)} has a bbox that is not [x, y, width, height]")
    x, y, width, height = (number(value, "a value of a bbox") for value in values)
    return Box(x, y, width, height, label)


def _mask(annotation: Row, box: Box | None, shape: tuple[int, int], label_from: str) -> Bool[np.ndarray, "h w"]:
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


def _short(row: Row) -> str:
    """An annotation, image or category as far as its id tells."""
    return f"with id {str(row.get('id'))[:40]}"
