"""What each arm trains on."""

from collections.abc import Sequence

import numpy as np

from eval.utility.arms import TrainingSet, fingerprint, made, pixel_hash, real_arms
from eval.utility.detection.paste import copy_paste
from eval.utility.detection.scenes import Scene


def compose_arms(
    train: list[Scene], val: list[Scene], synthetic: list[Scene], ratios: list[int]
) -> dict[str, TrainingSet[Scene]]:
    """All arms that these images allow; without `synthetic`, the baseline and the controls.

    Of the synthetic images the first r per real training image are for training, and after the largest ratio's those
    for validation begin: a set of a smaller ratio is part of that of a larger one.
    """
    n, v, most = len(train), len(val), ratios[-1]
    pasted = copy_paste(train, most * n, seed=0)
    arms = {name: make() for name, make in real_arms(train, val, most).items()}
    arms["copy_paste"] = made("control", f"{most} images with pasted objects per real one", train + pasted, val, n)
    if not synthetic:
        return arms
    needed = most * (n + v)
    if len(synthetic) < needed:
        raise ValueError(
            f"synthetic: holds {len(synthetic)} images, but ratio {most} to {n} for training and {v} for validation "
            f"takes {needed}"
        )
    held = synthetic[most * n : needed]
    for r in ratios:
        added, kept = train + synthetic[: r * n], val + held[: r * v]
        arms[f"+{r}"] = made("synthetic", f"{r} synthetic images per real one", added, kept, n, ratio=r)
    only = synthetic[: most * n]
    arms["synthetic_only"] = made("synthetic", "no real image, not even for validation", only, held, 0)
    return arms


def scene_fingerprint(scenes: Sequence[Scene]) -> str:
    """A hash of pixels, boxes and labels, in their order."""
    return fingerprint(part for scene in scenes for part in (pixel_hash(scene.image), _box_bytes(scene)))


def _box_bytes(scene: Scene) -> bytes:
    return np.ascontiguousarray(np.concatenate([scene.boxes.ravel(), scene.labels, scene.crowd])).tobytes()
