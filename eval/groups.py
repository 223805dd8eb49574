"""What belongs together: crops of one scene, slices of one volume, images of one patient."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class Groups:
    """The groups of some images; what is in one (a patient, a scene) is drawn, dealt out and split off together."""

    by: str
    """What a group is: the option `group`."""
    of_image: Int[np.ndarray, "images"]
    """The number of each image's group, from 0."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.of_image.max()) + 1

    def of(self, rows: Sequence[int] | np.ndarray) -> Int[np.ndarray, " rows"]:
        """The groups of some of the images, numbered from 0 without gaps."""
        return renumbered(self.of_image[rows])


def renumbered(numbers: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The same groups, numbered from 0 without gaps."""
    return np.unique(numbers, return_inverse=True)[1]


def every_group(by: str, key: str, named: Iterable[tuple[str, str | None]], mend: str) -> list[str]:
    """The groups of images given as name and group; ValueError, saying `mend`, for one of `key` that has none."""
    found = []
    for name, group in named:
        if group is None:
            raise ValueError(f"group={by}: {name} has no {by} ({key}): {mend}")
        found.append(group)
    return found


def record_group(record: dict[str, Any], group: str | None) -> str | None:
    """A field of a COCO image's record or of the attributes in it, as text; `folder` is the one that its file lies in."""
    if group is None:
        return None
    extra = record.get("attributes")
    value = record.get(group, extra.get(group) if isinstance(extra, dict) else None)
    if value is None and group == "folder":
        value = record["file_name"].rpartition("/")[0]
    return str(value) if isinstance(value, str | int | float) and str(value) else None
