"""The privacy audit where images come in groups: what is dealt out, and which images calibrate."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from eval.group_draws import one_of_each


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
    def joined(self) -> Int[np.ndarray, " t+h"]:
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
