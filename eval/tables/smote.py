"""SMOTE and SMOTE-NC as a generator: new rows between a real row and one of its nearest neighbours of the same class.

Chawla et al. 2002, J. Artif. Intell. Res. 16. Numbers (section 4.2): x + u (neighbour - x), u uniform in (0, 1). Categories
(section 6.1, SMOTE-NC): what most of the k neighbours have; and when neighbours are sought, a category that differs counts as
much as the median of the standard deviations of the class's numbers. Used as in TabDDPM's comparison (Kotelnikov et al. 2023,
section 5): numbers scaled to their range, as many rows of every class as the real ones have of it, all of them interpolated; in
regression the target is interpolated like any number, between rows on the same side of its median.

Here k stays as given (TabDDPM tunes it). Numbers are rounded to the decimals that the training file has. A value that either
end lacks is the nearer end's; a class of one row repeats it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from eval.tables.distances import nearest
from eval.tables.table import Column


def smote(
    columns: Sequence[Column],
    train: Float[np.ndarray, "n c"],
    target: int | None,
    count: int,
    *,
    neighbours: int = 5,
    seed: int,
) -> Float[np.ndarray, "count c"]:
    """`count` rows, of each class of the target about its share of `train`; without a target all rows are of one class."""
    random = np.random.default_rng(seed)
    classes = class_of(columns, train, target)
    found = []
    for label, size in zip(*_sizes(classes, count), strict=True):
        found.append(_of_class(columns, train[classes == label], int(size), neighbours, random))
    rows = np.concatenate(found)
    for i, column in enumerate(columns):
        if column.numeric and column.decimals is not None:
            rows[:, i] = np.round(rows[:, i], column.decimals)
    return rows[random.permutation(count)]


def class_of(columns: Sequence[Column], rows: Float[np.ndarray, "n c"], target: int | None) -> Int[np.ndarray, " n"]:
    """The class within which is interpolated: the target's category, or whether it exceeds its median."""
    if target is None:
        return np.zeros(len(rows), int)
    values = rows[:, target]
    if columns[target].numeric:
        return (values > np.nanmedian(values)).astype(int)
    return values.astype(int)


def _sizes(classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels and how many rows each gets: its share of `count`, the rest to the largest remainders."""
    labels, have = np.unique(classes, return_counts=True)
    exact = count * have / len(classes)
    sizes = np.floor(exact).astype(int)
    sizes[np.argsort(sizes - exact, kind="stable")[: count - sizes.sum()]] += 1
    return labels, sizes


def _of_class(
    columns: Sequence[Column], rows: np.ndarray, count: int, neighbours: int, random: np.random.Generator
) -> np.ndarray:
    base = random.integers(len(rows), size=count)
    k = min(neighbours, len(rows) - 1)
    if k < 1 or count == 0:
        return rows[base]
    points = _points(columns, rows)
    asked, back = np.unique(base, return_inverse=True)
    around = _others(points, asked, k)[back]  # (count, k)
    other = around[np.arange(count), random.integers(k, size=count)]
    step = random.uniform(size=count)
    found = np.empty((count, rows.shape[1]))
    for i, column in enumerate(columns):
        x, y = rows[base, i], rows[other, i]
        if column.categories is None:
            nearer = np.where(step < 0.5, x, y)
            found[:, i] = np.where(np.isnan(x) | np.isnan(y), nearer, x + step * (y - x))
        else:
            found[:, i] = _most_frequent(rows[around, i].astype(int), len(column.categories))
    return found


def _points(columns: Sequence[Column], rows: np.ndarray) -> np.ndarray:
    """Points whose distances are SMOTE-NC's; a missing number stands at the class's median."""
    numeric = [i for i, column in enumerate(columns) if column.numeric]
    low, high = np.zeros(len(numeric)), np.ones(len(numeric))
    numbers = rows[:, numeric]
    for k in range(len(numeric)):
        present = ~np.isnan(numbers[:, k])
        numbers[~present, k] = np.median(numbers[present, k]) if present.any() else 0.0
        low[k], high[k] = numbers[:, k].min(), numbers[:, k].max()
    scaled = (numbers - low) / np.where(high > low, high - low, 1.0)
    penalty = float(np.median(scaled.std(axis=0))) if numeric else 1.0
    parts = [scaled]
    for i, column in enumerate(columns):
        if column.categories is not None:
            different, codes = np.unique(rows[:, i].astype(int), return_inverse=True)
            parts.append((codes[:, None] == np.arange(len(different))) * (penalty / np.sqrt(2)))
    return np.concatenate(parts, axis=1)


def _others(points: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other points of each of `asked`; of equal rows it is the row itself that is left out."""
    _, which = nearest(points[asked], points, count=k + 1)
    itself = which == asked[:, None]
    itself[~itself.any(axis=1), -1] = True  # more than k equal rows before it
    return which[~itself].reshape(len(asked), k)


def _most_frequent(codes: np.ndarray, size: int) -> np.ndarray:
    """The code that occurs most in each row (n, k); of several that of the nearest, which stands first."""
    times = np.zeros((len(codes), size), int)
    np.add.at(times, (np.arange(len(codes))[:, None], codes), 1)
    own = np.take_along_axis(times, codes, axis=1)  # (n, k): how often each neighbour's code occurs
    return codes[np.arange(len(codes)), own.argmax(axis=1)]
