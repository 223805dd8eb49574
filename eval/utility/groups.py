"""Which test images belong together, and that no group is in two of a study's sets."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from eval.groups import Groups, every_group
from eval.overlap import refuse_overlap

SYNTHETIC = "synthetic"  # images that no scene or patient is known of


@runtime_checkable
class Grouped(Protocol):
    """An image that may belong to a group."""

    @property
    def name(self) -> str:
        """Its path below its folder, with forward slashes."""
        ...

    @property
    def group(self) -> str | None:
        """None: it is not known."""
        ...


def check_groups(splits: Mapping[str, Sequence[Grouped]], by: str | None, mend: str) -> Groups | None:
    """The groups of the images that are scored: of `test` where there is one among `splits`, else of `val`.

    None where `by` is. ValueError for a real image without a group, which says `mend`; for a group that is in two of the
    splits; and where all scored images are of one group, which tells nothing of others.
    """
    if by is None:
        return None
    of_split: dict[str, list[str]] = {}
    for key, images in splits.items():
        if key != SYNTHETIC:
            of_split[key] = every_group(by, key, [(image.name, image.group) for image in images], mend)
    refuse_overlap(of_split, f"values of {by}")
    scored = "test" if "test" in of_split else "val"
    found, numbers = np.unique(of_split[scored], return_inverse=True)
    if len(found) < 2:
        raise ValueError(
            f"group={by}: all images of {scored} have the same {by}, {found[0]}: there must be several to draw"
        )
    return Groups(by, numbers)
