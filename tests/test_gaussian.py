"""The Gaussian process: identities, the posterior against Bayes on a grid, the denoiser, per-image noise."""

import math

import pytest
import torch

from diffusion.gaussian import (
    DiffusionConfig,
    interpolate_variance,
    make_denoiser,
    posterior,
    posterior_coefficients,
    predict_eps,
    predict_x_0,
    q_sample,
    target,
)
from diffusion.noise import randn
from diffusion.schedules import ScheduleConfig, build_schedule

# (alpha, sigma) of a noisy level t and of a less noisy level s: on a circle (variance preserving), EDM, rectified flow,
# the ends without signal, and clean data.
VP = [(math.cos(phi), math.sin(phi)) for phi in (1.3, 0.9, 0.2)]
PAIRS = {
    "vp": (VP[0], VP[1]),
    "vp far": (VP[0], VP[2]),
    "edm": ((1.0, 5.0), (1.0, 0.7)),
    "rectified flow": ((0.3, 0.7), (0.8, 0.2)),
    "zero terminal snr": ((0.0, 1.0), VP[1]),
    "rectified flow from noise": ((0.0, 1.0), (0.1, 0.9)),
    "to clean data": (VP[1], (1.0, 0.0)),
    "from noise to clean data": ((0.0, 1.0), (1.0, 0.0)),
}


def images(seed=0, batch=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 2, 3, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("alpha", "sigma"), [*VP, (1.0, 5.0), (0.3, 0.7)])
@pytest.mark.parametrize("prediction_type", ["eps", "x_0", "v"])
def test_every_prediction_type_gives_back_x_0_and_eps(prediction_type, alpha, sigma):
    x_0, eps = images(0), images(1)
    x_t = q_sample(x_0, eps, alpha, sigma)
    output = target(prediction_type, x_0, eps, alpha, sigma)
    torch.testing.assert_close(predict_x_0(prediction_type, output, x_t, alpha, sigma), x_0)
    torch.testing.assert_close(predict_eps(prediction_type, output, x_t, alpha, sigma), eps)


@pytest.mark.parametrize(("alpha", "sigma"), [*VP, (1.0, 5.0), (0.3, 0.7)])
def test_eps_to_x_0_to_v_and_back(alpha, sigma):
    x_t, eps = images(0), images(1)  # any pair, not only those of a forward process
    x_0 = predict_x_0("eps", eps, x_t, alpha, sigma)
    v = target("v", x_0, predict_eps("x_0", x_0, x_t, alpha, sigma), alpha, sigma)
    torch.testing.assert_close(predict_eps("v", v, x_t, alpha, sigma), eps)


def test_v_and_x_0_are_defined_without_signal():
    x_0, x_t = images(0), images(1)
    torch.testing.assert_close(predict_x_0("v", -x_0, x_t, 0.0, 1.0), x_0)
    torch.testing.assert_close(predict_eps("x_0", x_0, x_t, 0.0, 1.0), x_t)


def test_q_sample_has_the_mean_and_the_variance_of_the_forward_process():
    schedule = build_schedule(ScheduleConfig(name="linear"))
    eps = torch.randn(3, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0, 300, 999])
    x_t = q_sample(torch.full_like(eps, 0.8), eps, *schedule.at(t, eps))
    for i, alphas_cumprod in enumerate(schedule.alphas_cumprod[t].tolist()):
        std = (1 - alphas_cumprod) ** 0.5
        assert x_t[i].mean().item() == pytest.approx(0.8 * alphas_cumprod**0.5, abs=4 * std / 200)
        assert x_t[i].std().item() == pytest.approx(std, rel=4 / (2**0.5 * 200))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_posterior_is_bayes_on_a_grid(pair):
    """q(x_s | x_t, x_0) is proportional to q(x_t | x_s) q(x_s | x_0), multiplied out on a grid of x_s."""
    (alpha_t, sigma_t), (alpha_s, sigma_s) = pair
    x_0, x_t = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64), torch.full((1, 1, 1, 1), -0.4, dtype=torch.float64)
    q = posterior(x_0, x_t, alpha_t, sigma_t, alpha_s, sigma_s)
    if sigma_s == 0:
        assert q.mean.item() == 0.7
        assert q.variance == 0
        return
    alpha_ts = alpha_t / alpha_s
    variance_ts = sigma_t**2 - alpha_ts**2 * sigma_s**2
    x_s = torch.linspace(alpha_s * 0.7 - 12 * sigma_s, alpha_s * 0.7 + 12 * sigma_s, 20001, dtype=torch.float64)
    log_density = -((-0.4 - alpha_ts * x_s) ** 2) / (2 * variance_ts) - (x_s - alpha_s * 0.7) ** 2 / (2 * sigma_s**2)
    density = log_density.softmax(0)
    mean = (density * x_s).sum()
    assert q.mean.item() == pytest.approx(mean.item(), abs=1e-8)
    assert q.variance == pytest.approx((density * (x_s - mean) ** 2).sum().item(), rel=1e-7)
    assert q.upper_variance == pytest.approx(variance_ts)
    assert q.variance <= q.upper_variance


@pytest.mark.parametrize("t", [1, 10, 500, 999])
def test_posterior_of_neighbours_is_that_of_ddpm(t):
    """Ho et al. 2020, equations 6 and 7, and beta_t as the upper variance."""
    a = build_schedule(ScheduleConfig(name="linear")).alphas_cumprod.tolist()
    beta = 1e-4 + (0.02 - 1e-4) * t / 999
    c = posterior_coefficients(a[t] ** 0.5, (1 - a[t]) ** 0.5, a[t - 1] ** 0.5, (1 - a[t - 1]) ** 0.5)
    assert c.x_0 == pytest.approx(a[t - 1] ** 0.5 * beta / (1 - a[t]), rel=1e-9)
    assert c.x_t == pytest.approx((1 - beta) ** 0.5 * (1 - a[t - 1]) / (1 - a[t]), rel=1e-9)
    assert c.variance == pytest.approx((1 - a[t - 1]) / (1 - a[t]) * beta, rel=1e-9)
    assert c.upper_variance == pytest.approx(beta, rel=1e-9)


def test_variance_fractions_0_and_1_are_the_small_and_the_large_variance():
    zeros = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    assert (interpolate_variance(zeros, 0.003, 0.02) == 0.003).all()
    assert (interpolate_variance(zeros + 1, 0.003, 0.02) == 0.02).all()
    half = interpolate_variance(zeros + 0.5, 0.003, 0.02)
    torch.testing.assert_close(half.log(), (zeros + math.log(0.003) + math.log(0.02)) / 2)


@pytest.mark.parametrize("prediction_type", ["eps", "x_0", "v"])
def test_denoiser_turns_each_image_at_its_own_t_into_x_0(prediction_type):
    schedule = build_schedule(ScheduleConfig(name="linear"))
    x_0, eps = images(0), images(1)
    t = torch.tensor([0, 10, 500, 999])
    alpha, sigma = schedule.at(t, x_0)
    output = target(prediction_type, x_0, eps, alpha, sigma)
    denoiser = make_denoiser(lambda x_t, t, cond: output, schedule, DiffusionConfig(prediction_type=prediction_type))
    denoised = denoiser(q_sample(x_0, eps, alpha, sigma), t, None)
    torch.testing.assert_close(denoised.x_0, x_0)
    assert denoised.variance_fraction is None


def test_denoiser_splits_off_the_variance_and_keeps_float32_under_bfloat16():
    schedule = build_schedule(ScheduleConfig())
    seen = []

    def network(x_t, t, cond):
        seen.append((t, cond))
        return torch.cat([x_t, torch.full_like(x_t, -1), torch.full_like(x_t, 0.5)], dim=1)[:, [0, 2]].bfloat16()

    x_t, t, cond = torch.ones(2, 1, 4, 4), torch.tensor([3, 4]), {"class_label": torch.tensor([0, 1])}
    config = DiffusionConfig(prediction_type="x_0", learned_variance=True)
    denoised = make_denoiser(network, schedule, config)(x_t, t, cond)
    assert denoised.x_0.dtype == torch.float32
    assert (denoised.x_0 == 1).all()
    assert (denoised.variance_fraction == 0.75).all()
    assert seen[0][0] is t
    assert seen[0][1] is cond


def test_eps_prediction_is_refused_without_terminal_signal():
    schedule = build_schedule(ScheduleConfig(zero_terminal_snr=True))
    with pytest.raises(ValueError, match=r"diffusion.prediction_type: 'eps' leaves x_0 undefined .* use v or x_0"):
        make_denoiser(lambda x_t, t, cond: x_t, schedule, DiffusionConfig(prediction_type="eps"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prediction_type": "epsilon"}, r"diffusion.prediction_type: 'epsilon' is not one of eps, x_0, v"),
        ({"loss_weighting": "p2"}, r"diffusion.loss_weighting: 'p2' is not one of simple, min_snr, soft_min_snr"),
        ({"snr_gamma": 0.0}, r"diffusion.snr_gamma: 0.0 must be above 0"),
        ({"vlb_weight": math.nan}, r"diffusion.vlb_weight: nan must be at least 0"),
        ({"class_dropout": 1.0}, r"diffusion.class_dropout: 1.0 must be within \[0, 1\)"),
    ],
)
def test_bad_diffusion_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DiffusionConfig(**options)


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_noise_of_an_image_depends_on_its_generator_alone():
    whole, one = generators([5, 6, 7]), generators([6])
    for _ in range(3):  # also after earlier draws
        batch = randn((3, 1, 4, 5), whole, "cpu")
        assert batch.dtype == torch.float32
        assert (batch[1:2] == randn((1, 1, 4, 5), one, "cpu")).all()
    assert (batch[0] != batch[1]).all()


@pytest.mark.parametrize("wrong", [None, [torch.Generator()]])
def test_noise_needs_one_generator_per_image(wrong):
    with pytest.raises(
        ValueError, match=r"generators: (none|1) given, but a batch of 2 draws noise from one per image"
    ):
        randn((2, 1, 4, 4), wrong, "cpu")
