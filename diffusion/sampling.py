"""From noise to images or rows: builds the noise levels, wraps the denoiser, draws x_T and runs a sampler."""

from collections.abc import Callable, Sequence

import torch

from diffusion.gaussian import Cond, Denoiser, Items
from diffusion.kernel import Kernel
from diffusion.noise import Generators, randn
from diffusion.samplers import SAMPLERS
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.schedules import Schedule
from diffusion.thresholding import DYNAMIC_ROWS, dynamic_threshold, static_threshold
from diffusion.timesteps import noise_levels, start_levels


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    schedule: Schedule,
    config: SamplerConfig,
    shape: Sequence[int],
    *,
    generators: Generators,
    cond: Cond = None,
    device: torch.device | str,
    callback: Callback | None = None,
    start: Items | None = None,
    strength: float = 1.0,
    wrap_denoiser: Callable[[Denoiser], Denoiser] | None = None,
    wrap_sampler: Callable[[Callable[..., Items]], Callable[..., Items]] | None = None,
    kernel: Kernel | None = None,
) -> Items:
    """Draw x_0 of `shape` (b, c, h, w), nominally in [-1, 1]; image i depends on generators[i] and cond[i] alone.

    Rows of a table, (b, w), have their own `kernel`, which says how they are noised and moved.
    With `start` (of `shape`, in [-1, 1]) the samples are variations of it: noised to `strength` in (0, 1] and denoised
    (Meng et al. 2022). `wrap_denoiser` takes the thresholded denoiser and returns another one: see
    `inpainting.replace_known`; `wrap_sampler` does so with the sampler: see `inpainting.repaint`.
    """
    if start is None and strength != 1.0:
        raise ValueError(f"strength: {strength} has no effect without an image to start from")
    kernel = kernel or Kernel()
    levels = start_levels(noise_levels(schedule, config.num_inference_steps, config.spacing), strength)
    denoiser = _thresholded(denoiser, config, kernel, rows=len(shape) == 2)
    if wrap_denoiser is not None:
        denoiser = wrap_denoiser(denoiser)
    std = (levels.alpha[0] ** 2 + levels.sigma[0] ** 2).sqrt().item()  # of x_t for data of unit variance
    eps = randn(shape, generators, device)
    alpha, sigma = (0.0, std) if start is None else (levels.alpha[0].item(), levels.sigma[0].item())
    x = kernel.q_sample(torch.zeros_like(eps) if start is None else start.to(eps), eps, alpha, sigma)
    _, run = SAMPLERS[config.name]
    run = kernel.wrap_sampler(run)
    if wrap_sampler is not None:
        run = wrap_sampler(run)
    return run(denoiser, x, levels, cond, config=config, generators=generators, callback=callback)


def _thresholded(denoiser: Denoiser, config: SamplerConfig, kernel: Kernel, *, rows: bool) -> Denoiser:
    """The denoiser kept in the range of the data as the config says."""
    if config.threshold == "static":
        return static_threshold(denoiser, kernel.bounds)
    if config.threshold == "dynamic":
        if rows:
            raise ValueError(DYNAMIC_ROWS)
        return dynamic_threshold(denoiser, config.threshold_quantile)
    return denoiser
