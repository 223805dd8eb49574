"""Guidance against Gaussians that can be multiplied out; which attributes training drops."""

import itertools

import pytest
import torch

from diffusion.gaussian import Denoised
from diffusion.guidance import GuidanceConfig, classifier_free_guidance, drop_classes, guide
from diffusion.schedules import ScheduleConfig, build_schedule

SCHEDULE = build_schedule(ScheduleConfig(name="cosine"))
NULL = [2, 3]
MEANS = torch.tensor([-0.6, 0.3, 0.0], dtype=torch.float64)  # of the classes of attribute 0; its null value has 0
VARIANCES = torch.tensor([0.04, 0.04, 0.29], dtype=torch.float64)


def class_denoiser(calls):
    """Exact for x_0 ~ N(MEANS[k], VARIANCES[k]), k the value of attribute 0."""

    def denoiser(x_t, t, cond):
        calls.append((x_t, t, cond))
        mean, variance = (table[cond["class_label"][:, 0]][:, None, None, None] for table in (MEANS, VARIANCES))
        alpha, sigma = SCHEDULE.at(t, x_t)
        gain = variance * alpha / (alpha**2 * variance + sigma**2)
        return Denoised(mean + gain * (x_t - alpha * mean), torch.full_like(x_t, 0.25))

    return denoiser


def noise(batch=3):
    return torch.randn(batch, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


CLASSES = {"class_label": torch.tensor([[0, 1], [1, 3], [0, 0]])}


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.5, 4.0])
def test_guidance_is_the_score_of_the_two_densities_powers(scale):
    """p(x_t | c)^scale p(x_t)^(1 - scale) is a Gaussian here; its score gives x_0 by Tweedie's formula."""
    x_t, t = noise(), torch.tensor([40, 500, 990])
    x_0 = classifier_free_guidance(class_denoiser([]), scale, NULL)(x_t, t, CLASSES).x_0
    alpha, sigma = SCHEDULE.at(t, x_t)
    mean = MEANS[CLASSES["class_label"][:, 0]][:, None, None, None]
    given, null = (alpha**2 * variance + sigma**2 for variance in (VARIANCES[0], VARIANCES[2]))
    precision = scale / given + (1 - scale) / null
    centre = scale * alpha * mean / given / precision
    torch.testing.assert_close(x_0, (x_t - sigma**2 * precision * (x_t - centre)) / alpha)


def test_guidance_is_one_call_with_both_halves():
    calls, x_t, t = [], noise(), torch.tensor([7, 7, 7])
    map_of_image = torch.arange(3.0)
    denoised = classifier_free_guidance(class_denoiser(calls), 2.0, NULL)(x_t, t, CLASSES | {"label": map_of_image})
    [(seen, times, cond)] = calls
    assert (seen == torch.cat([x_t, x_t])).all()
    assert times.tolist() == [7] * 6
    assert cond["class_label"].tolist() == [[0, 1], [1, 3], [0, 0], NULL, NULL, NULL]
    assert cond["label"].tolist() == [0, 1, 2, 0, 1, 2]
    assert denoised.variance_fraction.shape == x_t.shape


def test_no_guidance_costs_nothing():
    denoiser = class_denoiser([])
    assert classifier_free_guidance(denoiser, 1.0, NULL) is denoiser
    assert guide(denoiser, denoiser, 1.0) is denoiser


def test_guidance_acts_within_its_interval_alone():
    calls, x_t = [], noise()
    guided = classifier_free_guidance(class_denoiser(calls), 3.0, NULL, interval=(100, 600))
    always = classifier_free_guidance(class_denoiser([]), 3.0, NULL)
    plain = class_denoiser([])
    for t, batch in ((99, 3), (100, 6), (600, 6), (601, 3)):
        times = torch.full((3,), t)
        x_0 = guided(x_t, times, CLASSES).x_0
        assert len(calls.pop()[0]) == batch
        assert (x_0 == (plain if batch == 3 else always)(x_t, times, CLASSES).x_0).all()
    mixed = torch.tensor([50, 300, 900])
    x_0 = guided(x_t, mixed, CLASSES).x_0
    assert (x_0[[0, 2]] == plain(x_t, mixed, CLASSES).x_0[[0, 2]]).all()
    assert (x_0[1] == always(x_t, mixed, CLASSES).x_0[1]).all()


def test_guide_does_the_same_with_two_denoisers():
    calls, x_t, t = [], noise(), torch.tensor([50, 300, 900])
    denoiser = class_denoiser(calls)

    def weak(x_t, t, cond):
        return denoiser(x_t, t, {"class_label": torch.tensor(NULL).expand(3, 2)})

    for interval in ((0, 1000), (100, 600)):
        expected = classifier_free_guidance(class_denoiser([]), 2.5, NULL, interval)(x_t, t, CLASSES)
        got = guide(denoiser, weak, 2.5, interval)(x_t, t, CLASSES)
        torch.testing.assert_close(got.x_0, expected.x_0)
        torch.testing.assert_close(got.variance_fraction, expected.variance_fraction)
    calls.clear()
    guide(denoiser, weak, 2.5, (2000, 3000))(x_t, t, CLASSES)
    assert len(calls) == 1


def test_guidance_without_a_class_is_refused():
    guided = classifier_free_guidance(class_denoiser([]), 2.0, NULL)
    for cond in (None, {"label": torch.zeros(3)}):
        with pytest.raises(ValueError, match=r"guidance_scale: 2.0 has no effect without a class to guide to"):
            guided(noise(), torch.tensor([1, 2, 3]), cond)


@pytest.mark.parametrize(
    ("scale", "interval", "message"),
    [
        (-1.0, (0, 9), r"guidance_scale: -1.0 must be at least 0"),
        (float("nan"), (0, 9), r"guidance_scale: nan must be at least 0"),
        (2.0, (9, 0), r"guidance_interval: \[9, 0\] must be"),
    ],
)
def test_bad_guidance_is_refused(scale, interval, message):
    with pytest.raises(ValueError, match=message):
        classifier_free_guidance(class_denoiser([]), scale, NULL, interval)
    with pytest.raises(ValueError, match=message):
        guide(class_denoiser([]), class_denoiser([]), scale, interval)


@pytest.mark.parametrize(
    ("interval", "nearest"),
    [([0.1, 0.9], None), ([0.1, 0.5], None), ([0.5, 0.6], None), ([0.1, 0.2], "0.25"), ([0.8, 0.9], "0.75")],
)
def test_an_interval_without_a_step_of_the_sampler_is_refused(interval, nearest):
    guidance, t = GuidanceConfig(scale=2.0, interval=interval), torch.tensor([100, 75, 50, 25])
    if nearest is None:
        guidance.require_steps(t, 101)
        return
    says = (
        rf"guidance.interval=\[.*\] has no effect: none of the sampler's steps lies in it, the nearest is at {nearest}"
    )
    with pytest.raises(ValueError, match=says):
        guidance.require_steps(t, 101)


# --- dropping attributes in training ----------------------------------------------------------------------------------


def test_one_attribute_is_dropped_by_one_draw_an_image():
    """The numbers of the first release, so that a run of a class-only model stays the same bits."""
    label = torch.arange(200) % 3
    dropped = torch.rand(200, generator=torch.Generator().manual_seed(4)) < 0.3
    generator = torch.Generator().manual_seed(4)
    got = drop_classes(label[:, None], 0.3, null_label=[3], generator=generator)
    assert (got[:, 0] == torch.where(dropped, 3, label)).all()
    reference = torch.Generator().manual_seed(4)
    torch.rand(200, generator=reference)
    assert (generator.get_state() == reference.get_state()).all()  # nothing more was drawn


def test_every_subset_of_the_attributes_is_trained():
    share, n, null = 0.2, 200_000, [5, 6, 7]
    label = torch.tensor([[0, 1, 2]]).expand(n, 3)
    dropped = drop_classes(label, share, null_label=null, generator=torch.Generator().manual_seed(0)) != label
    for subset in itertools.product([False, True], repeat=3):
        count = sum(subset)
        expected = (1 - share) * share**count * (1 - share) ** (3 - count) + share * (count == 3)
        seen = (dropped == torch.tensor(subset)).all(dim=1).double().mean().item()
        assert seen == pytest.approx(expected, abs=4 * (expected / n) ** 0.5)
    assert (drop_classes(label, share, null_label=null, generator=torch.Generator())[:5] <= torch.tensor(null)).all()


def test_nothing_is_dropped_at_share_0():
    label = torch.tensor([[0, 1], [2, 3]])
    assert (drop_classes(label, 0.0, null_label=[4, 4], generator=torch.Generator()) == label).all()
