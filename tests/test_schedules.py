"""Schedules against their papers' formulas; timesteps against Lin et al. 2023."""

import math

import pytest
import torch

from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.timesteps import noise_levels, spaced_timesteps

NAMES = ("linear", "cosine", "sigmoid")
STEPS = (1, 2, 7, 10, 50, 250, 1000)


def schedule(name="cosine", **options):
    return build_schedule(ScheduleConfig(name=name, **options))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zero_terminal_snr", [False, True])
@pytest.mark.parametrize("num_train_timesteps", [50, 1000, 4000])
def test_signal_falls_from_almost_one_to_almost_zero(name, zero_terminal_snr, num_train_timesteps):
    s = schedule(name, zero_terminal_snr=zero_terminal_snr, num_train_timesteps=num_train_timesteps)
    assert s.num_train_timesteps == num_train_timesteps == len(s.alphas_cumprod)
    assert s.alphas_cumprod.dtype == torch.float64
    assert (s.alphas_cumprod.diff() < 0).all()
    assert 0.99 < s.alphas_cumprod[0] < 1
    assert (s.alphas_cumprod[-1] == 0) if zero_terminal_snr else (0 < s.alphas_cumprod[-1] < 1e-4)
    assert s.zero_terminal_snr == zero_terminal_snr
    torch.testing.assert_close(s.alpha**2 + s.sigma**2, torch.ones(num_train_timesteps, dtype=torch.float64))
    torch.testing.assert_close(s.snr, s.alpha**2 / s.sigma**2)


def test_linear_is_the_product_of_one_minus_beta():
    expected = 1.0
    s = schedule("linear")
    for t in range(1000):
        expected *= 1 - (1e-4 + (0.02 - 1e-4) * t / 999)
        assert s.alphas_cumprod[t].item() == pytest.approx(expected, rel=1e-12)
    assert s.alphas_cumprod[-1].item() == pytest.approx(4.0358e-5, rel=1e-4)  # the well-known end of DDPM


@pytest.mark.parametrize("num_train_timesteps", [100, 250, 4000])
def test_linear_ends_at_the_same_noise_whatever_the_number_of_steps(num_train_timesteps):
    reference = schedule("linear").alphas_cumprod[-1].log()
    end = schedule("linear", num_train_timesteps=num_train_timesteps).alphas_cumprod[-1].log()
    torch.testing.assert_close(end, reference, rtol=0.1, atol=0)  # unscaled betas miss it by a factor of T / 1000


@pytest.mark.parametrize("t", [0, 1, 99, 499, 900])
def test_cosine_is_equation_17(t):
    def f(step):
        return math.cos((step / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    assert schedule("cosine").alphas_cumprod[t].item() == pytest.approx(f(t + 1) / f(0), rel=1e-12)


@pytest.mark.parametrize("t", [0, 1, 99, 499, 900])
@pytest.mark.parametrize(("start", "end", "tau"), [(-3.0, 3.0, 1.0), (0.0, 3.0, 0.7)])
def test_sigmoid_is_algorithm_1(t, start, end, tau):
    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    u = (t + 1) / 1000
    top, bottom = sigmoid(start / tau), sigmoid(end / tau)
    expected = (bottom - sigmoid((u * (end - start) + start) / tau)) / (bottom - top)
    s = schedule("sigmoid", sigmoid_start=start, sigmoid_end=end, sigmoid_tau=tau)
    assert s.alphas_cumprod[t].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["cosine", "sigmoid"])
def test_the_last_beta_is_clipped(name):
    alphas_cumprod = schedule(name).alphas_cumprod
    betas = 1 - alphas_cumprod[1:] / alphas_cumprod[:-1]
    assert betas.max().item() == betas[-1].item() == pytest.approx(0.999, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_zero_terminal_snr_keeps_the_first_alpha_and_is_affine_in_alpha(name):
    before, after = schedule(name).alpha, schedule(name, zero_terminal_snr=True).alpha
    assert after[-1] == 0
    torch.testing.assert_close(after[0], before[0], rtol=1e-14, atol=0)
    torch.testing.assert_close(after.diff() / before.diff(), (before[0] / (before[0] - before[-1])).expand(999))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shift", [0.5, 2.0, 4.0])
def test_a_shift_multiplies_sigma_over_alpha(name, shift):
    plain, moved = (build_schedule(ScheduleConfig(name=name, shift=s)) for s in (1.0, shift))
    torch.testing.assert_close(moved.sigma / moved.alpha, shift * plain.sigma / plain.alpha, rtol=1e-9, atol=0)
    whole = build_schedule(ScheduleConfig(name=name, shift=shift, zero_terminal_snr=True))
    assert whole.zero_terminal_snr
    assert whole.alpha[0] == pytest.approx(moved.alpha[0].item())


def test_at_looks_up_with_the_dtype_of_the_images():
    s = schedule()
    t = torch.tensor([0, 999, 10])
    for dtype in (torch.float32, torch.float64):
        alpha, sigma = s.at(t, torch.zeros(3, 1, 4, 4, dtype=dtype))
        assert alpha.shape == sigma.shape == (3, 1, 1, 1)
        assert alpha.dtype == sigma.dtype == dtype
        torch.testing.assert_close(alpha.flatten(), s.alpha[t].to(dtype), rtol=0, atol=0)
        torch.testing.assert_close(sigma.flatten(), s.sigma[t].to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("num_inference_steps", STEPS)
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_timesteps_descend_within_range_and_have_the_ends_of_their_spacing(spacing, num_inference_steps):
    t = spaced_timesteps(1000, num_inference_steps, spacing)
    assert t.dtype == torch.int64
    assert len(t) == num_inference_steps
    assert (t.diff() < 0).all()
    assert t.min() >= 0
    assert t.max() <= 999
    if spacing != "leading":
        assert t[0] == 999
    if spacing == "leading" or (spacing == "linspace" and num_inference_steps > 1):
        assert t[-1] == 0
    if num_inference_steps == 1000:
        assert t.tolist() == list(range(999, -1, -1))


def test_timesteps_of_the_paper():
    """Lin et al. 2023, Table 2 counts from 1: there trailing is 1000, 900, ..., leading 901, 801, ..., 1."""
    assert spaced_timesteps(1000, 10, "trailing").tolist() == list(range(999, 0, -100))
    assert spaced_timesteps(1000, 10, "leading").tolist() == list(range(900, -1, -100))
    assert spaced_timesteps(1000, 10, "linspace").tolist() == [999, 888, 777, 666, 555, 444, 333, 222, 111, 0]
    assert spaced_timesteps(1000, 7, "trailing").tolist() == [999, 856, 713, 570, 428, 285, 142]


@pytest.mark.parametrize("num_train_timesteps", [2, 3, 10, 37])
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_timesteps_are_distinct_for_every_n(spacing, num_train_timesteps):
    for n in range(1, num_train_timesteps + 1):
        t = spaced_timesteps(num_train_timesteps, n, spacing)
        assert (t.diff() < 0).all()
        assert t[0] < num_train_timesteps
        assert t[-1] >= 0


def test_noise_levels_end_with_clean_data():
    s = schedule()
    levels = noise_levels(s, 10, "trailing")
    assert levels.t.tolist() == list(range(999, 0, -100))
    assert levels.alpha.tolist() == [*s.alpha[levels.t].tolist(), 1.0]
    assert levels.sigma.tolist() == [*s.sigma[levels.t].tolist(), 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "quadratic"}, r"schedule.name: 'quadratic' is not one of linear, cosine, sigmoid"),
        ({"num_train_timesteps": 1}, r"schedule.num_train_timesteps: 1 must be at least 2"),
        ({"beta_end": 0.01}, r"schedule.beta_end: has no effect on 'cosine', it belongs to 'linear'"),
        ({"name": "linear", "sigmoid_tau": 0.5}, r"schedule.sigmoid_tau: has no effect on 'linear'"),
        ({"name": "linear", "num_train_timesteps": 10}, r"schedule.beta_start, beta_end: .* take more timesteps"),
        ({"name": "linear", "beta_start": 0.03}, r"schedule.beta_start, beta_end: 0.03, 0.02 must rise"),
        ({"cosine_offset": -1.0}, r"schedule.cosine_offset: -1.0"),
        ({"shift": 0.0}, r"schedule.shift: 0.0 must be above 0 and finite"),
        ({"name": "sigmoid", "sigmoid_start": 4.0}, r"schedule.sigmoid_start, .* start < end"),
    ],
)
def test_bad_schedules_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**options)


@pytest.mark.parametrize(
    ("n", "spacing", "message"),
    [
        (1001, "trailing", r"sampler.num_inference_steps: 1001 must be within \[1, 1000\]"),
        (0, "trailing", r"sampler.num_inference_steps: 0"),
        (10, "training", r"sampler.spacing: 'training' is not one of trailing, leading, linspace"),
    ],
)
def test_bad_timesteps_are_refused(n, spacing, message):
    with pytest.raises(ValueError, match=message):
        spaced_timesteps(1000, n, spacing)
