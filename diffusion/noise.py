"""Noise that belongs to one sample, whatever else is in the batch: a generator for each image, or one for a chunk of rows."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

ROWS_PER_CHUNK = 1024  # part of what a row of a table depends on: with another number they would be other rows


class RowNoise:
    """Noise for rows number `rows` of a table, fast for tens of thousands of them.

    Chunk k is the rows from 1024 k on, and has one generator, `generator(k)`. Each draw takes noise for all 1024 rows of a
    chunk, wanted or not; row i gets its own place in it. As a row's chunk and place never change, its noise depends on
    (seed, i) alone: not on which rows are drawn together. Like a generator it moves on with every draw.
    """

    def __init__(self, rows: Sequence[int], generator: Callable[[int], torch.Generator]) -> None:
        """`rows` may be any, in any order; `generator` makes a new CPU generator from the seed and a chunk's number."""
        self.rows = torch.tensor(list(rows), dtype=torch.int64)
        chunks = self.rows.div(ROWS_PER_CHUNK, rounding_mode="floor")
        # Of each chunk: its generator, which rows of the batch are in it, and their places there.
        self.chunks = [
            (generator(chunk), (chunks == chunk).nonzero()[:, 0], self.rows[chunks == chunk] % ROWS_PER_CHUNK)
            for chunk in chunks.unique().tolist()
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def randn(self, *item: int) -> Float[Tensor, "b *item"]:
        """The next noise of each row, of the shape `item`."""
        noise = torch.empty(len(self), *item)
        for generator, rows, places in self.chunks:
            noise[rows] = torch.randn(ROWS_PER_CHUNK, *item, generator=generator)[places]
        return noise


Noise = Sequence[torch.Generator] | RowNoise
Generators = Noise | None  # None: for a sampler that draws nothing


def randn(
    shape: Sequence[int],
    generators: Generators,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "b *item"]:
    """Standard normal noise of `shape` (b, ...); item i is drawn by generators[i], on the CPU and in float32.

    So a sample is the same on every device and in every dtype, up to rounding.
    """
    if generators is None or len(generators) != shape[0]:
        count = "none" if generators is None else len(generators)
        raise ValueError(f"generators: {count} given, but a batch of {shape[0]} draws noise from one per image")
    if isinstance(generators, RowNoise):
        return generators.randn(*shape[1:]).to(device, dtype)
    return torch.stack([torch.randn(*shape[1:], generator=generator) for generator in generators]).to(device, dtype)
