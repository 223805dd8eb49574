"""Images with boxes, read from a folder and a COCO file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from eval.decode import decode
from eval.groups import record_group


@dataclass(frozen=True, eq=False)  # arrays have no one equality
class Scene:
    """One image with its objects, in pixels of the file; a box is x0, y0, x1, y1 and a label 1..K."""

    name: str
    image: Num[np.ndarray, "c h w"]
    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, "n"]
    crowd: Bool[np.ndarray, "n"]
    segmentations: list[Any] = field(default_factory=list)
    """COCO's polygons or run lengths of each object, None where it has only a box."""
    group: str | None = None
    """The scene or patient that it is of, where that was asked for."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.image.shape[1], self.image.shape[2]


@dataclass(frozen=True)
class CocoSet:
    """A COCO file beside the folder of its images; images are decoded when they are asked for."""

    folder: Path
    path: Path
    categories: list[str]
    """Names, sorted by id; label k is the k-th of them, from 1."""
    records: dict[str, dict[str, Any]]
    """The record of each image by its file_name."""
    annotations: dict[Any, list[dict[str, Any]]]
    """By the id of the image."""
    label_of: dict[int, int]

    def scenes(self, names: list[str], categories: list[str], group: str | None = None) -> list[Scene]:
        """The named images; labels count in `categories`, which belong to the whole study, and `group` says their groups.

        ValueError for a name, category or box that cannot be used, or an image that cannot be read.
        """
        return [self._scene(name, categories, group) for name in names]

    def _scene(self, name: str, categories: list[str], group: str | None) -> Scene:
        if name not in self.records:
            raise ValueError(f"{name}: no such image in {self.path}")
        record, path = self.records[name], self.folder / name
        try:
            image = decode(path.read_bytes(), path.suffix.lower())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if len(image) == 3 and (image[0] == image).all():
            image = image[:1]  # grey that was stored as colour
        h, w = image.shape[1:]
        if (record.get("height", h), record.get("width", w)) != (h, w):
            raise ValueError(f"{path}: has {h} x {w} pixels, {self.path} says {record['height']} x {record['width']}")
        rows = self.annotations.get(record["id"], [])
        boxes = [_corners(row, (h, w), f"{self.path}: {name}") for row in rows]
        labels = [1 + categories.index(self.categories[self.label_of[row["category_id"]] - 1]) for row in rows]
        return Scene(
            name,
            image,
            np.array(boxes, np.float64).reshape(-1, 4),
            np.array(labels, np.int64),
            np.array([bool(row.get("iscrowd")) for row in rows], bool),
            [row.get("segmentation") or None for row in rows],
            record_group(record, group),
        )


def open_coco(folder: Path, path: Path) -> CocoSet:
    """Read a COCO file; ValueError, one line, where it is none or its parts do not name each other."""
    try:
        whole = json.loads(path.read_bytes())
        rows = {key: list(whole[key]) for key in ("images", "annotations", "categories")}
        names = {row["id"]: str(row["name"]) for row in sorted(rows["categories"], key=lambda row: row["id"])}
        records = {row["file_name"]: row for row in rows["images"]}
        by_image: dict[Any, list[dict[str, Any]]] = {row["id"]: [] for row in rows["images"]}
        label_of = {category: k for k, category in enumerate(names, start=1)}
        for row in rows["annotations"]:
            by_image[row["image_id"]].append(row)
            label_of[row["category_id"]]
    except (ValueError, KeyError, TypeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{path}: must be COCO's JSON of images, annotations and categories ({reason})") from error
    if not names:
        raise ValueError(f"{path}: names no category")
    return CocoSet(folder, path, list(names.values()), records, by_image, label_of)


def _corners(row: dict[str, Any], size: tuple[int, int], what: str) -> tuple[float, float, float, float]:
    """COCO's [x, y, width, height] as corners, cut to the image."""
    (h, w), box = size, row.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)):
        raise ValueError(f"{what}: an annotation has no bbox of [x, y, width, height]")
    x, y, width, height = map(float, box)
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + width, float(w)), min(y + height, float(h))
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"{what}: the bbox {box} has no area inside the image of {h} x {w}")
    return x0, y0, x1, y1
