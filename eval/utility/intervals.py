"""Paired bootstrap over seeds and test images, or the groups that these form."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from eval.group_draws import redrawn
from eval.utility.study import Scorer

LEVEL = 95.0


class Interval(NamedTuple):
    """A difference of two arms with its 95 % interval."""

    difference: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves out 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def resample(
    scorers: list[list[Scorer]],
    images: int,
    *,
    draws: int,
    seed: int = 0,
    groups: Int[np.ndarray, "images"] | None = None,
) -> Float[np.ndarray, "draws arms metrics"]:
    """The arms' mean scores in `draws` worlds, each of which has other test images and other seeds.

    `scorers[a][s]` scores the run of arm a with seed s. All arms meet the same images and seeds in a draw, so that
    differences between them are paired. Of s seeds s - 1 are drawn, which makes the variance of their mean that of s
    independent runs (Rao & Wu 1988, J. Am. Stat. Assoc. 83, section 2); of one seed nothing can be learnt about seeds,
    and the intervals then hold for that seed alone.

    `groups`: the number of each image's group, from 0. Groups are then drawn instead of images, each with all its images,
    and of g groups g - 1, for the same reason as with seeds.
    """
    rng = np.random.default_rng(seed)
    seeds = len(scorers[0])
    means = []
    for _ in tqdm(range(draws), "intervals", leave=False, unit="draw"):
        weights = _drawn_images(images, rng) if groups is None else redrawn(groups, rng)
        chosen, times = np.unique(rng.integers(seeds, size=max(1, seeds - 1)), return_counts=True)
        means.append([np.average([arm[s](weights) for s in chosen], axis=0, weights=times) for arm in scorers])
    return np.array(means)


def _drawn_images(images: int, rng: np.random.Generator) -> Int[np.ndarray, "images"]:
    return np.bincount(rng.integers(images, size=images), minlength=images)


def interval(estimate: float, draws: Float[np.ndarray, "draws"]) -> Interval:
    """The percentile interval of a difference whose value on all seeds and images is `estimate`.

    A draw is NaN where its images do not say what the metric asks, as when none is of the class whose recall it is.
    """
    low, high = np.percentile(draws[~np.isnan(draws)], [50 - LEVEL / 2, 50 + LEVEL / 2])
    return Interval(float(estimate), float(low), float(high))
