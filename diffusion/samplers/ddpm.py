"""DDPM ancestral sampling (Ho et al. 2020, Algorithm 2) between any two noise levels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion.gaussian import Cond, Denoised, Denoiser, Items, Posterior, interpolate_variance, posterior
from diffusion.noise import Generators, randn
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels

VARIANCES = ("fixed_small", "fixed_large", "learned")


@dataclass
class DDPMConfig(SamplerConfig):
    """Which variance the reverse steps have."""

    name: str = "ddpm"
    variance: str = "fixed_small"  # fixed_small (of the posterior) | fixed_large (of the forward step) | learned

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variance not in VARIANCES:
            raise ValueError(f"sampler.variance: {self.variance!r} is not one of {', '.join(VARIANCES)}")


def ddpm(
    denoiser: Denoiser,
    x: Items,
    levels: NoiseLevels,
    cond: Cond = None,
    *,
    config: DDPMConfig,
    generators: Generators = None,
    callback: Callback | None = None,
) -> Items:
    """Sample x_0 (b, ...) from x at levels[0] by drawing from p(x_s | x_t) = q(x_s | x_t, x_0 = denoiser(x_t)).

    `callback(i, x_t, x_0)` sees every step. The last step, to clean data, adds no noise.
    """
    alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()
    for i, t in enumerate(levels.t.tolist()):
        denoised = denoiser(x, torch.full((len(x),), t, device=x.device), cond)
        if callback is not None:
            callback(i, x, denoised.x_0)
        q = posterior(denoised.x_0, x, alpha[i], sigma[i], alpha[i + 1], sigma[i + 1])
        x = q.mean
        if sigma[i + 1] > 0:
            x = x + _variance(config.variance, q, denoised) ** 0.5 * randn(x.shape, generators, x.device, x.dtype)
    return x


def _variance(kind: str, q: Posterior, denoised: Denoised) -> float | Tensor:
    if kind == "fixed_small":
        return q.variance
    if kind == "fixed_large":
        return q.upper_variance
    if denoised.variance_fraction is None:
        raise ValueError(
            "sampler.variance: 'learned' needs a model trained with diffusion.learned_variance=true; "
            "use fixed_small or fixed_large"
        )
    return interpolate_variance(denoised.variance_fraction, q.variance, q.upper_variance)
