"""Rows of numbers and categories: samplers with exact denoisers, losses by hand, and what is known kept to the bit."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from diffusion.categories import step
from diffusion.columns import Columns
from diffusion.gaussian import Denoised, DiffusionConfig
from diffusion.guidance import GuidanceConfig, classifier_free_guidance
from diffusion.inpainting import InpaintConfig
from diffusion.mixed import MixedProcess, require_columns
from diffusion.noise import ROWS_PER_CHUNK, RowNoise
from diffusion.parts import Parts
from diffusion.process import GaussianProcess, build_process
from diffusion.samplers import SAMPLERS, sampler_config_from_dict
from diffusion.sampling import sample
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.tasks import Artist
from diffusion.timesteps import NoiseLevels, noise_levels

SCHEDULE = build_schedule(ScheduleConfig())
COSINE20 = build_schedule(ScheduleConfig(num_train_timesteps=20))
KINDS = ("multinomial", "masked", "onehot")
kinds = pytest.mark.parametrize("kind", KINDS)
P = torch.tensor([0.5, 0.3, 0.2])  # of the categories
MEANS, STD = torch.tensor([-1.0, 0.2, 1.5]), 0.3  # of the number, given the category


def process(kind="multinomial", numbers=1, sizes=(3,), schedule=SCHEDULE, **config):
    return MixedProcess(schedule, DiffusionConfig(categories=kind, **config), Columns(numbers, sizes))


def row_noise(rows, seed=0):
    return RowNoise(range(rows), lambda chunk: torch.Generator().manual_seed(1000 * seed + chunk))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def likelihood(kind, places_t, t, schedule):
    """q(x_t | x_0) for each category of a single column, (b, K), up to a factor."""
    k = schedule.alphas_cumprod[t].float()[:, None]
    if kind == "onehot":
        alpha, sigma = schedule.at(t, places_t)
        return (alpha / sigma**2 * places_t).softmax(dim=1)
    if kind == "masked":
        return places_t + (places_t.sum(dim=1, keepdim=True) == 0)
    return k * places_t + (1 - k) / places_t.shape[1]


def categories_alone(kind, schedule=SCHEDULE, p=P):
    """The exact denoiser of one column with the probabilities p: Bayes' rule."""

    def denoiser(x_t, t, cond=None):
        joint = p * likelihood(kind, x_t, t, schedule)
        return Denoised(joint / joint.sum(dim=1, keepdim=True))

    return denoiser


def number_and_category(kind, schedule=SCHEDULE):
    """The exact denoiser of a category c ~ P and a number N(MEANS[c], STD^2): an enumeration of c."""

    def denoiser(x_t, t, cond=None):
        alpha, sigma = schedule.at(t, x_t)
        number, places = x_t[:, :1], x_t[:, 1:]
        variance = alpha**2 * STD**2 + sigma**2
        of_number = -0.5 * (number - alpha * MEANS) ** 2 / variance  # (b, 3), log
        joint = (P.log() + of_number).softmax(dim=1) * likelihood(kind, places, t, schedule)
        posterior = joint / joint.sum(dim=1, keepdim=True)
        means = MEANS + alpha * STD**2 / variance * (number - alpha * MEANS)
        return Denoised(torch.cat([(posterior * means).sum(dim=1, keepdim=True), posterior], dim=1))

    return denoiser


def draw(denoiser, kernel, rows, width, steps, name="ddpm", schedule=SCHEDULE, **options):
    config = sampler_config_from_dict({"name": name, "num_inference_steps": steps, "threshold": "none"})
    return sample(
        denoiser, schedule, config, (rows, width), generators=row_noise(rows), device="cpu", kernel=kernel, **options
    )


def frequencies_are(x, p, slack=0.0):
    assert ((x == 0) | (x == 1)).all()
    deviation = (p * (1 - p) / len(x)).sqrt()
    assert ((x.mean(dim=0) - p).abs() <= 4.5 * deviation + slack).all(), x.mean(dim=0)


# --- samplers with an exact denoiser ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "steps"),
    [("ddpm", 50), ("ddpm", 10), ("ddim", 10), ("dpmpp_2m", 10), pytest.param("ddpm", 1000, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("kind", ["multinomial", "masked"])
def test_a_category_has_its_frequencies_in_any_number_of_steps(kind, name, steps):
    """Exactly, as the enumeration in test_multinomial says; here with noise."""
    frequencies_are(draw(categories_alone(kind), process(kind, numbers=0).kernel, 10_000, 3, steps, name), P)


@pytest.mark.parametrize("name", ["ddpm", "ddim", "heun", "dpmpp_2m"])
def test_onehot_categories_go_through_every_sampler(name):
    """As Gaussian channels the path is an approximation: the deviation of few steps is allowed for."""
    kernel = process("onehot", numbers=0).kernel
    x = draw(categories_alone("onehot"), kernel, 10_000, 3, 40, name)
    frequencies_are(x, P, slack=0.03)


@pytest.mark.parametrize(("name", "steps", "slack"), [("ddpm", 100, 0.04), ("ddim", 20, 0.06), ("dpmpp_2m", 20, 0.06)])
@kinds
def test_number_and_category_have_their_joint_law(kind, name, steps, slack):
    rows = 4000
    x = draw(number_and_category(kind), process(kind).kernel, rows, 4, steps, name)
    frequencies_are(x[:, 1:], P, slack)
    for c in range(3):
        number = x[x[:, 1 + c] == 1, 0]
        error = STD / math.sqrt(len(number))
        assert abs(number.mean() - MEANS[c]) < 4.5 * error + slack
        assert abs(number.std() - STD) < 4.5 * error + slack


def apart(x_t, t, cond=None):
    """The exact denoiser of a number N(0, 1) and a category that have nothing to do with each other."""
    alpha, _ = SCHEDULE.at(t, x_t)
    return Denoised(torch.cat([alpha * x_t[:, :1], categories_alone("multinomial")(x_t[:, 1:], t).x_0], dim=1))


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m"])
def test_a_number_beside_a_category_goes_as_it_would_alone(name):
    """So a sampler that remembers steps remembers them here."""
    seen = []
    x = draw(apart, process().kernel, 50, 4, 10, name, callback=lambda i, x_t, x_0: seen.append((x_t, x_0)))
    levels = noise_levels(SCHEDULE, 10, "trailing")
    config = sampler_config_from_dict({"name": name})
    kept = []
    alone = SAMPLERS[name][1](
        lambda x_t, t, cond: Denoised(SCHEDULE.at(t, x_t)[0] * x_t),
        seen[0][0][:, :1],
        levels,
        config=config,
        callback=lambda i, x_t, x_0: kept.append((x_t, x_0)),
    )
    assert (x[:, :1] == alone).all()
    for (x_t, x_0), (number_t, number_0) in zip(seen, kept, strict=True):
        assert (x_t[:, :1] == number_t).all()
        assert (x_0[:, :1] == number_0).all()
        assert (x_t[:, 1:].sum(dim=1) == 1).all()


def test_the_second_order_mends_the_deviation_of_numbers():
    """DDIM's step takes N(0, 1) to itself times the cosine of the angle it turns by: in 50 steps 2.4 % are lost."""
    shrunk = {}
    for name, n in (("ddim", 50), ("dpmpp_2m", 50), ("dpmpp_2m", 20)):
        start = []
        x = draw(apart, process().kernel, 30, 4, n, name, callback=lambda i, x_t, x_0, start=start: start.append(x_t))
        factor = x[:, 0] / start[0][:, 0]
        shrunk[name, n] = factor.mean().item()
        torch.testing.assert_close(factor, factor.mean().expand(30), rtol=1e-4, atol=1e-4)
    levels = noise_levels(SCHEDULE, 50, "trailing")
    exact = torch.atan2(levels.sigma, levels.alpha).diff().cos().prod().item()
    assert shrunk["ddim", 50] == pytest.approx(exact, rel=1e-4)
    assert exact == pytest.approx(math.cos(math.pi / 100) ** 50, abs=1e-3)
    assert exact < 0.977
    assert shrunk["dpmpp_2m", 50] == pytest.approx(1, abs=0.001)
    assert shrunk["dpmpp_2m", 20] == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("options", [{"name": "ddpm"}, {"name": "ddim", "eta": 0.5}, {"name": "ddim"}])
@pytest.mark.parametrize("kind", ["multinomial", "masked"])
def test_a_path_walked_at_once_is_the_path_walked_step_by_step(kind, options):
    """To the bit, and with the noise in the same order: so RePaint's steps are those of plain drawing."""
    run, config = process(kind).kernel.wrap_sampler(SAMPLERS[options["name"]][1]), sampler_config_from_dict(options)
    levels = noise_levels(SCHEDULE, 6, "trailing")
    x = process(kind).q_sample(torch.zeros(40, 4), normal(40, 4), 0.0, 1.0)
    whole = run(number_and_category(kind), x, levels, config=config, generators=row_noise(40))
    noise = row_noise(40)
    for i in range(6):
        one = NoiseLevels(levels.t[i : i + 1], levels.alpha[i : i + 2], levels.sigma[i : i + 2])
        x = run(number_and_category(kind), x, one, config=config, generators=noise)
    assert (x == whole).all()


def test_a_walk_of_no_step_leaves_a_row_as_it_is():
    nowhere = NoiseLevels(torch.zeros(0).long(), torch.ones(1).double(), torch.zeros(1).double())
    run, config = process().kernel.wrap_sampler(SAMPLERS["dpmpp_2m"][1]), sampler_config_from_dict({"name": "dpmpp_2m"})
    assert (run(apart, KNOWN, nowhere, config=config) == KNOWN).all()


def test_ancestral_steps_are_the_papers():
    """One step from t to t - 1: the number by q(x_s | x_t, x_0), the category by theta_post at the same x_0."""
    p, t = process(), 700
    x = torch.cat([normal(5, 1), F.one_hot(torch.tensor([0, 1, 2, 2, 0]), 3).float()], dim=1)
    denoised = number_and_category("multinomial")(x, torch.full((5,), t))
    k_t, k_s = SCHEDULE.alphas_cumprod[t], SCHEDULE.alphas_cumprod[t - 1]
    expected = denoised.x_0[:, :1] * k_s.sqrt() * (1 - k_t / k_s) / (1 - k_t)
    expected = expected + x[:, :1] * (k_t / k_s).sqrt() * (1 - k_s) / (1 - k_t)
    steps = step(*(value.item() for value in (SCHEDULE.alpha[t], SCHEDULE.sigma[t], k_s.sqrt(), (1 - k_s).sqrt())))
    from diffusion.multinomial import log_step

    rho = denoised.x_0[:, 1:] / (k_t * x[:, 1:] + (1 - k_t) / 3)
    rho = rho / rho.sum(dim=1, keepdim=True)
    theta = (k_t / k_s * x[:, 1:] + (1 - k_t / k_s) / 3) * (k_s * rho + (1 - k_s) / 3)
    found = log_step(denoised.x_0[:, 1:], x[:, 1:], steps, p.columns.blocks).exp()
    torch.testing.assert_close(found, (theta / theta.sum(dim=1, keepdim=True)).float(), rtol=1e-4, atol=1e-6)
    levels = NoiseLevels(torch.tensor([t]), SCHEDULE.alpha[[t, t - 1]], SCHEDULE.sigma[[t, t - 1]])
    run = p.kernel.wrap_sampler(SAMPLERS["ddim"][1])
    config = sampler_config_from_dict({"name": "ddim", "eta": 1.0})
    many = run(number_and_category("multinomial"), x[:1].expand(20_000, -1), levels, None, config=config,
               generators=row_noise(20_000))  # fmt: skip
    frequencies_are(many[:, 1:], found[0])
    variance = ((1 - k_s) / (1 - k_t) * (1 - k_t / k_s)).item()
    assert abs(many[:, 0].mean() - expected[0, 0]) < 4.5 * (variance / 20_000) ** 0.5
    assert abs(many[:, 0].var() / variance - 1) < 0.05


@pytest.mark.parametrize("name", ["ddpm", "dpmpp_2m"])
def test_the_denoiser_is_called_once_a_step_and_the_callback_sees_every_step(name):
    calls, seen = [], []

    def counting(x_t, t, cond=None):
        calls.append(int(t[0]))
        return number_and_category("multinomial")(x_t, t)

    def see(i, x_t, x_0):
        seen.append((i, x_t.shape, x_0.shape))

    draw(counting, process().kernel, 4, 4, 5, name, callback=see)
    assert calls == [999, 799, 599, 399, 199]
    assert seen == [(i, (4, 4), (4, 4)) for i in range(5)]


def test_heun_is_refused_where_categories_are_drawn():
    with pytest.raises(ValueError, match=r"sampler=heun: .*onehot"):
        draw(categories_alone("multinomial"), process(numbers=0).kernel, 4, 3, 5, "heun")


def test_a_network_that_says_nan_is_no_table():
    def broken(x_t, t, cond=None):
        return Denoised(x_t * torch.nan)

    with pytest.raises(ValueError, match="diverged"):
        draw(broken, process().kernel, 4, 4, 3)


# --- rows depend on (seed, i) alone -----------------------------------------------------------------------------------


def test_a_row_does_not_depend_on_the_others_that_are_drawn():
    def rows_of(chosen):
        noise = RowNoise(chosen, lambda chunk: torch.Generator().manual_seed(chunk))
        return torch.stack([noise.randn(3), noise.randn(3)])

    every = rows_of(range(2 * ROWS_PER_CHUNK + 5))
    for chosen in ([0], [2050, 7, 1024, 1023], [5, 5], list(range(1000, 1100))):
        assert (rows_of(chosen) == every[:, chosen]).all()
    assert len(every[0].unique(dim=0)) == len(every[0])
    assert (every[0] != every[1]).all()


def test_rows_are_the_same_in_any_batches():
    config = sampler_config_from_dict({"name": "ddpm", "num_inference_steps": 5, "threshold": "none"})

    def drawn(rows):
        noise = RowNoise(rows, lambda chunk: torch.Generator().manual_seed(chunk))
        shape = (len(rows), 4)
        kernel = process().kernel
        return sample(number_and_category("multinomial"), SCHEDULE, config, shape, generators=noise, device="cpu",
                      kernel=kernel)  # fmt: skip

    whole = drawn(range(40))
    torch.testing.assert_close(torch.cat([drawn(range(7)), drawn(range(7, 40))]), whole)
    torch.testing.assert_close(drawn([39, 3]), whole[[39, 3]])


# --- from the network to the denoiser ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction_type", ["eps", "x_0", "v"])
@kinds
def test_a_network_that_says_the_truth_is_the_exact_denoiser(kind, prediction_type):
    """Numbers by eps, x_0 or v; logits that are the prior for multinomial, the posterior for the others."""
    p = process(kind, prediction_type=prediction_type)
    t = torch.tensor([0, 3, 500, 998])
    alpha, sigma = SCHEDULE.at(t, torch.zeros(4, 4))
    x_0 = torch.cat([normal(4, 1), F.one_hot(torch.tensor([0, 1, 2, 1]), 3)], dim=1)
    eps = normal(4, 4, seed=1)
    x_t = p.q_sample(x_0, eps, alpha, sigma)
    number = {"eps": eps, "x_0": x_0, "v": alpha * eps - sigma * x_0}[prediction_type][:, :1]
    exact = categories_alone(kind)(x_t[:, 1:], t).x_0
    logits = P.log().expand(4, -1) if kind == "multinomial" else exact.clamp(min=1e-30).log()
    denoised = p.denoiser(lambda *_: torch.cat([number, logits], dim=1))(x_t, t).x_0
    torch.testing.assert_close(denoised[:, 1:], exact, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(denoised[:3, 0], x_0[:3, 0], rtol=1e-3, atol=2e-3)  # eps has little to say at the end


def test_the_network_sees_numbers_and_one_hot_blocks():
    seen = []

    def network(x_t, t, cond):
        seen.append((x_t, t, cond))
        return torch.zeros(len(x_t), 4)

    x_0 = torch.tensor([[0.3, 0.0, 1.0, 0.0]] * 3)
    cond = {"class_label": torch.tensor([[1], [0], [2]])}
    eps, t = normal(3, 4), torch.tensor([5, 500, 990])
    process().losses(network, x_0, t, eps, cond)
    x_t, seen_t, seen_cond = seen[0]
    alpha, sigma = SCHEDULE.at(t, x_0)
    torch.testing.assert_close(x_t[:, :1], alpha * x_0[:, :1] + sigma * eps[:, :1])
    assert (x_t[:, 1:4].sum(dim=1) == 1).all()
    assert (x_t[:, 4:] == 0).all()  # neither column is given
    assert seen_t is t
    assert seen_cond is cond


# --- losses -----------------------------------------------------------------------------------------------------------


def loss_of(p, x_0, output, t, eps):
    return p.losses(lambda *_: output, x_0, t, eps)


@kinds
def test_the_loss_is_the_numbers_mean_and_the_columns_mean(kind):
    """TabDDPM's sum: MSE over the numbers + (1 / C) sum of T KL, by hand for every row and column."""
    columns, t = Columns(2, (3, 2)), torch.tensor([0, 4, 19])
    p = MixedProcess(COSINE20, DiffusionConfig(categories=kind, prediction_type="eps", category_weight=0.5), columns)
    hot = F.one_hot(torch.tensor([0, 2, 1]), 3), F.one_hot(torch.tensor([1, 1, 0]), 2)
    x_0, eps, output = torch.cat([normal(3, 2), *hot], dim=1), normal(3, 7, seed=1), normal(3, 7, seed=2)
    losses = loss_of(p, x_0, output, t, eps)
    torch.testing.assert_close(losses.mse, ((output - eps)[:, :2] ** 2).mean(dim=1))
    x_t = p.q_sample(x_0, eps, *COSINE20.at(t, x_0))
    k = torch.cat([torch.ones(1).double(), COSINE20.alphas_cumprod]).float()
    for i, time in enumerate(t.tolist()):
        terms = []
        for start, size in ((2, 3), (5, 2)):
            x, y, logits = (value[i, start : start + size] for value in (x_0, x_t, output))
            k_t, k_s = k[time + 1], k[time]
            cross_entropy = -(logits.log_softmax(dim=0) @ x)
            if kind == "onehot":
                terms.append(cross_entropy)
            elif kind == "masked":
                terms.append(20 * (k_s - k_t) / (1 - k_t) * cross_entropy * (y.sum() == 0))
            else:
                forward = k_t / k_s * y + (1 - k_t / k_s) / size
                q, model = (forward * (k_s * v + (1 - k_s) / size) for v in (x, logits.softmax(dim=0)))
                q, model = q / q.sum(), model / model.sum()
                terms.append(20 * torch.where(q > 0, q * (q / model).log(), 0).sum())
        torch.testing.assert_close(losses.category_loss[i], torch.stack(terms).mean(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses.loss, losses.mse + 0.5 * losses.category_loss)
    assert set(losses.extra) == {"category_loss"}


@pytest.mark.parametrize("weighting", ["simple", "min_snr"])
def test_numbers_alone_have_the_loss_of_images(weighting):
    x_0, eps, output, t = normal(5, 4), normal(5, 4, seed=1), normal(5, 4, seed=2), torch.arange(0, 1000, 200)
    config = DiffusionConfig(loss_weighting=weighting)
    rows = loss_of(MixedProcess(SCHEDULE, config, Columns(4)), x_0, output, t, eps)
    images = GaussianProcess(SCHEDULE, config, Parts(1)).losses(
        lambda *_: output[:, None, None], x_0[:, None, None], t, eps[:, None, None]
    )
    torch.testing.assert_close(rows.loss, images.loss)
    torch.testing.assert_close(rows.mse, images.mse)
    assert rows.category_loss is None


@kinds
def test_categories_alone_have_no_mse_and_a_gradient(kind):
    x_0, t = F.one_hot(torch.tensor([0, 1, 2, 0]), 3).float(), torch.tensor([0, 10, 500, 999])
    output = normal(4, 3).requires_grad_()
    losses = loss_of(process(kind, numbers=0), x_0, output, t, normal(4, 3, seed=1))
    assert losses.mse.isnan().all()
    torch.testing.assert_close(losses.loss, losses.category_loss)
    (gradient,) = torch.autograd.grad(losses.loss.sum(), output)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


@kinds
def test_zero_terminal_snr_is_nothing_special(kind):
    schedule = build_schedule(ScheduleConfig(zero_terminal_snr=True))
    p = process(kind, schedule=schedule)
    x_0 = torch.tensor([[0.5, 0.0, 1.0, 0.0]] * 4)
    t = torch.tensor([999, 999, 998, 0])
    losses = loss_of(p, x_0, normal(4, 4), t, normal(4, 4, seed=1))
    assert losses.loss.isfinite().all()
    x = draw(number_and_category(kind, schedule), p.kernel, 2000, 4, 20, schedule=schedule)
    frequencies_are(x[:, 1:], P, slack=0.05)


# --- guidance ---------------------------------------------------------------------------------------------------------


def test_guidance_of_categories_is_a_product_of_powers():
    kernel = process(numbers=1, sizes=(3,)).kernel
    weak = torch.tensor([[0.1, 0.5, 0.25, 0.25], [0.0, 0.0, 1.0, 0.0]])
    strong = torch.tensor([[0.3, 0.5, 0.5, 0.0], [0.2, 0.0, 1.0, 0.0]])
    for scale in (0.0, 0.5, 1.0, 3.0):
        guided = kernel.extrapolate(strong, weak, scale)
        torch.testing.assert_close(guided[:, 0], weak[:, 0] + scale * (strong[:, 0] - weak[:, 0]))
        expected = (
            (weak[0, 1:] ** (1 - scale) * strong[0, 1:] ** scale)
            if scale < 1
            else strong[0, 1:] ** scale * weak[0, 1:] ** (1 - scale)
        )
        torch.testing.assert_close(guided[0, 1:], expected / expected.sum())
        torch.testing.assert_close(guided[1, 1:], strong[1, 1:])  # both are sure of it


def test_rows_are_guided_to_their_class():
    """Classes 0 and 1, null 2: p(c | class) in closed form, guided by the power `scale`."""
    of_class = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6], [0.35, 0.3, 0.35]])

    def denoiser(x_t, t, cond=None):
        joint = of_class[cond["class_label"][:, 0]] * likelihood("multinomial", x_t, t, SCHEDULE)
        return Denoised(joint / joint.sum(dim=1, keepdim=True))

    kernel, rows = process(numbers=0).kernel, 10_000
    guided = classifier_free_guidance(denoiser, 2.0, [2], mix=kernel.extrapolate)
    cond = {"class_label": torch.zeros(rows, 1, dtype=torch.int64)}
    expected = of_class[0] ** 2 / of_class[2]
    frequencies_are(draw(guided, kernel, rows, 3, 20, cond=cond), expected / expected.sum())


# --- what is known ----------------------------------------------------------------------------------------------------


def artist(kind, steps=50, name="ddpm"):
    config = sampler_config_from_dict({"name": name, "num_inference_steps": steps, "threshold": "none"})
    kernel, cpu = process(kind).kernel, torch.device("cpu")
    return Artist(number_and_category(kind), SCHEDULE, Parts(4), config, GuidanceConfig(), [], cpu, 2, kernel)


METHODS = {"replace": InpaintConfig(), "repaint": InpaintConfig("repaint", 2, 2)}
KNOWN = torch.tensor([[0.123456789, 0.0, 0.0, 1.0]])
CATEGORY = torch.tensor([[False, True, True, True]])


@pytest.mark.parametrize("config", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("name", ["ddpm", "ddim"])
@kinds
def test_known_columns_are_kept_to_the_bit(kind, name, config):
    painter, x_0, category = artist(kind, 5, name), KNOWN.expand(20, -1), CATEGORY.expand(20, -1)
    x = painter.inpaint(x_0, category, None, row_noise(20), config)
    assert (x[:, 1:] == x_0[:, 1:]).all()
    assert len(x[:, 0].unique()) == 20
    x = painter.inpaint(x_0, ~category, None, row_noise(20), config)
    assert (x[:, 0] == x_0[:, 0]).all()
    assert (x[:, 1:].sum(dim=1) == 1).all()


def test_what_is_open_follows_what_is_known_the_better_the_more_often_it_is_walked():
    """The number's mean is 1.5 given the category, -0.14 without; the category is 1 with 0.998 given the number."""
    x_0, category = KNOWN.expand(1000, -1), CATEGORY.expand(1000, -1)
    means = []
    for config in (InpaintConfig(), InpaintConfig("repaint", 2, 2)):
        means.append(artist("masked", 25).inpaint(x_0, category, None, row_noise(1000), config)[:, 0].mean())
    assert 0.9 < means[0] < means[1] < 1.55
    assert means[1] > 1.35
    x = artist("multinomial", 25).inpaint(x_0, ~category, None, row_noise(1000), InpaintConfig("repaint", 2, 2))
    assert x[:, 2].mean() > 0.95


def knowing(kind):
    """A network that says what is true of number and category, also where one of them is given: flags stand last."""

    def network(x, t, cond=None):
        x_t, flags = x[:, :4], x[:, 4:]
        exact = number_and_category(kind)(x_t, t).x_0
        alpha, sigma = SCHEDULE.at(t, x_t)
        number, places = x_t[:, :1], x_t[:, 1:]
        by_number = (P.log() - 0.5 * ((number - MEANS) / STD) ** 2).softmax(dim=1)  # p(category | clean number)
        joint = by_number * (likelihood(kind, places, t, SCHEDULE) if kind != "multinomial" else 1)
        mean = places @ MEANS  # of the clean category
        x_0 = mean[:, None] + alpha * STD**2 / (alpha**2 * STD**2 + sigma**2) * (number - alpha * mean[:, None])
        x_0 = torch.where(flags[:, 1:] > 0, x_0, exact[:, :1])
        logits = exact[:, 1:] / (likelihood(kind, places, t, SCHEDULE) if kind == "multinomial" else 1)
        logits = torch.where(flags[:, :1] > 0, joint, logits).clamp(min=1e-30).log()
        return torch.cat([x_0, logits], dim=1)

    return network


@kinds
def test_what_is_given_in_training_is_a_condition_without_error(kind):
    """The number given the category, and the category given the number, where replacement is far off."""
    p = process(kind, prediction_type="x_0")
    painter = dataclasses.replace(artist(kind, 20), denoiser=p.denoiser(knowing(kind)))
    x_0, category = KNOWN.expand(2000, -1), CATEGORY.expand(2000, -1)
    x = painter.inpaint(x_0, category, None, row_noise(2000), InpaintConfig("given"))
    assert (x[:, 1:] == x_0[:, 1:]).all()
    assert abs(x[:, 0].mean() - MEANS[2]) < 0.03
    assert abs(x[:, 0].std() - STD) < 0.07  # of 20 steps
    at = torch.tensor([[-0.4, 1.0, 0.0, 0.0]]).expand(2000, -1)  # between the means of two categories
    x = painter.inpaint(at, ~category, None, row_noise(2000), InpaintConfig("given"))
    assert (x[:, 0] == at[:, 0]).all()
    expected = (P.log() - 0.5 * ((at[0, 0] - MEANS) / STD) ** 2).softmax(dim=0)
    assert expected.max() < 0.9
    frequencies_are(x[:, 1:], expected, slack=0.03 if kind == "onehot" else 0)


def test_given_is_for_networks_that_were_told():
    p = process(clean_fraction=0.0)
    painter = dataclasses.replace(artist("multinomial", 5), denoiser=p.denoiser(knowing("multinomial")))
    with pytest.raises(ValueError, match="clean_fraction=0"):
        painter.inpaint(KNOWN, CATEGORY, None, row_noise(1), InpaintConfig("given"))
    mask = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="method=given: is for tables"):
        painter.inpaint(torch.zeros(1, 4, 2, 2), mask, None, [torch.Generator()], InpaintConfig("given"))


def test_training_gives_any_columns_to_a_share_of_the_rows():
    p = process(numbers=2, sizes=(3, 2), clean_fraction=0.4)
    t = p.timesteps(4000, torch.Generator().manual_seed(0))
    row, of_columns = t[:, :1], t[:, 1:]
    assert t.shape == (4000, 5)
    assert ((of_columns == row) | (of_columns == -1)).all()
    some = (of_columns == -1).any(dim=1)
    assert abs(some.float().mean() - 0.4 * 4 / 5) < 0.04  # of n columns none is given with 1 / (n + 1)
    number = (of_columns[some] == -1).sum(dim=1)
    for k in range(1, 5):  # as often one as two, three or all
        assert abs((number == k).float().mean() - 1 / 4) < 0.05
    assert (row.flatten().sort().values // 40 == torch.arange(4000) // 160).float().mean() > 0.9  # stratified
    assert p.timesteps(8, torch.Generator(), training=False).shape == (8,)
    assert process(clean_fraction=0.0).timesteps(8, torch.Generator()).shape == (8,)


def test_what_is_given_goes_in_clean_and_is_not_asked_for():
    seen = []

    def network(x, t, cond):
        seen.append((x, t))
        return output

    p = MixedProcess(COSINE20, DiffusionConfig(prediction_type="x_0"), Columns(2, (3, 2)))
    x_0 = torch.tensor([[0.5, -1.5, 0.0, 1.0, 0.0, 1.0, 0.0]]).expand(3, -1)
    output, eps = normal(3, 7).requires_grad_(), normal(3, 7, seed=1)
    t = torch.tensor([[19, 19, -1, -1, 19], [19, 19, 19, 19, 19], [19, -1, -1, -1, -1]])
    losses = p.losses(network, x_0, t, eps)
    (x, times), places = seen[0], torch.tensor([1, 2, 3, 4])
    assert (x[0, places] == x_0[0, places]).all()
    assert x[:, 7:].tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    assert times.tolist() == [19, 19, 19]
    (gradient,) = torch.autograd.grad(losses.loss.sum(), output)
    assert (gradient[0, places] == 0).all()
    assert (gradient[0, [0, 5, 6]] != 0).all()
    assert (gradient[1] != 0).all()
    assert losses.loss[2] == 0
    assert losses.mse.isnan().tolist() == [True, False, True]
    assert losses.category_loss.isnan().tolist() == [True, False, True]
    plain = p.losses(network, x_0, t[:, 0], eps)
    torch.testing.assert_close(plain.loss[1], losses.loss[1])


def test_rows_are_drawn_and_varied_by_the_artist_of_images():
    painter = artist("multinomial", 25)
    x = painter.draw((), None, row_noise(2000))
    assert x.shape == (2000, 4)
    frequencies_are(x[:, 1:], P, slack=0.03)
    start = torch.tensor([[0.2, 0.0, 1.0, 0.0]]).expand(2000, -1)
    near, far = (painter.vary(start, strength, None, row_noise(2000)) for strength in (0.1, 1.0))
    assert near[:, 2].mean() > 0.98
    assert (near[:, 0] - 0.2).abs().mean() < 0.2
    frequencies_are(far[:, 1:], P, slack=0.03)


# --- bounds and options -----------------------------------------------------------------------------------------------


def test_a_static_threshold_keeps_numbers_within_the_data():
    bounds = torch.tensor([[-0.1, -5.0], [0.2, 5.0]])
    p = MixedProcess(SCHEDULE, DiffusionConfig(), Columns(2, (2,)), bounds)
    config = sampler_config_from_dict({"name": "ddim", "num_inference_steps": 3})

    def denoiser(x_t, t, cond=None):
        return Denoised(torch.tensor([[3.0, -3.0, 0.5, 0.5]]).expand(len(x_t), -1))

    def numbers(of):
        shape = (6, 4)
        return sample(denoiser, SCHEDULE, config, shape, generators=row_noise(6), device="cpu", kernel=of.kernel)[:, :2]

    torch.testing.assert_close(numbers(p), torch.tensor([[0.2, -3.0]]).expand(6, -1))
    unbounded = MixedProcess(SCHEDULE, DiffusionConfig(), Columns(2, (2,)))
    torch.testing.assert_close(numbers(unbounded), torch.tensor([[3.0, -3.0]]).expand(6, -1))


def test_a_spec_says_which_process_it_has():
    table = {"channels": 5, "numbers": 2, "category_sizes": [2, 1], "number_bounds": [[0.0, -1.0], [1.0, 1.0]]}
    rows = build_process(table, SCHEDULE, DiffusionConfig(), new_run=True)
    assert isinstance(rows, MixedProcess)
    assert rows.columns == Columns(2, (2, 1))
    assert rows.columns.total == 5
    assert [bound.tolist() for bound in rows.kernel.bounds] == [[0, -1, 0, 0, 0], [1, 1, 1, 1, 1]]
    images = build_process({"channels": 3, "label_channels": 1}, SCHEDULE, DiffusionConfig(), new_run=True)
    assert isinstance(images, GaussianProcess)
    assert images.parts == Parts(3, 1)


@pytest.mark.parametrize(
    ("option", "columns"),
    [
        ({"label_weight": 1.0}, Columns(1, (2,))),
        ({"categories": "masked"}, Columns(1)),
        ({"category_weight": 2.0}, Columns(1)),
    ],
)
def test_options_without_effect_are_refused(option, columns):
    with pytest.raises(ValueError, match=rf"diffusion\.{next(iter(option))}: has no effect"):
        require_columns(DiffusionConfig(**option), columns)


@pytest.mark.parametrize(
    ("option", "value"), [("categories", "embedding"), ("category_weight", 0.0), ("category_weight", math.inf)]
)
def test_options_outside_their_range_are_refused(option, value):
    with pytest.raises(ValueError, match=rf"diffusion\.{option}: .*{value}"):
        DiffusionConfig(**{option: value})


def test_what_tables_and_images_do_not_have_is_refused():
    with pytest.raises(ValueError, match="learned_variance"):
        process(learned_variance=True)
    with pytest.raises(ValueError, match="prediction_type"):
        process(schedule=build_schedule(ScheduleConfig(zero_terminal_snr=True)), prediction_type="eps")
    with pytest.raises(ValueError, match=r"diffusion\.categories: has no effect on images"):
        build_process({"channels": 1}, SCHEDULE, DiffusionConfig(categories="masked"), new_run=True)
    config = sampler_config_from_dict({"name": "ddim", "threshold": "dynamic"})
    with pytest.raises(ValueError, match=r"threshold=dynamic .*table"):
        sample(categories_alone("masked"), SCHEDULE, config, (2, 3), generators=row_noise(2), device="cpu")
