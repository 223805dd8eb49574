"""What sampling must know of data that are not pixels alone: how noise is put on them, and how a sampler moves them."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from diffusion.gaussian import Items, q_sample
from diffusion.thresholding import PIXELS, Bounds

Run = Callable[..., Tensor]  # a sampler: see `samplers.ddpm`
Extrapolate = Callable[[Tensor, Tensor, float], Tensor]  # (strong, weak, scale)


def extrapolate(strong: Items, weak: Items, scale: float) -> Items:
    """Guidance of means, which is guidance of scores: weak + scale (strong - weak)."""
    return weak + scale * (strong - weak)


def as_it_is(run: Run) -> Run:
    """The sampler itself."""
    return run


@dataclass(frozen=True, eq=False)
class Kernel:
    """Images have this one, Gaussian throughout; rows of a table have that of `mixed.MixedProcess`.

    q_sample(x_0, eps, alpha, sigma): x_t from x_0, and with alpha_ts and sigma_ts from x_s; with alpha 0 the prior.
    wrap_sampler: sampler in, sampler out. extrapolate: guidance of what two denoisers say. bounds: of the data, for
    sampler.threshold=static.
    """

    q_sample: Callable[[Tensor, Tensor, float, float], Tensor] = q_sample
    wrap_sampler: Callable[[Run], Run] = as_it_is
    extrapolate: Extrapolate = extrapolate
    bounds: Bounds = PIXELS
