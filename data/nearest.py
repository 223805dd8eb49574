"""How near items come to those of a set: what tells a copy from a new item."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

PERCENTILE = 0.01  # of the distances among the items of a set: nearer is a copy
QUERIES = 500  # items of a set whose nearest others are sought, where it need not be exact
AT_ONCE = 128  # items whose distances to all others are in memory together


def nearest_distance(
    items: Float[Tensor, "n w"], real: Float[Tensor, "m w"], own: Int64[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Euclidean distance of each to the nearest of `real`; not to itself where the items are number `own` of `real`.

    Products, ten times as fast, find the nearest; the distance itself is that of differences, so that equal items have 0.
    """
    found = []
    for numbers in torch.arange(len(items)).split(AT_ONCE):
        part = items[numbers]
        distance = torch.cdist(part, real, compute_mode="use_mm_for_euclid_dist")
        if own is not None:
            distance[torch.arange(len(part)), own[numbers]] = torch.inf
        found.append((part - real[distance.argmin(dim=1)]).norm(dim=1))
    return torch.cat(found)


def evenly(count: int, most: int | None) -> Int64[Tensor, " k"]:
    """The numbers of at most so many of `count` items, evenly spaced; None: all of them."""
    chosen = count if most is None else min(count, most)
    return torch.arange(chosen) * count // chosen
