"""Filling in what a mask leaves open. Image and label channels may have masks of their own.

Two ways: `replace_known` tells the denoiser what x_0 is where it is known; RePaint tells the sampler what x_t is there,
and goes back and forth until the two sides agree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from diffusion.gaussian import Cond, Denoised, Denoiser, Items, posterior_coefficients
from diffusion.kernel import Kernel
from diffusion.noise import Generators, randn
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels

Mask = Bool[Tensor, "b ..."]  # True where known; of an image one channel for all, or one a channel; of a row (b, w)


METHODS = ("replace", "repaint", "given")


@dataclass
class InpaintConfig:
    """replace: the known part inside the denoiser, one walk. repaint: RePaint, which goes back and forth for better seams.
    given, for tables: the network is told what is known, as in training with diffusion.clean_fraction above 0.

    jump_length, resamplings: of RePaint, see `repaint`.
    """

    method: str = "replace"
    jump_length: int = 10
    resamplings: int = 10

    def __post_init__(self) -> None:
        """Refuse an unknown method, values below 1, and options without effect with a ValueError."""
        if self.method not in METHODS:
            raise ValueError(f"inpaint.method={self.method} is not one of {', '.join(METHODS)}")
        for name in ("jump_length", "resamplings"):
            if getattr(self, name) < 1:
                raise ValueError(f"inpaint.{name}={getattr(self, name)} must be at least 1")
            if self.method != "repaint" and getattr(self, name) != 10:
                raise ValueError(f"inpaint.{name} has no effect on inpaint.method={self.method}")


def require_repaint(config: InpaintConfig, sampler: SamplerConfig) -> None:
    """Refuse what RePaint cannot walk with."""
    if config.method != "repaint":
        return
    if not sampler.SINGLE_STEPS:
        raise ValueError(
            f"inpaint.method=repaint takes single steps, which sampler={sampler.name} does not have: use sampler=ddpm "
            "or ddim"
        )
    if config.resamplings > 1 and config.jump_length >= sampler.num_inference_steps:
        steps = f"sampler.num_inference_steps={sampler.num_inference_steps}"
        raise ValueError(f"inpaint.jump_length={config.jump_length} must be below {steps}")


def replace_known(denoiser: Denoiser, known: Items, mask: Mask) -> Denoiser:
    """Where `mask` is True x_0 is `known` (b, ...), whatever the denoiser says; exact, one call, every sampler.

    The rest sees what is known through the network's x_t alone, and seams may stay.
    """

    def replaced(x_t: Items, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        denoised = denoiser(x_t, t, cond)
        return denoised._replace(x_0=torch.where(mask, known, denoised.x_0))

    return replaced


def repaint(
    run: Callable[..., Items],
    known: Items,
    mask: Mask,
    *,
    jump_length: int = 10,
    resamplings: int = 10,
    kernel: Kernel | None = None,
) -> Callable[..., Items]:
    """RePaint (Lugmayr et al. 2022, Algorithm 1 and equation 8): sampler in (ddpm or ddim), sampler out.

    After every step the known part of x is drawn anew from q(x_s | x_0 = known). Every `jump_length` steps, but the first
    ones, x is noised back by as many and denoised again, until that stretch was walked `resamplings` times: about as many
    times the calls.
    With `resamplings` 1 there is no going back. Noise is put on as `kernel` says, None being that of images.
    """
    q_sample = (kernel or Kernel()).q_sample
    if jump_length < 1 or resamplings < 1:
        raise ValueError(f"jump_length, resamplings: {jump_length}, {resamplings} must be at least 1")

    def repainted(
        denoiser: Denoiser,
        x: Items,
        levels: NoiseLevels,
        cond: Cond = None,
        *,
        config: SamplerConfig,
        generators: Generators = None,
        callback: Callback | None = None,
    ) -> Items:
        if not config.SINGLE_STEPS:
            raise ValueError(
                f"sampler: RePaint takes single steps, which {config.name} does not have; use ddpm or ddim"
            )
        alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()
        for i, j in pairwise(jump_path(len(levels.t), jump_length, resamplings)):
            if j > i:
                step = NoiseLevels(levels.t[i:j], levels.alpha[i : j + 1], levels.sigma[i : j + 1])
                see = None if callback is None else (lambda _, x_t, x_0, i=i: callback(i, x_t, x_0))
                x = run(denoiser, x, step, cond, config=config, generators=generators, callback=see)
                eps = randn(x.shape, generators, x.device, x.dtype)
                x = torch.where(mask, q_sample(known, eps, alpha[j], sigma[j]), x)
            else:  # q(x_j | x_i)
                variance = posterior_coefficients(alpha[j], sigma[j], alpha[i], sigma[i]).upper_variance
                eps = randn(x.shape, generators, x.device, x.dtype)
                x = q_sample(x, eps, alpha[j] / alpha[i], variance**0.5)
        return x

    return repainted


def jump_path(num_levels: int, jump_length: int, resamplings: int) -> list[int]:
    """The levels that RePaint visits, from 0 (noisiest) to `num_levels` (clean): one step down, or a whole jump back.

    Jumps start at the last noisy level and at every `jump_length`-th before it, where there is room for one.
    """
    if resamplings > 1 and jump_length >= num_levels:
        raise ValueError(f"jump_length: {jump_length} must be below the number of steps, {num_levels}")
    left = dict.fromkeys(range(num_levels - 1, jump_length - 1, -jump_length), resamplings - 1)
    path = [0]
    while path[-1] < num_levels:
        path.append(path[-1] + 1)
        if left.get(path[-1], 0) > 0:
            left[path[-1]] -= 1
            path.append(path[-1] - jump_length)
    return path
