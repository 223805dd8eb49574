"""Labelled samples as they lie on disk one by one, from which the writers of whole sets make their files.

While sampling goes on, a sample is its image (`write_image`), its label map and a line of manifest.jsonl, so that an
interruption loses nothing. The files that describe a whole set are written at the end, from what is on disk, each whole
or not at all, and writing them again is harmless.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from data.decode import decode
from data.image_set import ImageSpec
from data.writers import image_grid, read_pixels, write_png


@dataclass(frozen=True)
class SampleFiles:
    """Where one sample lies: its image, and its label map where it has one.

    `name` is unique in its set: the image's path without suffix as a set of its own has it, "ship/000000". `attributes`
    names what the image as a whole is, {"class": "glioma", "plane": "axial"}.
    """

    name: str
    image: Path
    label_map: Path | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def sample_files(folder: Path, row: Mapping[str, Any]) -> SampleFiles:
    """The sample that a line of manifest.jsonl in `folder` names: `file`, and where there are any `label_map`, `attributes`."""
    name = Path(row["file"]).relative_to("images").with_suffix("").as_posix()
    label_map = folder / row["label_map"] if row.get("label_map") else None
    return SampleFiles(name, folder / row["file"], label_map, row.get("attributes", {}))


def write_label_map(path: Path, label_map: UInt8[np.ndarray, "h w"]) -> None:
    """Write a label map as a grey PNG whose values are the labels."""
    write_png(path, label_map[None])


def read_label_map(sample: SampleFiles) -> UInt8[np.ndarray, "h w"]:
    """The label map of a sample; ValueError where it has none."""
    if sample.label_map is None:
        raise ValueError(f"{sample.image} has no label map: this format is for labelled samples")
    return decode(sample.label_map)[0]


def copy_image(sample: SampleFiles, folder: Path) -> Path:
    """The sample's image in `folder` under its name, byte for byte; left alone where it lies there already."""
    path = folder / f"{sample.name}{sample.image.suffix}"
    if path.resolve() != sample.image.resolve():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            shutil.copyfile(sample.image, temporary)
    return path


def copy_in_eight_bits(sample: SampleFiles, folder: Path, spec: ImageSpec) -> Path:
    """The sample's image in `folder` as an 8-bit PNG, grey or RGB, its whole range of intensities over 0..255."""
    path = folder / f"{sample.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        write_png(temporary, image_grid(read_pixels(sample.image, spec)[None]))  # a grid of one is the image in 8 bits
    return path


def write_label_names(path: Path, label_names: Sequence[str], label_values: Sequence[Any] = ()) -> Path:
    """Write what the values of label maps mean, {"0": "background", "1": ...}; return `path`.

    `label_values`: what stands for each label where that is not its number; of colours {"background": [0, 0, 0], ...}.
    """
    values = label_values or range(len(label_names))
    if any(isinstance(value, list) for value in values):
        names = dict(zip(label_names, values, strict=True))
    else:
        names = {str(value): name for value, name in zip(values, label_names, strict=True)}
    write_whole_text(path, json.dumps(names, indent=2, ensure_ascii=False) + "\n")
    return path


def write_whole_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when the block ends without an error."""
    temporary = path.with_name(f".tmp-{path.name}")
    yield temporary
    os.replace(temporary, path)
