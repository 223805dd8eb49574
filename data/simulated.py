"""Simulated scenes rendered once into the cache, from then on an image set like any other."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from data.cache import Recipe, cached, content_key
from data.image_set import NOT_PIXELS, ImageSet, ImageSpec, LoadedImages, Progress, height_width, to_integers
from data.item import BACKGROUND
from data.split import split


def load_simulated(
    config: Any, simulator: ModuleType, *, cache_dir: Path, progress: Progress | None = None
) -> LoadedImages:
    """Items 0..num_images-1 of a simulator module (`simulate`, `intensity`, `CLASSES`, `LABELS`), rendered to uint8."""
    height, width = height_width(config.image_size)
    labels = [BACKGROUND, *simulator.LABELS] if config.labels else []
    spec = ImageSpec(
        1, height, width, "uint8", simulator.intensity(config), {"class": list(simulator.CLASSES)}, label_names=labels
    ).encoded(config.encoding())
    pixel_config = {k: v for k, v in asdict(config).items() if k not in NOT_PIXELS}
    key = content_key({"config": pixel_config, "spec": spec.key_form(), "source": _source_digest(simulator)})

    def recipe() -> Recipe:
        class_labels: list[int] = []  # filled while the images are drawn
        images = _render(config, simulator, class_labels, progress)
        shape = (config.num_images, 1 + config.labels, height, width)
        return Recipe(images, shape, "uint8", {"class_labels": class_labels})

    pixels, meta = cached(cache_dir, key, recipe)
    names = [f"{config.name}_{i:06d}" for i in range(config.num_images)]
    images = ImageSet(pixels, np.asarray(meta["class_labels"], np.int64)[:, None], names, spec)
    train, val = split(images, config.val_fraction, seed=0)
    return LoadedImages(train, val, _describe(images), [], content_key({"pixels": key, "train": train.names}))


def _render(
    config: Any, simulator: ModuleType, class_labels: list[int], progress: Progress | None
) -> Iterator[UInt8[np.ndarray, "planes h w"]]:
    """Yield the scenes as pixels, their mask behind them where labels are wanted; note classes in `class_labels`."""
    intensity = simulator.intensity(config)
    for index in range(config.num_images):
        scene = simulator.simulate(config, index)
        class_labels.append(int(scene.class_label))
        unit = intensity.forward(scene.physical)  # (h, w) in [0, 1]
        pixels = to_integers(torch.from_numpy(2.0 * unit[None] - 1.0), "uint8")
        yield np.concatenate([pixels, scene.mask[None].astype(np.uint8)]) if config.labels else pixels
        if progress is not None:
            progress(f"rendering {config.name}", index + 1, config.num_images)


def _source_digest(simulator: ModuleType) -> str:
    """Changes whenever the simulator's code does: sar.py with sar_*.py, mri.py with mri_*.py."""
    assert simulator.__file__ is not None
    source = Path(simulator.__file__)
    sources = [file.read_bytes() for file in [source, *sorted(source.parent.glob(f"{source.stem}_*.py"))]]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()


def _describe(images: ImageSet) -> str:
    spec, intensity = images.spec, images.spec.intensity
    assert images.class_labels is not None
    counts = np.bincount(images.class_labels[:, 0], minlength=len(spec.classes))
    classes = ", ".join(f"{name} {count}" for name, count in zip(spec.classes, counts, strict=True))
    return (
        f"{len(images)} simulated images, {spec.height} x {spec.width}, 1 channel, 8-bit "
        f"({intensity.name} {intensity.low:g}..{intensity.high:g}). {len(spec.classes)} classes: {classes}."
    )
