"""Which images of both sides belong to one class, so that its figures can be told apart from the rest's."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from eval.labels import Labels

MIN_REAL, MIN_SYNTHETIC = 12, 3  # below them a class's floor would stand at fewer than six images, or none


class OneClass(NamedTuple):
    """Rows of the images of a class on both sides."""

    name: str
    real: Int[np.ndarray, " n"]
    synthetic: Int[np.ndarray, " m"]


def split_classes(
    real: Labels,
    synthetic: Labels,
    kept: Int[np.ndarray, " k"],
    half: Callable[[Int[np.ndarray, " n"]], int] = lambda rows: len(rows) // 2,
) -> tuple[list[OneClass], list[str]]:
    """The classes with enough images on both sides, and a note on those without; `kept` are the real rows that count.

    `half`: how many of given ones among `kept` are on the smaller side of a split, where groups are not divided.
    Nothing where a side has no classes, or both have one class alone, or none in common.
    """
    one, other = (np.array(labels.attributes.get("class", []), dtype=object) for labels in (real, synthetic))
    if not len(one) or not len(other):
        return [], []
    one = one[kept]
    names = sorted({name for name in (*one, *other) if name is not None})
    if len(names) < 2 or not set(one) & set(other):
        return [], []
    found = [OneClass(name, np.flatnonzero(one == name), np.flatnonzero(other == name)) for name in names]
    large = [c for c in found if len(c.real) >= MIN_REAL and len(c.synthetic) >= MIN_SYNTHETIC]
    enough = [c for c in large if 2 * half(c.real) >= MIN_REAL]
    few = [f"{c.name} ({len(c.real)} real, {len(c.synthetic)} synthetic)" for c in found if c not in enough]
    note = f"No figures by class for {', '.join(few)}: they need {MIN_REAL} real and {MIN_SYNTHETIC} synthetic images."
    if len(enough) < len(large):
        note += f" Of the real ones {MIN_REAL // 2} must be on either side of a split that divides no group."
    return enough, [note] if few else []
