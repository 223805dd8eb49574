"""Precision, recall, density and coverage: by hand, by brute force, and each fault on its own figure."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden.make_prdc import point_sets

from eval import coverage as module
from eval.coverage import coverage


def gaussian(n, d=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def brute_force(real, synthetic, k):
    """Point by point, as the papers write it."""

    def radius(points, i):
        return sorted(np.linalg.norm(points[i] - p) for j, p in enumerate(points) if j != i)[k - 1]

    def holds(points, i, p):
        return np.linalg.norm(points[i] - p) < radius(points, i)

    n, m = range(len(real)), range(len(synthetic))
    return (
        np.mean([any(holds(real, i, y) for i in n) for y in synthetic]),
        np.mean([any(holds(synthetic, j, x) for j in m) for x in real]),
        np.mean([sum(holds(real, i, y) for i in n) for y in synthetic]) / k,
        np.mean([any(holds(real, i, y) for y in synthetic) for i in n]),
    )


def test_by_hand_on_a_line():
    """Real 0, 1, 3 (radii 1, 1, 2 at k = 1), synthetic 0.5, 3.5, 9 (radii 3, 3, 5.5)."""
    real, synthetic = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [3.5], [9.0]])
    found = coverage(real, synthetic, neighbours=1)
    assert found == pytest.approx((2 / 3, 1.0, (2 + 1 + 0) / 3, 1.0))


@pytest.mark.parametrize(("n", "m", "k"), [(3, 3, 2), (12, 20, 3), (30, 9, 5)])
def test_brute_force(n, m, k):
    real, synthetic = gaussian(n, 3), gaussian(m, 3, seed=1) * 0.8 + 0.3
    assert coverage(real, synthetic, neighbours=k) == pytest.approx(brute_force(real, synthetic, k))


def test_blocks_do_not_matter(monkeypatch):
    real, synthetic = gaussian(50), gaussian(41, seed=1)
    whole = coverage(real, synthetic)
    monkeypatch.setattr(module, "_ROWS", 7)
    assert coverage(real, synthetic) == whole


def test_few_points_have_fewer_neighbours():
    real, synthetic = gaussian(4, 2), gaussian(30, 2, seed=1)
    assert coverage(real, synthetic) == coverage(real, synthetic, neighbours=3)
    with pytest.raises(ValueError, match="n=2: precision, recall, density and coverage need 3"):
        coverage(real, synthetic[:2])


def test_copies_are_everywhere_and_strangers_nowhere():
    real = gaussian(60)
    copies, strangers = coverage(real, real), coverage(real, real + 100.0)
    assert (copies.precision, copies.recall, copies.coverage) == (1.0, 1.0, 1.0)
    # a ball holds its own point and k - 1 others; the k-th lies on its edge, where rounding decides
    assert copies.density == pytest.approx(1.0, abs=0.02)
    assert strangers == (0.0, 0.0, 0.0, 0.0)


def two_modes(n, share, seed):
    """Points of two clouds far apart, the first of them with the given share."""
    random = np.random.default_rng(seed)
    return random.standard_normal((n, 4)) + 20.0 * (random.random((n, 1)) >= share)


def test_a_dropped_mode_lowers_recall_and_coverage_alone():
    real, honest, dropped = two_modes(400, 0.5, 0), two_modes(400, 0.5, 1), two_modes(400, 1.0, 1)
    before, after = coverage(real, honest), coverage(real, dropped)
    assert after.precision > before.precision - 0.05
    assert after.density > before.density - 0.1
    assert after.recall < before.recall - 0.3
    assert after.coverage < before.coverage - 0.3


def test_noise_around_the_real_points_lowers_precision_and_density():
    real, honest = gaussian(400, 4), gaussian(400, 4, seed=1)
    before, after = coverage(real, honest), coverage(real, honest * 2.5)
    assert after.precision < before.precision - 0.2
    assert after.density < before.density - 0.2
    assert after.recall > before.recall - 0.05


def test_an_outlier_does_not_raise_density_or_coverage():
    """Of one wide ball precision and recall take all that it holds; density 1/k of it, coverage one point."""
    real, far = gaussian(200, 4), gaussian(200, 4, seed=1) + 12.0
    with_outlier = np.concatenate([real, np.full((1, 4), 16.0)])
    plain, fooled = coverage(real, far), coverage(with_outlier, far)
    assert plain.precision == plain.density == 0.0
    assert fooled.precision > 0.9
    assert fooled.density < 0.25


GOLDEN = json.loads((Path(__file__).parent / "golden" / "prdc.json").read_text())


@pytest.mark.parametrize("row", GOLDEN["rows"], ids=lambda row: str(row["case"]))
def test_the_reference_implementation(row):
    """The package prdc of the authors of density and coverage (tests/golden/make_prdc.py)."""
    n, m, dimensions, neighbours, scale, shift = row["case"]
    found = coverage(*point_sets(n, m, dimensions, scale, shift), neighbours=neighbours)
    assert found == pytest.approx([row[name] for name in found._fields], abs=1e-12)
