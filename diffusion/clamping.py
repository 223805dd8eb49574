"""From the denoiser of image and label, a time each, to what a sampler calls: denoiser in, denoiser out.

A joint denoiser takes x_t (b, c + l, h, w) and t (b, 2). The wrappers take the sampler's t (b,) and are the ways
through the square of the two times: along its diagonal, or along an edge, where one part is held as it is.
What is held lies in cond beside the attributes, so that it goes with its image through every batch.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from diffusion.gaussian import Cond, Denoised, Denoiser, Images
from diffusion.parts import Parts
from diffusion.schedules import Schedule


def couple(denoiser: Denoiser, parts: Parts) -> Denoiser:
    """Image and label at the same time: the sampler draws both, (b, c + l, h, w). `denoiser` itself without a label."""
    if not parts.label:
        return denoiser

    def coupled(x_t: Images, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        return denoiser(x_t, torch.stack([t, t], dim=1), cond)

    return coupled


def clamp_label(denoiser: Denoiser, schedule: Schedule) -> Denoiser:
    """The label is given, cond["label"] (b, l, h, w) in [-1, 1]: the sampler draws the image, (b, c, h, w).

    At t = 0 the network has seen labels with a trace of noise; the given one goes in as their mean, alpha[0] label.
    """
    return _hold(denoiser, "label", schedule.alpha[0].item(), 0)


def clamp_image(denoiser: Denoiser, schedule: Schedule) -> Denoiser:
    """The image is given, cond["image"] (b, c, h, w) in [-1, 1]: the sampler draws the label, (b, l, h, w)."""
    return _hold(denoiser, "image", schedule.alpha[0].item(), 0)


def ignore_label(denoiser: Denoiser, schedule: Schedule) -> Denoiser:
    """The label is noise, cond["label_noise"] (b, l, h, w) ~ N(0, I): the sampler draws the image as if it had none."""
    return _hold(denoiser, "label_noise", 1.0, schedule.num_train_timesteps - 1)


HELD = ("label", "image", "label_noise")  # what cond may have for these; no network sees it


def _hold(denoiser: Denoiser, key: str, scale: float, held_t: int) -> Denoiser:
    """One part stays at `scale` cond[key] and the time `held_t`; the sampler has the other one alone."""

    def held(x_t: Images, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        if cond is None or key not in cond:
            raise ValueError(f"cond[{key!r}] is missing: it is what this denoiser holds")
        part, time = scale * cond[key], torch.full_like(t, held_t)
        rest = {name: value for name, value in cond.items() if name not in HELD}
        if key == "image":
            x_0 = denoiser(torch.cat([part, x_t], dim=1), torch.stack([time, t], dim=1), rest).x_0
            return Denoised(x_0[:, part.shape[1] :])
        x_0 = denoiser(torch.cat([x_t, part], dim=1), torch.stack([t, time], dim=1), rest).x_0
        return Denoised(x_0[:, : x_t.shape[1]])

    return held
