"""Shapes, trends, alpha-precision, C2ST and subgroups against what is known by hand."""

import numpy as np
import pytest
from eval_table_files import COLUMNS, rows
from scipy.stats import t as student

from eval.tables.alpha import alpha_precision, beta_recall
from eval.tables.c2st import c2st_floor, draw, two_sample_auc
from eval.tables.distances import distances, nearest
from eval.tables.lots import excess_by_lot, tail
from eval.tables.shapes import Shapes, correlation
from eval.tables.space import MinMaxSpace, Space
from eval.tables.subgroups import Subgroups, lost_categories, rate_gap, shares, target_rates
from eval.tables.table import MISSING_STATE, Column

NUMBER = Column("x", missing=True)
NAMES = Column("c", categories=("a", "b", MISSING_STATE), known=3)


def shapes_of(columns, train):
    return Shapes(columns, train, Space(columns, train))


def test_column_errors_by_hand():
    train = np.array([[1.0, 0], [2.0, 0], [3.0, 1], [np.nan, 2]])
    other = np.array([[1.0, 0], [2.0, 1], [np.nan, 1], [np.nan, 2]])
    shapes = shapes_of((NUMBER, NAMES), train)
    one, two = shapes.prepare(train), shapes.prepare(other)
    # a missing value counts as below all: 1/4 and 2/4 of the rows at or below it; shares (2, 1, 1) and (1, 2, 1)
    np.testing.assert_allclose(shapes.column_errors(one, two), [0.25, 0.25])
    np.testing.assert_array_equal(shapes.column_errors(one, one), [0, 0])


def test_pair_errors_by_hand():
    x = np.arange(-25, 25) + 0.5
    columns = (Column("a"), Column("b"), Column("c", categories=("p", "q"), known=2))
    up = np.stack([x, x, x > 0], axis=1).astype(np.float64)
    down = np.stack([x, -x, x > 0], axis=1).astype(np.float64)
    shapes = shapes_of(columns, up)
    errors = shapes.pair_errors(shapes.prepare(up), shapes.prepare(down))
    assert errors[0, 1] == pytest.approx(1)  # a correlation of 1 and of -1
    assert errors[1, 2] == pytest.approx(1)  # no joint bin in common
    assert errors[0, 2] == 0
    np.testing.assert_array_equal(errors, errors.T)
    assert shapes.mean_errors(shapes.prepare(up), shapes.prepare(down)) == pytest.approx([0, 2 / 3])


def test_a_correlation_with_a_constant_or_with_nothing_is_0():
    assert correlation(np.ones(5), np.arange(5.0)) == 0
    assert correlation(np.array([1.0, np.nan]), np.array([np.nan, 1.0])) == 0
    assert correlation(np.array([1.0, 2, np.nan, 4]), np.array([2.0, 4, 9, 8])) == pytest.approx(1)


def test_the_space_is_of_ranks_and_of_one_unit_for_a_category():
    train = np.stack([np.exp(np.linspace(-3, 3, 300)), np.arange(300) % 2], axis=1)
    space = Space((Column("x"), Column("c", categories=("a", "b"), known=2)), train)
    points = space.encode(train)
    np.testing.assert_allclose(points[:, 0], np.linspace(0, 1, 300), atol=0.02)  # the skew is gone
    same_number = space.encode(np.array([[1.0, 0], [1.0, 1]]))
    assert distances(same_number[:1], same_number[1:])[0, 0] == pytest.approx(1)
    low, high = train[0, 0], train[-1, 0]
    beyond = space.encode(np.array([[high + (high - low), 0]]))
    assert beyond[0, 0] == pytest.approx(points[-1, 0] + 1)
    least = MinMaxSpace(space.columns, train).encode(train)
    assert (least[0, 0], least[-1, 0]) == (0, 1)


def test_missing_is_a_state_of_its_own():
    train = np.array([[0.0], [1.0], [np.nan], [2.0], [3.0]])
    points = Space((NUMBER,), train).encode(train)
    assert points.shape == (5, 2)
    np.testing.assert_array_equal(points[:, 1], [0, 0, 1, 0, 0])
    assert distances(points[2:3], points)[0].argsort()[0] == 2
    assert (np.delete(distances(points[2:3], points)[0], 2) >= 1).all()


def test_nearest_by_hand():
    points = np.array([[0.0], [1.0], [1.0], [5.0]])
    far, which = nearest(points, points, count=2, exclude_self=True)
    np.testing.assert_array_equal(far, [[1, 1], [0, 1], [0, 1], [4, 4]])
    assert (which[1, 0], which[2, 0]) == (2, 1)


def test_alpha_precision_is_of_radii():
    real = np.concatenate([np.linspace(-1, 1, 2001)[:, None]])
    assert alpha_precision(real, real) == pytest.approx(1, abs=0.01)
    assert alpha_precision(real, np.zeros((50, 1))) == pytest.approx(0, abs=0.01)  # all in the middle: P(alpha) = 1
    assert alpha_precision(real, np.full((50, 1), 9.0)) == pytest.approx(0, abs=0.01)  # all far out: P(alpha) = 0
    half = np.concatenate([real, np.full((2001, 1), 9.0)])
    assert alpha_precision(real, half) == pytest.approx(0.5, abs=0.01)


def test_beta_recall_misses_what_is_not_drawn():
    random = np.random.default_rng(0)
    real, other = random.normal(size=(2, 300, 2))
    assert beta_recall(real, other) > 0.85
    assert beta_recall(real, real + 50) == pytest.approx(0, abs=0.01)
    one_side = other[other[:, 0] > 0]
    assert beta_recall(real, one_side) < beta_recall(real, other) - 0.2


def test_c2st_does_not_tell_halves_and_tells_shifted_rows():
    one, other = rows(120, 1), rows(60, 2)
    drawn = draw(one, len(other), seed=0)
    assert drawn.size == 60
    floor = two_sample_auc(drawn.one, drawn.other, [2, 3], seed=0)
    assert 0.3 < floor.value < 0.7
    honest = c2st_floor(drawn, floor, other, [2, 3], alarm=0.01, seed=0)
    assert honest.excess.low < 0 < honest.excess.high
    assert honest.n == 60
    far = c2st_floor(drawn, floor, rows(60, 3, shift=8.0), [2, 3], alarm=0.01, seed=0)
    assert far.matched.mean > 0.99
    assert far.excess.low > 0.2


def test_subgroups_shares_and_what_is_lost():
    real = np.concatenate([np.zeros(88), np.ones(10), np.full(2, 2.0)])[:, None]
    column = (Column("c", categories=("a", "b", "c"), known=3),)
    synthetic = np.zeros((50, 1))
    assert shares(column, real, synthetic)["c"] == {
        "real": {"a": 0.88, "b": 0.10, "c": 0.02}, "synthetic": {"a": 1.0, "b": 0.0, "c": 0.0}
    }  # fmt: skip
    rare, rarest = lost_categories(column, real, synthetic)
    assert (rare["category"], rare["lost"], rare["chance"]) == ("b", True, pytest.approx(0.9**50))
    assert (rarest["category"], rarest["lost"]) == ("c", False)


def test_the_rate_of_the_target_in_a_subgroup():
    columns = (Column("g", categories=("a", "b"), known=2), Column("t", categories=("no", "yes"), known=2))
    group = np.repeat([0.0, 1.0], 40)
    real = np.stack([group, np.r_[np.zeros(40), np.arange(40) % 4 == 0]], axis=1).astype(np.float64)
    synthetic = np.stack([group, np.r_[np.zeros(40), np.arange(40) % 2 == 0]], axis=1).astype(np.float64)
    groups = Subgroups(columns, real, 1)
    found = target_rates(groups, real, synthetic)
    assert found["outcome"] == "share of t = yes"  # the rarer of two classes
    assert [(row["group"], row["real"], row["synthetic"]) for row in found["rows"]] == [("a", 0, 0), ("b", 0.25, 0.5)]
    assert found["rows"][1]["low"] < 0.25 < found["rows"][1]["high"]
    sides = [(groups.codes(side), groups.outcome(side).values) for side in (real, synthetic)]
    assert rate_gap(*sides, [2]) == pytest.approx(0.125)
    assert target_rates(Subgroups(COLUMNS, rows(40, 0), None), rows(40, 0), rows(40, 1)) is None


def test_lots_tell_a_shift_and_not_chance():
    random = np.random.default_rng(0)
    values = np.r_[random.normal(size=60), random.normal(size=60), random.normal(size=60) + 3]

    def gap(one, other):
        return [abs(values[one].mean() - values[other].mean()), -abs(values[one].mean() - values[other].mean())]

    real, honest, shifted = np.arange(60), np.arange(60, 120), np.arange(120, 180)
    larger, smaller = excess_by_lot(gap, real, shifted, repeats=20, seed=0)
    assert larger.low > 0
    assert smaller.high < 0
    assert (larger.mean, larger.low, larger.high) == (-smaller.mean, -smaller.high, -smaller.low)
    for spread in excess_by_lot(gap, real, honest, repeats=20, seed=0):
        assert spread.low < 0 < spread.high


def test_the_tail_of_lots_by_hand():
    lots = np.array([1.0, 2.0, 3.0, 2.0])
    found = tail(5.0, lots, 0.01)
    reach = student.ppf(0.99, 3) * np.sqrt(1.25)  # either side's deviations above 0: a single 1
    assert (found.mean, found.low, found.high) == pytest.approx((3, 3 - reach, 3 + reach))
    assert tail(5.0, np.array([1.0, 1.0, 4.0]), 0.01).low == pytest.approx(
        3 - student.ppf(0.99, 2) * np.sqrt(4 / 3) * 2
    )
