"""Labelled samples as a COCO set: `images/` and annotations.json, one annotation an instance."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from data.components import Instance, instances
from data.image_set import ImageSpec
from data.sample_files import SampleFiles, copy_image, copy_in_eight_bits, read_label_map, write_whole_text


def write_coco(
    out: Path,
    samples: Sequence[SampleFiles],
    spec: ImageSpec,
    label_names: Sequence[str],
    *,
    eight_bit_copies: bool = False,
    images: Path | None = None,
) -> Path:
    """Write `out`/annotations.json, whose file names are relative to `images`, by default `out`/images; return its path.

    Images that do not lie there yet are copied there. A category's id is its label's value, its name
    label_names[id]. An annotation is one of the `instances`, its segmentation an
    uncompressed RLE, so that the annotations of an image together are its label map. With `eight_bit_copies`,
    `images_8bit/` and annotations_8bit.json say the same of 8-bit PNGs, for detectors that read no other depth.
    """
    records, annotations = [], []
    told, images = ("synthetic samples", out / "images") if images is None else ("labels drawn by a model", images)
    for image_id, sample in enumerate(samples, start=1):
        label_map = read_label_map(sample)
        height, width = label_map.shape
        name = copy_image(sample, images).relative_to(images).as_posix()
        record = {"id": image_id, "file_name": name, "width": width, "height": height}
        records.append({**record, "attributes": dict(sample.attributes)})
        for instance in instances(label_map):
            annotations.append(_annotation(instance, len(annotations) + 1, image_id))
    coco = {
        "info": {"description": told},
        "licenses": [],
        "images": records,
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in enumerate(label_names) if k > 0],
    }
    if eight_bit_copies:
        copies = [copy_in_eight_bits(sample, out / "images_8bit", spec) for sample in samples]
        names = [path.relative_to(out / "images_8bit").as_posix() for path in copies]
        named = [{**record, "file_name": name} for record, name in zip(records, names, strict=True)]
        write_whole_text(out / "annotations_8bit.json", json.dumps({**coco, "images": named}))
    write_whole_text(out / "annotations.json", json.dumps(coco))
    return out / "annotations.json"


def run_lengths(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """COCO's uncompressed RLE: lengths of runs down the columns, of 0 and 1 in turn, the first of 0 (it may be 0 long)."""
    pixels = mask.T.ravel()
    starts = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff(np.concatenate([[0], starts, [pixels.size]])).tolist()
    return [0, *lengths] if pixels[0] else lengths


def _annotation(instance: Instance, annotation_id: int, image_id: int) -> dict[str, Any]:
    box = instance.box
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": box.label,
        "bbox": [int(box.x), int(box.y), int(box.width), int(box.height)],
        "area": instance.area,
        "segmentation": {"size": list(instance.mask.shape), "counts": run_lengths(instance.mask)},
        "iscrowd": 0,
    }
