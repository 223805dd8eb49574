"""Average precision as COCO defines it, and fast enough to be taken of a thousand resampled test sets."""

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from eval.utility.detection.scenes import Scene

METRICS = ("AP50", "AP")
Detections = list[list[float | int]]
"""Of one scene: rows of x, y, width, height in pixels of the file, score, label."""
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Matches:
    """What pycocotools matched, in falling order of score, for one label; t is one of ten IoUs from 0.5 to 0.95."""

    image: Int[np.ndarray, "d"]
    hit: Bool[np.ndarray, "t d"]
    miss: Bool[np.ndarray, "t d"]
    """Neither hit nor miss: matched to a crowd, which does not count."""
    objects: Int[np.ndarray, "images"]
    """How many there are to be found in each image."""


def coco_tools() -> tuple[Any, Any]:
    """COCO and COCOeval of pycocotools; ValueError that names the extra where it is not installed."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise ValueError("pycocotools is not installed: pip install 'speckle[labels]' (or -e '.[labels]')") from None
    return COCO, COCOeval


def evaluate(
    detections: list[Detections], scenes: list[Scene], num_classes: int
) -> tuple[dict[str, float], list[Matches]]:
    """AP50 and AP (over IoU 0.50:0.95) by pycocotools, and its matches for each label that the scenes hold.

    `detections`: of each scene.
    """
    COCO, COCOeval = coco_tools()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools' own arrays under numpy 2
        truth = COCO()
        truth.dataset = _dataset(scenes, num_classes)
        truth.createIndex()
        rows = [
            {"image_id": i, "category_id": int(label), "bbox": [x, y, w, h], "score": score}
            for i, found in enumerate(detections)
            for x, y, w, h, score, label in found
        ]
        given = truth.loadRes(rows) if rows else COCO()
        judge = COCOeval(truth, given, "bbox")
        judge.params.areaRng, judge.params.areaRngLbl = judge.params.areaRng[:1], ["all"]
        if not rows:
            return {"AP50": 0.0, "AP": 0.0}, [_none_found(scenes, label) for label in _labels(scenes)]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, -1]  # (t, recall, label)
    present = precision[..., [label - 1 for label in _labels(scenes)]]
    found = [image for image in judge.evalImgs if image is not None]
    matches = [
        _matches([image for image in found if image["category_id"] == label], len(scenes)) for label in _labels(scenes)
    ]
    return {"AP50": float(present[0].mean()), "AP": float(present.mean())}, matches


def average_precision(matches: list[Matches], weights: Int[np.ndarray, "images"]) -> Float[np.ndarray, "2"]:
    """AP50 and AP of a test set that holds image i `weights[i]` times, as METRICS names them.

    Labels of which the resampled images hold no object do not count, as in COCO.
    """
    scores = [_label_precision(match, weights) for match in matches if weights @ match.objects > 0]
    if not scores:
        return np.zeros(2)
    by_iou = np.mean(scores, axis=0)  # (t,)
    return np.array([by_iou[0], by_iou.mean()])


def _label_precision(match: Matches, weights: np.ndarray) -> np.ndarray:
    """AP at each IoU: the mean over 101 recalls of the best precision at that recall or beyond."""
    copies = weights[match.image]  # (d,)
    hits, misses = np.cumsum(match.hit * copies, axis=1), np.cumsum(match.miss * copies, axis=1)  # (t, d)
    recall = hits / (weights @ match.objects)
    precision = hits / np.maximum(hits + misses, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.pad(envelope, ((0, 0), (0, 1)))  # beyond the last detection: 0
    return np.array([row[np.searchsorted(r, RECALLS)].mean() for row, r in zip(envelope, recall, strict=True)])


def _labels(scenes: list[Scene]) -> list[int]:
    """Labels with an object that counts."""
    return sorted({int(label) for scene in scenes for label in scene.labels[~scene.crowd]})


def _dataset(scenes: list[Scene], num_classes: int) -> dict[str, Any]:
    annotations = []
    for i, scene in enumerate(scenes):
        for (x0, y0, x1, y1), label, crowd in zip(scene.boxes, scene.labels, scene.crowd, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": i, "category_id": int(label), "iscrowd": int(crowd),
                    "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0),
                }
            )  # fmt: skip
    return {
        "info": {},
        "images": [{"id": i} for i in range(len(scenes))],
        "annotations": annotations,
        "categories": [{"id": label} for label in range(1, num_classes + 1)],
    }


def _matches(found: list[dict[str, Any]], images: int) -> Matches:
    """The records of pycocotools of the images for one label, put together."""
    objects = np.zeros(images, np.int64)
    for image in found:
        objects[image["image_id"]] = int((~np.asarray(image["gtIgnore"], bool)).sum())
    scores = np.concatenate([image["dtScores"] for image in found])
    order = np.argsort(-scores, kind="mergesort")
    matched = np.concatenate([image["dtMatches"] for image in found], axis=1)[:, order] > 0
    ignored = np.concatenate([image["dtIgnore"] for image in found], axis=1)[:, order].astype(bool)
    image_of = np.concatenate([np.full(len(image["dtScores"]), image["image_id"]) for image in found])[order]
    return Matches(image_of.astype(np.int64), matched & ~ignored, ~matched & ~ignored, objects)


def _none_found(scenes: list[Scene], label: int) -> Matches:
    objects = np.array([int((scene.labels[~scene.crowd] == label).sum()) for scene in scenes])
    nothing = np.zeros((10, 0), bool)
    return Matches(np.zeros(0, np.int64), nothing, nothing, objects)
