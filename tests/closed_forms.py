"""Jointly Gaussian data (image, label), one channel each: exact denoisers, and samplers without sampling error.

With such a denoiser a sampler is an affine map of all the noise that it draws. It is run on unit impulses in place of
noise, so that the last axis of the result holds the response to each number drawn, and at its end to what was given.
"""

import importlib

import torch

from diffusion.gaussian import Denoised
from diffusion.samplers import SAMPLERS, sampler_config_from_dict

COVARIANCE = torch.tensor([[0.25, 0.27], [0.27, 0.36]], dtype=torch.float64)  # correlation 0.9


def joint_denoiser(schedule, covariance=COVARIANCE):
    """E[x_0 | x_t] for x_0 ~ N(0, covariance) and t (b, 2), each channel at its own time."""

    def denoiser(x_t, t, cond=None):
        assert t.shape == (len(x_t), 2)
        alpha, sigma = (torch.diag_embed(table[t]) for table in (schedule.alpha, schedule.sigma))  # (b, 2, 2)
        gain = covariance @ alpha @ torch.linalg.inv(alpha @ covariance @ alpha + sigma**2)
        return Denoised(torch.einsum("b k c, b c h w -> b k h w", gain, x_t))

    return denoiser


def impulses(monkeypatch, size):
    """Replace the noise of samplers; the last of `size` positions stays 0 in all of it. The first draw is returned."""
    drawn = 0

    def draw(shape, *args):
        nonlocal drawn
        _, channels, _, width = shape
        assert width == size
        assert drawn + channels < size, "more noise was drawn than there are positions"
        noise = torch.zeros(shape, dtype=torch.float64)
        for channel in range(channels):
            noise[:, channel, :, drawn + channel] = 1
        drawn += channels
        return noise

    for module in ("samplers.ddpm", "samplers.ddim", "inpainting"):  # by import: the package's ddpm is the function
        monkeypatch.setattr(importlib.import_module(f"diffusion.{module}"), "randn", draw)
    return draw


def given(value, size):
    """A channel (1, 1, 1, size) that is 0 but where the response to what was given is read."""
    x = torch.zeros(1, 1, 1, size, dtype=torch.float64)
    x[..., -1] = value
    return x


def moments(x):
    """Mean (c,) and covariance (c, c) of a result (1, c, 1, size) of `impulses`."""
    response = x[0, :, 0, :-1]
    return x[0, :, 0, -1], response @ response.T


def run(denoiser, x, levels, cond=None, *, wrap=None, **options):
    """Run the sampler that `options` describe."""
    _, sampler = SAMPLERS[options["name"]]
    return (wrap(sampler) if wrap else sampler)(
        denoiser, x, levels, cond, config=sampler_config_from_dict(options | {"threshold": "none"})
    )
