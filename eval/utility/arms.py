"""What the arms of a study train on: those that all tasks have, and which of them were asked for."""

import difflib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float

from eval.utility.study import BASELINE, Arm

Item = TypeVar("Item")


@dataclass(frozen=True)
class TrainingSet(Generic[Item]):
    """The images of an arm: `real` of the training images are real, and stand first."""

    arm: Arm
    train: list[Item]
    val: list[Item]
    real: int
    augment: bool = True
    weights: Float[np.ndarray, "n"] | None = None
    """How often each image is drawn, in any unit; None: all alike."""
    mixup: bool = False

    def chances(self, real_share: float | None) -> Float[np.ndarray, "n"]:
        """How likely each training image is drawn: by `weights`, or the real ones `real_share` of the time together."""
        n, real = len(self.train), self.real
        if self.weights is not None:
            return self.weights / self.weights.sum()
        if real_share is None or real in (0, n):
            return np.full(n, 1 / n)
        return np.concatenate([np.full(real, real_share / real), np.full(n - real, (1 - real_share) / (n - real))])


Makers = dict[str, Callable[[], TrainingSet[Item]]]
"""By arm, what makes its set; ValueError where the synthetic images do not suffice."""


def made(
    kind: str,
    note: str,
    train: list[Item],
    val: list[Item],
    real: int,
    *,
    ratio: int | None = None,
    control: str | None = None,
    augment: bool = True,
    weights: np.ndarray | None = None,
    mixup: bool = False,
) -> TrainingSet[Item]:
    """A training set whose arm counts its images."""
    arm = Arm(kind, note, {"train": len(train), "val": len(val)}, ratio, control)
    return TrainingSet(arm, train, val, real, augment, weights, mixup)


def in_random_order(synthetic: Sequence[Item]) -> list[Item]:
    """Synthetic images as arms take them, from the front; always the same order for as many.

    In a folder's own the first may all be of one class, or all be drawn from one image or label map.
    """
    return [synthetic[i] for i in np.random.default_rng(0).permutation(len(synthetic))]


def real_arms(train: list[Item], val: list[Item], most: int) -> Makers[Item]:
    """The baseline, and the controls of every task; `most` is the largest ratio."""
    n = len(train)
    return {
        BASELINE: lambda: made("baseline", "real images with classic augmentation", train, val, n),
        "no_augmentation": lambda: made("control", "real images without augmentation", train, val, n, augment=False),
        "duplicated": lambda: made(
            "control", f"real images, {1 + most} times each", train * (1 + most), val, n * (1 + most)
        ),
    }


def synthetic_arms(
    train: list[Item], val: list[Item], ratios: list[int], taken: Callable[[int, str], list[Item]]
) -> Makers[Item]:
    """Real images with more and more synthetic ones, and those alone; validation is real in all of them.

    `taken(r, arm)`: r synthetic images for each real one; ValueError that names the arm where there are too few.
    """
    n = len(train)

    def added(r: int) -> TrainingSet[Item]:
        note = f"{r} synthetic images per real one"
        return made("synthetic", note, train + taken(r, f"+{r}"), val, n, ratio=r)

    makers: Makers[Item] = {f"+{r}": lambda r=r: added(r) for r in ratios}
    note = "as many synthetic images as there are real ones, which only choose the checkpoint"
    makers["synthetic_only"] = lambda: made("synthetic", note, taken(1, "synthetic_only"), val, 0)
    return makers


def chosen_arms(asked: list[str] | None, known: list[str]) -> list[str]:
    """The arms asked for, in the order of `known`; None: all but synthetic_only and those that add to a control (copy_paste+2).

    ValueError for an unknown one, or where the baseline is not among them.
    """
    if asked is None:
        return [name for name in known if name != "synthetic_only" and "+" not in name[1:]]
    for name in asked:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise ValueError(f"arms: there is no arm {name!r}: {hint}")
    if BASELINE not in asked:
        raise ValueError(f"arms={','.join(asked)}: {BASELINE} must be among them, for the others are compared with it")
    return [name for name in known if name in asked]


def make_arms(asked: list[str] | None, makers: Makers[Item]) -> dict[str, TrainingSet[Item]]:
    """The sets of the arms asked for; ValueError where one lacks images, or the control that it is measured by."""
    sets = {name: makers[name]() for name in chosen_arms(asked, list(makers))}
    for name, chosen in sets.items():
        if chosen.arm.control not in (None, *sets):
            raise ValueError(f"arms: {name} is measured against {chosen.arm.control}, which must be among them")
    return sets


def pixel_hash(image: np.ndarray) -> str:
    """A hash of an image alone."""
    return hashlib.sha256(f"{image.shape}{image.dtype}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def set_hashes(
    chosen: TrainingSet[Item], scored: list[Item], real: list[Item], hash_of: Callable[[list[Item]], str]
) -> dict[str, str]:
    """Hashes of the images that an arm trains on, chooses by and is scored by.

    All arms see pixels on the scale of the `real` training images: where the arm has none of them, their hash is there too.
    """
    sets = {"train_set": chosen.train, "val_set": chosen.val, "test_set": scored}
    if not chosen.real:
        sets["scale_set"] = real
    return {key: hash_of(images) for key, images in sets.items()}


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """A short hash of images' hashes and what belongs to each, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()[:16]
