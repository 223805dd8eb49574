"""Heun's second-order solver of the probability-flow ODE (Karras et al. 2022, Algorithm 1)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from diffusion.gaussian import Cond, Denoiser, Items, predict_eps
from diffusion.noise import Generators
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels


@dataclass
class HeunConfig(SamplerConfig):
    """Heun has no options of its own. N steps call the denoiser 2 N - 1 times."""

    ONE_CALL: ClassVar[bool] = False
    SINGLE_STEPS: ClassVar[bool] = False  # a step calls the denoiser at the next one's t

    name: str = "heun"


def heun(
    denoiser: Denoiser,
    x: Items,
    levels: NoiseLevels,
    cond: Cond = None,
    *,
    config: HeunConfig,
    generators: Generators = None,
    callback: Callback | None = None,
) -> Items:
    """Sample x_0 (b, ...) from x at levels[0], deterministically: `generators` are not used.

    Along any path the flow is dx = x_0 d(alpha) + eps d(sigma). Between two levels the path is taken as straight, which
    changes nothing of where the flow leads, is Algorithm 1 where alpha = 1, and has no singularity at alpha = 0. The
    Euler step is DDIM's; the last step, to clean data, stays Euler. `callback(i, x_t, x_0)` sees every step.
    """
    alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()

    def predict(x: Items, i: int) -> tuple[Items, Items]:
        x_0 = denoiser(x, torch.full((len(x),), int(levels.t[i]), device=x.device), cond).x_0
        return x_0, predict_eps("x_0", x_0, x, alpha[i], sigma[i])

    for i in range(len(levels.t)):
        x_0, eps = predict(x, i)
        if callback is not None:
            callback(i, x, x_0)
        x_next = alpha[i + 1] * x_0 + sigma[i + 1] * eps  # Euler
        if sigma[i + 1] > 0:
            x_0_next, eps_next = predict(x_next, i + 1)
            d_alpha, d_sigma = alpha[i + 1] - alpha[i], sigma[i + 1] - sigma[i]
            x_next = x + d_alpha * (x_0 + x_0_next) / 2 + d_sigma * (eps + eps_next) / 2  # trapezoidal rule
        x = x_next
    return x
