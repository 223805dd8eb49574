"""The real-vs-real floor and the nearest neighbours, on points whose answers are known."""

import numpy as np
import pytest

from eval.figures import Figure
from eval.floor import Floor, Spread, floor_size, measure_floors
from eval.frechet import frechet_from_features
from eval.kernel import mmd2
from eval.nearest import find_nearest, share_closer


def gaussian(n, d=8, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def measure_floor(distance, real, synthetic, **options):
    """Of one figure."""
    [floor] = measure_floors(distance, real, synthetic, **options)
    return floor


@pytest.mark.parametrize(("n_real", "n_synthetic", "n"), [(100, 20, 20), (40, 20, 20), (39, 20, 19), (20, 20, 10)])
def test_size(n_real, n_synthetic, n):
    assert floor_size(n_real, n_synthetic) == n


def test_sides_are_disjoint_and_equal_in_number():
    real, synthetic = np.arange(20.0)[:, None], np.arange(100.0, 107.0)[:, None]
    seen = []

    def record(one, other):
        seen.append((set(one[:, 0]), set(other[:, 0])))
        return 0.0

    measure_floor(record, real, synthetic, repeats=5, seed=0)
    for one, other in seen:
        assert len(one) == len(other) == 7
        assert one.isdisjoint(other)
    (a, b), (a_again, s) = seen[0], seen[1]
    assert a == a_again
    assert a | b <= set(real[:, 0])
    assert s == set(synthetic[:, 0])


def test_floor_grows_as_n_shrinks():
    real = gaussian(800)
    means = [
        measure_floor(frechet_from_features, real, gaussian(n, seed=1), repeats=5, seed=0).floor.mean
        for n in (400, 100, 25)
    ]
    assert means[0] < 0.5 * means[1] < 0.25 * means[2]


def test_the_same_distribution_is_at_the_floor_and_another_is_not():
    real = gaussian(400)
    for distance in (frechet_from_features, mmd2):
        same = measure_floor(distance, real, gaussian(150, seed=1), repeats=8, seed=0)
        other = measure_floor(distance, real, gaussian(150, seed=1, shift=0.5), repeats=8, seed=0)
        assert same.excess.low <= 0 < other.excess.low
        assert other.matched.mean - other.floor.mean == pytest.approx(other.excess.mean)


def test_repeats_by_the_seed():
    real, synthetic = gaussian(60), gaussian(30, seed=1)
    first, again, other = (
        measure_floor(frechet_from_features, real, synthetic, repeats=3, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_too_few_images():
    with pytest.raises(ValueError, match="5 real and 9 synthetic"):
        measure_floor(mmd2, gaussian(5), gaussian(9), repeats=1, seed=0)


def test_nearest_by_brute_force():
    synthetic, real = gaussian(300, seed=1).astype(np.float32), gaussian(40, seed=2).astype(np.float32)
    nearest = find_nearest(synthetic, real)
    distances = np.sqrt(np.square(synthetic[:, None] - real[None]).mean(axis=2))
    assert nearest.index.tolist() == distances.argmin(axis=1).tolist()
    np.testing.assert_allclose(nearest.distance, distances.min(axis=1), rtol=1e-6)
    among_real = np.sqrt(np.square(real[:, None] - real[None]).mean(axis=2)) + np.diag(np.full(40, np.inf))
    np.testing.assert_allclose(nearest.real_distance, among_real.min(axis=1), rtol=1e-6)
    assert nearest.closest(3).tolist() == np.argsort(distances.min(axis=1))[:3].tolist()


def test_copies_are_found():
    real, synthetic = gaussian(200, seed=1), gaussian(100, seed=2)
    assert share_closer(synthetic, real) < 0.05
    synthetic[:30] = real[50:80]
    nearest = find_nearest(synthetic, real)
    assert 0.3 <= nearest.share_closer < 0.35
    assert nearest.index[:30].tolist() == list(range(50, 80))
    assert nearest.distance[:30].max() == 0.0


def test_copies_are_found_where_contrast_is_low():
    # float32 would lose the differences, 1e-4, in squares of 0.25
    real = (0.5 + 1e-4 * gaussian(200, d=4096, seed=1)).astype(np.float32)
    nearest = find_nearest(real[40:60], real)
    assert nearest.index.tolist() == list(range(40, 60))
    assert nearest.copies == 20


def test_copies_are_found_beside_duplicates_in_the_real_folder():
    real = np.repeat(gaussian(50, seed=1), 2, axis=0)  # every threshold is 0
    assert share_closer(real[:10], real) == 1.0


def test_new_images_of_the_same_kind_give_about_one_per_cent():
    shares = [share_closer(gaussian(400, seed=2 * i), gaussian(400, seed=2 * i + 1)) for i in range(5)]
    assert 0.002 < np.mean(shares) < 0.03


def test_several_figures_share_their_draws():
    real, synthetic = gaussian(60), gaussian(30, seed=1)
    both = measure_floors(lambda a, b: (frechet_from_features(a, b), mmd2(a, b)), real, synthetic, repeats=3, seed=2)
    for floor, distance in zip(both, (frechet_from_features, mmd2), strict=True):
        assert floor == measure_floor(distance, real, synthetic, repeats=3, seed=2)


VERDICTS = [  # floor, matched, excess, higher_is_better, worse, verdict
    ((0.9, 1.1), (0.9, 1.1), (-0.1, 0.1), False, False, "at the floor"),
    ((0.9, 1.1), (1.9, 2.1), (0.8, 1.2), False, True, "2.00 times the floor"),
    ((-0.1, 0.1), (1.9, 2.1), (1.8, 2.2), False, True, "above the floor"),
    ((0.9, 1.1), (0.0, 0.0), (-1.1, -0.9), False, False, "below the floor"),
    ((0.9, 1.1), (0.4, 0.6), (-0.7, -0.3), True, True, "0.50 times the floor"),
    ((0.9, 1.1), (1.9, 2.1), (0.8, 1.2), True, False, "above the floor"),
]


@pytest.mark.parametrize(("floor", "matched", "excess", "higher", "worse", "verdict"), VERDICTS)
def test_verdicts_are_of_the_side_that_is_worse(floor, matched, excess, higher, worse, verdict):
    spreads = [Spread((low + high) / 2, low, high) for low, high in (floor, matched, excess)]
    figure = Figure("x", 1.0, None, 9, 9, Floor(4, 2, *spreads), "", "", "", "", higher)
    assert figure.worse is worse
    assert figure.verdict == verdict
