"""Every mode on jointly Gaussian data, where what each draws is known exactly."""

import importlib
from dataclasses import replace

import pytest
import torch
from closed_forms import COVARIANCE, given, impulses, joint_denoiser, moments

from diffusion.clamping import clamp_label, ignore_label
from diffusion.gaussian import Denoised
from diffusion.guidance import GuidanceConfig
from diffusion.inpainting import InpaintConfig
from diffusion.parts import Parts
from diffusion.samplers import sampler_config_from_dict
from diffusion.sampling import sample
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.tasks import Artist
from diffusion.timesteps import noise_levels, start_levels

SCHEDULE = build_schedule(ScheduleConfig(name="cosine"))
PARTS = Parts(1, 1)
C_II, C_IL, C_LL = (COVARIANCE[i, j].item() for i, j in ((0, 0), (0, 1), (1, 1)))


def exact(x_t, t, cond=None):
    """The joint denoiser, in x_t's own type."""
    return Denoised(joint_denoiser(SCHEDULE)(x_t.double(), t, cond).x_0.to(x_t))


def artist(steps=50, name="ddim", denoiser=exact, parts=PARTS, null=(), label_steps=2, **guidance):
    config = sampler_config_from_dict({"name": name, "num_inference_steps": steps, "threshold": "none"})
    guide, cpu = GuidanceConfig(**guidance), torch.device("cpu")
    return Artist(denoiser, SCHEDULE, parts, config, guide, list(null), cpu, label_steps)


def rngs(count=2):
    return [torch.Generator().manual_seed(i) for i in range(count)]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def noise(monkeypatch):
    """Impulses in place of noise, in the sampler and before it: see closed_forms."""

    def start(size):
        draw = impulses(monkeypatch, size)
        for module in ("sampling", "tasks"):
            monkeypatch.setattr(importlib.import_module(f"diffusion.{module}"), "randn", draw)
        return draw

    return start


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_new_images_come_with_their_labels(noise):
    noise(3)
    _, covariance = moments(artist(400).draw((1, 3), None, rngs(1)))
    assert (covariance - COVARIANCE).abs().max() < 0.01


def test_an_image_for_a_label(noise):
    noise(2)
    label = given(0.7, 2)
    drawn = artist(800).draw_image(label, None, rngs(1))
    mean, covariance = moments(drawn)
    assert mean[0].item() == pytest.approx(C_IL / C_LL * 0.7, rel=0.005)
    assert covariance[0, 0].item() == pytest.approx(C_II - C_IL**2 / C_LL, rel=0.03)
    assert (drawn[:, 1:] == label).all()


def test_a_label_for_an_image(noise):
    noise(2)
    mean, covariance = moments(artist(label_steps=800).draw_label(given(-0.4, 2), None, rngs(1)))
    assert mean.item() == pytest.approx(C_IL / C_II * -0.4, rel=0.005)
    assert covariance.item() == pytest.approx(C_LL - C_IL**2 / C_II, rel=0.03)


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_the_first_step_of_a_label_stands_at_pure_noise(noise, spacing):
    """One step is the mean of all labels; spaced otherwise it would start at t = 0, whose noise is no label."""
    noise(2)
    artist_ = artist(label_steps=1)
    spaced = replace(artist_, sampler=replace(artist_.sampler, spacing=spacing))
    mean, covariance = moments(spaced.draw_label(given(-0.4, 2), None, rngs(1)))
    assert mean.item() == pytest.approx(C_IL / C_II * -0.4, rel=0.02)
    assert covariance.item() < 0.01


@pytest.mark.parametrize("strength", [0.4, 0.8])
def test_variations_of_image_and_label_are_noised_and_denoised_together(noise, strength):
    """The mean response to what was given is C alpha (alpha^2 C + sigma^2)^-1 alpha, and the covariance stays C."""
    noise(2002)
    start = torch.cat([given(0.3, 2002), given(-0.5, 2002)], dim=1)
    mean, covariance = moments(artist(1000, "ddpm").vary(start, strength, None, rngs(1)))
    level = start_levels(noise_levels(SCHEDULE, 1000, "trailing"), strength)
    alpha, sigma = level.alpha[0], level.sigma[0]
    gain = alpha**2 * COVARIANCE @ torch.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * torch.eye(2))
    torch.testing.assert_close(mean, gain @ torch.tensor([0.3, -0.5], dtype=torch.float64), rtol=0.01, atol=1e-4)
    exact = (torch.eye(2) - gain) @ COVARIANCE + gain @ (gain * sigma**2 / alpha**2).T
    assert (covariance - exact).abs().max() < 0.02 * COVARIANCE.max()


def test_a_variation_keeps_a_label_that_is_given(noise):
    """x_0 | x_t, label: regress the image on what the noise left of it, at the label's fixed value."""
    noise(2002)
    value, label, strength = 0.3, -0.5, 0.6
    drawn = artist(1000, "ddpm").draw_image(given(label, 2002), None, rngs(1), given(value, 2002), strength)
    level = start_levels(noise_levels(SCHEDULE, 1000, "trailing"), strength)
    alpha, sigma = level.alpha[0].item(), level.sigma[0].item()
    mean, variance = C_IL / C_LL * label, C_II - C_IL**2 / C_LL
    expected = mean + variance * alpha / (alpha**2 * variance + sigma**2) * (alpha * value - alpha * mean)
    assert moments(drawn)[0][0].item() == pytest.approx(expected, rel=0.01)
    assert (drawn[:, 1:] == given(label, 2002)).all()


@pytest.mark.parametrize("name", ["ddim", "ddpm", "heun", "dpmpp_2m"])
def test_a_variation_of_next_to_no_strength_is_what_it_started_from(name):
    start = normal(2, 2, 3, 3).float()
    assert (artist(10, name).vary(start, 0.01, None, rngs()) == start).all()


@pytest.mark.parametrize("config", [InpaintConfig(), InpaintConfig("repaint", 2, 2)], ids=["replace", "repaint"])
def test_inpainting_keeps_what_is_known_to_the_bit(config):
    x_0, known = normal(2, 2, 6, 5).float(), normal(2, 1, 6, 5, seed=1) > 0
    filled = artist(6, "ddpm").inpaint(x_0, known, None, rngs(), config)
    kept = known.expand_as(x_0)
    assert (filled[kept] == x_0[kept]).all()
    assert (filled[~kept] != x_0[~kept]).all()


def test_where_pixels_say_nothing_of_each_other_inpainting_is_drawing_anew():
    x_0, known = normal(2, 2, 6, 5).float(), normal(2, 1, 6, 5, seed=1) > 0
    filled = artist(6, "ddpm").inpaint(x_0, known, None, rngs(), InpaintConfig())
    drawn = artist(6, "ddpm").draw((6, 5), None, rngs())
    torch.testing.assert_close(filled[~known.expand_as(x_0)], drawn[~known.expand_as(x_0)])


@pytest.mark.parametrize("label_scale", [1.0, 2.0])
def test_an_image_is_filled_in_for_a_label_of_the_whole(label_scale):
    """Where pixels say nothing of each other, what is new is what is drawn for the label: in the hole too."""
    image, label, known = normal(2, 1, 4, 4).float(), normal(2, 1, 4, 4, seed=1).float(), torch.ones(2, 1, 4, 4) > 0
    known[:, :, 1:3, :2] = False
    own = artist(6, label_scale=label_scale)
    for config in (InpaintConfig(), InpaintConfig("repaint", 2, 2)):
        filled = own.inpaint_image(image, label, known, None, rngs(), config)
        assert (filled[:, 1:] == label).all()
        assert (filled[:, :1] == image)[known].all()
        if config.method == "replace":
            torch.testing.assert_close(filled[:, :1][~known], own.draw_image(label, None, rngs())[:, :1][~known])


# --- guidance ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_label_guidance_goes_from_the_image_without_a_label_to_that_with_it(scale):
    """In a single step, from T - 1: weak + scale (strong - weak), the weak side with its own noise for a label."""
    label = normal(2, 1, 3, 3, seed=2).float()
    drawn = artist(1, label_scale=scale).draw_image(label, None, rngs())
    generators, t = rngs(), torch.tensor([999, 999])

    def draw():
        return torch.stack([torch.randn(1, 3, 3, generator=generator) for generator in generators])

    label_noise = None if scale == 1 else draw()
    std = (SCHEDULE.alpha[999] ** 2 + SCHEDULE.sigma[999] ** 2).sqrt().item()
    x_t = std * draw()
    expected = strong = clamp_label(exact, SCHEDULE)(x_t, t, {"label": label}).x_0
    if scale != 1:
        weak = ignore_label(exact, SCHEDULE)(x_t, t, {"label_noise": label_noise}).x_0
        expected = weak + scale * (strong - weak)
    torch.testing.assert_close(drawn[:, :1], expected, rtol=1e-4, atol=1e-5)
    assert (drawn[:, 1:] == label).all()
    outside = artist(1, label_scale=scale, **({} if scale == 1 else {"interval": [0.0, 0.5]}))
    image = outside.draw_image(label, None, rngs())[:, :1]
    torch.testing.assert_close(image, strong, rtol=1e-4, atol=1e-5)  # T - 1 is beyond the interval


def by_class(calls):
    """A denoiser that gives the class as x_0, its null value 1 as 0, and counts its images."""

    def denoiser(x_t, t, cond=None):
        calls.append((len(x_t), int(t.flatten()[0])))
        value = 1.0 - cond["class_label"][:, 0]
        return Denoised(value[:, None, None, None].to(x_t).expand_as(x_t).clone())

    return denoiser


CLASSES = {"class_label": torch.tensor([[0], [0]])}


def test_guidance_acts_on_images_and_not_on_labels():
    calls = []
    strong = artist(5, denoiser=by_class(calls), scale=3.0, null=[1])
    assert (strong.draw((2, 2), CLASSES, rngs()) == 3.0).all()
    assert {count for count, _ in calls} == {4}
    calls.clear()
    assert (strong.draw_label(torch.zeros(2, 1, 2, 2), CLASSES, rngs()) == 1.0).all()
    assert {count for count, _ in calls} == {2}


def test_guidance_acts_within_its_interval():
    calls = []
    artist(10, denoiser=by_class(calls), scale=2.0, interval=[0.25, 0.75], null=[1]).draw((2, 2), CLASSES, rngs())
    assert [count for count, t in calls] == [4 if 0.25 * 999 <= t <= 0.75 * 999 else 2 for _, t in calls]
    assert {count for count, _ in calls} == {2, 4}


def test_guidance_of_scale_1_costs_nothing_and_changes_no_bit():
    calls = []
    plain = artist(5, denoiser=by_class(calls), null=[1]).draw((2, 2), CLASSES, rngs())
    assert {count for count, _ in calls} == {2}
    one = artist(5, denoiser=by_class([]), scale=1.0, label_scale=1.0, null=[1])
    assert (one.draw((2, 2), CLASSES, rngs()) == plain).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": -1.0}, "guidance.scale=-1.0 must be at least 0 and finite"),
        ({"label_scale": float("nan")}, "guidance.label_scale=nan must be at least 0"),
        ({"scale": 2.0, "interval": [0.5]}, r"guidance.interval=\[0.5\] must be \[low, high\]"),
        ({"scale": 2.0, "interval": [0.5, 0.2]}, r"guidance.interval=\[0.5, 0.2\] must be"),
        ({"scale": 2.0, "interval": [0.0, 1.5]}, r"guidance.interval=\[0.0, 1.5\] must be"),
        ({"interval": [0.0, 0.5]}, "guidance.interval has no effect with guidance.scale=1"),
    ],
)
def test_bad_guidance_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GuidanceConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "paste"}, "inpaint.method=paste is not one of replace, repaint"),
        ({"method": "repaint", "resamplings": 0}, "inpaint.resamplings=0 must be at least 1"),
        ({"jump_length": 5}, "inpaint.jump_length has no effect on inpaint.method=replace"),
    ],
)
def test_bad_inpainting_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        InpaintConfig(**options)


# --- models of images alone -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ddim", "ddpm", "heun", "dpmpp_2m"])
def test_a_model_of_images_alone_draws_the_bits_of_the_plain_sampler(name):
    def denoiser(x_t, t, cond=None):
        return Denoised(torch.tanh(x_t) * cond["class_label"][:, :, None, None])

    cond = {"class_label": torch.tensor([[1], [2]])}
    own = artist(5, name, denoiser, Parts(1), null=[3])
    drawn = own.draw((4, 6), cond, rngs())
    plain = sample(denoiser, SCHEDULE, own.sampler, (2, 1, 4, 6), generators=rngs(), cond=cond, device="cpu")
    assert (drawn == plain).all()


def test_a_model_of_images_alone_varies_and_inpaints():
    def denoiser(x_t, t, cond=None):
        return Denoised(torch.zeros_like(x_t))

    own, x_0 = artist(5, denoiser=denoiser, parts=Parts(1)), normal(2, 1, 4, 4).float()
    assert (own.vary(x_0, 1.0, None, rngs()) == 0).all()
    known = normal(2, 1, 4, 4, seed=1) > 0
    assert (own.inpaint(x_0, known, None, rngs(), InpaintConfig()) == torch.where(known, x_0, 0)).all()
