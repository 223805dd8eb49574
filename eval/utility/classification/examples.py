"""Folders of images with a class each, read by eval's own reader and brought to one size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from eval.decode import decode
from eval.fit import fit_image
from eval.images import open_folder
from eval.labels import read_labels
from eval.utility.arms import fingerprint, pixel_hash
from eval.utility.classification.config import ClassificationConfig
from eval.utility.groups import SYNTHETIC


@dataclass(frozen=True, eq=False)  # arrays have no one equality
class Example:
    """An image in its files' own values, and its class; `name` is its path below the folder."""

    name: str
    image: Float[np.ndarray, "c s s"]
    label: str
    sha256: str
    """Of the pixels before they were fitted."""
    group: str | None = None
    """The patient or scene that it is of, where that was asked for."""


@dataclass(frozen=True)
class Examples:
    """What a study classifies: images for training, validation, test and the synthetic ones, and what they are like."""

    splits: dict[str, list[Example]]
    classes: list[str]
    eight_bit: bool
    channels: int


def read_examples(config: ClassificationConfig) -> Examples:
    """Read all folders; `test` is there only where it was given, `synthetic` may be empty.

    ValueError, one line, for an image without a class, a class of the training images that validation or test lack, one
    that those do not know, or folders that store their pixels in different ways.
    """
    found: dict[str, list[Example]] = {}
    kinds = {}
    for key, path in config.folders().items():
        kinds[key], found[key] = _read(key, path, config)
    if odd := next((key for key, kind in kinds.items() if kind != kinds["train"]), None):
        raise ValueError(
            f"{odd}={getattr(config, odd)}: holds {kinds[odd]} pixels, train {kinds['train']}: store all alike"
        )
    splits = config.splits(found)
    classes = sorted({example.label for example in splits["train"]})
    _check_classes(splits, classes, config)
    channels = max(len(example.image) for examples in splits.values() for example in examples)
    return Examples(splits, classes, kinds["train"] == "uint8", channels)


def examples_hash(examples: list[Example]) -> str:
    """A hash of pixels and classes, in their order."""
    return fingerprint(part for example in examples for part in (example.sha256, example.label))


def _read(key: str, root: Path, config: ClassificationConfig) -> tuple[str, list[Example]]:
    """How the folder stores its pixels, and its images."""
    folder = open_folder(root)
    labels = read_labels(folder).attributes.get("class", [None] * len(folder))
    names = [path.relative_to(root).as_posix() for path in folder.paths]
    groups, examples = config.groups(key, names), []
    for path, name, label in tqdm(
        zip(folder.paths, names, labels, strict=True), f"fitting {key}", len(folder), leave=False, unit="image"
    ):
        if label is None:
            raise ValueError(f"{key}={root}: {path.name} has no class: one subfolder a class, or a manifest.jsonl")
        planes = decode(path.read_bytes(), path.suffix.lower())
        if len(planes) == 3 and (planes[0] == planes).all():
            planes = planes[:1]  # grey that was stored as colour
        try:
            image = fit_image(planes, (config.size, config.size), config.fit)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if config.group == "folder" and name.rpartition("/")[0] == label and key != SYNTHETIC:
            raise ValueError(f"group=folder: {name} lies in the folder of its class: CLASS/GROUP/1.png is read")
        examples.append(Example(name, image, label, pixel_hash(planes), groups.get(name)))
    return folder.kind, examples


def _check_classes(splits: dict[str, list[Example]], classes: list[str], config: ClassificationConfig) -> None:
    if len(classes) < 2:
        raise ValueError(
            f"train={config.train}: all its images are of the class {classes[0]}: there is nothing to tell"
        )
    for key, lacking in _lacking(splits, classes):
        raise ValueError(f"{key}: holds no image of the class {lacking}, which train has")
    for key, examples in splits.items():
        if strange := next((example for example in examples if example.label not in classes), None):
            raise ValueError(
                f"{key}: {strange.name} is of the class {strange.label}, which train does not have "
                f"({', '.join(classes)})"
            )


def _lacking(splits: dict[str, list[Example]], classes: list[str]) -> Iterator[tuple[str, str]]:
    """Splits that figures are taken of, and classes that they lack."""
    for key in ("val", "test"):
        present = {example.label for example in splits.get(key, [])}
        yield from ((key, name) for name in classes if key in splits and name not in present)
