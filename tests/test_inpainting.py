"""Inpainting and variations on Gaussian data: exact conditionals, and which method comes nearer to them."""

import itertools
from functools import partial

import pytest
import torch
from closed_forms import COVARIANCE, given, impulses, joint_denoiser, moments, run

from diffusion.clamping import couple
from diffusion.gaussian import Denoised
from diffusion.inpainting import jump_path, repaint, replace_known
from diffusion.parts import Parts
from diffusion.samplers import DDIMConfig, sampler_config_from_dict
from diffusion.sampling import sample
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.timesteps import noise_levels, start_levels

SCHEDULE = build_schedule(ScheduleConfig(name="cosine"))
VALUE = 0.4  # of the known channel, the first
EXACT = (COVARIANCE[0, 1] / COVARIANCE[0, 0] * VALUE).item(), (COVARIANCE[1, 1] - 0.27**2 / 0.25).item()
COUPLED = couple(joint_denoiser(SCHEDULE), Parts(1, 1))


def inpainted(monkeypatch, n, resamplings=None, **options):
    """Mean and variance of channel 1 given channel 0: by RePaint, or where `resamplings` is None by replacement."""
    size = 4000
    noise = impulses(monkeypatch, size)
    known = torch.cat([given(VALUE, size), given(0.0, size)], dim=1)
    mask = torch.tensor([True, False])[None, :, None, None].expand(1, 2, 1, size)
    denoiser, wrap = replace_known(COUPLED, known, mask), None
    if resamplings is not None:
        denoiser, wrap = COUPLED, partial(repaint, known=known, mask=mask, jump_length=5, resamplings=resamplings)
    x = run(denoiser, noise((1, 2, 1, size)), noise_levels(SCHEDULE, n, "trailing"), wrap=wrap, **options)
    mean, covariance = moments(x)
    assert mean[0].item() == VALUE  # what is known is kept, exactly and without noise
    assert covariance[0].abs().max() == 0
    return mean[1].item(), covariance[1, 1].item()


@pytest.mark.parametrize("options", [{"name": "ddpm"}, {"name": "ddim"}, {"name": "ddim", "eta": 1.0}])
def test_resampling_brings_the_rest_to_its_conditional(options, monkeypatch):
    """Lugmayr et al. 2022, section 4.2: without it the rest hardly heeds what is known; with it, it does."""
    errors = []
    for resamplings in (1, 3, 10):
        mean, variance = inpainted(monkeypatch, 40, resamplings, **options)
        errors.append((abs(mean / EXACT[0] - 1), abs(variance / EXACT[1] - 1)))
    once, thrice, tenfold = errors
    assert once[0] > 0.35
    assert once[1] > 0.6
    assert tenfold[0] < thrice[0] < 0.55 * once[0]
    assert tenfold[1] < thrice[1] < 0.4 * once[1]
    assert tenfold[0] < 0.13


@pytest.mark.parametrize("options", [{"name": "ddpm"}, {"name": "ddim", "eta": 1.0}])
def test_replacing_comes_less_near_than_repaint(options, monkeypatch):
    """In both x_s ~ q(x_s | x_0) where it is known, so the means agree; RePaint's noise there is new at every step."""
    replaced, once = (inpainted(monkeypatch, 40, resamplings, **options) for resamplings in (None, 1))
    assert replaced[0] == pytest.approx(once[0], rel=1e-9)
    assert replaced[1] > once[1] > EXACT[1]


def test_what_is_known_is_not_thresholded():
    known, mask = torch.full((1, 1, 2, 2), 0.8), torch.tensor([[[[True, False], [True, False]]]])
    seen = []

    def callback(step, x_t, x_0):
        seen.append(x_0)

    for threshold in ("static", "dynamic"):
        sample(
            lambda x_t, t, cond=None: Denoised(torch.full_like(x_t, 5.0)),
            build_schedule(ScheduleConfig(name="cosine")),
            DDIMConfig(num_inference_steps=2, threshold=threshold),
            (1, 1, 2, 2),
            generators=generators([0]),
            device="cpu",
            callback=callback,
            wrap_denoiser=partial(replace_known, known=known, mask=mask),
        )
    assert all((x_0 == torch.where(mask, known, torch.ones(()))).all() for x_0 in seen)


def test_image_and_label_may_have_masks_of_their_own():
    known = torch.arange(16.0).reshape(1, 4, 2, 2) + 1
    mask = torch.zeros(1, 4, 2, 2, dtype=torch.bool)
    mask[:, :3, 0], mask[:, 3, :, 1] = True, True  # image channels: the upper row; label channel: the right column
    x_0 = replace_known(lambda x_t, t, cond: Denoised(-x_t), known, mask)(known, torch.tensor([3]), None).x_0
    assert (x_0 == torch.where(mask, known, -known)).all()
    for_all = replace_known(lambda x_t, t, cond: Denoised(-x_t), known, mask[:, 3:])(known, torch.tensor([3]), None).x_0
    assert (for_all == torch.where(mask[:, 3:], known, -known)).all()


def test_jump_path():
    assert jump_path(4, 9, 1) == [0, 1, 2, 3, 4]
    assert jump_path(6, 2, 2) == [0, 1, 2, 3, 1, 2, 3, 4, 5, 3, 4, 5, 6]
    assert jump_path(3, 1, 3) == [0, 1, 0, 1, 0, 1, 2, 1, 2, 1, 2, 3]
    for n, length, resamplings in itertools.product((2, 7, 40), (1, 3, 6), (1, 2, 5)):
        if length >= n and resamplings > 1:
            with pytest.raises(ValueError, match=f"jump_length: {length} must be below the number of steps, {n}"):
                jump_path(n, length, resamplings)
            continue
        path = jump_path(n, length, resamplings)
        steps = [b - a for a, b in itertools.pairwise(path)]
        assert (path[0], path[-1]) == (0, n)
        assert set(steps) <= {1, -length}
        last = (n - 1) // length * length  # levels that jumps bridge, seen from the last noisy one
        for j in range(n - 1):  # every stretch under a jump is walked `resamplings` times, the rest once
            walks = sum((a, b) == (j, j + 1) for a, b in itertools.pairwise(path))
            assert walks == (resamplings if j >= n - 1 - last else 1)
        assert path.count(n) == 1


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def curved(x_t, t, cond=None):
    return Denoised(torch.tanh(x_t + x_t.roll(1, dims=-1) / 2))


def test_repaint_through_sample_does_not_depend_on_the_batch():
    known = torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(9)) * 2 - 1
    mask = torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(8)) < 0.5
    config, steps = sampler_config_from_dict({"name": "ddpm", "num_inference_steps": 8}), []

    def draw(rows):
        return sample(
            curved,
            SCHEDULE,
            config,
            (len(rows), 1, 4, 5),
            generators=generators(rows),
            device="cpu",
            wrap_sampler=partial(repaint, known=known[rows], mask=mask[rows], jump_length=3, resamplings=2),
            callback=lambda i, x_t, x_0: steps.append(i),
        )

    whole = draw([0, 1, 2])
    assert steps == [i for i, j in itertools.pairwise(jump_path(8, 3, 2)) if j > i]
    assert (whole[mask] == known[mask]).all()
    assert (torch.cat([draw([0]), draw([1, 2])]) == whole).all()
    assert (whole[0] != whole[1]).any()


@pytest.mark.parametrize("name", ["heun", "dpmpp_2m"])
def test_repaint_without_single_steps_is_refused(name):
    x = torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match=f"RePaint takes single steps, which {name} does not have; use ddpm or ddim"):
        run(
            curved,
            x,
            noise_levels(SCHEDULE, 9, "trailing"),
            wrap=partial(repaint, known=x, mask=x > 0, jump_length=2),
            name=name,
        )
    with pytest.raises(ValueError, match="jump_length, resamplings: 0, 1 must be at least 1"):
        repaint(lambda: x, x, x > 0, jump_length=0, resamplings=1)


# --- variations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_strength_is_where_the_path_begins(spacing):
    levels = noise_levels(SCHEDULE, 50, spacing)
    assert all((a == b).all() for a, b in zip(start_levels(levels, 1.0), levels, strict=True))
    for strength in (0.9, 0.53, 0.2, 0.02):
        part = start_levels(levels, strength)
        assert (part.t[0] + 1).item() / (levels.t[0] + 1).item() == pytest.approx(strength, abs=0.011)
        assert len(part.alpha) == len(part.sigma) == len(part.t) + 1
        assert (part.sigma == levels.sigma[-len(part.sigma) :]).all()
        assert part.alpha[-1] == 1
    assert len(start_levels(levels, 1e-6).t) in (0, 1)  # leading and linspace have t = 0, which is nearly clean
    for strength in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"strength: {strength} must be above 0 and at most 1"):
            start_levels(levels, strength)


@pytest.mark.parametrize("strength", [0.3, 0.6, 0.9])
def test_variations_keep_what_the_noise_left(strength, monkeypatch):
    """For x ~ N(0, s^2), a variation has covariance alpha^2 s^4 / (alpha^2 s^2 + sigma^2) with x, and variance s^2."""
    size, variance = 2000, COVARIANCE[0, 0].item()
    noise = impulses(monkeypatch, size)
    monkeypatch.setattr("diffusion.sampling.randn", noise)

    def denoiser(x_t, t, cond=None):
        alpha, sigma = SCHEDULE.at(t, x_t)
        return Denoised(variance * alpha / (alpha**2 * variance + sigma**2) * x_t)

    config = sampler_config_from_dict({"name": "ddpm", "num_inference_steps": 1000, "threshold": "none"})
    start = given(variance**0.5, size)
    x = sample(denoiser, SCHEDULE, config, start.shape, generators=[], device="cpu", start=start, strength=strength)
    of_start, of_noise = moments(x)
    level = start_levels(noise_levels(SCHEDULE, 1000, "trailing"), strength)
    signal = level.alpha[0].item() ** 2 * variance
    covariance = signal * variance / (signal + level.sigma[0].item() ** 2)
    assert of_start.item() * variance**0.5 == pytest.approx(covariance, rel=0.001)
    assert of_start.item() ** 2 + of_noise.item() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("name", ["ddpm", "ddim", "heun", "dpmpp_2m"])
def test_a_variation_of_no_strength_is_the_image_itself(name):
    start = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    config = sampler_config_from_dict({"name": name, "num_inference_steps": 10})
    options = {"generators": generators([0, 1]), "device": "cpu", "start": start}
    assert (sample(curved, SCHEDULE, config, start.shape, strength=0.01, **options) == start).all()
    assert (sample(curved, SCHEDULE, config, start.shape, strength=0.5, **options) != start).any()


def test_strength_without_an_image_is_refused():
    config = sampler_config_from_dict({"name": "ddim"})
    with pytest.raises(ValueError, match="strength: 0.5 has no effect without an image to start from"):
        sample(curved, SCHEDULE, config, (1, 1, 2, 2), generators=generators([0]), device="cpu", strength=0.5)
