"""DPM-Solver++(2M), a second-order multistep solver of the probability-flow ODE (Lu et al. 2022, Algorithm 2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from diffusion.gaussian import Cond, Denoiser, Items, predict_eps
from diffusion.noise import Generators
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels


@dataclass
class DPMpp2MConfig(SamplerConfig):
    """DPM-Solver++(2M) has no options of its own. N steps call the denoiser N times."""

    SINGLE_STEPS: ClassVar[bool] = False  # a step needs the x_0 of the one before

    name: str = "dpmpp_2m"


def dpmpp_2m(
    denoiser: Denoiser,
    x: Items,
    levels: NoiseLevels,
    cond: Cond = None,
    *,
    config: DPMpp2MConfig,
    generators: Generators = None,
    callback: Callback | None = None,
) -> Items:
    """Sample x_0 (b, ...) from x at levels[0], deterministically: `generators` are not used.

    It is DDIM with an x_0 that is extrapolated to the middle of the step: Algorithm 2 has
    x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) D, and as e^-h = (alpha_t / sigma_t) / (alpha_s / sigma_s) that is
    alpha_s D + sigma_s (x_t - alpha_t D) / sigma_t, which any pair of levels can have. `callback(i, x_t, x_0)` sees every
    step, with what the denoiser said.
    """
    alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()
    x_0_before = x  # of no weight on the first step
    for i, (t, weight) in enumerate(zip(levels.t.tolist(), extrapolation(levels), strict=True)):
        x_0 = denoiser(x, torch.full((len(x),), t, device=x.device), cond).x_0
        if callback is not None:
            callback(i, x, x_0)
        d = x_0 + weight * (x_0 - x_0_before)
        x = alpha[i + 1] * d + sigma[i + 1] * predict_eps("x_0", d, x, alpha[i], sigma[i])
        x_0_before = x_0
    return x


def extrapolation(levels: NoiseLevels) -> list[float]:
    """The weight 1 / (2 r_i) = h_i / (2 h_i-1) of x_0 less the x_0 before, for each of n steps; h is that of lambda.

    lambda = log(alpha / sigma) is -inf at pure noise and inf at clean data, over which nothing can be extrapolated. So
    the weight is 0, and the step is DDIM's, on the first step, after a step from pure noise, and to clean data.
    """
    h = (levels.alpha / levels.sigma).log().diff()  # (n,)
    weights = torch.zeros_like(h)
    weights[1:] = h[1:] / (2 * h[:-1])
    return weights.where(h.isfinite(), 0.0).tolist()
