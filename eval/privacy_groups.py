"""The privacy audit where images come in groups: what is dealt out, and which images calibrate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from eval.group_draws import one_of_each
from eval.shares import ALPHA


def stretched(
    quantiles: tuple[float, float, float],
    expected: float,
    training: Bool[np.ndarray, " r"],
    dealt: Sequence[Bool[np.ndarray, " r"]],
) -> tuple[float, float, float]:
    """Two ends of an interval of chance and a critical share, as far from what is expected as names hardly change.

    Where the sizes of groups let only a share m of the training images change names, compared with images that are dealt
    out freely, copies move chance, too, and only m of what they do shows. Nothing does where the names as they are come
    up in a hundredth of the deals or more, as no rank among these is lower: then 0, 1 and 1.
    """
    same = sum(np.array_equal(names, training) for names in dealt)
    kept = float(np.mean([names[training].mean() for names in dealt]))
    moved = min(1.0, (1 - kept) / (1 - float(training.mean())))
    if (1 + same) / (1 + len(dealt)) >= ALPHA:
        return 0.0, 1.0, 1.0
    below, above, critical = (min(1.0, max(0.0, expected + (q - expected) / moved)) for q in quantiles)
    return below, above, critical


@dataclass(frozen=True)
class Dealt:
    """What a group is, and how many there are."""

    by: str
    train: int
    holdout: int  # 0 without one


@dataclass(frozen=True)
class SetGroups:
    """The groups of the training images and of the holdout's, numbered from 0 in each; none is in both."""

    by: str
    train: Int[np.ndarray, " t"]
    holdout: Int[np.ndarray, " h"] | None = None

    @property
    def dealt(self) -> Dealt:
        """How many there are."""
        return Dealt(self.by, int(self.train.max()) + 1, 0 if self.holdout is None else int(self.holdout.max()) + 1)

    @property
    def joined(self) -> Int[np.ndarray, " r"]:
        """The groups of the training images, then of the holdout's, in one count."""
        assert self.holdout is not None
        return np.concatenate([self.train, self.holdout + self.dealt.train])

    @property
    def largest(self) -> int:
        """Images of the largest group among the training images."""
        return int(np.bincount(self.train).max())

    def calibrating(self, distances: Float[np.ndarray, "c t"], seed: int) -> Float[np.ndarray, "g t"]:
        """The rows of one image of each group, drawn with `seed`, which are independent of each other as images are not.

        `distances`: from the images of the holdout, or, without one, among the training images, which then are
        infinite within a group, too.
        """
        if self.holdout is None:
            distances = np.where(self.train[:, None] == self.train, np.inf, distances)
        drawn = one_of_each(self.train if self.holdout is None else self.holdout, np.random.default_rng([seed, 2]))
        return distances[drawn]
