"""Boosted trees, which take missing numbers and categories as they are: scikit-learn's (`boosting`) and CatBoost's.

CatBoost (Prokhorenkova et al. 2018) holds numbers in float32, so that they come standardised (eval.tables.models).
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import joblib
import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


@dataclass(frozen=True)
class Trees:
    """What may be tuned of them: how many, how deep, and how much each counts; `l2` shrinks what a leaf says."""

    count: int
    depth: int
    learning_rate: float
    l2: float


def booster(name: str, categorical: list[int], *, classes: bool, seed: int, trees: Trees | None = None) -> Any:
    """A model to be fitted on what `taken` gives; `trees` None: the library's own defaults."""
    if name == "catboost":
        return _catboost(categorical, classes, seed, trees)
    kind: Any = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(random_state=seed, categorical_features=categorical or None, early_stopping=False)
    if trees is None:
        return model
    return model.set_params(
        max_iter=trees.count, max_depth=trees.depth, learning_rate=trees.learning_rate, l2_regularization=trees.l2
    )


def _catboost(categorical: list[int], classes: bool, seed: int, trees: Trees | None) -> Any:
    catboost = import_module("catboost")
    kind = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
    model = kind(
        random_seed=seed, cat_features=categorical, verbose=False, allow_writing_files=False,
        thread_count=joblib.cpu_count(),
    )  # fmt: skip
    if trees is None:
        return model
    return model.set_params(
        iterations=trees.count, depth=trees.depth, learning_rate=trees.learning_rate, l2_leaf_reg=trees.l2
    )


def taken(name: str, rows: Float[np.ndarray, "n c"], categorical: list[int]) -> Any:
    """Rows as the model takes them: CatBoost's categories are whole numbers, beside columns of floats."""
    if name != "catboost":
        return rows
    return pd.DataFrame({str(k): rows[:, k].astype(int if k in categorical else float) for k in range(rows.shape[1])})
