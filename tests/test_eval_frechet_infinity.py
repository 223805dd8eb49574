"""The extrapolated Frechet distance, on Gaussians whose distance is known."""

import numpy as np
import pytest

from eval import frechet_infinity as module
from eval.frechet import frechet_from_features
from eval.frechet_infinity import frechet_infinity


def two_gaussians(n, d, seed, scale=1.0, shift=0.0):
    random = np.random.default_rng(seed)
    return random.standard_normal((n, d)), random.standard_normal((n, d)) * scale + shift


def true_distance(d, scale, shift):
    """N(0, I) against N(shift, scale^2 I): |mu|^2 + d (scale - 1)^2."""
    return d * (shift**2 + (scale - 1) ** 2)


@pytest.mark.parametrize("d", [16, 64, 128])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.5, 0.2)])
def test_bias_is_less_than_a_fifth_at_200_images(d, scale, shift):
    pairs = [two_gaussians(200, d, seed, scale, shift) for seed in range(20)]
    true = true_distance(d, scale, shift)
    bias = np.mean([frechet_from_features(*pair) for pair in pairs]) - true
    left = np.mean([frechet_infinity(*pair) for pair in pairs]) - true
    assert bias > 0
    assert abs(left) < bias / 5


def test_a_line_in_1_over_n_is_followed_to_its_end(monkeypatch):
    monkeypatch.setattr(module, "frechet_from_features", lambda one, other: 3.0 + 5.0 / len(one) + 7.0 / len(other))
    # 840 and 1680 are divided by 1, 1.25, 1.5, 1.75 and 2 without rest
    assert frechet_infinity(np.zeros((840, 2)), np.zeros((1680, 2))) == pytest.approx(3.0)


def test_by_the_seed():
    pair = two_gaussians(60, 8, 0)
    assert frechet_infinity(*pair, seed=1) == frechet_infinity(*pair, seed=1) != frechet_infinity(*pair, seed=2)


def test_too_few():
    with pytest.raises(ValueError, match="n=3: the extrapolation needs 4 images or more"):
        frechet_infinity(np.zeros((3, 2)), np.zeros((9, 2)))
