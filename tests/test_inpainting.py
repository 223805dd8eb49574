"""Inpainting and variations on Gaussian data: exact conditionals, and which method comes nearer to them."""

import itertools

import pytest
import torch
from closed_forms import COVARIANCE, given, impulses, joint_denoiser, moments, run

from diffusion.clamping import couple
from diffusion.gaussian import Denoised
from diffusion.inpainting import jump_path, repaint, replace_known
from diffusion.samplers import sampler_config_from_dict
from diffusion.sampling import sample
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.timesteps import noise_levels, start_levels

SCHEDULE = build_schedule(ScheduleConfig(name="cosine"))
VALUE = 0.4  # of the known channel, the first
EXACT = (COVARIANCE[0, 1] / COVARIANCE[0, 0] * VALUE).item(), (COVARIANCE[1, 1] - 0.27**2 / 0.25).item()
COUPLED = couple(joint_denoiser(SCHEDULE))


def inpainted(monkeypatch, n, wrap_denoiser=None, **options):
    """Mean and variance of channel 1 given channel 0; RePaint with `wrap`, replacement with `wrap_denoiser`."""
    size = 4000
    noise = impulses(monkeypatch, size)
    known = torch.cat([given(VALUE, size), given(0.0, size)], dim=1)
    mask = torch.tensor([True, False])[None, :, None, None].expand(1, 2, 1, size)
    denoiser, wrap = COUPLED, None
    if "resamplings" in options:
        wrap = lambda sampler: repaint(  # noqa: E731
            sampler, known, mask, jump_length=options.pop("jump_length"), resamplings=options.pop("resamplings")
        )
    else:
        denoiser = replace_known(COUPLED, known, mask)
    x = run(denoiser, noise((1, 2, 1, size)), noise_levels(SCHEDULE, n, "trailing"), wrap=wrap, **options)
    mean, covariance = moments(x)
    assert mean[0].item() == VALUE  # what is known is kept, exactly and without noise
    assert covariance[0].abs().max() == 0
    return mean[1].item(), covariance[1, 1].item()


@pytest.mark.parametrize("options", [{"name": "ddpm"}, {"name": "ddim"}, {"name": "ddim", "eta": 1.0}])
def test_resampling_brings_the_rest_to_its_conditional(options, monkeypatch):
    """Lugmayr et al. 2022, section 4.2: without it the two sides do not agree; with it they come near N(mean, var)."""
    errors = []
    for resamplings in (1, 3, 10):
        mean, variance = inpainted(monkeypatch, 40, jump_length=5, resamplings=resamplings, **options)
        errors.append((abs(mean / EXACT[0] - 1), abs(variance / EXACT[1] - 1)))
    print(errors, inpainted(monkeypatch, 40, **options), EXACT)
    assert errors[2][0] < errors[1][0] < errors[0][0]


@pytest.mark.parametrize("options", [{"name": "ddpm"}, {"name": "ddim"}, {"name": "heun"}])
def test_replacing_keeps_what_is_known_and_leans_the_rest_to_it(options, monkeypatch):
    mean, variance = inpainted(monkeypatch, 40, **options)
    assert 0.3 * EXACT[0] < mean < 1.1 * EXACT[0]
    assert variance > 0.3 * EXACT[1]
