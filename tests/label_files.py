"""Small labelled sets in each format, and the shortest way to load them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data import data_config_from_dict, load_images
from data.image_set import LoadedImages


def grey(height: int = 8, width: int = 8, seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    image.flat[:2] = 0, 255
    return image


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def load(name: str, path: Path, size: Any = 8, **options: Any) -> LoadedImages:
    plain = {"name": name, "path": str(path), "image_size": size, "val_fraction": 0.0, **options}
    return load_images(data_config_from_dict(plain), cache_dir=path.parent / "cache")


def coco_file(count: int = 3) -> dict[str, Any]:
    """Images a.png, b.png, ... of 8 x 8; the first has a ship as a polygon, the second a buoy as a box."""
    images = [
        {"id": 10 + i, "file_name": f"{chr(97 + i)}.png", "width": 8, "height": 8, "scene": i // 2}
        for i in range(count)
    ]
    ship = {"id": 1, "image_id": 10, "category_id": 7, "bbox": [1, 1, 4, 3], "iscrowd": 0, "area": 12}
    ship["segmentation"] = [[1, 1, 5, 1, 5, 4, 1, 4]]
    buoy = {"id": 2, "image_id": 11, "category_id": 3, "bbox": [2, 5, 2, 2]}
    categories = [{"id": 7, "name": "ship"}, {"id": 3, "name": "buoy"}]
    return {"images": images, "annotations": [ship, buoy], "categories": categories}


def write_coco_set(folder: Path, whole: dict[str, Any], count: int = 3) -> Path:
    """`folder`/images and `folder`/annotations.json; returns the images' folder."""
    for i in range(count):
        save(folder / "images" / f"{chr(97 + i)}.png", grey(seed=i))
    (folder / "annotations.json").write_text(json.dumps(whole))
    return folder / "images"


def load_coco(folder: Path, whole: dict[str, Any] | None = None, size: Any = 8, **options: Any) -> LoadedImages:
    images = write_coco_set(folder, coco_file() if whole is None else whole)
    return load("coco", images, size, annotations=str(folder / "annotations.json"), **options)


def write_yolo_set(folder: Path) -> Path:
    """images/{a,b,c}.png; a has a box of class 1, b a triangle of class 0, c an empty file."""
    for i, line in enumerate(["1 0.5 0.375 0.5 0.25\n", "0 0 0 1 0 0 1\n", ""]):
        save(folder / "images" / f"{chr(97 + i)}.png", grey(seed=i))
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{chr(97 + i)}.txt").write_text(line)
    (folder / "data.yaml").write_text("names: [ship, buoy]\nnc: 2\n")
    return folder


def write_mask_set(folder: Path, count: int = 3) -> Path:
    """images/{a,b,c}.png and masks of the same names with 0 and 5 in them; returns `folder`."""
    for i in range(count):
        mask = np.zeros((8, 8), np.uint8)
        mask[i : i + 2, 3:6] = 5
        save(folder / "images" / f"{chr(97 + i)}.png", grey(seed=i))
        save(folder / "masks" / f"{chr(97 + i)}.png", mask)
    return folder


def load_masks(folder: Path, **options: Any) -> LoadedImages:
    return load("masks", folder / "images", masks=str(folder / "masks"), **options)
