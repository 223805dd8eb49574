"""SMOTE, independent columns and replay: what they must do, and what each must break."""

import numpy as np
import pytest
from eval_table_files import COLUMNS, rows, write

from eval.tables.baselines import make_baseline
from eval.tables.config import TableConfig
from eval.tables.distances import nearest
from eval.tables.opening import open_tables
from eval.tables.shapes import Shapes
from eval.tables.smote import class_of, smote
from eval.tables.space import Space
from eval.tables.table import Column

XY = (Column("x"), Column("y"), Column("label", categories=("no", "yes"), known=2))


@pytest.mark.parametrize("k", [1, 3])
def test_smote_rows_lie_on_segments_between_neighbours_of_one_class(k):
    random = np.random.default_rng(0)
    train = np.column_stack([random.uniform(size=(40, 2)), np.arange(40) % 2])
    found = smote(XY, train, 2, 60, neighbours=k, seed=1)
    low, high = train[:, :2].min(axis=0), train[:, :2].max(axis=0)
    for label in (0, 1):
        real = train[train[:, 2] == label, :2]
        low, high = real.min(axis=0), real.max(axis=0)
        points = (real - low) / (high - low)  # neighbours are sought on the range of the class
        _, which = nearest(points, points, count=k, exclude_self=True)
        for row in found[found[:, 2] == label, :2]:
            gaps = []
            for base, others in zip(real, real[which], strict=True):
                for other in others:
                    step = (row - base) @ (other - base) / ((other - base) @ (other - base))
                    gaps.append(np.abs(base + step * (other - base) - row).max() if 0 <= step <= 1 else np.inf)
            assert min(gaps) < 1e-12
    assert np.abs(found[:, None, :2] - train[None, :, :2]).max(axis=2).min() > 0  # none is a training row


def test_smote_draws_every_class_as_often_as_it_is():
    train = rows(100, 0)
    count = int((train[:, 3] == 1).sum())
    found = smote(COLUMNS, train, 3, 100, seed=0)
    assert int((found[:, 3] == 1).sum()) == count
    assert len(smote(COLUMNS, train, 3, 37, seed=0)) == 37
    np.testing.assert_array_equal(found, smote(COLUMNS, train, 3, 100, seed=0))
    assert (found != smote(COLUMNS, train, 3, 100, seed=1)).any()


def test_smote_takes_the_category_that_most_neighbours_have():
    # ten rows of kind b around a lone one of kind a: whatever is drawn from it and its neighbours is a b
    train = np.column_stack([np.r_[0.0, np.linspace(0.1, 1, 10)], np.r_[0, np.ones(10)]])
    columns = (Column("x"), Column("kind", categories=("a", "b"), known=2))
    assert (smote(columns, train, None, 50, seed=0)[:, 1] == 1).all()


def test_a_category_counts_as_the_median_spread_of_the_numbers():
    # spread of x on its range: 0.5, so that a row at 0.4 of another kind is further than one at 0.6 of the same kind
    train = np.array([[0.0, 0], [0.4, 1], [0.6, 0], [1.0, 1], [0.0, 1], [1.0, 0]])
    columns = (Column("x"), Column("kind", categories=("a", "b"), known=2))
    from eval.tables.smote import _points

    points = _points(columns, train)
    spread = train[:, 0].std()
    assert ((points[0] - points[1]) ** 2).sum() == pytest.approx(0.4**2 + spread**2)
    assert ((points[0] - points[2]) ** 2).sum() == pytest.approx(0.6**2)


def test_smote_of_a_number_interpolates_the_target_on_its_side_of_the_median():
    train = np.column_stack([np.arange(20.0), np.r_[np.zeros(10), np.full(10, 100.0)] + np.arange(20)])
    columns = (Column("x", decimals=0), Column("t", decimals=0))
    found = smote(columns, train, 1, 200, neighbours=15, seed=0)
    assert not ((found[:, 1] > 9) & (found[:, 1] < 110)).any()
    np.testing.assert_array_equal(found, np.round(found))  # as whole as the training file
    np.testing.assert_array_equal(class_of(columns, train, 1), np.arange(20) >= 10)


def test_smote_with_missing_values_lone_classes_and_no_numbers():
    train = np.array([[1.0, 0], [np.nan, 0], [2.0, 0], [7.0, 1]])
    columns = (Column("x", missing=True), Column("label", categories=("no", "yes"), known=2))
    found = smote(columns, train, 1, 40, seed=0)
    lone = found[found[:, 1] == 1]
    assert len(lone) == 10
    assert (lone[:, 0] == 7).all()
    values = found[found[:, 1] == 0, 0]
    assert np.isnan(values).any()
    assert ((values[~np.isnan(values)] >= 1) & (values[~np.isnan(values)] <= 2)).all()
    names = (Column("a", categories=("p", "q"), known=2), Column("b", categories=("r", "s"), known=2))
    pairs = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0)
    assert {tuple(row) for row in smote(names, pairs, None, 30, seed=0)} == {(0, 1), (1, 0)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    paths = [str(write(folder / f"{name}.csv", rows(400, seed))) for seed, name in enumerate(("real", "syn"))]
    return open_tables(TableConfig(real=paths[0], synthetic=paths[1], out="o", target="label"))


def test_independent_columns_keep_shapes_and_break_trends(tables):
    shapes = Shapes(tables.columns, tables.train.rows, Space(tables.columns, tables.train.rows))
    errors = {}
    for name in ("independent", "replay"):
        found = make_baseline(name, tables, 2000, seed=0)
        errors[name] = shapes.mean_errors(shapes.prepare(tables.train.rows), shapes.prepare(found))
    assert errors["independent"][0] < 0.03
    assert errors["replay"][0] < 0.03
    assert errors["independent"][1] > 5 * errors["replay"][1]


def test_replay_draws_training_rows(tables):
    train = {tuple(row) for row in tables.train.rows}
    found = make_baseline("replay", tables, 300, seed=0)
    assert {tuple(row) for row in found} <= train
    assert len({tuple(row) for row in found}) == 300
    twice = make_baseline("replay", tables, 800, seed=0)
    assert set(np.unique(twice, axis=0, return_counts=True)[1]) == {2}
    assert not {tuple(row) for row in make_baseline("independent", tables, 300, seed=0)} & train
