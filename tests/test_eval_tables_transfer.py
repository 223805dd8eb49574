"""Scores by hand and against scikit-learn, worlds, and what training on other rows does to them."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from eval_table_files import COLUMNS, rows
from sklearn.metrics import f1_score, roc_auc_score

from eval.tables.boosted import Trees
from eval.tables.models import Problem, available_models, foretell
from eval.tables.scores import auc_of, classification_scores, regression_scores
from eval.tables.study import kept_share, sentences
from eval.tables.table import Column
from eval.tables.transfer import transfer
from eval.tables.tune import tune

BOOSTED = ["boosting", *(["catboost"] if find_spec("catboost") else [])]
MODELS = ["linear", "forest", "mlp", *BOOSTED]


def one_world(n):
    return np.ones((1, n))


def test_macro_f1_by_hand():
    truth = np.array([0, 0, 0, 1, 1, 2])
    answers = np.array([0, 0, 1, 1, 0, 0])
    # F1: class 0: tp 2, fp 2, fn 1 -> 4/7; class 1: tp 1, fp 1, fn 1 -> 1/2; class 2: 0
    [[f1, accuracy, _]] = classification_scores(truth, np.eye(4)[answers], one_world(6))
    assert f1 == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)
    assert accuracy == pytest.approx(3 / 6)
    assert f1 == pytest.approx(f1_score(truth, answers, average="macro"))


def test_auc_with_ties_is_that_of_scikit_learn_and_weights_are_repeats():
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 2, 60).astype(bool), random.integers(0, 8, 60) / 8
    weights = random.multinomial(60, np.full(60, 1 / 60), size=3).astype(np.float64)
    found = auc_of(truth, scores, np.concatenate([one_world(60), weights]))
    assert found[0] == pytest.approx(roc_auc_score(truth, scores))
    for k, world in enumerate(weights.astype(int)):
        assert found[k + 1] == pytest.approx(roc_auc_score(truth.repeat(world), scores.repeat(world)))
    three = random.integers(0, 3, 60)
    probabilities = random.dirichlet([1, 1, 1], 60)
    [[_, _, mean]] = classification_scores(three, probabilities, one_world(60))
    assert mean == pytest.approx(roc_auc_score(three, probabilities, multi_class="ovr"))


def test_regression_scores_by_hand():
    truth, answers = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 2.0])
    [[r2, rmse], [again, _]] = regression_scores(truth, answers, np.array([[1.0, 1, 1, 1], [2.0, 2, 2, 0]]))
    assert r2 == pytest.approx(1 - 4 / 5)
    assert rmse == pytest.approx(1)
    assert again == 1
    assert np.isnan(regression_scores(np.ones(3), np.ones(3), one_world(3))[0, 0])


@pytest.mark.parametrize("model", [*MODELS, "guess"])
@pytest.mark.parametrize("target", [3, 1])
def test_every_model_learns_a_class_and_a_number(model, target):
    problem = Problem(COLUMNS, target)
    train, test = rows(80, 0), rows(60, 1)
    train[:3, 0] = test[:3, 0] = np.nan
    answers = foretell(problem, model, train, test, seed=0)
    if target == 3:
        np.testing.assert_allclose(answers.sum(axis=1), 1)
        score = classification_scores(test[:, 3].astype(int), answers, one_world(60))[0, 2]
        assert (score > 0.8) if model != "guess" else (score == 0.5)
    else:
        score = regression_scores(test[:, 1], answers, one_world(60))[0, 0]
        assert (score > 0.5) if model != "guess" else (score < 0.01)


def test_a_training_set_of_one_class_foretells_that_class():
    train = rows(30, 0)
    train[:, 3] = 1
    np.testing.assert_array_equal(foretell(Problem(COLUMNS, 3), "forest", train, rows(5, 1), seed=0)[:, 1], np.ones(5))


def test_differences_are_paired_and_intervals_widen_with_files():
    random = np.random.default_rng(0)
    arms = {
        "real": [rows(120, 0)], "synthetic": [rows(120, 1), rows(120, 2)], "real + synthetic": [rows(120, 0)] * 2,
        "independent": [np.column_stack([random.permutation(column) for column in rows(120, k).T]) for k in (0, 1)],
    }  # fmt: skip
    settings = {"seeds": 1, "draws": 200, "seed": 0}
    problem = Problem(COLUMNS, 3)
    found = transfer(problem, arms, rows(150, 9), models=["linear"], **settings)
    guess = transfer(problem, {"guess": arms["real"]}, rows(150, 9), models=["guess"], **settings)
    assert found.metrics == ["macro-F1, mean of models", "macro-F1, linear", "accuracy, linear", "ROC AUC, linear"]
    assert found.by_run.shape == (4, 2, 1, 4)
    np.testing.assert_array_equal(found.by_run[0, 0], found.by_run[0, 1])  # one file stands for all
    means = dict(zip(found.arms, found.means[:, 0], strict=True))
    assert means["real"] > 0.75
    assert means["independent"] < 0.65
    assert found.drawn.shape == (4, 4, 200)
    kept = kept_share(found, guess, "synthetic")
    assert kept.low < 1 < kept.high or kept.difference == pytest.approx(1, abs=0.2)
    assert kept_share(found, guess, "independent").difference < 0.5
    assert kept_share(transfer(problem, {"real": arms["independent"][:1]}, rows(150, 9), models=["linear"], **settings),
                      guess, "real") is None  # fmt: skip
    said = sentences(found, {"synthetic": kept._asdict()}, guess)
    assert said[0].startswith("trained on synthetic rows: macro-F1, mean of models")
    assert said[-1].startswith("better than independent")


def test_what_is_trained_by_default_does_not_depend_on_what_is_installed(monkeypatch):
    for found in (None, object()):
        monkeypatch.setattr("eval.tables.models.find_spec", lambda name, found=found: found)
        assert available_models(None) == ["linear", "forest", "boosting"]
    assert available_models(["catboost"]) == ["catboost"]
    monkeypatch.setattr("eval.tables.models.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="catboost is not installed"):
        available_models(["catboost"])


LARGE = (Column("when"), Column("late", categories=("no", "yes"), known=2))


@pytest.mark.parametrize("model", MODELS)
def test_large_numbers_that_differ_little_are_told_apart(model):
    when = np.random.default_rng(0).permutation(80)
    rows_of = np.column_stack([1.6e12 + when, when >= 40])  # float32 would take all of them for one
    answers = foretell(Problem(LARGE, 1), model, rows_of[:60], rows_of[60:], seed=0)
    assert (answers.argmax(axis=1) == rows_of[60:, 1]).mean() > 0.85


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", [0, 1])
def test_what_does_not_vary_teaches_the_shares_or_the_mean(model, target):
    train = np.column_stack([np.full(30, 0.1), np.arange(30) % 3 == 0])
    test = np.column_stack([np.arange(4.0), [0, 1, 0, 1]])
    answers = foretell(Problem(LARGE, target), model, train, test, seed=0)
    np.testing.assert_allclose(answers, np.full(4, 0.1) if target == 0 else [[2 / 3, 1 / 3]] * 4)


@pytest.mark.parametrize("model", MODELS)
def test_a_category_that_training_lacks_and_a_constant_with_rounding_are_no_trouble(model):
    train, test = rows(80, 0), rows(60, 1)
    train[train[:, 2] == 2, 2], train[:, 1] = 0, 0.1
    answers = foretell(Problem(COLUMNS, 3), model, train, test, seed=0)
    assert classification_scores(test[:, 3].astype(int), answers, one_world(60))[0, 2] > 0.75


class Stages:
    """A booster that says 1 with a probability that depends on how many trees it has."""

    def __init__(self, *of_one):
        self.classes_, self.of_one = np.array([0, 1]), of_one

    def fit(self, x, y):
        assert len(x) == 80

    def staged_predict_proba(self, x):
        assert len(x) == 20
        return [np.tile([1 - p, p], (len(x), 1)) for p in self.of_one]


def test_tuning_takes_the_trial_and_its_number_of_trees_that_do_best_on_a_fifth(monkeypatch):
    real = rows(100, 0)
    real[:, 3] = 1
    real[np.random.default_rng(1).permutation(100)[-1], 3] = 0  # not in the held-out fifth, where all are 1
    answers = iter([Stages(0.99, 0.6), Stages(0.5, 0.8, 0.6), Stages(0.7, 0.9, 0.1)])
    asked = []
    monkeypatch.setattr("eval.tables.tune.booster", lambda *_, trees, **__: asked.append(trees) or next(answers))
    found = tune(Problem(COLUMNS, 3), ["linear", "boosting"], real, trials=2, seed=1)
    assert asked[0] is None  # the library's defaults, of which all trees count
    assert found == {"boosting": replace(asked[2], count=2)}
    assert asked[1] != asked[2]
    answers = iter([Stages(0.5, 0.95), Stages(0.5, 0.8), Stages(0.9)])
    assert tune(Problem(COLUMNS, 3), ["boosting"], real, trials=2, seed=1) == {"boosting": None}
    assert tune(Problem(COLUMNS, 3), ["boosting"], real, trials=0, seed=1) == {}


@pytest.mark.parametrize("model", BOOSTED)
@pytest.mark.parametrize("target", [3, 1])
def test_tuned_trees_are_the_same_again_and_learn(monkeypatch, model, target):
    monkeypatch.setattr("eval.tables.tune.MOST_TREES", 20)
    real, problem = rows(100, 0), Problem(COLUMNS, target)
    real[:2, 0] = np.nan
    found = tune(problem, [model], real, trials=2, seed=0)
    if model == "boosting":  # of CatBoost the defaults alone, a candidate, take seconds
        assert found == tune(problem, [model], real, trials=2, seed=0)
    trees = found[model] or Trees(5, 3, 0.3, 1.0)
    answers = foretell(problem, model, real, rows(60, 1), seed=0, trees=trees)
    other = foretell(problem, model, real, rows(60, 1), seed=0, trees=replace(trees, count=1))
    assert (answers != other).any()
    if target == 3:
        assert classification_scores(rows(60, 1)[:, 3].astype(int), answers, one_world(60))[0, 2] > 0.75
    else:
        assert regression_scores(rows(60, 1)[:, 1], answers, one_world(60))[0, 0] > 0.3


def test_tuning_of_a_class_of_one_row():
    real = rows(40, 0)
    real[:, 2] = np.where(np.arange(40) == 3, 2, np.arange(40) % 2)
    for seed in range(5):  # whether that row is held out or not
        assert set(tune(Problem(COLUMNS, 2), ["boosting"], real, trials=1, seed=seed)) == {"boosting"}
