"""Annotations of a user's own image files, in the size and under the names that these have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conf.sample_schema import SampleConfig
from data.fit import geometry
from data.image_set import ImageSpec
from data.sample_files import SampleFiles
from data.write_coco import write_coco
from data.write_masks import write_masks
from data.write_yolo import write_yolo
from generation.request import Request


def originals_as_format(
    out: Path, config: SampleConfig, spec: ImageSpec, rows: Sequence[dict[str, Any]], request: Request
) -> list[Path]:
    """Make what `format` asks for of the annotated files themselves; where it lies. A line tells what nobody looked at.

    In `out`/original_size, beside what another call makes of the samples: annotations.json names the files below images=,
    masks/ goes with them by name, yolo/ holds copies of them.
    """
    assert config.images is not None
    place = Path(config.images).expanduser()
    place = place if place.is_dir() else place.parent
    samples, out = [_original(out, row, request) for row in rows], out / "original_size"
    if cut := sum(_is_cut(shape, spec, request.fit) for shape in request.shapes):
        print(
            f"{cut} of {len(samples)} images were cut to the model's shape (data.fit={request.fit}): "
            "beyond that nothing is annotated"
        )
    if config.format == "coco":
        return [write_coco(out, samples, spec, spec.label_names, images=place)]
    if config.format == "yolo":
        write_yolo(out / "yolo", samples, spec, spec.label_names)
        return [out / "yolo"]
    write_masks(out, samples, spec.label_names, spec.label_values, images=place)
    return [out / "masks"]


def _original(out: Path, row: dict[str, Any], request: Request) -> SampleFiles:
    """The file that a sample annotates, with the label map in its size."""
    label_map = row.get("label_map_original_size", row["label_map"])  # one that had the model's size has one map
    return SampleFiles(row["source"], request.paths[row["index"]], out / label_map, row["attributes"])


def _is_cut(shape: tuple[int, int], spec: ImageSpec, fit: str) -> bool:
    moved = geometry(shape, (spec.height, spec.width), fit)
    return moved.height > spec.height or moved.width > spec.width
