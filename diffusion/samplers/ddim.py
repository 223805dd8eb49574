"""DDIM (Song et al. 2021) between any two noise levels; eta from 0 (deterministic) to 1 (DDPM)."""

from dataclasses import dataclass

import torch

from diffusion.gaussian import Cond, Denoiser, Items, posterior_coefficients, predict_eps
from diffusion.noise import Generators, randn
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels


@dataclass
class DDIMConfig(SamplerConfig):
    """How much of the noise is drawn anew at each step."""

    name: str = "ddim"
    eta: float = 0.0  # 0: deterministic, 1: DDPM with fixed_small

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.eta <= 1:
            raise ValueError(f"sampler.eta: {self.eta} must be within [0, 1]")


def ddim(
    denoiser: Denoiser,
    x: Items,
    levels: NoiseLevels,
    cond: Cond = None,
    *,
    config: DDIMConfig,
    generators: Generators = None,
    callback: Callback | None = None,
) -> Items:
    """Sample x_0 (b, ...) from x at levels[0]; equation 12 with the variance of equation 16.

    `callback(i, x_t, x_0)` sees every step. Generators are needed only if eta > 0.
    """
    alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()
    for i, t in enumerate(levels.t.tolist()):
        x_0 = denoiser(x, torch.full((len(x),), t, device=x.device), cond).x_0
        if callback is not None:
            callback(i, x, x_0)
        eps = predict_eps("x_0", x_0, x, alpha[i], sigma[i])
        variance = posterior_coefficients(alpha[i], sigma[i], alpha[i + 1], sigma[i + 1]).variance
        variance = config.eta**2 * variance  # eq. 16, squared
        kept = max(sigma[i + 1] ** 2 - variance, 0.0)  # below 0 by rounding only, where alpha = 0 and eta = 1
        x = alpha[i + 1] * x_0 + kept**0.5 * eps  # eq. 12
        if variance > 0:
            x = x + variance**0.5 * randn(x.shape, generators, x.device, x.dtype)
    return x
