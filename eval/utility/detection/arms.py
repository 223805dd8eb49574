"""What each arm trains on."""

from collections.abc import Sequence

import numpy as np

from eval.utility.arms import Makers, TrainingSet, fingerprint, made, pixel_hash, real_arms
from eval.utility.detection.paste import copy_paste
from eval.utility.detection.scenes import Scene


def arm_makers(train: list[Scene], val: list[Scene], synthetic: list[Scene], ratios: list[int]) -> Makers[Scene]:
    """All arms, each made when it is asked for; without `synthetic`, the baseline and the controls.

    Of the synthetic images the first r per real training image are for training, and after the largest ratio's those
    for validation begin: a set of a smaller ratio is part of that of a larger one.
    """
    n, v, most = len(train), len(val), ratios[-1]

    def taken(r: int) -> tuple[list[Scene], list[Scene]]:
        needed = most * (n + v)
        if len(synthetic) < needed:
            raise ValueError(
                f"synthetic: holds {len(synthetic)} images, but ratio {most} to {n} for training and {v} for validation "
                f"takes {needed}"
            )
        return synthetic[: r * n], synthetic[most * n :][: r * v]

    def added(r: int) -> TrainingSet[Scene]:
        more, held = taken(r)
        return made("synthetic", f"{r} synthetic images per real one", train + more, val + held, n, ratio=r)

    def pasted() -> list[Scene]:
        return train + copy_paste(train, most * n, seed=0)

    def added_to_pasted(r: int) -> TrainingSet[Scene]:
        more, held = taken(r)
        more = copy_paste(more, r * n, seed=0)  # among themselves: their pixels are not those of the real images
        note = f"{most} images with pasted objects and {r} synthetic ones with such per real one"
        return made("synthetic", note, pasted() + more, val + held, n, control="copy_paste")

    makers = real_arms(train, val, most)
    note = f"{most} images with pasted objects per real one"
    makers["copy_paste"] = lambda: made("control", note, pasted(), val, n)
    if synthetic:
        makers |= {f"+{r}": lambda r=r: added(r) for r in ratios}
        makers |= {f"copy_paste+{r}": lambda r=r: added_to_pasted(r) for r in ratios}
        only = "no real image, not even for validation"
        makers["synthetic_only"] = lambda: made("synthetic", only, *taken(most), 0)
    return makers


def scene_fingerprint(scenes: Sequence[Scene]) -> str:
    """A hash of pixels, boxes and labels, in their order."""
    return fingerprint(part for scene in scenes for part in (pixel_hash(scene.image), _box_bytes(scene)))


def _box_bytes(scene: Scene) -> bytes:
    return np.ascontiguousarray(np.concatenate([scene.boxes.ravel(), scene.labels, scene.crowd])).tobytes()
