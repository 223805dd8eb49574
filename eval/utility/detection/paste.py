"""Copy-paste: objects of training images set into other training images, the control that makes new scenes for free."""

import math
import warnings
from typing import Any

import numpy as np
from jaxtyping import Bool

from eval.utility.detection.precision import coco_tools
from eval.utility.detection.scenes import Scene
from eval.utility.paste import MOST_OBJECTS, free_place


def copy_paste(scenes: list[Scene], count: int, seed: int) -> list[Scene]:
    """`count` scenes, each a training image in its turn with 1 to 3 objects of others (Ghiasi et al. 2021, section 3).

    An object is cut out along its mask, or its box where it has none, and set down by whole pixels where it overlaps no
    other; edges stay hard, which that paper found to be as good as blended ones.
    """
    rng = np.random.default_rng(seed)
    return [_with_objects(scenes[i % len(scenes)], scenes, rng, f"pasted {i}") for i in range(count)]


def _with_objects(scene: Scene, donors: list[Scene], rng: np.random.Generator, name: str) -> Scene:
    image, boxes, labels = scene.image.copy(), list(scene.boxes), list(scene.labels)
    choices = [
        (donor, k)
        for donor in donors
        if donor is not scene and len(donor.image) == len(image)
        for k in np.flatnonzero(~donor.crowd)
    ]
    for _ in range(rng.integers(1, MOST_OBJECTS + 1) if choices else 0):
        donor, k = choices[rng.integers(len(choices))]
        x0, y0, x1, y1 = _pixels(donor.boxes[k])
        place = free_place((y1 - y0, x1 - x0), scene.size, boxes, rng)
        if place is None:
            continue
        top, left = place
        mask = object_mask(donor, int(k))[y0:y1, x0:x1]
        target = image[:, top : top + y1 - y0, left : left + x1 - x0]
        target[:, mask] = donor.image[:, y0:y1, x0:x1][:, mask]
        boxes.append(donor.boxes[k] + np.array([left - x0, top - y0] * 2))
        labels.append(donor.labels[k])
    crowd = np.concatenate([scene.crowd, np.zeros(len(boxes) - len(scene.boxes), bool)])
    return Scene(name, image, np.array(boxes, np.float64).reshape(-1, 4), np.array(labels, np.int64), crowd)


def _pixels(box: np.ndarray) -> tuple[int, int, int, int]:
    """The whole pixels that a box touches, as x0, y0, x1, y1."""
    x0, y0, x1, y1 = box.tolist()
    return math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)


def object_mask(scene: Scene, k: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of object k: its polygons or run lengths as pycocotools draws them, else its box."""
    h, w = scene.size
    segmentation: Any = scene.segmentations[k] if scene.segmentations else None
    mask = np.zeros((h, w), bool)
    if segmentation:
        coco_tools()
        from pycocotools import mask as coder

        try:
            if isinstance(segmentation, list):
                runs: Any = coder.merge(coder.frPyObjects(segmentation, h, w))
            elif isinstance(segmentation["counts"], list):
                runs = coder.frPyObjects(segmentation, h, w)
            else:
                runs = segmentation
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # its own arrays under numpy 2
                mask = coder.decode(runs).astype(bool)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"{scene.name}: a segmentation cannot be read ({error})") from error
        if mask.shape != (h, w):
            raise ValueError(f"{scene.name}: a segmentation is for {mask.shape} pixels, the image has {(h, w)}")
    if not mask.any():
        x0, y0, x1, y1 = _pixels(scene.boxes[k])
        mask[y0:y1, x0:x1] = True
    return mask
