"""Image and label with a time each: the square of times on Gaussian data, losses, times and weights of the parts."""

import pytest
import torch
from closed_forms import COVARIANCE, given, impulses, joint_denoiser, moments, run

from diffusion.balance import balance_weights, label_frequencies
from diffusion.clamping import clamp_image, clamp_label, couple, ignore_label
from diffusion.gaussian import DiffusionConfig, make_denoiser, q_sample, require_parts, target
from diffusion.losses import loss_weights, training_losses
from diffusion.parts import Parts, scales
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.timesteps import noise_levels, stratified_timesteps, training_timesteps

SCHEDULE = build_schedule(ScheduleConfig(name="cosine"))
PARTS = Parts(image=3, label=2)
SAMPLERS = {"ddpm": {"name": "ddpm"}, "ddim": {"name": "ddim"}, "heun": {"name": "heun"}}
SAMPLERS["dpmpp_2m"] = {"name": "dpmpp_2m"}


def images(seed, channels=PARTS.image + PARTS.label, batch=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, 6, 5, generator=generator, dtype=torch.float64)


# --- the square of times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", SAMPLERS.values(), ids=SAMPLERS)
def test_the_diagonal_draws_image_and_label_with_their_covariance(options, monkeypatch):
    errors = []
    for n in (50, 400):
        noise = impulses(monkeypatch, 2 * n + 3)
        levels = noise_levels(SCHEDULE, n, "trailing")
        _, covariance = moments(
            run(couple(joint_denoiser(SCHEDULE), Parts(1, 1)), noise((1, 2, 1, 2 * n + 3)), levels, **options)
        )
        errors.append((covariance - COVARIANCE).abs().max().item())
    assert errors[1] < 0.01
    assert errors[1] < errors[0]


@pytest.mark.parametrize("options", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("drawn", ["image", "label"])
def test_an_edge_draws_one_part_given_the_other(drawn, options, monkeypatch):
    """N(C_il / C_ll l, C_ii - C_il^2 / C_ll) for a given label l, and the same with the roles exchanged."""
    n, value = 800, 0.7
    noise = impulses(monkeypatch, n + 2)
    clamp, held, own, other = {
        "image": (clamp_label, "label", 0, 1),
        "label": (clamp_image, "image", 1, 0),
    }[drawn]
    cond = {held: given(value, n + 2)}
    denoiser = clamp(joint_denoiser(SCHEDULE), SCHEDULE)
    levels = noise_levels(SCHEDULE, n, "trailing")
    mean, variance = moments(run(denoiser, noise((1, 1, 1, n + 2)), levels, cond, **options))
    slope = (COVARIANCE[0, 1] / COVARIANCE[other, other]).item()
    assert mean.item() == pytest.approx(slope * value, rel=0.005)
    exact = COVARIANCE[own, own].item() - slope * COVARIANCE[0, 1].item()
    assert variance.item() == pytest.approx(exact, rel=0.03)  # ddpm with its smaller variance has the most
    assert COVARIANCE[own, own] > 5 * exact  # so that what is given decides


def test_an_ignored_label_leaves_the_image_its_own_distribution(monkeypatch):
    n = 400
    noise = impulses(monkeypatch, n + 2)
    cond = {"label_noise": given(3.0, n + 2)}
    denoiser = ignore_label(joint_denoiser(SCHEDULE), SCHEDULE)
    levels = noise_levels(SCHEDULE, n, "trailing")
    mean, variance = moments(run(denoiser, noise((1, 1, 1, n + 2)), levels, cond, name="ddim"))
    assert mean.item() == pytest.approx(0, abs=0.001)
    assert variance.item() == pytest.approx(COVARIANCE[0, 0].item(), rel=0.01)


def test_what_the_ways_through_the_square_ask_of_the_network():
    """Channels in their places, the times of both, the attributes but not what is held."""
    image, label, t = images(0, 3), images(1, 2), torch.tensor([5, 9, 700, 999])
    class_label = torch.tensor([[0], [1], [2], [0]])
    asked = []

    def denoiser(x_t, t, cond=None):
        asked.append((x_t, t, cond))
        return make_denoiser(lambda x_t, t, cond: x_t, SCHEDULE, DiffusionConfig(prediction_type="x_0"), PARTS)(
            x_t, t, cond
        )

    alpha, zero, last = SCHEDULE.alpha[0].item(), torch.zeros_like(t), torch.full_like(t, 999)
    both = torch.cat([image, label], dim=1)
    ways = [
        (couple, both, None, both, (t, t)),
        (clamp_label, image, "label", torch.cat([image, alpha * label], dim=1), (t, zero)),
        (clamp_image, label, "image", torch.cat([alpha * image, label], dim=1), (zero, t)),
        (ignore_label, image, "label_noise", both, (t, last)),
    ]
    for wrap, x_t, key, expected, times in ways:
        held = {} if key is None else {key: image if key == "image" else label}
        wrapped = wrap(denoiser, Parts(1, 1)) if wrap is couple else wrap(denoiser, SCHEDULE)
        x_0 = wrapped(x_t, t, {"class_label": class_label, **held}).x_0
        seen, seen_t, seen_cond = asked.pop()
        torch.testing.assert_close(seen, expected, rtol=0, atol=0)
        assert (seen_t == torch.stack(times, dim=1)).all()
        assert list(seen_cond) == ["class_label"]
        torch.testing.assert_close(x_0, x_t, rtol=0, atol=0)  # the sampler's part of a network that returns its input


def test_what_is_to_be_held_must_be_given():
    with pytest.raises(ValueError, match=r"cond\['label'\] is missing"):
        clamp_label(joint_denoiser(SCHEDULE), SCHEDULE)(images(0, 1), torch.tensor([0, 1, 2, 3]), None)


# --- levels, denoiser and losses of the parts -------------------------------------------------------------------------


def test_each_part_has_the_levels_of_its_own_time():
    t = torch.tensor([[0, 999], [500, 3], [7, 7], [20, 600]])
    for table, scale in zip((SCHEDULE.alpha, SCHEDULE.sigma), scales(SCHEDULE, t, images(0), PARTS), strict=True):
        assert scale.shape == (4, 5, 1, 1)
        for k in range(5):
            assert (scale[:, k, 0, 0] == table[t[:, 0 if k < 3 else 1]]).all()


@pytest.mark.parametrize("prediction_type", ["eps", "x_0", "v"])
def test_joint_denoiser_undoes_the_forward_process(prediction_type):
    x_0, eps, t = images(0), images(1), torch.tensor([[0, 999], [500, 3], [7, 7], [20, 600]])
    alpha, sigma = scales(SCHEDULE, t, x_0, PARTS)
    output = target(prediction_type, x_0, eps, alpha, sigma)

    def network(x_t, given_t, cond):
        assert given_t is t
        return output

    denoiser = make_denoiser(network, SCHEDULE, DiffusionConfig(prediction_type=prediction_type), PARTS)
    torch.testing.assert_close(denoiser(q_sample(x_0, eps, alpha, sigma), t, None).x_0, x_0)


@pytest.mark.parametrize("weighting", ["simple", "min_snr", "soft_min_snr"])
@pytest.mark.parametrize("prediction_type", ["eps", "x_0", "v"])
def test_each_part_is_weighted_at_its_own_time(prediction_type, weighting):
    """By hand, part by part: the same as two losses of one part each, added."""
    x_0, eps, output = images(0), images(1), images(2)
    t = torch.tensor([[0, 999], [500, 3], [7, 7], [20, 600]])
    config = DiffusionConfig(
        prediction_type=prediction_type, loss_weighting=weighting, label_weight=0.3, clean_fraction=0.0
    )
    losses = training_losses(lambda *_: output, x_0, t, eps, schedule=SCHEDULE, config=config, parts=PARTS)
    table = loss_weights(SCHEDULE, prediction_type, weighting, 5.0)
    assert losses.label_mse is not None
    total = 0
    for column, (part, mse) in enumerate([(slice(0, 3), losses.mse), (slice(3, 5), losses.label_mse)]):
        alpha, sigma = SCHEDULE.at(t[:, column], x_0)
        wanted = target(prediction_type, x_0[:, part], eps[:, part], alpha, sigma)
        torch.testing.assert_close(mse, ((output[:, part] - wanted) ** 2).mean(dim=(1, 2, 3)))
        total = total + (1.0, 0.3)[column] * table[t[:, column]] * mse
    torch.testing.assert_close(losses.loss, total)


def test_a_part_that_is_given_clean_weighs_as_if_it_were_not_and_is_not_reported():
    x_0, eps, output, t = images(0), images(1), images(2), torch.tensor([[0, 9], [9, 0], [0, 0], [9, 9]])

    def losses(share):
        config = DiffusionConfig(clean_fraction=share)
        return training_losses(lambda *_: output, x_0, t, eps, schedule=SCHEDULE, config=config, parts=PARTS)

    plain, shared = losses(0.0), losses(0.2)
    assert plain.label_mse is not None
    assert shared.label_mse is not None
    assert shared.mse.isnan().tolist() == [True, False, True, False]
    assert shared.label_mse.isnan().tolist() == [False, True, True, False]
    assert not plain.mse.isnan().any()
    given = 0.8 / 1000 / (0.2 + 0.8 / 1000)
    image_weight, label_weight = torch.where(t > 0, 1.0, given).unbind(dim=1)
    torch.testing.assert_close(shared.loss, image_weight * plain.mse + 2 * label_weight * plain.label_mse)
    torch.testing.assert_close(plain.loss, plain.mse + 2 * plain.label_mse)


def test_label_balance_weighs_the_pixels_of_the_label_alone():
    x_0, eps, output = images(0), images(1), images(2)
    t = torch.tensor([[0, 999], [500, 3], [7, 7], [20, 600]])
    frequencies = torch.tensor([0.1, 0.4], dtype=torch.float64)

    def losses(balance):
        config = DiffusionConfig(label_balance=balance, label_weight=1.0, clean_fraction=0.0)
        network = lambda *_: output  # noqa: E731
        return training_losses(
            network, x_0, t, eps, schedule=SCHEDULE, config=config, parts=PARTS, label_frequencies=frequencies
        )

    plain, balanced = losses(0.0), losses(0.5)
    alpha, sigma = scales(SCHEDULE, t, x_0, PARTS)
    error = (output - target("v", x_0, eps, alpha, sigma))[:, 3:] ** 2
    expected = (balance_weights(x_0[:, 3:], frequencies, 0.5) * error).mean(dim=(1, 2, 3))
    torch.testing.assert_close(balanced.loss - balanced.mse, expected)
    torch.testing.assert_close(plain.loss, plain.mse + plain.label_mse)
    assert (balanced.label_mse == plain.label_mse).all()  # reported without weights, to be compared between runs


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_balance_weights_are_their_formula(balance):
    label = torch.full((1, 2, 10, 10), -1.0, dtype=torch.float64)
    label[0, 0, 0, :2] = 0.4  # 2 of 100; any encoding that is above 0 on the class
    label[0, 1, :5] = 1.0  # 50 of 100
    shares = torch.tensor([0.02, 0.5], dtype=torch.float64)
    weights = balance_weights(label, shares, balance)
    torch.testing.assert_close(weights.mean(dim=(0, 2, 3)), torch.ones(2, dtype=torch.float64))
    ratio = (weights[0, 0, 0, 0] / weights[0, 0, 9, 9]).item()
    assert ratio == pytest.approx((0.98 / 0.02) ** balance)
    torch.testing.assert_close(weights[0, 1], torch.ones_like(weights[0, 1]))  # to rounding, which machines differ in
    counted = label_frequencies([label, label])
    torch.testing.assert_close(counted, torch.tensor([5 / 202, 101 / 202], dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "parts", "message"),
    [
        ({"learned_variance": True}, PARTS, "diffusion.learned_variance: is not there for image and label together"),
        ({"label_weight": 3.0}, Parts(3), "diffusion.label_weight: has no effect on a model without label channels"),
        ({"clean_fraction": 0.0}, Parts(3), "diffusion.clean_fraction: has no effect on a model without label"),
        ({"together_fraction": 0.5}, Parts(3), "diffusion.together_fraction: has no effect on a model without label"),
        ({"label_balance": 0.5}, None, "diffusion.label_balance: has no effect on a model without label channels"),
    ],
)
def test_options_that_do_not_fit_the_parts_are_refused_for_a_new_run(options, parts, message):
    with pytest.raises(ValueError, match=message):
        require_parts(DiffusionConfig(**options), parts, new_run=True)
    if parts is PARTS:
        with pytest.raises(ValueError, match=message):
            make_denoiser(lambda x_t, t, cond: x_t, SCHEDULE, DiffusionConfig(**options), parts)
    else:  # an old run may have had another default
        make_denoiser(lambda x_t, t, cond: x_t, SCHEDULE, DiffusionConfig(**options), parts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_weight": 0.0}, r"diffusion.label_weight: 0.0 must be above 0"),
        ({"clean_fraction": 1.0}, r"diffusion.clean_fraction: 1.0 must be within \[0, 1\)"),
        ({"together_fraction": 1.5}, r"diffusion.together_fraction: 1.5 must be within \[0, 1\]"),
        ({"label_balance": 1.5}, r"diffusion.label_balance: 1.5 must be within \[0, 1\]"),
    ],
)
def test_bad_label_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DiffusionConfig(**options)


# --- training times ---------------------------------------------------------------------------------------------------


def test_times_of_image_and_label_are_stratified_and_independent():
    generator = torch.Generator().manual_seed(0)
    batches = torch.stack(
        [training_timesteps(16, 1000, Parts(1, 1), generator) for _ in range(2000)]
    ).double()  # (n, 16, 2)
    for part in range(2):  # one time in each sixteenth of the range
        strata = (batches[..., part].sort(dim=1).values * 16 / 1000).floor()
        offset = strata[:, :1] - torch.zeros(1)  # 0: the first stratum may be cut by where the draw began
        assert ((strata - torch.arange(16) - offset).abs() <= 1).all()
        assert batches[..., part].mean().item() == pytest.approx(499.5, abs=1)
        assert batches[:, 3, part].std().item() == pytest.approx(1000 / 12**0.5, rel=0.05)
    # Over all pairs, item by item, and of neighbours in the batch: within 4 standard errors of no correlation.
    assert abs(torch.corrcoef(batches.reshape(-1, 2).T)[0, 1]) < 4 / 32000**0.5
    for item in range(16):
        assert abs(torch.corrcoef(batches[:, item].T)[0, 1]) < 4 / 2000**0.5


def test_a_share_of_the_times_is_clean_for_image_and_label_apart():
    generator = torch.Generator().manual_seed(0)
    drawn = [training_timesteps(16, 1000, Parts(1, 1), generator, clean_fraction=0.2) for _ in range(2000)]
    clean = (torch.cat(drawn) == 0).double()  # (n, 2)
    expected, error = 0.2 + 0.8 / 1000, 4 * (0.2 * 0.8 / 32000) ** 0.5
    assert clean.mean(dim=0).tolist() == pytest.approx([expected, expected], abs=error)
    assert clean.prod(dim=1).mean().item() == pytest.approx(expected**2, abs=error)


def test_a_share_of_the_items_has_one_time_for_both():
    generator = torch.Generator().manual_seed(0)
    options = {"clean_fraction": 0.1, "together_fraction": 0.5}
    t = torch.cat([training_timesteps(16, 1000, Parts(1, 1), generator, **options) for _ in range(2000)])
    expected = 0.5 * 0.9**2 + 0.1**2  # neither is given clean, or both are; by chance they are equal once in 1000
    error = 4 * (expected * (1 - expected) / 32000) ** 0.5 + 0.001
    assert (t[:, 0] == t[:, 1]).double().mean().item() == pytest.approx(expected, abs=error)


def test_the_image_times_are_those_of_a_model_without_labels():
    joint, alone, drawn_alone = (
        draw(torch.Generator().manual_seed(5))
        for draw in (
            lambda generator: training_timesteps(8, 1000, Parts(1, 1), generator),
            lambda generator: training_timesteps(8, 1000, Parts(1), generator),
            lambda generator: stratified_timesteps(8, 1000, generator),
        )
    )
    assert (alone == drawn_alone).all()
    assert (joint[:, 0] == alone).all()
