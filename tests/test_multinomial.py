"""Multinomial and masked diffusion against enumeration in float64, and Bayes' rule as a table."""

import itertools

import pytest
import torch

from diffusion import masked, multinomial
from diffusion.categories import Keep, draw, gumbel, keep, step, training_step
from diffusion.columns import Blocks
from diffusion.schedules import ScheduleConfig, build_schedule

SCHEDULES = {
    "cosine": build_schedule(ScheduleConfig(num_train_timesteps=20)),
    "sigmoid, zero snr": build_schedule(ScheduleConfig("sigmoid", num_train_timesteps=20, zero_terminal_snr=True)),
}
SIZES = [1, 2, 3, 17, 200]
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
sizes = pytest.mark.parametrize("size", SIZES)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def probabilities(size, seed=0):
    return normal(1, size, seed=seed).softmax(dim=1)


def levels(schedule, i):
    """(alpha, sigma) as floats; -1 is clean data."""
    return (1.0, 0.0) if i < 0 else (schedule.alpha[i].item(), schedule.sigma[i].item())


def between(schedule, t, s):
    return step(*levels(schedule, t), *levels(schedule, s))


def kernel(k, size):
    """Transition probabilities (from, to) of keeping with the probability k."""
    return k * torch.eye(size, dtype=torch.float64) + (1 - k) / size


def one_step_kernels(schedule, size):
    k = schedule.alphas_cumprod
    return [kernel(k_t / k_s, size) for k_t, k_s in zip(k, torch.cat([torch.ones(1).double(), k[:-1]]), strict=True)]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


# --- forward ----------------------------------------------------------------------------------------------------------


@sizes
@schedules
def test_the_chain_of_one_step_kernels_is_the_closed_form(schedule, size):
    blocks, eye, chain = Blocks((size,)), torch.eye(size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)
    for t, one in enumerate(one_step_kernels(schedule, size)):
        chain = chain @ one
        close(multinomial.log_q(eye.log(), keep(*levels(schedule, t)), blocks).exp(), chain)


@sizes
@schedules
def test_the_posterior_is_bayes_rule_for_every_pair_of_levels(schedule, size):
    """q(x_s | x_t, x_0) from the joint probability of (x_s, x_t), summed over all that lies between: no formula but a chain."""
    pairs = list(itertools.combinations(range(19, -2, -3), 2)) if size < 20 else [(19, 0), (19, -1), (4, 3)]
    blocks, eye, ones = Blocks((size,)), torch.eye(size, dtype=torch.float64), one_step_kernels(schedule, size)
    start = eye[:3]  # each of the first x_0, for all are alike
    for t, s in pairs:
        to_s = torch.linalg.multi_dot([start, eye, *ones[: s + 1]])  # (x_0, x_s)
        s_to_t = torch.linalg.multi_dot([eye, eye, *ones[s + 1 : t + 1]])  # (x_s, x_t)
        joint = to_s[:, None, :] * s_to_t.T[None]  # (x_0, x_t, x_s)
        possible = joint.sum(dim=2) > 0
        expected = (joint / joint.sum(dim=2, keepdim=True))[possible]
        every = torch.cartesian_prod(torch.arange(len(start)), torch.arange(size))
        x_0, x_t = (eye[i] for i in every[possible.flatten()].T)
        close(multinomial.log_posterior(x_0.log(), x_t, between(schedule, t, s), blocks).exp(), expected)


@schedules
def test_a_posterior_that_skips_levels_sums_over_what_lies_between(schedule):
    """Sum over x_m of q(x_m | x_t, x_0) q(x_s | x_m, x_0) = q(x_s | x_t, x_0)."""
    blocks, eye = Blocks((4,)), torch.eye(4, dtype=torch.float64)
    t, m, s = 17, 9, 2
    for x_0 in eye:
        given = x_0.expand(4, 4).log()
        first = multinomial.log_posterior(given, eye, between(schedule, t, m), blocks).exp()  # (x_t, x_m)
        second = multinomial.log_posterior(given, eye, between(schedule, m, s), blocks).exp()  # (x_m, x_s)
        close(first @ second, multinomial.log_posterior(given, eye, between(schedule, t, s), blocks).exp())


def test_a_step_of_training_is_the_step_to_the_level_before():
    schedule = SCHEDULES["cosine"]
    table = training_step(schedule, torch.arange(20), normal(20, 3))
    for t in range(20):
        for of_table, alone in zip(table, between(schedule, t, t - 1), strict=True):
            for a, b in zip(of_table, alone, strict=True):
                assert a.shape == (20, 1)
                close(a[t, 0], b)


# --- the reverse step -------------------------------------------------------------------------------------------------


def exact_x_0(p, x_t, schedule, t, size):
    """p(x_0 | x_t) of a column with the probabilities p, by Bayes."""
    joint = p * kernel(schedule.alphas_cumprod[t], size).T  # (x_t, x_0)
    return x_t @ (joint / joint.sum(dim=1, keepdim=True))


@sizes
@schedules
def test_logits_that_say_the_prior_are_the_exact_denoiser(schedule, size):
    blocks, eye, p = Blocks((size,)), torch.eye(size, dtype=torch.float64), probabilities(size)
    for t in (0, 7, 19):
        log_p = multinomial.log_denoised(p.log().expand(size, -1), eye, *levels(schedule, t), blocks)
        close(log_p.exp(), exact_x_0(p, eye, schedule, t, size))


@sizes
@schedules
def test_a_column_alone_is_drawn_exactly_in_any_number_of_steps(schedule, size):
    """The product of p(x_s | x_t) down from q(x_T), for chains of 1 to 20 steps, is p."""
    blocks, eye, p = Blocks((size,)), torch.eye(size, dtype=torch.float64), probabilities(size)
    for path in ([19], [19, 0], [19, 12, 5], list(range(19, -1, -1))):
        x = p @ kernel(schedule.alphas_cumprod[19], size)  # the marginal at T
        for t, s in itertools.pairwise([*path, -1]):
            x_0 = exact_x_0(p, eye, schedule, t, size)
            x = x @ multinomial.log_step(x_0, eye, between(schedule, t, s), blocks).exp()
        close(x, p)


@schedules
def test_the_bound_of_the_exact_reverse_process_is_the_likelihood(schedule):
    """Sum over t of E[L_t] + L_T = -log p(x_0), term by term by enumeration, also for chains that skip levels."""
    size = 5
    blocks, eye, p = Blocks((size,)), torch.eye(size, dtype=torch.float64), probabilities(size)
    for path in (list(range(19, -1, -1)), [19, 11, 2]):
        for x_0, likelihood in zip(eye, p[0], strict=True):
            total = torch.zeros((), dtype=torch.float64)
            for t, s in itertools.pairwise([*path, -1]):
                weights = kernel(schedule.alphas_cumprod[t], size) @ x_0  # q(x_t | x_0) for each x_t
                terms = multinomial.losses(
                    p.log().expand_as(eye), x_0.expand_as(eye), eye, between(schedule, t, s), blocks
                )
                total = total + weights @ terms[:, 0]
            q_T = kernel(schedule.alphas_cumprod[19], size) @ x_0
            marginal = p[0] @ kernel(schedule.alphas_cumprod[19], size)  # where the exact reverse process starts
            total = total + (q_T * (q_T / marginal).log()).sum()
            close(total, -likelihood.log())


@schedules
def test_the_loss_is_least_at_the_exact_denoiser(schedule):
    """Its expectation over x_0 and x_t has no gradient at logits log p, and is greater beside them."""
    size = 4
    blocks, eye, p = Blocks((size,)), torch.eye(size, dtype=torch.float64), probabilities(size)
    for t in (0, 9, 19):
        pairs = torch.cartesian_prod(torch.arange(size), torch.arange(size))
        weights = (p.T * kernel(schedule.alphas_cumprod[t], size)).flatten()  # of (x_0, x_t)

        def expected(logits, t=t, pairs=pairs, weights=weights):
            x_0, x_t = eye[pairs[:, 0]], eye[pairs[:, 1]]
            found = multinomial.losses(logits.expand_as(x_0), x_0, x_t, between(schedule, t, t - 1), blocks)
            return weights @ found[:, 0]

        logits = p.log().requires_grad_()
        loss = expected(logits)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.abs().max() < 1e-12
        if schedule.alphas_cumprod[t] > 0:
            assert expected(logits + 0.5 * normal(1, size, seed=3)) > loss + 1e-6 * (t < 15)


# --- KL ---------------------------------------------------------------------------------------------------------------


def test_kl_of_each_block():
    blocks = Blocks((1, 2, 200))
    a, b = (blocks.log_softmax(3 * normal(50, 203, seed=seed)) for seed in (0, 1))
    found = multinomial.kl(a, b, blocks)
    pieces = zip(a.split(blocks.sizes, 1), b.split(blocks.sizes, 1), strict=True)
    close(found, torch.stack([(p.exp() * (p - q)).sum(dim=1) for p, q in pieces], dim=1))
    assert (found[:, 1:] > 0).all()
    assert multinomial.kl(a, a, blocks).abs().max() == 0
    assert found[:, 0].abs().max() == 0  # one category


@sizes
def test_the_first_term_is_the_likelihood_of_x_0(size):
    """L_0 = -log p(x_0 | x_t) at t = 0, finite, with a gradient."""
    schedule, blocks = SCHEDULES["cosine"], Blocks((size,))
    eye, logits = torch.eye(size, dtype=torch.float64), normal(size, size).requires_grad_()
    x_t = eye.roll(1, 0)
    found = multinomial.losses(logits, eye, x_t, between(schedule, 0, -1), blocks)
    expected = -multinomial.log_denoised(logits, x_t, *levels(schedule, 0), blocks).diagonal()
    close(found[:, 0], expected)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.isfinite().all()


@sizes
def test_float32_at_the_ends_of_a_long_schedule(size):
    """T = 1000: no NaN, and close to float64, at the noise levels where 1 - k is smallest and greatest."""
    schedule, blocks = build_schedule(ScheduleConfig()), Blocks((size, 2))
    x_0, logits = (
        blocks.one_hot_max(normal(6, size + 2, seed=seed)) if seed < 2 else normal(6, size + 2, seed=seed)
        for seed in (0, 2)
    )
    t = torch.tensor([0, 0, 1, 500, 998, 999])
    x_t = torch.cat([x_0[:1], blocks.one_hot_max(normal(5, size + 2, seed=1))])
    exact = multinomial.losses(logits, x_0, x_t, training_step(schedule, t, x_0), blocks)
    x_0, x_t, logits = x_0.float(), x_t.float(), logits.float()
    found = multinomial.losses(logits, x_0, x_t, training_step(schedule, t, x_0), blocks)
    torch.testing.assert_close(found.double(), exact, rtol=2e-3, atol=1e-7)
    assert (found >= 0).all()


# --- drawing ----------------------------------------------------------------------------------------------------------

N = 40_000


def frequencies_are(x, p):
    """Counts within 4.5 standard deviations of a binomial law, each row one-hot in each block."""
    assert ((x == 0) | (x == 1)).all()
    deviation = (p * (1 - p) / len(x)).sqrt().clamp(min=1e-12)
    assert ((x.mean(dim=0) - p).abs() <= 4.5 * deviation).all()


def test_gaussian_noise_becomes_gumbel_noise():
    g = gumbel(normal(N))
    for value in (-1.0, 0.0, 0.5, 2.0, 4.0):
        expected = torch.tensor(-value).exp().neg().exp()
        assert abs((g < value).double().mean() - expected) < 4.5 * (expected * (1 - expected) / N).sqrt()
    tails = gumbel(torch.tensor([-9.0, 6.0, 9.0]))
    assert tails.isfinite().all()
    assert tails[0] < tails[1] < tails[2]


def test_categories_are_drawn_with_their_probabilities_and_blocks_are_independent():
    blocks = Blocks((3, 2, 40))
    p = blocks.log_softmax(normal(1, 45, seed=1)).exp().float()
    x = draw(p.log().expand(N, -1), normal(N, 45).float(), blocks)
    frequencies_are(x, p[0])
    both = (x[:, :3, None] * x[:, None, 3:5]).flatten(1)
    frequencies_are(both, (p[0, :3, None] * p[0, None, 3:5]).flatten())


@pytest.mark.parametrize("module", [multinomial, masked])
@schedules
def test_q_sample_has_the_frequencies_of_q(schedule, module):
    blocks, x_0 = Blocks((4, 1)), torch.tensor([[0.0, 0.0, 1.0, 0.0, 1.0]]).expand(N, -1)
    for t in (0, 10, 19):
        x_t = module.q_sample(x_0, normal(N, 5, seed=t).float(), *levels(schedule, t), blocks)
        k = schedule.alphas_cumprod[t].float()
        lost = torch.tensor([0.25, 0.25, 0.25, 0.25, 1.0]) if module is multinomial else torch.zeros(5)
        frequencies_are(x_t, k * x_0[0] + (1 - k) * lost)


@pytest.mark.parametrize("module", [multinomial, masked])
def test_the_prior_needs_no_x_0(module):
    blocks = Blocks((4, 2))
    x = module.q_sample(torch.zeros(N, 6), normal(N, 6).float(), 0.0, 1.0, blocks)
    frequencies_are(x, torch.tensor([0.25] * 4 + [0.5] * 2) if module is multinomial else torch.zeros(6))


def test_noise_is_put_on_step_by_step_as_at_once():
    """q_sample with (alpha_ts, sigma_ts) takes x_s to x_t: what RePaint needs."""
    schedule, blocks = SCHEDULES["cosine"], Blocks((3,))
    x_0, k = torch.tensor([[1.0, 0.0, 0.0]]).expand(N, -1), schedule.alphas_cumprod
    ratio = (k[12] / k[5]).item()
    for module in (multinomial, masked):
        x_s = module.q_sample(x_0, normal(N, 3).float(), *levels(schedule, 5), blocks)
        x_t = module.q_sample(x_s, normal(N, 3, seed=1).float(), ratio**0.5, (1 - ratio) ** 0.5, blocks)
        lost = torch.full((3,), 1 / 3) if module is multinomial else torch.zeros(3)
        frequencies_are(x_t, k[12].float() * x_0[0] + (1 - k[12].float()) * lost)


# --- masked -----------------------------------------------------------------------------------------------------------


def test_a_masked_step_shows_with_the_right_probability_and_keeps_what_is_shown():
    schedule, blocks, k = SCHEDULES["cosine"], Blocks((3, 2)), SCHEDULES["cosine"].alphas_cumprod.float()
    p = torch.tensor([[0.5, 0.3, 0.2, 0.9, 0.1]])
    x_t = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]]).expand(N, -1)
    for s in (8, 0, -1):
        x_s = masked.draw_step(p.expand(N, -1), x_t, normal(N, 5).float(), between(schedule, 12, s), blocks)
        shown = ((k[s] if s >= 0 else 1.0) - k[12]) / (1 - k[12])
        frequencies_are(x_s[:, :3], shown * p[0, :3])
        assert (x_s[:, 3:] == x_t[:, 3:]).all()


def test_the_masked_denoiser_says_what_is_shown():
    blocks, x_t = Blocks((3, 2)), torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]])
    output = normal(1, 5).float()
    found = masked.log_denoised(output, x_t, 0.5, 0.75**0.5, blocks).exp()
    assert (found[:, 3:] == x_t[:, 3:]).all()
    torch.testing.assert_close(found[:, :3], output[:, :3].softmax(dim=1))


@schedules
def test_the_masked_bound_of_the_exact_denoiser_is_the_likelihood(schedule):
    """A column alone: shown once in the sum over t, whatever the levels, and then it costs -log p(x_0)."""
    blocks, p, k = Blocks((4,)), probabilities(4), schedule.alphas_cumprod
    eye = torch.eye(4, dtype=torch.float64)
    for path in (list(range(19, -1, -1)), [19, 11, 2]):
        total = torch.zeros(4, dtype=torch.float64)
        for t, s in itertools.pairwise([*path, -1]):
            step_ts = between(schedule, t, s)
            seen = masked.losses(p.log().expand_as(eye), eye, eye, step_ts, blocks)
            unseen = masked.losses(p.log().expand_as(eye), eye, torch.zeros_like(eye), step_ts, blocks)
            assert seen.abs().max() == 0
            total = total + (1 - k[t]) * unseen[:, 0]
        close(total, (1 - k[19]) * -p[0].log())


# --- arithmetic by blocks ---------------------------------------------------------------------------------------------


def test_blocks_are_what_a_loop_over_columns_finds():
    blocks, x = Blocks((5, 1, 200, 2)), 30 * normal(7, 208)
    pieces = x.split(blocks.sizes, dim=1)
    close(blocks.log_softmax(x), torch.cat([piece.log_softmax(dim=1) for piece in pieces], dim=1))
    close(blocks.sum(x), torch.stack([piece.sum(dim=1) for piece in pieces], dim=1))
    assert (blocks.max(x) == torch.stack([piece.amax(dim=1) for piece in pieces], dim=1)).all()
    hot = [torch.nn.functional.one_hot(piece.argmax(dim=1), piece.shape[1]) for piece in pieces]
    assert (blocks.one_hot_max(x) == torch.cat(hot, dim=1)).all()
    close(blocks.log_sizes(x), torch.tensor([5] * 5 + [1] + [200] * 200 + [2] * 2).double().log())


def test_blocks_have_the_gradient_of_a_loop():
    blocks, x, direction = Blocks((5, 1, 9)), normal(7, 15).requires_grad_(), normal(7, 15, seed=1)
    (found,) = torch.autograd.grad((blocks.log_softmax(x) * direction).sum(), x)
    pieces = torch.cat([piece.log_softmax(dim=1) for piece in x.split(blocks.sizes, dim=1)], dim=1)
    (expected,) = torch.autograd.grad((pieces * direction).sum(), x)
    close(found, expected)


def test_of_equals_the_first_is_taken_and_of_nan_none():
    blocks = Blocks((3, 2))
    assert blocks.one_hot_max(torch.tensor([[1.0, 1.0, 0.0, 2.0, 2.0]])).tolist() == [[1, 0, 0, 1, 0]]
    assert blocks.one_hot_max(torch.tensor([[torch.nan, 1.0, 0.0, 2.0, 3.0]])).tolist() == [[0, 0, 0, 0, 1]]


def test_nothing_is_lost_between_a_probability_of_zero_and_one():
    """A keeps everything, a lost category is uniform: the logarithms may be -inf, the results are not NaN."""
    blocks, x = Blocks((3,)), torch.eye(3)
    assert (multinomial.log_q(x.log(), keep(1.0, 0.0), blocks).exp() == x).all()
    assert (multinomial.log_q(x.log(), keep(0.0, 1.0), blocks).exp() - 1 / 3).abs().max() < 1e-6
    assert isinstance(keep(0.5, 0.75**0.5), Keep)
