"""Noise that belongs to one sample: item i of a batch draws from its own generator, whatever else is in the batch."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def randn(
    shape: Sequence[int],
    generators: Sequence[torch.Generator] | None,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "b c h w"]:
    """Standard normal noise of `shape` (b, c, h, w); row i is drawn by generators[i], on the CPU and in float32.

    So a sample is the same on every device and in every dtype, up to rounding.
    """
    if generators is None or len(generators) != shape[0]:
        count = "none" if generators is None else len(generators)
        raise ValueError(f"generators: {count} given, but a batch of {shape[0]} draws noise from one per image")
    return torch.stack([torch.randn(*shape[1:], generator=generator) for generator in generators]).to(device, dtype)
