"""Loss weights against their formulas, the variational bound against closed forms."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from diffusion.gaussian import Denoised, DiffusionConfig, posterior_coefficients, q_sample, target
from diffusion.losses import (
    bits_per_dim,
    discretised_log_likelihood,
    loss_weights,
    prior_term,
    training_losses,
    vlb_term,
)
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.timesteps import noise_levels

SCHEDULES = {name: build_schedule(ScheduleConfig(name=name)) for name in ("linear", "cosine", "sigmoid")}
COSINE = SCHEDULES["cosine"]
PREDICTION_TYPES = ("eps", "x_0", "v")
WEIGHTINGS = ("simple", "min_snr", "soft_min_snr")


def images(seed, batch=4, size=8):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, size, size, generator=generator, dtype=torch.float64)


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("gamma", [1.0, 5.0])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_weights_are_those_of_the_papers(schedule, gamma):
    expected = {
        ("eps", "min_snr"): lambda snr: min(snr, gamma) / snr,
        ("x_0", "min_snr"): lambda snr: min(snr, gamma),
        ("v", "min_snr"): lambda snr: min(snr, gamma) / (snr + 1),
        ("eps", "soft_min_snr"): lambda snr: gamma / (snr + gamma),
        ("x_0", "soft_min_snr"): lambda snr: 1 / (1 / snr + 1 / gamma),
        ("v", "soft_min_snr"): lambda snr: 1 / (1 / snr + 1 / gamma) / (snr + 1),
    }
    snr = schedule.snr.tolist()
    assert snr[-1] < gamma < snr[0]  # both sides of the bend are there
    for (prediction_type, weighting), formula in expected.items():
        weights = loss_weights(schedule, prediction_type, weighting, gamma)
        assert weights.tolist() == pytest.approx([formula(value) for value in snr], rel=1e-12)
    for prediction_type in PREDICTION_TYPES:
        assert (loss_weights(schedule, prediction_type, "simple", gamma) == 1).all()


@pytest.mark.parametrize("weighting", ["min_snr", "soft_min_snr"])
def test_a_weighting_is_the_same_loss_whatever_is_predicted(weighting):
    """One wrong x_0, written as eps, x_0 and v, costs the same."""
    x_0, eps, wrong = images(0), images(1), images(2)
    t = torch.tensor([0, 200, 600, 990])
    alpha, sigma = COSINE.at(t, x_0)
    x_t = q_sample(x_0, eps, alpha, sigma)
    losses = []
    for prediction_type in PREDICTION_TYPES:
        output = target(prediction_type, wrong, (x_t - alpha * wrong) / sigma, alpha, sigma)
        config = DiffusionConfig(prediction_type=prediction_type, loss_weighting=weighting)
        network = lambda x_t, t, cond, output=output: output  # noqa: E731
        losses.append(training_losses(network, x_0, t, eps, schedule=COSINE, config=config).loss)
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(losses[0], losses[2])
    weight = loss_weights(COSINE, "x_0", weighting, 5.0)[t]
    torch.testing.assert_close(losses[1], weight * ((x_0 - wrong) ** 2).mean(dim=(1, 2, 3)))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_weights_are_finite_without_terminal_signal(prediction_type, weighting):
    schedule = build_schedule(ScheduleConfig(zero_terminal_snr=True))
    weights = loss_weights(schedule, prediction_type, weighting, 5.0)
    assert torch.isfinite(weights).all()
    assert weights[-1] == (1 if prediction_type == "eps" or weighting == "simple" else 0)


@pytest.mark.parametrize("learned_variance", [False, True])
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_the_network_sees_x_t_and_a_perfect_one_has_no_error(prediction_type, learned_variance):
    x_0, eps = images(0), images(1)
    t, cond = torch.tensor([0, 1, 600, 999]), {"class_label": torch.tensor([0, 1, 2, 3])}
    alpha, sigma = COSINE.at(t, x_0)

    def network(x_t, given_t, given_cond):
        torch.testing.assert_close(x_t, alpha * x_0 + sigma * eps)
        assert given_t is t
        assert given_cond is cond
        output = target(prediction_type, x_0, eps, alpha, sigma)
        return torch.cat([output, -torch.ones_like(output)], dim=1) if learned_variance else output

    config = DiffusionConfig(prediction_type=prediction_type, learned_variance=learned_variance)
    losses = training_losses(network, x_0, t, eps, cond, schedule=COSINE, config=config)
    assert losses.loss.shape == losses.mse.shape == (4,)
    assert (losses.mse == 0).all()
    if losses.vlb is None:
        assert not learned_variance
        assert (losses.loss == 0).all()
    else:  # the right mean and, at fraction 0, the right variance: only the decoder has something to say
        assert losses.vlb[0] > 0.1
        torch.testing.assert_close(losses.vlb[1:], torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-8)


def test_hybrid_loss_adds_the_bound_and_keeps_it_from_the_mean():
    """Nichol & Dhariwal 2021, section 3.1: L_vlb trains the variance alone, L_simple the mean alone."""
    x_0, eps, t = images(0), images(1), torch.tensor([0, 1, 600, 999])
    output = torch.cat([images(2), images(3) / 3], dim=1).requires_grad_()
    config = DiffusionConfig(learned_variance=True, vlb_weight=0.003, loss_weighting="min_snr")
    losses = training_losses(lambda x_t, t, cond: output, x_0, t, eps, schedule=COSINE, config=config)
    weight = loss_weights(COSINE, "v", "min_snr", 5.0)[t]
    assert losses.vlb is not None
    torch.testing.assert_close(losses.loss, weight * losses.mse + 0.003 * 1000 * losses.vlb)
    of_mean, of_variance = torch.autograd.grad(losses.vlb.sum(), output, retain_graph=True)[0].chunk(2, dim=1)
    assert (of_mean == 0).all()
    assert (of_variance[:, :, 0, 0] != 0).all()
    of_mean, of_variance = torch.autograd.grad(losses.mse.sum(), output)[0].chunk(2, dim=1)
    assert (of_mean != 0).all()
    assert (of_variance == 0).all()


@pytest.mark.parametrize("num_steps", [1000, 20])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_terms_of_the_bound_are_divergences_of_gaussians(schedule, num_steps):
    """Every image at another step, against torch.distributions; the last step is the decoder."""
    levels = noise_levels(schedule, num_steps, "trailing")
    step = torch.tensor([0, num_steps // 2, num_steps - 2, num_steps - 1])
    x_0, wrong, fraction = images(0).clamp(-1, 1), images(1).clamp(-1, 1), images(2).sigmoid()
    x_0 = ((x_0 * 127.5 + 127.5).round() - 127.5) / 127.5
    terms = vlb_term(x_0, Denoised(wrong, fraction), levels, step)

    alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()

    def coefficients(i):
        return posterior_coefficients(alpha[i], sigma[i], alpha[i + 1], sigma[i + 1])

    for image, i in enumerate(step.tolist()):
        c = coefficients(i)
        lower = c.variance if i < num_steps - 1 else coefficients(i - 1).variance
        f = fraction[image]
        variance = torch.exp(f * math.log(c.upper_variance) + (1 - f) * math.log(lower))
        if i < num_steps - 1:
            q = Normal(c.x_0 * x_0[image], math.sqrt(lower))
            nats = kl_divergence(q, Normal(c.x_0 * wrong[image], variance.sqrt()))
        else:
            nats = -discretised_log_likelihood(x_0[image : image + 1], wrong[image : image + 1], variance[None])
        torch.testing.assert_close(terms[image], nats.mean() / math.log(2))


def test_prior_term_is_a_divergence_from_the_standard_normal():
    for schedule in SCHEDULES.values():
        levels = noise_levels(schedule, 10, "leading")  # starts early, so that the term is not about 0
        x_0 = images(0)
        q = Normal(levels.alpha[0] * x_0, levels.sigma[0].expand_as(x_0))
        expected = kl_divergence(q, Normal(torch.zeros_like(x_0), 1)).mean(dim=(1, 2, 3)) / math.log(2)
        torch.testing.assert_close(prior_term(x_0, levels), expected)


@pytest.mark.parametrize("num_levels", [2, 256, 4096])
@pytest.mark.parametrize("mean", [-1.3, -0.5, 0.001, 1.0])
@pytest.mark.parametrize("std", [1e-3, 0.05, 2.0])
def test_likelihoods_of_all_levels_sum_to_one(num_levels, mean, std):
    x = torch.linspace(-1, 1, num_levels, dtype=torch.float64).reshape(1, 1, 1, num_levels)
    log_p = discretised_log_likelihood(x, torch.full_like(x, mean), torch.full_like(x, std**2), num_levels)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_likelihood_is_the_mass_of_the_bin():
    x = torch.tensor([-1.0, -0.2, 0.4, 1.0], dtype=torch.float64).reshape(1, 1, 2, 2)  # all on the grid of 256
    mean, std = torch.full_like(x, 0.1), 0.3
    normal = Normal(mean, std)
    upper, lower = normal.cdf(x + 1 / 255), normal.cdf(x - 1 / 255)
    upper[x == 1], lower[x == -1] = 1, 0
    torch.testing.assert_close(discretised_log_likelihood(x, mean, torch.full_like(x, std**2)).exp(), upper - lower)


def test_likelihood_and_its_gradient_are_finite_far_in_the_tails():
    x = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    for mean, std in [(-1.0, 1e-4), (30.0, 0.01), (0.0, 1e3)]:
        variance = torch.full_like(x, std**2).requires_grad_()
        log_p = discretised_log_likelihood(x, torch.full_like(x, mean), variance)
        log_p.sum().backward()
        assert torch.isfinite(log_p).all()
        assert variance.grad is not None
        assert torch.isfinite(variance.grad).all()


def quantised_gaussian(std, shape):
    x = std * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (((x + 1) * 127.5).round().clamp(0, 255) - 127.5) / 127.5


@pytest.mark.parametrize("num_steps", [None, 25])
def test_bits_per_dim_of_a_denoiser_that_knows_the_answer(num_steps):
    """Then each step costs the divergence of the two variances alone, and the last one the width of its bin."""
    x_0 = quantised_gaussian(0.25, (2, 1, 8, 8))
    levels = noise_levels(COSINE, num_steps or 1000, "trailing")
    alpha, sigma = levels.alpha.tolist(), levels.sigma.tolist()
    expected = prior_term(x_0, levels)
    for i in range(len(levels.t) - 1):
        c = posterior_coefficients(alpha[i], sigma[i], alpha[i + 1], sigma[i + 1])
        nats = kl_divergence(Normal(0.0, math.sqrt(c.variance)), Normal(0.0, math.sqrt(c.upper_variance)))
        expected = expected + nats / math.log(2)
    decoder = discretised_log_likelihood(x_0, x_0, torch.full_like(x_0, sigma[-2] ** 2))
    expected = expected - decoder.mean(dim=(1, 2, 3)) / math.log(2)
    bits = bits_per_dim(
        lambda x_t, t, cond: Denoised(x_0),
        x_0,
        schedule=COSINE,
        generators=generators([0, 1]),
        num_inference_steps=num_steps,
    )
    torch.testing.assert_close(bits, expected, rtol=1e-6, atol=1e-6)


def test_bits_per_dim_of_gaussian_data_are_its_likelihood():
    """The exact reverse process of N(0, s^2) is Gaussian, so the bound is tight; with another variance it is not."""
    std, num_steps = 0.25, 40
    x_0 = quantised_gaussian(std, (4, 1, 64, 64))
    likelihood = discretised_log_likelihood(x_0, torch.zeros_like(x_0), torch.full_like(x_0, std**2))
    levels = noise_levels(COSINE, num_steps, "trailing")
    alpha, sigma = levels.alpha, levels.sigma
    marginal = alpha**2 * std**2 + sigma**2  # (n + 1,)
    c = posterior_coefficients(alpha[:-1], sigma[:-1], alpha[1:], sigma[1:])
    exact = marginal[1:] - (alpha[:-1] / alpha[1:] * marginal[1:]) ** 2 / marginal[:-1]  # Var(x_s | x_t)
    lower = torch.cat([c.variance[:-1], c.variance[-2:-1]])
    fractions = (exact / lower).log() / (c.upper_variance / lower).log()
    row = {t: i for i, t in enumerate(levels.t.tolist())}

    def bits(fraction_of):
        def denoiser(x_t, t, cond):
            i = row[int(t[0])]
            x_0 = std**2 * alpha[i] / marginal[i] * x_t
            return Denoised(x_0, fraction_of(i, x_t))

        bits = bits_per_dim(
            denoiser, x_0, schedule=COSINE, generators=generators(range(4)), num_inference_steps=num_steps
        )
        return bits.mean().item()

    exact_bits = -likelihood.mean().item() / math.log(2)
    assert bits(lambda i, x_t: fractions[i].expand_as(x_t)) == pytest.approx(exact_bits, abs=0.02)
    assert bits(lambda i, x_t: None) > exact_bits + 0.05
    assert bits(lambda i, x_t: torch.zeros_like(x_t)) > exact_bits + 0.05


def test_bits_per_dim_of_an_image_do_not_depend_on_its_batch():
    x_0 = quantised_gaussian(0.25, (3, 1, 8, 8)).float()
    cond = {"class_label": torch.tensor([0, 1, 2])}

    def denoiser(x_t, t, cond):
        return Denoised(torch.tanh(x_t + cond["class_label"][:, None, None, None] / 10))

    def bits(rows):
        rows = torch.tensor(rows)
        return bits_per_dim(
            denoiser,
            x_0[rows],
            {"class_label": cond["class_label"][rows]},
            schedule=COSINE,
            generators=generators(rows.tolist()),
            num_inference_steps=20,
        )

    torch.testing.assert_close(torch.cat([bits([0]), bits([1, 2])]), bits([0, 1, 2]), rtol=1e-6, atol=0)


def test_eps_prediction_is_refused_without_terminal_signal():
    schedule = build_schedule(ScheduleConfig(zero_terminal_snr=True))
    config = DiffusionConfig(prediction_type="eps")
    with pytest.raises(ValueError, match=r"diffusion.prediction_type: 'eps' leaves x_0 undefined"):
        training_losses(
            lambda x_t, t, cond: x_t, images(0), torch.tensor([0, 1, 2, 3]), images(1), schedule=schedule, config=config
        )
