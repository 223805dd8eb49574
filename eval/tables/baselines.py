"""What anybody can make of the training file without a model, to be measured beside the synthetic rows.

smote         rows interpolated between near real ones (eval.tables.smote): good for models, and close to real rows
independent   every column drawn by itself: the best shapes there can be, and no trends
replay        the training rows once more: wins every measure of likeness and use, and has no privacy at all
"""

import numpy as np
from jaxtyping import Float

from eval.tables.opening import Tables
from eval.tables.smote import smote

NOTES = {
    "smote": "rows interpolated between near training rows of one class (SMOTE-NC)",
    "independent": "every column drawn by itself from the training rows",
    "replay": "the training rows once more: a memoriser, which must fail the privacy audit",
}


def make_baseline(name: str, tables: Tables, count: int, *, seed: int) -> Float[np.ndarray, "count c"]:
    """`count` rows of the baseline of that name."""
    train = tables.train.rows
    if name == "smote":
        return smote(tables.columns, train, tables.target, count, neighbours=tables.config.neighbours, seed=seed)
    random = np.random.default_rng(seed)
    if name == "independent":
        return np.stack([random.choice(column, count) for column in train.T], axis=1)
    assert name == "replay", name
    # each row as often as any other: drawn with replacement, doubles would give it away to measures by neighbours
    passes = [random.permutation(len(train)) for _ in range(-(-count // len(train)))]
    return train[np.concatenate(passes)[:count]]
