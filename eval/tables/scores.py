"""Scores of a model's answers on the test rows, and on many resamplings of these at once.

`weights` (d, n) says how often each test row counts in each of d worlds; all scores come as (d, k). Classification: macro-F1,
accuracy, ROC AUC (one against the rest, mean over classes); regression: R2 and RMSE.
"""

import numpy as np
from jaxtyping import Float, Int

CLASSIFICATION = ("macro-F1", "accuracy", "ROC AUC")
REGRESSION = ("R2", "RMSE")
_WORLDS = 128  # at a time


def classification_scores(
    truth: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"], weights: Float[np.ndarray, "d n"]
) -> Float[np.ndarray, "d 3"]:
    """Macro-F1, accuracy and ROC AUC.

    Macro-F1 is the mean of F1 = 2 tp / (2 tp + fp + fn) over the classes that occur among truth or answers; the AUC is the
    mean over classes that do and do not occur in truth, of two classes that of the second. NaN where there is none.
    """
    answers = probabilities.argmax(axis=1)
    right = weights @ (truth == answers)
    f1 = []
    for k in range(probabilities.shape[1]):
        actual, said = truth == k, answers == k
        if (actual | said).any():
            counted = weights @ np.stack([actual & said, actual, said], axis=1).astype(np.float64)
            both = counted[:, 1] + counted[:, 2]  # 2 tp + fn + fp
            f1.append(np.divide(2 * counted[:, 0], both, out=np.full(len(both), np.nan), where=both > 0))
    present = [k for k in range(probabilities.shape[1]) if 0 < (truth == k).sum() < len(truth)]
    if len(present) == 2:
        present = present[1:]
    areas = [auc_of(truth == k, probabilities[:, k], weights) for k in present]
    scores = [_mean(f1), right / weights.sum(axis=1), _mean(areas) if areas else np.full(len(weights), np.nan)]
    return np.stack(scores, axis=1)


def auc_of(
    positive: np.ndarray, scores: Float[np.ndarray, " n"], weights: Float[np.ndarray, "d n"]
) -> Float[np.ndarray, " d"]:
    """P(score of a positive > that of another) + P(equal) / 2 in each world."""
    order = np.argsort(scores, kind="stable")
    first = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # where each different score begins
    areas = []
    for start in range(0, len(weights), _WORLDS):
        sorted_weights = weights[start : start + _WORLDS, order]
        up = np.add.reduceat(sorted_weights * positive[order], first, axis=1)
        down = np.add.reduceat(sorted_weights * ~positive[order], first, axis=1)
        below = np.cumsum(down, axis=1) - down / 2
        pairs = up.sum(axis=1) * down.sum(axis=1)
        areas.append(np.divide((up * below).sum(axis=1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))
    return np.concatenate(areas)


def regression_scores(
    truth: Float[np.ndarray, " n"], answers: Float[np.ndarray, " n"], weights: Float[np.ndarray, "d n"]
) -> Float[np.ndarray, "d 2"]:
    """R2 and RMSE; R2 is NaN where the truth does not vary."""
    total = weights.sum(axis=1)
    moved = truth - truth.mean()  # the squares of large numbers would drown their differences
    errors = weights @ np.square(truth - answers)
    spread = weights @ np.square(moved) - np.square(weights @ moved) / total
    r2 = 1 - np.divide(errors, spread, out=np.full(len(total), np.nan), where=spread > 0)
    return np.stack([r2, np.sqrt(errors / total)], axis=1)


def _mean(columns: list[np.ndarray]) -> np.ndarray:
    """The mean over those that are no NaN."""
    values = np.stack(columns)
    known = ~np.isnan(values)
    return np.divide(np.where(known, values, 0).sum(axis=0), known.sum(axis=0), out=np.full(values.shape[1], np.nan),
                     where=known.any(axis=0))  # fmt: skip
