"""What is written beside the images of a folder: class, other attributes, and boxes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from eval.images import MANIFEST, ImageFolder

ANNOTATIONS = "annotations.json"
T = TypeVar("T")


class LabelBox(NamedTuple):
    """A box in pixels of its file: left, top, width, height; and its category."""

    x: float
    y: float
    width: float
    height: float
    category: str


@dataclass(frozen=True)
class Labels:
    """One entry per image of the folder, in its order.

    `attributes[name][i]` is None where image i has none of that name; `class` is one of the names. `boxes[i]` is None
    where the annotations do not name the image; `boxes` is None where there are no annotations.
    """

    attributes: Mapping[str, list[str | None]] = field(default_factory=dict)
    boxes: list[list[LabelBox] | None] | None = None


def read_labels(folder: ImageFolder, annotations: Path | None = None) -> Labels:
    """Classes from the folder's manifest.jsonl or its subfolders, boxes from `annotations` or its annotations.json (COCO).

    Raises ValueError, one line, for annotations that cannot be read or name none of the images.
    """
    rows = _manifest_rows(folder)
    found: dict[str, list[str | None]] = {}
    for i, path in enumerate(folder.paths):
        row = rows.get(path)
        about = (
            _subfolder(folder.root, path)
            if row is None
            else {**(row.get("attributes") or {}), "class": row.get("class")}
        )
        for name, value in about.items():
            if value is not None:
                found.setdefault(name, [None] * len(folder))[i] = str(value)
    if annotations is None and (folder.root / ANNOTATIONS).is_file():
        annotations = folder.root / ANNOTATIONS
    return Labels(found, None if annotations is None else _boxes(folder, annotations))


def _manifest_rows(folder: ImageFolder) -> dict[Path, dict[str, Any]]:
    """The manifest's rows by file; its form was checked when the folder was opened."""
    path = folder.root / MANIFEST
    if not path.is_file():
        return {}
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {folder.root / row["file"]: row for row in rows}


def _subfolder(root: Path, path: Path) -> dict[str, str]:
    parts = path.relative_to(root).parts
    return {"class": parts[0]} if len(parts) > 1 else {}


def _boxes(folder: ImageFolder, annotations: Path) -> list[list[LabelBox] | None]:
    try:
        coco = json.loads(annotations.read_text(encoding="utf-8"))
        categories = {category["id"]: str(category["name"]) for category in coco["categories"]}
        by_id: dict[Any, list[LabelBox]] = {image["id"]: [] for image in coco["images"]}
        for annotation in coco["annotations"]:
            x, y, width, height = map(float, annotation["bbox"])
            if not annotation.get("iscrowd"):
                by_id[annotation["image_id"]].append(
                    LabelBox(x, y, width, height, categories[annotation["category_id"]])
                )
        by_name = {str(image["file_name"]): by_id[image["id"]] for image in coco["images"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{annotations}: cannot be read as COCO annotations ({reason[:80]})") from error
    boxes = [of_file(by_name, folder.root, path) for path in folder.paths]
    if all(entry is None for entry in boxes):
        raise ValueError(f"{annotations}: names none of the {len(folder)} images in {folder.root}")
    return boxes


def of_file(by_name: Mapping[str, T], root: Path, path: Path) -> T | None:
    """What stands under the longest end of the path below `root` that the annotations know: images/a.png, else a.png."""
    parts = PurePosixPath(path.relative_to(root).as_posix()).parts
    names = ("/".join(parts[i:]) for i in range(len(parts)))
    return next((by_name[name] for name in names if name in by_name), None)
