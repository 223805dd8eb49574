"""All randomness as a function of (seed, what it is for, number): nothing to store, so a resumed run is the same run.

The idea of reseeding every step is EDM2's (Karras et al. 2024, training loop).
"""

import numpy as np
import torch

STREAMS = (
    "step",
    "sample",
    "validation",
    "dropout",
    "initial_weights",
    "epoch",
    "redraw",
    "relabel",
    "vote",
    "condition",
)  # new ones go last


def derived_seed(seed: int, stream: str, number: int = 0) -> int:
    """A 32-bit seed for one use of randomness: all that torch's CPU generator takes in.

    (seed, stream) is mixed by NumPy's SeedSequence; an odd multiple of `number` is added, so that no two numbers of a
    stream ever share a seed, which 50,000 random 32-bit seeds would do about one time in four.
    """
    base = int(np.random.SeedSequence([seed, STREAMS.index(stream)]).generate_state(1)[0])
    return (base + number * 0x9E3779B1) % 2**32


def generator(seed: int, stream: str, number: int = 0) -> torch.Generator:
    """A CPU generator for one use of randomness."""
    return torch.Generator().manual_seed(derived_seed(seed, stream, number))


def batch_indices(seed: int, step: int, *, batch_size: int, num_items: int) -> np.ndarray:
    """Which items step number `step` (from 0) trains on: (batch_size,) int64.

    The items pass in epochs, each a new permutation; batches run on across the border of two epochs, so every item is
    seen equally often whatever the batch size. A pure function of (seed, step): the position in the data needs no state.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // num_items
    order = {
        epoch: np.random.default_rng(derived_seed(seed, "epoch", int(epoch))).permutation(num_items)
        for epoch in np.unique(epochs)
    }
    return np.array([order[epoch][position] for epoch, position in zip(epochs, positions % num_items, strict=True)])
