"""The Frechet distance against closed forms, its rank-deficient route, and pytorch-fid's own values."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden.fid_cases import FEATURES, feature_pair

from eval.frechet import StreamingMoments, frechet_distance, frechet_from_features, moments

GOLDEN = json.loads((Path(__file__).parent / "golden" / "fid.json").read_text())


def random_covariance(d, seed=0, rank=None):
    factor = np.random.default_rng(seed).standard_normal((d, rank or 2 * d))
    return factor @ factor.T / factor.shape[1]


def test_equal_covariances_leave_the_means():
    mean, covariance = np.arange(6.0), random_covariance(6)
    assert frechet_distance(mean, covariance, np.zeros(6), covariance) == pytest.approx(55.0, rel=1e-9)


def test_self_distance_is_zero():
    mean, covariance = np.ones(20), random_covariance(20)
    assert frechet_distance(mean, covariance, mean, covariance) == pytest.approx(0.0, abs=1e-10)


def test_one_dimension():
    distance = frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([3.5]), np.array([[0.25]]))
    assert distance == pytest.approx(2.5**2 + (2.0 - 0.5) ** 2)


def test_commuting_covariances():
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0]
    s1, s2 = np.linspace(0.1, 3, 8), np.linspace(2, 0.5, 8)
    distance = frechet_distance(np.zeros(8), rotation * s1**2 @ rotation.T, np.zeros(8), rotation * s2**2 @ rotation.T)
    assert distance == pytest.approx(np.square(s1 - s2).sum(), rel=1e-10)


def test_two_by_two_without_commuting():
    # tr sqrt(P) of a 2x2 matrix with positive eigenvalues is sqrt(tr P + 2 sqrt(det P))
    s1, s2 = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    root = np.sqrt(np.trace(s1 @ s2) + 2 * np.sqrt(np.linalg.det(s1 @ s2)))
    assert frechet_distance(np.zeros(2), s1, np.zeros(2), s2) == pytest.approx(7.0 - 2 * root, rel=1e-12)


@pytest.mark.parametrize("singular_first", [True, False])
def test_singular_covariance(singular_first):
    # 1/4 on one axis and nothing on the others: sqrt(S_1 S_2) has the trace 1/2 * 2
    narrow, wide = np.diag([0.25, 0.0, 0.0]), np.diag([4.0, 1.0, 9.0])
    pair = (narrow, wide) if singular_first else (wide, narrow)
    assert frechet_distance(np.zeros(3), pair[0], np.zeros(3), pair[1]) == pytest.approx(0.25 + 14.0 - 2.0)


def test_distance_to_a_point():
    zero = np.zeros((3, 3))
    assert frechet_distance(np.ones(3), zero, np.zeros(3), np.diag([1.0, 2.0, 3.0])) == pytest.approx(9.0)
    assert frechet_distance(np.ones(3), zero, np.zeros(3), zero) == pytest.approx(3.0)


def test_symmetry():
    a, b = random_covariance(10, 1), random_covariance(10, 2)
    there = frechet_distance(np.zeros(10), a, np.ones(10), b)
    assert there == pytest.approx(frechet_distance(np.ones(10), b, np.zeros(10), a), rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (10, 200), (200, 10), (39, 41)])
def test_fewer_images_than_features(n, m):
    random = np.random.default_rng(5)
    x, y = random.standard_normal((n, 40)), 0.5 + 1.5 * random.standard_normal((m, 40))
    one, other = moments(x), moments(y)
    full = frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
    assert frechet_from_features(x, y) == pytest.approx(full, rel=1e-6)


def test_rank_deficient_route_is_exact():
    # two points on a line each: one-dimensional Gaussians of variance 2 a^2 and 2 b^2 on the same axis of 100
    axis = np.zeros(100)
    axis[17] = 1.0
    x, y = np.array([[-1.0], [1.0]]) * axis * 3, np.array([[-1.0], [1.0]]) * axis * 5 + axis
    assert frechet_from_features(x, y) == pytest.approx(1.0 + 2 * (5 - 3) ** 2, rel=1e-12)


@pytest.mark.parametrize("n", [5, 30, 200])
def test_features_against_themselves(n):
    x = np.random.default_rng(6).standard_normal((n, 50)).astype(np.float32)
    assert 0 <= frechet_from_features(x, x) < 1e-9


@pytest.mark.parametrize("batches", [[1000], [1, 999], [7] * 142 + [6], [500, 0, 500]])
def test_streaming_equals_one_shot(batches):
    # a large offset is what destroys sum(x x^T) - n mu mu^T
    x = 1e6 + np.random.default_rng(7).standard_normal((1000, 5))
    stream, start = StreamingMoments(5), 0
    for size in batches:
        stream.update(x[start : start + size])
        start += size
    result = stream.result()
    assert result.n == 1000
    np.testing.assert_allclose(result.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(result.covariance, np.cov(x, rowvar=False), rtol=1e-8, atol=1e-9)


def test_one_image_has_no_covariance():
    with pytest.raises(ValueError, match="2 images or more"):
        moments(np.ones((1, 3)))
    with pytest.raises(ValueError, match="2 images or more"):
        frechet_from_features(np.ones((1, 3)), np.ones((5, 3)))


@pytest.mark.parametrize("name", FEATURES)
def test_pytorch_fid(name):
    assert frechet_from_features(*feature_pair(name)) == pytest.approx(GOLDEN["distances"][name], rel=1e-3)


def test_pytorch_fid_at_full_rank():
    name = "400 v 300, 64 d"
    one, other = (moments(x) for x in feature_pair(name))
    distance = frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
    assert distance == pytest.approx(GOLDEN["distances"][name], rel=1e-9)
