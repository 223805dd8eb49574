"""Which test images belong together, and that no group is in two of a study's sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from eval.utility.config import refuse_overlap


@dataclass(frozen=True)
class Groups:
    """The groups of the test images; what is in one (a patient, a scene) is drawn together."""

    by: str
    """What a group is: the option `group`."""
    of_image: Int[np.ndarray, "images"]
    """The number of each image's group, from 0."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.of_image.max()) + 1


@runtime_checkable
class Grouped(Protocol):
    """An image that may belong to a group."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def group(self) -> str | None:
        """None: it is not known."""
        ...


def check_groups(splits: Mapping[str, Sequence[Grouped]], by: str | None, scored: Sequence[Grouped]) -> Groups | None:
    """The groups of the images that are scored; None where `by` is.

    ValueError for an image of the real `splits` without a group, a group that is in two of them, or where all scored
    images are of one group, which tells nothing of others.
    """
    if by is None:
        return None
    of_split: dict[str, list[str]] = {}
    for key, images in splits.items():
        if lacking := next((image for image in images if image.group is None), None):
            raise ValueError(f"group={by}: {lacking.name} in {key} has no {by}")
        of_split[key] = [str(image.group) for image in images]
    refuse_overlap(of_split, f"values of {by}")
    names = [str(image.group) for image in scored]
    found, numbers = np.unique(names, return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"group={by}: all {len(names)} images to be scored by are of one {by}, {found[0]}: none can be drawn")
    return Groups(by, numbers)
