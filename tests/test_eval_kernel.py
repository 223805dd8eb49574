"""KID against brute force, its bias, and its standard error against the spread of repeated draws."""

import numpy as np
import pytest

from eval import kernel
from eval.kernel import kernel_distance, mmd2, polynomial_kernel


def brute_force(x, y):
    """Gretton et al. 2012, eq. 3, pair by pair."""

    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def within(z):
        pairs = [k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(pairs) / len(pairs)

    return within(x) + within(y) - 2 * np.mean([k(a, b) for a in x for b in y])


def test_kernel_by_hand():
    x, y = np.array([[1.0, 2.0]]), np.array([[3.0, -1.0], [0.0, 4.0]])
    assert polynomial_kernel(x, y).tolist() == [[1.5**3, 5.0**3]]


@pytest.mark.parametrize(("n", "m"), [(3, 3), (4, 7), (9, 5)])
def test_brute_force(n, m):
    random = np.random.default_rng(n)
    x, y = random.standard_normal((n, 6)), random.standard_normal((m, 6)) + 1
    assert mmd2(x, y) == pytest.approx(brute_force(x, y), rel=1e-12)
    assert kernel_distance(x, y).value == pytest.approx(brute_force(x, y), rel=1e-12)


def test_blocks_do_not_matter(monkeypatch):
    random = np.random.default_rng(1)
    x, y = random.standard_normal((25, 6)), random.standard_normal((31, 6))
    whole = kernel_distance(x, y)
    monkeypatch.setattr(kernel, "_ROWS", 7)
    assert kernel_distance(x, y)[:2] == pytest.approx(whole[:2], rel=1e-12)


def test_jackknife_leaves_each_image_out():
    random = np.random.default_rng(2)
    x, y = random.standard_normal((6, 4)), random.standard_normal((8, 4)) + 0.5
    without_x = [brute_force(np.delete(x, i, 0), y) for i in range(6)]
    without_y = [brute_force(x, np.delete(y, i, 0)) for i in range(8)]
    variance = 5 * np.var(without_x) + 7 * np.var(without_y)
    assert kernel_distance(x, y).standard_error == pytest.approx(np.sqrt(variance), rel=1e-10)


def test_unbiased():
    # with 10 images a side a biased estimate would sit near 0.5
    random = np.random.default_rng(3)
    values = [mmd2(*random.standard_normal((2, 10, 8))) for _ in range(500)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert 0.35 < np.mean(np.array(values) < 0) < 0.75


def test_standard_error_is_the_spread_of_repeated_draws():
    random = np.random.default_rng(4)
    draws = [
        kernel_distance(random.standard_normal((60, 8)), random.standard_normal((80, 8)) + 0.7) for _ in range(200)
    ]
    spread = np.std([draw.value for draw in draws])
    assert np.mean([draw.standard_error for draw in draws]) == pytest.approx(spread, rel=0.15)


def test_subsets(monkeypatch):
    monkeypatch.setattr(kernel, "ALL_IMAGES", 300)
    monkeypatch.setattr(kernel, "SUBSET_SIZE", 100)
    random = np.random.default_rng(5)
    x, y = random.standard_normal((400, 8)), random.standard_normal((400, 8)) + 0.5
    in_subsets = kernel_distance(x, y, seed=1)
    monkeypatch.undo()
    of_all = kernel_distance(x, y)
    assert in_subsets.method == "100 subsets of 100"
    assert in_subsets.value == pytest.approx(of_all.value, abs=3 * in_subsets.standard_error)
    assert in_subsets.standard_error == pytest.approx(of_all.standard_error, rel=0.3)


def test_standard_error_with_few_on_one_side_and_many_on_the_other(monkeypatch):
    monkeypatch.setattr(kernel, "ALL_IMAGES", 300)
    monkeypatch.setattr(kernel, "SUBSET_SIZE", 100)
    random = np.random.default_rng(7)
    x, y = random.standard_normal((102, 8)), random.standard_normal((600, 8)) + 0.5
    found = kernel_distance(x, y)
    monkeypatch.undo()
    assert found.standard_error == pytest.approx(kernel_distance(x, y).standard_error, rel=0.3)


def test_subsets_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(kernel, "ALL_IMAGES", 50)
    monkeypatch.setattr(kernel, "SUBSET_SIZE", 20)
    x, y = np.random.default_rng(6).standard_normal((2, 60, 4))
    assert kernel_distance(x, y, seed=1) == kernel_distance(x, y, seed=1) != kernel_distance(x, y, seed=2)


def test_too_few():
    with pytest.raises(ValueError, match="3 images or more"):
        kernel_distance(np.ones((2, 3)), np.ones((5, 3)))
