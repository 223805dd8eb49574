"""Thresholding keeps x_0 in the range of the data: denoiser in, denoiser out."""

import torch
from jaxtyping import Int64
from torch import Tensor

from diffusion.gaussian import Cond, Denoised, Denoiser, Images, Items

Bounds = tuple[float | Tensor, float | Tensor]  # least, greatest; tensors (w,) hold one for each place of a row
PIXELS: Bounds = (-1.0, 1.0)
DYNAMIC_ROWS = "sampler.threshold=dynamic scales images as a whole; for a table use static or none"


def static_threshold(denoiser: Denoiser, bounds: Bounds = PIXELS) -> Denoiser:
    """Clip x_0 to the bounds of the data."""

    def thresholded(x_t: Items, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        denoised = denoiser(x_t, t, cond)
        low, high = (torch.as_tensor(bound).to(denoised.x_0) for bound in bounds)
        return denoised._replace(x_0=denoised.x_0.clamp(low, high))

    return thresholded


def dynamic_threshold(denoiser: Denoiser, quantile: float) -> Denoiser:
    """Clip each image at its own quantile s of |x_0| and divide by s, if s > 1 (Saharia et al. 2022, section 2.3)."""
    if not 0 < quantile <= 1:
        raise ValueError(f"sampler.threshold_quantile: {quantile} must be within (0, 1]")

    def thresholded(x_t: Images, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        denoised = denoiser(x_t, t, cond)
        x_0 = denoised.x_0
        # One image at a time, because torch.quantile refuses more than 16 million values.
        s = torch.stack([image.abs().quantile(quantile) for image in x_0]).clamp(min=1)[:, None, None, None]
        return denoised._replace(x_0=x_0.clamp(-s, s) / s)

    return thresholded
