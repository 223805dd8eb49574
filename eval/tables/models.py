"""The models that are trained on synthetic rows and tested on real ones; none is tuned, all come from scikit-learn.

linear     logistic regression, or ridge regression: numbers standardised, categories one-hot
forest     a random forest of 100 trees, on the same columns
boosting   boosted trees on histograms, which take missing values and categories as they are
mlp        a network of two layers of 64, on the columns of `linear`
catboost   CatBoost, where it is installed; TabDDPM's tables are of its macro-F1 and R2, after tuning
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

from eval.tables.space import fold_of
from eval.tables.table import Column

DEFAULT = ("linear", "forest", "boosting")
WITHOUT_CHANCE = ("linear", "boosting", "guess")  # trained once, whatever the seed
_LAYERS = (64, 64)


@dataclass(frozen=True)
class Problem:
    """What is foretold from what; the categories are those of all files, so that every model's answer has the same length."""

    columns: tuple[Column, ...]
    target: int

    @property
    def classes(self) -> int:
        """How many there are; 0 in regression."""
        categories = self.columns[self.target].categories
        return 0 if categories is None else len(categories)

    @property
    def features(self) -> list[int]:
        """The columns that the target is foretold from."""
        return [i for i in range(len(self.columns)) if i != self.target]


def available_models(asked: Sequence[str] | None) -> list[str]:
    """The models to train; ValueError where catboost is asked for and not installed."""
    installed = find_spec("catboost") is not None
    if asked is None:
        return [*DEFAULT, *(["catboost"] if installed else [])]
    if "catboost" in asked and not installed:
        raise ValueError("models: catboost is not installed: pip install catboost, or leave it out")
    return list(asked)


def foretell(
    problem: Problem, name: str, train: Float[np.ndarray, "n c"], test: Float[np.ndarray, "m c"], *, seed: int
) -> np.ndarray:
    """What the model says of the test rows after training: probabilities (m, classes), or numbers (m,)."""
    y = train[:, problem.target]
    if problem.classes:
        found = np.zeros((len(test), problem.classes))
        labels, counts = np.unique(y.astype(int), return_counts=True)
        if name == "guess" or len(labels) == 1 or not problem.features:
            found[:, labels] = counts / counts.sum()
            return found
        found[:, labels] = _fit(problem, name, train, test, y.astype(int), seed)
        return found
    if name == "guess" or not problem.features:
        return np.full(len(test), y.mean())
    centre, spread = y.mean(), y.std() or 1.0
    return centre + spread * _fit(problem, name, train, test, (y - centre) / spread, seed)


def _fit(problem: Problem, name: str, train: np.ndarray, test: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    native = name in ("boosting", "catboost")
    x, asked = _native(problem, train, test) if native else _standard(problem, train, test, scale=name != "forest")
    model = _catboost(problem, seed) if name == "catboost" else _model(problem, name, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as good as it gets within the iterations it is given
        model.fit(x, y)
    return model.predict_proba(asked) if problem.classes else model.predict(asked)


def _model(problem: Problem, name: str, seed: int) -> Any:
    trees: dict[str, Any] = {"categorical_features": _categorical(problem) or None, "early_stopping": False}
    if problem.classes:
        return {
            "linear": lambda: LogisticRegression(max_iter=500),
            "forest": lambda: RandomForestClassifier(random_state=seed),
            "boosting": lambda: HistGradientBoostingClassifier(random_state=seed, **trees),
            "mlp": lambda: MLPClassifier(hidden_layer_sizes=_LAYERS, random_state=seed, max_iter=200),
        }[name]()
    return {
        "linear": lambda: Ridge(),
        "forest": lambda: RandomForestRegressor(random_state=seed),
        "boosting": lambda: HistGradientBoostingRegressor(random_state=seed, **trees),
        "mlp": lambda: MLPRegressor(hidden_layer_sizes=_LAYERS, random_state=seed, max_iter=200),
    }[name]()


def _catboost(problem: Problem, seed: int) -> Any:
    catboost = import_module("catboost")
    kind = catboost.CatBoostClassifier if problem.classes else catboost.CatBoostRegressor
    return kind(random_seed=seed, verbose=False, allow_writing_files=False, thread_count=1)


def _categorical(problem: Problem) -> list[int]:
    return [k for k, i in enumerate(problem.features) if not problem.columns[i].numeric]


def _native(problem: Problem, train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
    """Numbers with NaN, and categories as 0, 1, ... 100 by their frequency in training."""
    both = [train[:, problem.features].copy(), test[:, problem.features].copy()]
    for k in _categorical(problem):
        fold = fold_of(problem.columns[problem.features[k]], train[:, problem.features[k]])
        for side in both:
            side[:, k] = fold[side[:, k].astype(int)]
    return both


def _standard(problem: Problem, train: np.ndarray, test: np.ndarray, *, scale: bool) -> list[np.ndarray]:
    """Numbers, standardised where `scale`, with a column that says where they are missing; categories one-hot."""
    both = _native(problem, train, test)
    parts: list[list[np.ndarray]] = [[], []]
    for k, i in enumerate(problem.features):
        column, known = problem.columns[i], both[0][:, k]
        if not column.numeric:
            size = int(max(side[:, k].max() for side in both)) + 1
            for part, side in zip(parts, both, strict=True):
                part.append((side[:, k, None] == np.arange(size)).astype(np.float64))
            continue
        present = known[~np.isnan(known)]
        centre, spread = (present.mean(), present.std()) if len(present) else (0.0, 1.0)
        for part, side in zip(parts, both, strict=True):
            missing = np.isnan(side[:, k])
            values = np.where(missing, centre, side[:, k])
            part.append(((values - centre) / (spread or 1.0) if scale else values)[:, None])
            if column.missing:
                part.append(missing[:, None].astype(np.float64))
    return [np.concatenate(part, axis=1) for part in parts]
