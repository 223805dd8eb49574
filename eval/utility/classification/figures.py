"""Accuracy, macro-F1 and recall from a confusion matrix, of a test set and of what is drawn from it again."""

import numpy as np
from jaxtyping import Float, Int


def confusion(
    truth: Int[np.ndarray, "n"], said: Int[np.ndarray, "n"], classes: int, weights: Int[np.ndarray, "n"] | None = None
) -> Float[np.ndarray, "k k"]:
    """How many images of class i (row) were called j (column); image m counts `weights[m]` times."""
    return np.bincount(truth * classes + said, weights, minlength=classes * classes).reshape(classes, classes) * 1.0


def recalls(matrix: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k"]:
    """Of the images of each class, the share that was called so; NaN where there is none."""
    return _shares(np.diag(matrix), matrix.sum(axis=1))


def macro_f1(matrix: Float[np.ndarray, "k k"]) -> float:
    """The mean over the classes that have images of F1 = 2 TP / (2 TP + FP + FN)."""
    images = matrix.sum(axis=1)
    f1 = _shares(2 * np.diag(matrix), images + matrix.sum(axis=0))
    return float(f1[images > 0].mean())


def figures(matrix: Float[np.ndarray, "k k"], rarest: int) -> Float[np.ndarray, "3"]:
    """Macro-F1, accuracy, and the recall of the class `rarest` (NaN where it has no image)."""
    return np.array([macro_f1(matrix), np.trace(matrix) / matrix.sum(), recalls(matrix)[rarest]])


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
