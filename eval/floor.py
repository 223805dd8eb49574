"""The real-vs-real floor: what a figure reads when both sides are real, with as many images.

With few images every distance is mostly bias (N(0, I) against itself in 512 dimensions reads 500 at n = 200), so a
figure means nothing but beside the same figure between real and real at the same n.

Where images come in groups (crops of one scene, slices of one patient), no group is on both sides of a split: else the
two sides would be more alike than two sets of real images are, and every synthetic set would look bad beside them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from tqdm import tqdm

from eval.group_draws import fill

Distance = Callable[[np.ndarray, np.ndarray], float]
Distances = Callable[[np.ndarray, np.ndarray], float | Sequence[float]]  # of one figure, or of several at once


@dataclass(frozen=True)
class Spread:
    """Mean of a figure over random draws, and its 5th and 95th percentile."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Floor:
    """`floor`: real against real; `matched`: synthetic against real, n images a side; `excess`: matched - floor."""

    n: int
    repeats: int
    floor: Spread
    matched: Spread
    excess: Spread


def floor_size(n_real: int, n_synthetic: int) -> int:
    """The n of the comparison: all synthetic images where there are twice as many real ones, else half the real ones."""
    return min(n_synthetic, n_real // 2)


def smaller_half(count: int, groups: Int[np.ndarray, " count"] | None, *, repeats: int, seed: int) -> int:
    """How many of `count` real images are on the smaller side of every split: half of them, or as groups allow."""
    if groups is None:
        return count // 2
    return min(min(int(half.sum()), count - int(half.sum())) for half in _halves(groups, repeats, seed))


def measure_floors(
    distances: Distances,
    real: Float[np.ndarray, "n d"],
    synthetic: Float[np.ndarray, "m d"],
    *,
    repeats: int,
    seed: int,
    label: str = "floor",
    groups: Int[np.ndarray, " n"] | None = None,
) -> list[Floor]:
    """The floor of each figure that `distances` finds.

    Each repeat draws two disjoint sets A, B of n real images and a set S of n synthetic ones: d(A, B) and d(A, S).

    Sharing A pairs the two figures, and equal n gives both the same bias: their difference tells S from B. The draws
    overlap between repeats, so low and high show the draw's influence rather than a confidence interval. ValueError
    with fewer than 6 real or 3 synthetic images.

    `groups`: the number of each real image's group, from 0. A and B are then drawn from halves that share no group, and n
    is at most the smaller half of all repeats.
    """
    sources = {"": synthetic}
    return measure_sources(distances, real, sources, repeats=repeats, seed=seed, label=label, groups=groups)[""]


def measure_sources(
    distances: Distances,
    real: Shaped[np.ndarray, "n ..."],
    sources: Mapping[str, Shaped[np.ndarray, "..."]],
    *,
    repeats: int,
    seed: int,
    label: str = "floor",
    groups: Int[np.ndarray, " n"] | None = None,
) -> dict[str, list[Floor]]:
    """As `measure_floors` for several synthetic sets, which all meet the same A and B; n is that of the smallest."""
    fewest = min(len(synthetic) for synthetic in sources.values())
    n = min(fewest, smaller_half(len(real), groups, repeats=repeats, seed=seed))
    if n < 3:
        split = "" if groups is None else f", of groups that leave {n} on one side of a split"
        raise ValueError(
            f"{len(real)} real{split} and {fewest} synthetic images: the floor needs 6 real and 3 synthetic"
        )
    halves = [None] * repeats if groups is None else _halves(groups, repeats, seed)
    random = np.random.default_rng(seed)
    floors: list[np.ndarray] = []
    matched: dict[str, list[np.ndarray]] = {name: [] for name in sources}
    for half in tqdm(halves, desc=label, leave=False):
        one, other = (real[rows] for rows in _disjoint(len(real), n, half, random))
        floors.append(np.atleast_1d(distances(one, other)))
        for name, synthetic in sources.items():
            drawn = synthetic[random.permutation(len(synthetic))[:n]]
            matched[name].append(np.atleast_1d(distances(one, drawn)))
    return {name: _floors(n, repeats, floors, found) for name, found in matched.items()}


def _halves(groups: Int[np.ndarray, " n"], repeats: int, seed: int) -> list[Bool[np.ndarray, " n"]]:
    """One side of each repeat's split: whole groups, as near to half of the images as these allow."""
    random = np.random.default_rng([seed, 1])  # not the stream that draws the images
    halves = []
    for _ in range(repeats):
        half = fill(groups, len(groups) // 2, random)
        halves.append(half if random.random() < 0.5 else ~half)  # as A may be either side, neither is the larger one
    return halves


def _disjoint(
    count: int, n: int, half: np.ndarray | None, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of A and of B: any, or one from each side of the split."""
    if half is None:
        order = random.permutation(count)
        return order[:n], order[n : 2 * n]
    one, other = (random.permutation(np.flatnonzero(side))[:n] for side in (half, ~half))
    return one, other


def _floors(n: int, repeats: int, floors: list[np.ndarray], matched: list[np.ndarray]) -> list[Floor]:
    columns = zip(np.transpose(floors), np.transpose(matched), strict=True)
    return [Floor(n, repeats, _spread(f), _spread(m), _spread(m - f)) for f, m in columns]


def _spread(values: Sequence[float] | np.ndarray) -> Spread:
    low, high = np.percentile(values, [5, 95])
    return Spread(float(np.mean(values)), float(low), float(high))
