"""A row of a table as one vector: which of its columns are numbers, which are one-hot blocks, and arithmetic by blocks.

The counterpart of `parts.py`. Rows with 100 categorical columns are common, so nothing here loops over them: a block is a
segment of the vector, and a sum over segments is one product with the matrix that says which place belongs to which block.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

Rows = Float[Tensor, "b w"]
Places = Float[Tensor, "b k"]  # a value for each category of each column


@dataclass(frozen=True)
class Blocks:
    """Categorical columns side by side, (b, k): block c has `sizes[c]` places, one for each category; k is their sum."""

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        assert all(size >= 1 for size in self.sizes), f"a column of no categories: {self.sizes}"

    @property
    def total(self) -> int:
        """All places, k."""
        return sum(self.sizes)

    def spread(self, values: Float[Tensor, "b c"]) -> Places:
        """The value of each block at all its places."""
        return values.index_select(1, _owners(self.sizes, values.device))

    def sum(self, x: Places) -> Float[Tensor, "b c"]:
        """The sum of each block; the places must be finite."""
        return x @ _membership(self.sizes, x.device, x.dtype)

    def max(self, x: Places) -> Float[Tensor, "b c"]:
        """The largest value of each block; no gradient is needed of it."""
        lowest = x.new_full((len(x), len(self.sizes)), -torch.inf)
        return lowest.scatter_reduce(1, _owners(self.sizes, x.device).expand_as(x), x, "amax")

    def log_softmax(self, x: Places) -> Places:
        """Each block less the logarithm of the sum of its exponentials. -inf is a probability of 0; not for all of a block."""
        shifted = x - self.spread(self.max(x.detach()))
        return shifted - self.spread(self.sum(shifted.exp()).log())

    def one_hot_max(self, x: Places) -> Places:
        """1 at the largest place of each block, the first of equals, and 0 elsewhere. A block of NaN has no 1."""
        places = torch.arange(self.total, device=x.device)
        candidates = places.where(x == self.spread(self.max(x)), self.total)  # (b, k)
        owners = _owners(self.sizes, x.device)
        none = candidates.new_full((len(x), len(self.sizes)), self.total)
        first = none.scatter_reduce(1, owners.expand_as(x), candidates, "amin")  # (b, c)
        return (places == first.index_select(1, owners)).to(x)

    def log_sizes(self, like: Tensor) -> Float[Tensor, " k"]:
        """The logarithm of the number of categories, at each place."""
        sizes = torch.tensor(self.sizes, dtype=torch.float64).log()
        return sizes.to(like).index_select(0, _owners(self.sizes, like.device))


@dataclass(frozen=True)
class Columns:
    """x_0 of a row, (w,): `numbers` numbers, then a one-hot block for each categorical column."""

    numbers: int
    category_sizes: tuple[int, ...] = ()

    @property
    def blocks(self) -> Blocks:
        """The categorical columns."""
        return Blocks(self.category_sizes)

    @property
    def total(self) -> int:
        """The width of a row, w."""
        return self.numbers + self.blocks.total

    @property
    def count(self) -> int:
        """How many columns there are, n."""
        return self.numbers + len(self.category_sizes)

    def spread(self, values: Float[Tensor, "b n"]) -> Rows:
        """The value of each column at all its places."""
        numbers, categories = values[:, : self.numbers], values[:, self.numbers :]
        return torch.cat([numbers, self.blocks.spread(categories)], dim=1)

    def each(self, values: Rows) -> Float[Tensor, "b n"]:
        """The inverse of `spread`: one place of each column, the first."""
        sizes = torch.tensor([0, *self.category_sizes[:-1]], dtype=torch.int64)
        first = self.numbers + sizes[: len(self.category_sizes)].cumsum(0)
        return values[:, torch.cat([torch.arange(self.numbers), first]).to(values.device)]

    def split(self, x: Rows) -> tuple[Float[Tensor, "b d"], Places]:
        """The numbers and the blocks."""
        assert x.shape[1] == self.total, f"rows of width {x.shape[1]}, not of {self.total} as {self} has"
        return x[:, : self.numbers], x[:, self.numbers :]


# Sizes come from one data set and devices are few, so these are made once.
@lru_cache(maxsize=64)
def _owners(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """The number of the block that each place belongs to, (k,)."""
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.int64)).to(device)


@lru_cache(maxsize=64)
def _membership(sizes: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """1 where a place (k) belongs to a block (c)."""
    owners = _owners(sizes, torch.device("cpu"))
    return (owners[:, None] == torch.arange(len(sizes))).to(device, dtype)
