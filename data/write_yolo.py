"""Labelled samples as a YOLO set: `images/train/`, `labels/train/` with a text file an image, and data.yaml."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from data.components import Instance, instances
from data.image_set import ImageSpec
from data.sample_files import SampleFiles, copy_image, copy_in_eight_bits, read_label_map, write_whole_text

VAL_COMMENT = "# Samples are for training: let val be real images. It is here because trainers insist on it.\n"


def write_yolo(
    out: Path,
    samples: Sequence[SampleFiles],
    spec: ImageSpec,
    label_names: Sequence[str],
    *,
    eight_bit_copies: bool = False,
) -> Path:
    """Write the set into `out`, a folder for it alone; return the path of its data.yaml, which is written last.

    A line is an instance: class, then the box's centre and size as shares of the image's width and height. Classes count
    from 0, so class c is the label c + 1. An image without instances has an empty file.
    With `eight_bit_copies` the images are 8-bit PNGs, for most detectors read no other depth; else as they were sampled.
    """
    for sample in samples:
        label_map = read_label_map(sample)
        if eight_bit_copies:
            written = copy_in_eight_bits(sample, out / "images" / "train", spec)
        else:
            written = copy_image(sample, out / "images" / "train")
        for suffix in {".png", sample.image.suffix} - {written.suffix}:  # of an earlier call that wanted it otherwise
            (out / "images" / "train" / f"{sample.name}{suffix}").unlink(missing_ok=True)
        lines = [_line(instance) for instance in instances(label_map)]
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


def _line(instance: Instance) -> str:
    box, (height, width) = instance.box, instance.mask.shape
    centre_and_size = [(box.x + box.width / 2, box.y + box.height / 2), (box.width, box.height)]
    shares = [f"{x / width:.8f} {y / height:.8f}" for x, y in centre_and_size]
    return f"{box.label - 1} {' '.join(shares)}\n"
