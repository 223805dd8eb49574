"""Samplers on data whose exact denoiser is known, so that every result has a closed form.

For pixels of N(0, s^2) the denoiser is x_0 = s^2 alpha / (alpha^2 s^2 + sigma^2) x_t. Every step is then affine in x_t
and in the noise drawn, and the standard deviation of the samples follows without sampling error: the samplers run on
unit impulses in place of noise, so that the last axis of the result holds the response to each draw.
"""

import importlib
import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from diffusion.gaussian import Denoised
from diffusion.samplers import SAMPLERS, sampler_config_from_dict
from diffusion.samplers.dpmpp_2m import extrapolation
from diffusion.sampling import sample
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.thresholding import dynamic_threshold, static_threshold
from diffusion.timesteps import NoiseLevels, noise_levels

STD = 0.5  # of the data
FRACTION = 0.3  # what the learned variance says
SAMPLER_OPTIONS = {
    "ddpm small": {"name": "ddpm", "variance": "fixed_small"},
    "ddpm large": {"name": "ddpm", "variance": "fixed_large"},
    "ddpm learned": {"name": "ddpm", "variance": "learned"},
    "ddim": {"name": "ddim"},
    "ddim eta 0.5": {"name": "ddim", "eta": 0.5},
    "ddim eta 1": {"name": "ddim", "eta": 1.0},
    "heun": {"name": "heun"},
    "dpmpp_2m": {"name": "dpmpp_2m"},
}
SCHEDULES = {
    f"{name}{' zero snr' if zero else ''}": build_schedule(ScheduleConfig(name=name, zero_terminal_snr=zero))
    for name, zero in itertools.product(("linear", "cosine", "sigmoid"), (False, True))
}


def gaussian_denoiser(t, alpha, sigma):
    """The exact denoiser of N(0, STD^2) at the levels given."""
    gain = dict(zip(t.tolist(), (STD**2 * alpha / (alpha**2 * STD**2 + sigma**2)).tolist(), strict=True))

    def denoiser(x_t, t, cond=None):
        return Denoised(gain[int(t[0])] * x_t, torch.full_like(x_t, FRACTION))

    return denoiser


def std_of_samples(options, levels, monkeypatch):
    """The standard deviation of a sampler's result when x_T and all noise are standard normal."""
    n = len(levels.t)
    impulses = iter(torch.eye(n + 1, dtype=torch.float64).reshape(n + 1, 1, 1, 1, n + 1))
    module = importlib.import_module(f"diffusion.samplers.{options['name']}")
    if hasattr(module, "randn"):
        monkeypatch.setattr(module, "randn", lambda *args: next(impulses))
    denoiser = gaussian_denoiser(levels.t, levels.alpha[:-1], levels.sigma[:-1])
    _, run = SAMPLERS[options["name"]]
    response = run(denoiser, next(impulses), levels, config=sampler_config_from_dict(options))
    return response.norm().item()


def expected_std(options, levels):
    """The same by a recursion over scalars, in closed forms that the samplers do not use."""
    if options["name"] == "dpmpp_2m":
        return expected_std_of_dpmpp_2m(levels)
    variance = 1.0
    path = list(zip(levels.alpha.tolist(), levels.sigma.tolist(), strict=True))
    for (alpha_t, sigma_t), (alpha_s, sigma_s) in itertools.pairwise(path):
        marginal_t, marginal_s = alpha_t**2 * STD**2 + sigma_t**2, alpha_s**2 * STD**2 + sigma_s**2
        alpha_ts = alpha_t / alpha_s
        forward = sigma_t**2 - alpha_ts**2 * sigma_s**2
        small = 1 / (1 / sigma_s**2 + alpha_ts**2 / forward) if sigma_s > 0 else 0.0  # precisions add
        noise = 0.0
        if options["name"] == "ddpm":
            gain = alpha_ts * marginal_s / marginal_t  # Cov(x_s, x_t) / Var(x_t)
            kinds = {
                "fixed_small": small,
                "fixed_large": forward,
                "learned": small ** (1 - FRACTION) * forward**FRACTION,
            }
            noise = kinds[options["variance"]] if sigma_s > 0 else 0.0
        elif options["name"] == "ddim":
            noise = options.get("eta", 0.0) ** 2 * small
            gain = (alpha_t * alpha_s * STD**2 + sigma_t * math.sqrt(max(sigma_s**2 - noise, 0))) / marginal_t
        else:
            d_alpha, d_sigma = alpha_s - alpha_t, sigma_s - sigma_t
            slope_t = (d_alpha * alpha_t * STD**2 + d_sigma * sigma_t) / marginal_t
            slope_s = (d_alpha * alpha_s * STD**2 + d_sigma * sigma_s) / marginal_s
            gain = 1 + (slope_t + slope_s * (1 + slope_t)) / 2 if sigma_s > 0 else 1 + slope_t
        variance = gain**2 * variance + noise
    return math.sqrt(variance)


def expected_std_of_dpmpp_2m(levels):
    """Algorithm 2 as the paper writes it, in lambda and h, which may be infinite at both ends."""
    alpha, sigma = levels.alpha.numpy(), levels.sigma.numpy()
    with np.errstate(divide="ignore"):
        lam = np.log(alpha / sigma)
    x, said = 1.0, []
    for i in range(1, len(lam)):
        said.append(STD**2 * alpha[i - 1] / (alpha[i - 1] ** 2 * STD**2 + sigma[i - 1] ** 2) * x)
        h, d = lam[i] - lam[i - 1], said[-1]
        if 1 < i < len(lam) - 1 and np.isfinite(lam[i - 2]):
            r = (lam[i - 1] - lam[i - 2]) / h
            d = (1 + 1 / (2 * r)) * said[-1] - 1 / (2 * r) * said[-2]
        x = sigma[i] / sigma[i - 1] * x - alpha[i] * np.expm1(-h) * d
    return abs(x)


def spacings(num_inference_steps):
    return ["trailing"] if num_inference_steps == 1000 else ["trailing", "leading", "linspace"]  # at T all are the same


GRID_OPTIONS = {name: options for name, options in SAMPLER_OPTIONS.items() if name != "ddim eta 1"}  # is "ddpm small"
GRID = [(n, spacing) for n in (1, 2, 7, 10, 50, 250, 1000) for spacing in spacings(n)]


@pytest.mark.parametrize(("num_inference_steps", "spacing"), GRID)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("options", GRID_OPTIONS.values(), ids=GRID_OPTIONS)
def test_std_of_gaussian_samples(options, schedule, num_inference_steps, spacing, monkeypatch):
    levels = noise_levels(schedule, num_inference_steps, spacing)
    std = std_of_samples(options, levels, monkeypatch)
    assert std == pytest.approx(expected_std(options, levels), rel=1e-9)
    if spacing == "trailing" and num_inference_steps == 1000:
        assert std == pytest.approx(STD, rel=0.02)  # the recursion too is right: it ends at the data


def karras_levels(n, sigma_min=0.002, sigma_max=80.0, rho=7):
    """Karras et al. 2022, equation 5, closed by clean data."""
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    sigma = (sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    sigma = torch.cat([sigma, torch.zeros(1, dtype=torch.float64)])
    return NoiseLevels(torch.arange(n - 1, -1, -1), torch.ones_like(sigma), sigma)


def rectified_flow_levels(n):
    sigma = torch.linspace(1, 0, n + 1, dtype=torch.float64)
    return NoiseLevels(torch.arange(n - 1, -1, -1), 1 - sigma, sigma)


@pytest.mark.parametrize("num_inference_steps", [2, 7, 50])
@pytest.mark.parametrize("path", [karras_levels, rectified_flow_levels])
@pytest.mark.parametrize("options", SAMPLER_OPTIONS.values(), ids=SAMPLER_OPTIONS)
def test_std_of_gaussian_samples_on_other_paths(options, path, num_inference_steps, monkeypatch):
    levels = path(num_inference_steps)
    assert std_of_samples(options, levels, monkeypatch) == pytest.approx(expected_std(options, levels), rel=1e-9)


def test_known_values_of_ddpm_and_ddim(monkeypatch):
    """Linear schedule, leading spacing, s = 0.5, computed elsewhere."""
    for options, n, value in [
        (SAMPLER_OPTIONS["ddpm small"], 1000, 0.4961),
        (SAMPLER_OPTIONS["ddpm large"], 1000, 0.5008),
        (SAMPLER_OPTIONS["ddim"], 10, 0.3741),
        (SAMPLER_OPTIONS["ddim"], 50, 0.4724),
        (SAMPLER_OPTIONS["ddim"], 250, 0.4943),
        (SAMPLER_OPTIONS["ddim"], 1000, 0.4985),
    ]:
        levels = noise_levels(SCHEDULES["linear"], n, "leading")
        assert std_of_samples(options, levels, monkeypatch) == pytest.approx(value, abs=6e-5)


def vp_levels(n):
    """A cosine schedule walked in n equal steps, down to t = 0, then to clean data."""
    schedule = build_schedule(ScheduleConfig(name="cosine", num_train_timesteps=8200))
    t = torch.arange(8192, -1, -8192 // n)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    return NoiseLevels(t, torch.cat([schedule.alpha[t], one]), torch.cat([schedule.sigma[t], zero]))


def even_log_snr_levels(n):
    """A variance-preserving path in n even steps of log(alpha / sigma), from -5 to 5, then to clean data."""
    snr = torch.linspace(-10, 10, n, dtype=torch.float64).exp()
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    alpha, sigma = (snr / (1 + snr)).sqrt(), (1 / (1 + snr)).sqrt()
    return NoiseLevels(torch.arange(n - 1, -1, -1), torch.cat([alpha, one]), torch.cat([sigma, zero]))


ORDERS = {"ddim": (1, vp_levels), "heun": (2, vp_levels), "dpmpp_2m": (2, even_log_snr_levels)}


@pytest.mark.parametrize(
    ("name", "order", "path"),
    [(name, order, path) for name, (order, vp) in ORDERS.items() for path in (karras_levels, vp)],
)
def test_order_of_convergence(name, order, path, monkeypatch):
    """The flow takes x at one level to x times the ratio of the marginal deviations; the last step is the denoiser.

    DPM-Solver++ has its order where steps in the log SNR become small, which near the end of `vp_levels` they do not.
    """
    steps = [32, 64, 128, 256, 512]
    errors = []
    for n in steps:
        levels = path(n)
        first, last = (math.hypot(levels.alpha[i].item() * STD, levels.sigma[i].item()) for i in (0, len(levels.t) - 1))
        exact = last / first * STD**2 * levels.alpha[-2].item() / last**2
        errors.append(abs(std_of_samples({"name": name}, levels, monkeypatch) - exact) / exact)
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert -slope == pytest.approx(order, abs=0.15)


def curved_denoiser(x_t, t, cond=None):
    """Pointwise and not affine."""
    return Denoised(torch.tanh(x_t + t[:, None, None, None] / 1000), torch.sin(3 * x_t) / 2 + 0.5)


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_heun_is_algorithm_1_of_edm_where_alpha_is_1():
    levels = karras_levels(8)
    x = expected = torch.linspace(-80, 80, 9, dtype=torch.float64).reshape(1, 1, 3, 3)
    sigma, t = levels.sigma.tolist(), levels.t
    for i in range(8):
        slope = (expected - curved_denoiser(expected, t[i : i + 1]).x_0) / sigma[i]
        euler = expected + (sigma[i + 1] - sigma[i]) * slope
        if sigma[i + 1] != 0:
            slope_next = (euler - curved_denoiser(euler, t[i + 1 : i + 2]).x_0) / sigma[i + 1]
            expected = expected + (sigma[i + 1] - sigma[i]) * (slope / 2 + slope_next / 2)
        else:
            expected = euler
    _, heun = SAMPLERS["heun"]
    torch.testing.assert_close(
        heun(curved_denoiser, x, levels, config=sampler_config_from_dict({"name": "heun"})), expected
    )


@pytest.mark.parametrize("path", [karras_levels, rectified_flow_levels, lambda n: zero_snr_levels(n)])
@pytest.mark.parametrize("n", [1, 2])
def test_dpmpp_2m_of_one_or_two_steps_is_ddim(n, path):
    """The first step and the step to clean data are of first order: all there are."""
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(1, 1, 3, 3)
    found, expected = (
        SAMPLERS[name][1](curved_denoiser, x, path(n), config=sampler_config_from_dict({"name": name}))
        for name in ("dpmpp_2m", "ddim")
    )
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, expected)


def zero_snr_levels(n):
    return noise_levels(SCHEDULES["cosine zero snr"], n, "trailing")


def test_weights_of_dpmpp_2m():
    """Half of the ratio of steps in lambda, which are 1, 3 and 2 here; 0 over what is infinite."""
    lam = torch.tensor([-2.0, -1.0, 2.0, 4.0], dtype=torch.float64)
    ends = torch.tensor([-math.inf]), lam, torch.tensor([math.inf])
    for first, weights in ((1, [0, 3 / 2, 1 / 3, 0]), (0, [0, 0, 3 / 2, 1 / 3, 0])):
        path = torch.cat(ends[first:]).double()
        alpha = path.exp().nan_to_num(posinf=1.0)
        levels = NoiseLevels(torch.arange(len(path) - 1), alpha, torch.where(path == math.inf, 0.0, 1.0).double())
        assert extrapolation(levels) == pytest.approx(weights)
    nowhere = NoiseLevels(torch.zeros(0).long(), torch.ones(1).double(), torch.zeros(1).double())
    assert extrapolation(nowhere) == []


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_ddim_with_eta_1_is_ddpm_with_the_small_variance(schedule):
    levels = noise_levels(schedule, 12, "trailing")
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    results = []
    for options in (SAMPLER_OPTIONS["ddpm small"], SAMPLER_OPTIONS["ddim eta 1"]):
        _, run = SAMPLERS[options["name"]]
        config = sampler_config_from_dict(options)
        results.append(run(curved_denoiser, x, levels, config=config, generators=generators([1, 2])))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(("fraction", "fixed"), [(0.0, "fixed_small"), (1.0, "fixed_large")])
def test_learned_variance_reaches_both_fixed_ones(fraction, fixed):
    levels = noise_levels(SCHEDULES["cosine"], 12, "trailing")
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, ddpm = SAMPLERS["ddpm"]

    def denoiser(x_t, t, cond):
        return Denoised(x_t / 2, torch.full_like(x_t, fraction))

    learned, expected = (
        ddpm(
            denoiser,
            x,
            levels,
            config=sampler_config_from_dict({"name": "ddpm", "variance": variance}),
            generators=generators([1, 2]),
        )
        for variance in ("learned", fixed)
    )
    torch.testing.assert_close(learned, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("options", SAMPLER_OPTIONS.values(), ids=SAMPLER_OPTIONS)
def test_a_single_image_is_found_exactly(options, schedule):
    """When the data is one image, the denoiser always says that image, and the last step returns it bit for bit."""
    image = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4).expand(2, 1, 4, 4)

    def denoiser(x_t, t, cond):
        return Denoised(image, torch.full_like(x_t, FRACTION))

    config = sampler_config_from_dict(options | {"num_inference_steps": 5})
    x_0 = sample(denoiser, schedule, config, image.shape, generators=generators([0, 1]), device="cpu")
    assert (x_0 == image).all()


@pytest.mark.parametrize("options", SAMPLER_OPTIONS.values(), ids=SAMPLER_OPTIONS)
@pytest.mark.parametrize("threshold", ["none", "static", "dynamic"])
def test_a_sample_does_not_depend_on_its_batch(options, threshold):
    config = sampler_config_from_dict(options | {"num_inference_steps": 6, "threshold": threshold})

    def draw(seeds):
        shape = (len(seeds), 1, 4, 5)
        return sample(curved_denoiser, SCHEDULES["cosine"], config, shape, generators=generators(seeds), device="cpu")

    whole = draw(range(5))
    assert torch.isfinite(whole).all()
    assert (torch.cat([draw([0]), draw([1, 2]), draw([3, 4])]) == whole).all()
    assert (whole[0] != whole[1]).any()
    assert (draw(range(5)) == whole).all()


@pytest.mark.parametrize("options", SAMPLER_OPTIONS.values(), ids=SAMPLER_OPTIONS)
def test_what_a_sampler_passes_on(options):
    """The denoiser gets t (b,) and cond, the callback sees each step, the global generator is left alone."""
    cond, seen, steps = {"class_label": torch.tensor([1, 2])}, [], []

    def denoiser(x_t, t, cond):
        assert t.dtype == torch.int64
        assert t.shape == (2,)
        seen.append((int(t[0]), cond))
        return curved_denoiser(x_t, t)

    config = sampler_config_from_dict(options | {"num_inference_steps": 4})
    state = torch.get_rng_state()
    x_0 = sample(
        denoiser,
        SCHEDULES["cosine"],
        config,
        (2, 1, 4, 4),
        generators=generators([0, 1]),
        cond=cond,
        device="cpu",
        callback=lambda i, x_t, x_0: steps.append((i, x_t, x_0)),
    )
    assert (torch.get_rng_state() == state).all()
    assert all(given is cond for _, given in seen)
    expected = [999, 749, 499, 249] if options["name"] != "heun" else [999, 749, 749, 499, 499, 249, 249]
    assert [t for t, _ in seen] == expected
    assert [i for i, _, _ in steps] == [0, 1, 2, 3]
    assert (steps[-1][2] == x_0).all()
    start = torch.stack([torch.randn(1, 4, 4, generator=generator) for generator in generators([0, 1])])
    torch.testing.assert_close(steps[0][1], start)


def test_static_threshold_clips():
    x_0 = torch.tensor([-3.0, -1, -0.2, 0.7, 1, 1.5]).reshape(1, 1, 2, 3)
    fraction = torch.zeros_like(x_0)
    denoised = static_threshold(lambda x_t, t, cond: Denoised(x_0, fraction))(x_0, torch.tensor([0]))
    assert denoised.x_0.flatten().tolist() == pytest.approx([-1, -1, -0.2, 0.7, 1, 1])
    assert denoised.variance_fraction is fraction


def test_dynamic_threshold_divides_each_image_by_its_own_quantile():
    ramp = torch.linspace(-1, 1, 101).reshape(1, 1, 1, 101)
    x_0 = torch.cat([4 * ramp, 0.5 * ramp])  # the second is in range and stays as it is
    denoised = dynamic_threshold(lambda x_t, t, cond: Denoised(x_0), 0.9)(x_0, torch.tensor([0, 0])).x_0
    s = np.quantile(np.abs(4 * ramp.numpy()), 0.9)
    assert s > 1
    torch.testing.assert_close(denoised[:1], (4 * ramp).clamp(-s, s) / s)
    assert denoised[0].abs().max() == 1
    assert (denoised[1:] == 0.5 * ramp).all()


def test_sample_applies_the_threshold_of_the_config():
    def denoiser(x_t, t, cond):
        return Denoised(torch.full_like(x_t, 3.0))

    for threshold, value in [("none", 3.0), ("static", 1.0), ("dynamic", 1.0)]:
        config = sampler_config_from_dict({"name": "ddim", "num_inference_steps": 3, "threshold": threshold})
        x_0 = sample(denoiser, SCHEDULES["cosine"], config, (1, 1, 4, 4), generators=generators([0]), device="cpu")
        assert (x_0 == value).all()


def test_heun_is_more_accurate_than_ddim_at_equal_cost(monkeypatch):
    """Also from an alpha of almost 0, where a solver in sigma / alpha would start with a huge step."""
    for schedule in ("cosine", "cosine zero snr", "sigmoid", "sigmoid zero snr"):
        for n in (5, 10, 20):
            heun_levels = noise_levels(SCHEDULES[schedule], n, "trailing")
            ddim_levels = noise_levels(SCHEDULES[schedule], 2 * n - 1, "trailing")
            heun_error = abs(std_of_samples({"name": "heun"}, heun_levels, monkeypatch) - STD)
            assert heun_error < abs(std_of_samples({"name": "ddim"}, ddim_levels, monkeypatch) - STD)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_dpmpp_2m_is_more_accurate_than_ddim_in_as_many_steps(schedule, monkeypatch):
    for n in (5, 10, 20, 50, 250):
        levels = noise_levels(schedule, n, "trailing")
        of_dpmpp, of_ddim = (
            abs(std_of_samples({"name": name}, levels, monkeypatch) - STD) for name in ("dpmpp_2m", "ddim")
        )
        assert of_dpmpp < of_ddim
        assert n < 50 or of_dpmpp < of_ddim / 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "euler"}, r"sampler.name: 'euler' is not one of ddpm, ddim, heun, dpmpp_2m"),
        ({}, r"sampler.name: None is not one of"),
        ({"name": "ddim", "variance": "learned"}, r"sampler.variance: is no option of 'ddim', which has .*eta"),
        ({"name": "ddim", "eta": 1.5}, r"sampler.eta: 1.5 must be within \[0, 1\]"),
        ({"name": "ddim", "eta": math.nan}, r"sampler.eta: nan"),
        ({"name": "ddpm", "variance": "small"}, r"sampler.variance: 'small' is not one of fixed_small, fixed_large"),
        ({"name": "heun", "num_inference_steps": 0}, r"sampler.num_inference_steps: 0 must be at least 1"),
        ({"name": "heun", "spacing": "even"}, r"sampler.spacing: 'even' is not one of trailing, leading, linspace"),
        ({"name": "heun", "threshold": "clip"}, r"sampler.threshold: 'clip' is not one of none, static, dynamic"),
        ({"name": "heun", "threshold_quantile": 0.0}, r"sampler.threshold_quantile: 0.0 must be within \(0, 1\]"),
    ],
)
def test_bad_sampler_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sampler_config_from_dict(options)


@pytest.mark.parametrize("options", SAMPLER_OPTIONS.values(), ids=SAMPLER_OPTIONS)
def test_a_sampler_config_survives_a_checkpoint(options):
    """What a sampler says of its steps belongs to its class and is not saved: dicts of older checkpoints still fit."""
    config = sampler_config_from_dict(options)
    assert sampler_config_from_dict(asdict(config)) == config
    assert not {"ONE_CALL", "SINGLE_STEPS"} & set(asdict(config))
    assert config.ONE_CALL is (config.name != "heun")
    assert config.SINGLE_STEPS is (config.name not in ("heun", "dpmpp_2m"))


def test_a_sampler_config_keeps_its_name():
    config_class, _ = SAMPLERS["ddim"]
    with pytest.raises(ValueError, match=r"sampler.name: 'ddpm' cannot be set, it is 'ddim' here"):
        config_class(name="ddpm")


def test_learned_variance_needs_a_model_that_learned_it():
    config = sampler_config_from_dict({"name": "ddpm", "variance": "learned", "num_inference_steps": 3})
    with pytest.raises(ValueError, match=r"sampler.variance: 'learned' needs a model trained with .*learned_variance"):
        sample(
            lambda x_t, t, cond: Denoised(x_t),
            SCHEDULES["cosine"],
            config,
            (1, 1, 4, 4),
            generators=generators([0]),
            device="cpu",
        )
