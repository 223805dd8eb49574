"""Dice of each label from counts of pixels, of a test set and of what is drawn from it again."""

import numpy as np
from jaxtyping import Float, Int, Integer


def pixel_counts(
    truth: Integer[np.ndarray, "h w"], said: Integer[np.ndarray, "h w"], labels: int
) -> Int[np.ndarray, "k 3"]:
    """Of each label 1..k: pixels that have it in both maps, in `said`, and in `truth`."""
    both = np.where(truth == said, truth, 0)
    return np.stack([np.bincount(m.ravel(), minlength=labels + 1)[1:] for m in (both, said, truth)], axis=1)


def dice(counts: Int[np.ndarray, "n k 3"], weights: Int[np.ndarray, "n"] | None = None) -> Float[np.ndarray, "k"]:
    """2 |A and B| / (|A| + |B|) of each label over all pixels of the test set, image m counting `weights[m]` times.

    Taken over all images at once, so an image without the label counts by what was falsely found in it. NaN for a label
    that none of the images has.
    """
    both, said, truth = np.einsum("nkc,n->ck", counts, np.ones(len(counts)) if weights is None else weights)
    return np.divide(2 * both, said + truth, out=np.full(len(both), np.nan), where=truth > 0)


def figures(counts: Int[np.ndarray, "n k 3"], weights: Int[np.ndarray, "n"] | None = None) -> Float[np.ndarray, "m"]:
    """The mean over the labels that the images have (0 where they have none) and, of several labels, the Dice of each."""
    each = dice(counts, weights)
    known = each[~np.isnan(each)]
    mean = known.mean() if len(known) else 0.0
    return np.array([mean, *each]) if len(each) > 1 else np.array([mean])
