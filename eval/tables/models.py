"""The models that are trained on synthetic rows and tested on real ones; none is tuned unless tune= says so.

linear     logistic regression, or ridge regression: numbers standardised, categories one-hot
forest     a random forest of 100 trees, on the same columns
boosting   boosted trees on histograms, which take missing values and categories as they are
mlp        a network of two layers of 64, on the columns of `linear`
catboost   CatBoost, where it is installed; TabDDPM's tables are of its macro-F1 and R2, after tuning. It is slow, and so
           trained by name alone: what is trained by default must not depend on what is installed
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

from eval.tables.boosted import Trees, booster, taken
from eval.tables.config import BOOSTED
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

    @property
    def categorical(self) -> list[int]:
        """Which of the features are categories, by their place among them."""
        return [k for k, i in enumerate(self.features) if not self.columns[i].numeric]


def available_models(asked: Sequence[str] | None) -> list[str]:
    """The models to train; ValueError where catboost is asked for and not installed."""
    if asked is None:
        return list(DEFAULT)
    if "catboost" in asked and find_spec("catboost") is None:
        raise ValueError("models: catboost is not installed: pip install catboost, or leave it out")
    return list(asked)


def foretell(
    problem: Problem,
    name: str,
    train: Float[np.ndarray, "n c"],
    test: Float[np.ndarray, "m c"],
    *,
    seed: int,
    trees: Trees | None = None,
) -> np.ndarray:
    """What the model says of the test rows after training: probabilities (m, classes), or numbers (m,).

    `trees`: those of a boosted model that was tuned.
    """
    y, known = train[:, problem.target], np.nan_to_num(train[:, problem.features], nan=np.inf)
    nothing = name == "guess" or (y == y[0]).all() or (known == known[0]).all()
    if problem.classes:
        found = np.zeros((len(test), problem.classes))
        labels, counts = np.unique(y.astype(int), return_counts=True)
        found[:, labels] = counts / counts.sum()
        if not nothing:
            found[:, labels] = _fit(problem, name, train, test, y.astype(int), seed=seed, trees=trees)
        return found
    if nothing:
        return np.full(len(test), y.mean())
    centre, spread = y.mean(), y.std() or 1.0
    return centre + spread * _fit(problem, name, train, test, (y - centre) / spread, seed=seed, trees=trees)


def _fit(
    problem: Problem, name: str, train: np.ndarray, test: np.ndarray, y: np.ndarray, *, seed: int, trees: Trees | None
) -> np.ndarray:
    if name in BOOSTED:
        x, asked = (taken(name, side, problem.categorical) for side in native(problem, train, test))
        model = booster(name, problem.categorical, classes=problem.classes > 0, seed=seed, trees=trees)
    else:
        x, asked = _one_hot(problem, *native(problem, train, test))
        model = _model(problem, name, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as good as it gets within the iterations it is given
        model.fit(x, y)
    return model.predict_proba(asked) if problem.classes else model.predict(asked)


def _model(problem: Problem, name: str, seed: int) -> Any:
    if problem.classes:
        return {
            "linear": lambda: LogisticRegression(max_iter=500),
            "forest": lambda: RandomForestClassifier(random_state=seed),
            "mlp": lambda: MLPClassifier(hidden_layer_sizes=_LAYERS, random_state=seed, max_iter=200),
        }[name]()
    return {
        "linear": lambda: Ridge(),
        "forest": lambda: RandomForestRegressor(random_state=seed),
        "mlp": lambda: MLPRegressor(hidden_layer_sizes=_LAYERS, random_state=seed, max_iter=200),
    }[name]()


def native(problem: Problem, train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
    """The features of both: numbers standardised, NaN where missing, and categories as 0, 1, ... 100.

    All of it by the training rows, the categories by their frequency there. Trees need no standard numbers, but some hold
    them in float32, where large ones that differ little would be equal.
    """
    both = [train[:, problem.features], test[:, problem.features]]
    for k, i in enumerate(problem.features):
        column, known = problem.columns[i], both[0][:, k]
        if column.numeric:
            present = known[~np.isnan(known)]
            varies = len(np.unique(present)) > 1  # the deviation of a constant may be a rounding error, and not 0
            centre, spread = (present.mean(), present.std()) if varies else (np.append(present, 0.0)[0], 1.0)
        else:
            fold = fold_of(column, known)
        for side in both:
            side[:, k] = (side[:, k] - centre) / spread if column.numeric else fold[side[:, k].astype(int)]
    return both


def _one_hot(problem: Problem, train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
    """What `native` gives with categories one-hot, and a number that is missing as the mean and a column that says so."""
    parts: list[list[np.ndarray]] = [[], []]
    for k, i in enumerate(problem.features):
        size = 0 if problem.columns[i].numeric else int(max(side[:, k].max() for side in (train, test))) + 1
        for part, side in zip(parts, (train, test), strict=True):
            if size:
                part.append((side[:, k, None] == np.arange(size)).astype(np.float64))
                continue
            part.append(np.nan_to_num(side[:, k, None], nan=0.0))
            if problem.columns[i].missing:
                part.append(np.isnan(side[:, k, None]).astype(np.float64))
    return [np.concatenate(part, axis=1) for part in parts]
