"""Are drawn rows copies of training rows? Distances between rows as a network sees them."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from data.nearest import PERCENTILE, QUERIES, evenly, nearest_distance
from data.table_set import TableSet
from data.table_transform import settled

WATCHED = 200  # drawn rows that are looked at while a network trains


class RowCopyRate:
    """Share of rows nearer to a training row than all but 1 % of the training rows are to each other.

    Numbers are compared on the network's scale, equal ones as equal though chance spread them there, and missing ones as
    equal; a category that differs counts as much as a number that differs by 1.
    About 1 % is what new rows give; more where many training rows are equal, as in a table of few categories.
    """

    def __init__(self, rows: TableSet) -> None:
        self.rows = rows
        self.known: tuple[Tensor, float] | None = None  # built when it is first needed

    def share(self, x_0: Float[Tensor, "b w"]) -> float:
        """Of the first of these rows; NaN with fewer than 2 training rows."""
        if len(self.rows) < 2:
            return math.nan
        return float((self.distance(x_0[:WATCHED]) <= self.threshold).float().mean())

    def distance(self, x_0: Float[Tensor, "b w"]) -> Float[Tensor, " b"]:
        """Of each row to the nearest training row."""
        real, _ = self._known()
        rows = _scaled(x_0.detach().float().cpu(), self.rows)
        return nearest_distance(rows, real)

    @property
    def threshold(self) -> float:
        """The distance up to which a row is a copy."""
        return self._known()[1]

    def _known(self) -> tuple[Tensor, float]:
        if self.known is None:
            real = _scaled(self.rows.batch(np.arange(len(self.rows))).x_0, self.rows)
            self.known = real, _threshold(real)
        return self.known


def _scaled(x_0: Float[Tensor, "b w"], rows: TableSet) -> Float[Tensor, "b w"]:
    """Two different one-hot blocks, sqrt(2) apart, at the distance 1; numbers without what says nothing of a cell,
    which is all of them where the block says that it is a point or missing."""
    spec, number = rows.spec, 0
    found, block = x_0.numpy().copy(), spec.numbers
    found[:, spec.numbers :] /= math.sqrt(2)
    for column in spec.learnt:
        if column.has_number:
            found[:, number] = settled(found[:, number].astype(np.float64), column.transform)
            if column.categories:
                own = found[:, block : block + column.categories]
                found[own.argmax(1) > 0, number] = 0.0
            number += 1
        block += column.categories
    return torch.from_numpy(found)


def _threshold(real: Float[Tensor, "n w"]) -> float:
    chosen = evenly(len(real), QUERIES)
    return float(nearest_distance(real[chosen], real, chosen).quantile(PERCENTILE))
