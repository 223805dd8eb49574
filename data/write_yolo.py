"""Labelled samples as a YOLO set: `images/train/`, `labels/train/` with a text file an image, and data.yaml."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from data.components import Instance, instances
from data.image_set import ImageSpec
from data.outline import outline
from data.sample_files import SampleFiles, copy_image, copy_in_eight_bits, read_label_map, write_whole_text

VAL_COMMENT = "# Samples are for training: let val be real images. It is here because trainers insist on it.\n"


def write_yolo(
    out: Path,
    samples: Sequence[SampleFiles],
    spec: ImageSpec,
    label_names: Sequence[str],
    *,
    min_area: int = 1,
    segments: bool = False,
    eight_bit_copies: bool = False,
) -> Path:
    """Write the set into `out`, a folder for it alone; return the path of its data.yaml, which is written last.

    A line is an instance of at least `min_area` pixels: class, then the box's centre and size as shares of the image's
    width and height, or with `segments` the corners of its outline (holes are filled). Classes count from 0, so class c
    is the label c + 1. An image without instances has an empty file.
    With `eight_bit_copies` the images are 8-bit PNGs, for most detectors read no other depth; else as they were sampled.
    """
    for sample in samples:
        label_map = read_label_map(sample)
        if eight_bit_copies:
            copy_in_eight_bits(sample, out / "images" / "train", spec)
        else:
            copy_image(sample, out / "images" / "train")
        lines = [_line(instance, segments) for instance in instances(label_map, min_area=min_area)]
        write_whole_text(out / "labels" / "train" / f"{sample.name}.txt", "".join(lines))
    description = {
        "path": str(out.resolve()),
        "train": "images/train",
        "val": "images/train",
        "nc": len(label_names) - 1,
        "names": dict(enumerate(label_names[1:])),
    }
    write_whole_text(out / "data.yaml", VAL_COMMENT + yaml.safe_dump(description, sort_keys=False, allow_unicode=True))
    return out / "data.yaml"


def _line(instance: Instance, segments: bool) -> str:
    box, (height, width) = instance.box, instance.mask.shape
    centre_and_size = [(box.x + box.width / 2, box.y + box.height / 2), (box.width, box.height)]
    points = outline(instance.mask) if segments else centre_and_size
    shares = [f"{x / width:.8f} {y / height:.8f}" for x, y in points]
    return f"{box.label - 1} {' '.join(shares)}\n"
