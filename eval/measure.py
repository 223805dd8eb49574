"""A measure by hand: what is taken from each image, and how two sets of that are compared."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Measure:
    """`describe` turns a grey image (h, w) in [0, 1] into a row of numbers; `distance` compares two sets of rows (n, k)."""

    name: str
    describe: Callable[[np.ndarray], np.ndarray]
    distance: Callable[[np.ndarray, np.ndarray], float]
    method: str


@dataclass(frozen=True)
class Measurement:
    """Rows of both sides (n, k) and their distance: all that a figure and its floor need."""

    name: str
    real: Float[np.ndarray, "n k"]
    synthetic: Float[np.ndarray, "m k"]
    distance: Callable[[np.ndarray, np.ndarray], float]
    method: str
    source: str  # what the rows were taken from
    groups: Int[np.ndarray, " n"] | None = None  # of the real rows: the number of each one's group
