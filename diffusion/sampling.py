"""From noise to images: builds the noise levels, wraps the denoiser, draws x_T and runs a sampler."""

from collections.abc import Sequence

import torch

from diffusion.gaussian import Cond, Denoiser, Images
from diffusion.noise import randn
from diffusion.samplers import SAMPLERS
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.schedules import Schedule
from diffusion.thresholding import dynamic_threshold, static_threshold
from diffusion.timesteps import noise_levels


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    schedule: Schedule,
    config: SamplerConfig,
    shape: Sequence[int],
    *,
    generators: Sequence[torch.Generator],
    cond: Cond = None,
    device: torch.device | str,
    callback: Callback | None = None,
) -> Images:
    """Draw x_0 of `shape` (b, c, h, w), nominally in [-1, 1]; image i depends on generators[i] and cond[i] alone."""
    levels = noise_levels(schedule, config.num_inference_steps, config.spacing)
    if config.threshold == "static":
        denoiser = static_threshold(denoiser)
    elif config.threshold == "dynamic":
        denoiser = dynamic_threshold(denoiser, config.threshold_quantile)
    std = (levels.alpha[0] ** 2 + levels.sigma[0] ** 2).sqrt().item()  # of x_t for data of unit variance
    x = std * randn(shape, generators, device)
    _, run = SAMPLERS[config.name]
    return run(denoiser, x, levels, cond, config=config, generators=generators, callback=callback)
