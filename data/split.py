"""Hold images out for validation."""

import numpy as np

from data.image_set import ImageSet


def split(image_set: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split into (training, validation), each class in proportion; the same `seed` gives the same split.

    At least one image is held out where there are two or more and `fraction` > 0, and at least one is trained on.
    A class with a single image stays in training where any other can be held out.
    """
    n = len(image_set)
    if fraction == 0.0 or n < 2:
        return image_set, image_set.subset([])
    rng = np.random.default_rng(seed)
    labels = np.zeros(n, np.int64) if image_set.class_labels is None else image_set.class_labels
    order = rng.permutation(n)
    order = order[np.argsort(labels[order], kind="stable")]  # by class, at random within one
    shared = order[np.bincount(labels)[labels[order]] > 1]
    candidates = shared if len(shared) else order
    held = min(max(1, round(fraction * n)), len(candidates) - 1)
    # Equal steps along the sorted order take from each class its share, rounded down or up.
    picks = np.floor((np.arange(held) + rng.random()) * len(candidates) / held).astype(np.int64)
    validation = np.sort(candidates[picks])
    return image_set.subset(np.setdiff1d(np.arange(n), validation)), image_set.subset(validation)
