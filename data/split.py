"""Hold images or rows out for validation, one by one or in groups that stay together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64

from data.image_set import ImageSet

PASSES = 32


def split(
    image_set: ImageSet, fraction: float, seed: int, groups: Sequence[str | None] | None = None
) -> tuple[ImageSet, ImageSet]:
    """Split into (training, validation), each class in proportion; the same `seed` gives the same split.

    At least one image is held out where there are two or more and `fraction` > 0, and at least one is trained on.
    A class with a single image stays in training where any other can be held out. The class is the set's first
    attribute. Images of one of `groups` are never divided; None: the image stands alone. A single group stays whole.
    """
    n = len(image_set)
    labels = np.full(n, -1) if image_set.class_labels is None else image_set.class_labels[:, 0]
    validation = held_out(labels, fraction, seed, groups)
    if not len(validation):
        return image_set, image_set.subset([])
    return image_set.subset(np.setdiff1d(np.arange(n), validation)), image_set.subset(validation)


def with_copies(groups: Sequence[str | None] | None, digests: Sequence[str]) -> Sequence[str | None] | None:
    """The groups of items, joined where two hold the same item, as its digest tells; as they are where none is there twice.

    An image that lies in two files would otherwise be trained on and validated by.
    """
    if len(set(digests)) == len(digests):
        return groups
    above = list(range(len(digests)))  # a forest over the items: an item's first ancestor stands for its group

    def first(i: int) -> int:
        while above[i] != i:
            i = above[i]
        return i

    seen: dict[tuple[str, str], int] = {}
    for i, digest in enumerate(digests):
        group = None if groups is None else groups[i]
        for key in [("item", digest)] + ([] if group is None else [("group", group)]):
            low, high = sorted((first(i), first(seen.setdefault(key, i))))
            above[high] = low
    return [str(first(i)) for i in range(len(digests))]


def held_out(
    labels: Int64[np.ndarray, " n"], fraction: float, seed: int, groups: Sequence[str | None] | None = None
) -> Int64[np.ndarray, " v"]:
    """The sorted indices of the items that `split` holds out; `labels` are classes, -1 where one is unknown."""
    if fraction == 0.0 or len(labels) < 2:
        return np.array([], np.int64)
    rng = np.random.default_rng(seed)
    if groups is None or all(group is None for group in groups):
        return _hold_out_images(labels + 1, fraction, rng)
    return _hold_out_groups(labels + 1, groups, fraction, rng)


def _hold_out_images(labels: Int64[np.ndarray, " n"], fraction: float, rng: np.random.Generator) -> np.ndarray:
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, at random within one
    shared = order[np.bincount(labels)[labels[order]] > 1]
    candidates = shared if len(shared) else order
    held = min(max(1, round(fraction * len(labels))), len(candidates) - 1)
    # Equal steps along the sorted order take from each class its share, rounded down or up.
    picks = np.floor((np.arange(held) + rng.random()) * len(candidates) / held).astype(np.int64)
    return np.sort(candidates[picks])


def _hold_out_groups(
    labels: Int64[np.ndarray, " n"], groups: Sequence[str | None], fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Of several random passes over the groups, each taking what brings it nearer to the wanted counts, the nearest."""
    keys = [("alone", i) if group is None else ("group", group) for i, group in enumerate(groups)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    group_of = np.array([numbers[key] for key in keys])
    counts = np.zeros((len(numbers), labels.max() + 1))  # (groups, classes)
    np.add.at(counts, (group_of, labels), 1)
    if len(numbers) < 2:
        return np.array([], np.int64)
    passes = [_one_pass(counts, fraction, rng.permutation(len(numbers))) for _ in range(PASSES)]
    best = min(passes, key=lambda taken: _distance(counts[taken].sum(0), counts.sum(0), fraction))
    return np.flatnonzero(best[group_of])


def _one_pass(
    counts: Float[np.ndarray, "groups classes"], fraction: float, order: Int64[np.ndarray, " groups"]
) -> Bool[np.ndarray, " groups"]:
    taken, total = np.zeros(len(counts), bool), counts.sum(0)
    held = np.zeros_like(total)
    spare = [g for g in order if ((total - counts[g] > 0) | (counts[g] == 0)).all()] or list(order)
    for g in spare:
        keeps_every_class = ((total - held - counts[g] > 0) | (counts[g] == 0)).all()
        nearer = _distance(held + counts[g], total, fraction) < _distance(held, total, fraction)
        if nearer and keeps_every_class:
            taken[g], held = True, held + counts[g]
    if not taken.any():  # every group is more than is wanted: the least of them
        taken[min(spare, key=lambda g: counts[g].sum())] = True
    return taken


def _distance(held: np.ndarray, total: np.ndarray, fraction: float) -> float:
    """How far the held counts of the classes are from their shares, as in a chi-squared statistic."""
    return float((np.square(held - fraction * total) / np.maximum(total, 1)).sum())
