"""The three transforms against closed forms, and their inverses through float32, as a network has numbers."""

import numpy as np
import pytest
import yaml
from scipy.special import ndtr, ndtri

from data.table_transform import MOST_KNOTS, fit, forward, inverse, settled


def rng():
    return np.random.default_rng(0)


def back(numbers, transform):
    """There and back, through float32."""
    return inverse(forward(numbers, transform, rng()).astype(np.float32).astype(np.float64), transform)


def test_standard_and_minmax_in_closed_form():
    numbers = np.array([2.0, 4.0, 4.0, 6.0])
    assert np.allclose(forward(numbers, fit(numbers, "standard"), rng()), np.array([-2, 0, 0, 2]) / np.sqrt(2))
    assert forward(numbers, fit(numbers, "minmax"), rng()).tolist() == [-1, 0, 0, 1]


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12, 1e200])
@pytest.mark.parametrize("name", ["standard", "minmax", "quantile"])
def test_every_scale(name, scale):
    numbers = scale * np.random.default_rng(1).standard_normal(300)
    transform = fit(numbers, name)
    x = forward(numbers, transform, rng())
    assert abs(x.mean()) < 0.5
    assert 0.2 < x.std() < 1.1
    worst = 0.0 if name == "quantile" else 1e-6 * np.ptp(numbers)
    assert np.abs(back(numbers, transform) - numbers).max() <= worst


def test_different_values_lie_at_the_middles_of_their_shares():
    numbers = np.array([30.0, 10.0, 20.0, 40.0])
    transform = fit(numbers, "quantile")
    assert np.allclose(ndtr(forward(numbers, transform, rng())), [5 / 8, 1 / 8, 3 / 8, 7 / 8])
    between = inverse(ndtri(np.array([0.01, 2 / 8, 4 / 8, 0.99])), transform)
    assert np.allclose(between, [10, 15, 25, 40])  # linear between values, clipped at the ends


def test_a_mass_point_owns_its_share():
    numbers = np.repeat([0.0, 5.0, 7.0], [90, 1, 9])
    transform = fit(numbers, "quantile")
    u = ndtr(forward(numbers, transform, rng()))
    assert u[:90].max() < 0.9 < u[90] < 0.91 < u[91:].min()
    assert u[90] == pytest.approx(0.905)
    assert abs(u[:90].mean() - 0.45) < 0.06
    assert np.unique(u[:90]).size == 90
    assert (back(numbers, transform) == numbers).all()
    inside = np.array([1e-9, 0.3, 0.8999, 0.9101, 1 - 1e-9])
    assert inverse(ndtri(inside), transform).tolist() == [0, 0, 0, 7, 7]
    assert inverse(np.array([-40.0, 40.0]), transform).tolist() == [0, 7]


def test_settled_numbers_know_the_number_and_not_where_chance_put_it():
    numbers = np.repeat([0.0, 5.0, 7.0], [90, 1, 9])
    transform = fit(numbers, "quantile")
    x = settled(forward(numbers, transform, rng()).astype(np.float32).astype(np.float64), transform)
    assert np.allclose(x, ndtri(np.repeat([0.45, 0.905, 0.955], [90, 1, 9])))
    assert np.allclose(settled(ndtri(np.array([1e-9, 0.902, 0.907])), transform), ndtri(np.array([0.45, 0.902, 0.907])))
    assert settled(numbers, fit(numbers, "minmax")).tolist() == numbers.tolist()


def test_the_scale_is_a_standard_normal():
    generator = np.random.default_rng(2)
    for numbers in (generator.exponential(size=5000), generator.poisson(3, 5000).astype(float)):
        x = forward(numbers, fit(numbers, "quantile"), rng())
        assert abs(x.mean()) < 0.05
        assert abs(x.std() - 1) < 0.05
        assert np.abs(np.quantile(x, [0.1, 0.5, 0.9]) - ndtri([0.1, 0.5, 0.9])).max() < 0.1


def test_many_values_keep_few_quantiles_and_come_back():
    generator = np.random.default_rng(3)
    numbers = np.concatenate([np.zeros(2000), np.round(generator.lognormal(8, 1, 8000), 0), np.full(50, 1e6)])
    transform = fit(numbers, "quantile")
    assert len(transform["values"]) <= MOST_KNOTS < len(np.unique(numbers))
    assert (transform["values"][0], transform["values"][-1]) == (0, 1e6)
    assert (np.rint(back(numbers, transform)) == numbers).all()
    assert (back(np.zeros(10), transform) == 0).all()
    drawn = inverse(generator.standard_normal(100_000), transform)
    assert np.abs(np.quantile(drawn, [0.3, 0.9, 0.99]) / np.quantile(numbers, [0.3, 0.9, 0.99]) - 1).max() < 0.05
    assert (drawn == 1e6).mean() == pytest.approx(50 / 10050, abs=1e-3)
    tail = numbers[numbers < 1e6]
    assert np.sort(drawn[drawn < 1e6])[-30] < tail.max()  # the far mass point does not draw the tail to it


def test_few_values_come_back_however_far_apart():
    numbers = np.array([1e-12, 5.0, 2.5, 1e12, -1e6, 5.0])
    assert (back(numbers, fit(numbers, "quantile")) == numbers).all()


def test_values_beyond_the_training_range_are_clipped():
    numbers = np.arange(10.0)
    for values in ([0, 1, 2, 3], [0, 0, 3, 3]):
        transform = fit(np.array(values, float), "quantile")
        assert inverse(forward(np.array([-9.0, 9.0]), transform, rng()), transform).tolist() == [0, 3]
    assert fit(numbers, "quantile") == yaml.safe_load(yaml.safe_dump(fit(numbers, "quantile")))


def test_float32_never_leaves_a_mass_point():
    numbers = np.repeat(np.arange(900.0), 2)
    transform = fit(numbers, "quantile")
    for _ in range(5):
        assert (back(numbers, transform) == numbers).all()
