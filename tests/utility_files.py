"""Tiny real and synthetic sets: bright rectangles on noise, with boxes, classes or label maps."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from eval.utility.detection.scenes import Scene


def write_detection_set(
    folder: Path, count: int, *, seed: int, size: tuple[int, int] = (40, 56), prefix: str = ""
) -> Path:
    """`folder`/images/*.png and `folder`/annotations.json: one or two rectangles each, the first with run lengths."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(count):
        pixels = rng.integers(0, 60, size).astype(np.uint8)
        name = f"{prefix}{i:03d}.png"
        images.append({"id": i + 1, "file_name": name, "width": size[1], "height": size[0], "scene": i // 2})
        for k in range(1 + i % 2):
            w, h = (int(v) for v in rng.integers(6, 14, 2))
            x, y = int(rng.integers(k * size[1] // 2, (k + 1) * size[1] // 2 - w)), int(rng.integers(0, size[0] - h))
            pixels[y : y + h, x : x + w] = 230
            row = {"id": len(annotations) + 1, "image_id": i + 1, "category_id": 3, "bbox": [x, y, w, h], "iscrowd": 0}
            if k == 0:
                mask = np.zeros(size, bool)
                mask[y : y + h, x : x + w] = True
                row["segmentation"] = run_lengths(mask)
            annotations.append(row)
        Image.fromarray(pixels).save(folder / "images" / name)
    whole = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "ship"}]}
    (folder / "annotations.json").write_text(json.dumps(whole))
    return folder


def run_lengths(mask: np.ndarray) -> dict:
    """COCO's uncompressed run lengths, down the columns, beginning with those of 0."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def write_names(path: Path, numbers: range) -> Path:
    path.write_text("".join(f"{i:03d}.png\n" for i in numbers))
    return path


def scene(
    boxes: list, *, labels: list | None = None, image: np.ndarray | None = None, crowd: list | None = None
) -> Scene:
    """A scene of given corners."""
    pixels = np.zeros((1, 100, 100), np.uint8) if image is None else image
    n = len(boxes)
    return Scene(
        "scene",
        pixels,
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(labels if labels else [1] * n, np.int64),
        np.array(crowd if crowd else [False] * n, bool),
    )


def write_class_folder(folder: Path, counts: dict[str, int], *, seed: int, side: int = 20) -> Path:
    """`folder`/CLASS/000.png: noise with a bright bar, which lies in the rows of "a", the columns of "b" or is missing."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 60, (side, side)).astype(np.uint8)
            start = int(rng.integers(4, side - 8))
            if name == "a":
                pixels[start : start + 4] = 230
            elif name == "b":
                pixels[:, start : start + 4] = 230
            Image.fromarray(pixels).save(folder / name / f"{i:03d}.png")
    return folder


def write_pairs(
    folder: Path, count: int, *, seed: int, values: tuple[int, ...] = (1, 2), masks: str = "masks", side: int = 24
) -> Path:
    """`folder`/images/*.png and their masks: a bright rectangle for each of `values`, the brighter the later."""
    rng = np.random.default_rng(seed)
    for name in ("images", masks):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        pixels, mask = rng.integers(0, 60, (side, side)).astype(np.uint8), np.zeros((side, side), np.uint8)
        width = side // len(values)
        for k, value in enumerate(values):
            w, h = (int(v) for v in rng.integers(4, width - 4, 2))
            x, y = int(rng.integers(k * width, (k + 1) * width - w - 1)), int(rng.integers(0, side - h))
            pixels[y : y + h, x : x + w] = 120 + 100 * (k + 1) // len(values)
            mask[y : y + h, x : x + w] = value
        Image.fromarray(pixels).save(folder / "images" / f"{i:03d}.png")
        Image.fromarray(mask).save(folder / masks / f"{i:03d}.png")
    return folder
