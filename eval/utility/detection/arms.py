"""What each arm trains on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from eval.utility.detection.paste import copy_paste
from eval.utility.detection.scenes import Scene
from eval.utility.study import Arm


@dataclass(frozen=True)
class TrainingSet:
    """The images of an arm: `real` of the training images are real, and stand first."""

    arm: Arm
    train: list[Scene]
    val: list[Scene]
    real: int
    augment: bool = True

    def chances(self, real_share: float | None) -> Float[np.ndarray, "n"]:
        """How likely each training image is drawn: all alike, or the real ones `real_share` of the time together."""
        n, real = len(self.train), self.real
        if real_share is None or real in (0, n):
            return np.full(n, 1 / n)
        return np.concatenate([np.full(real, real_share / real), np.full(n - real, (1 - real_share) / (n - real))])


def compose_arms(
    train: list[Scene], val: list[Scene], synthetic: list[Scene], ratios: list[int]
) -> dict[str, TrainingSet]:
    """All arms that these images allow; without `synthetic`, the baseline and the controls.

    Of the synthetic images the first r per real training image are for training, and after the largest ratio's those
    for validation begin: a set of a smaller ratio is part of that of a larger one.
    """
    n, v, most = len(train), len(val), ratios[-1]
    pasted = copy_paste(train, most * n, seed=0)

    def made(
        kind: str, note: str, images: list[Scene], held: list[Scene], real: int, ratio: int | None = None
    ) -> TrainingSet:
        return TrainingSet(Arm(kind, note, {"train": len(images), "val": len(held)}, ratio), images, held, real)

    plain = made("control", "real images as they are, in windows at random places", train, val, n)
    arms = {
        "real": made("baseline", "real images with classic augmentation", train, val, n),
        "no_augmentation": TrainingSet(plain.arm, train, val, n, augment=False),
        "duplicated": made("control", f"real images, {1 + most} times each", train * (1 + most), val, n * (1 + most)),
        "copy_paste": made("control", f"{most} images with pasted objects per real one", train + pasted, val, n),
    }
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
        arms[f"+{r}"] = made("synthetic", f"{r} synthetic images per real one", added, kept, n, r)
    only = synthetic[: most * n]
    arms["synthetic_only"] = made("synthetic", "no real image, not even for validation", only, held, 0)
    return arms


def fingerprint(scenes: Sequence[Scene]) -> str:
    """A hash of pixels, boxes and labels, in their order."""
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(pixel_hash(scene).encode())
        digest.update(np.ascontiguousarray(np.concatenate([scene.boxes.ravel(), scene.labels, scene.crowd])).tobytes())
    return digest.hexdigest()[:16]


def pixel_hash(scene: Scene) -> str:
    """A hash of the image alone."""
    image = np.ascontiguousarray(scene.image)
    return hashlib.sha256(f"{image.shape}{image.dtype}".encode() + image.tobytes()).hexdigest()
