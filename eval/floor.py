"""The real-vs-real floor: what a figure reads when both sides are real, with as many images.

With few images every distance is mostly bias (N(0, I) against itself in 512 dimensions reads 500 at n = 200), so a
figure means nothing but beside the same figure between real and real at the same n.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from tqdm import tqdm

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


def measure_floors(
    distances: Distances,
    real: Float[np.ndarray, "n d"],
    synthetic: Float[np.ndarray, "m d"],
    *,
    repeats: int,
    seed: int,
    label: str = "floor",
) -> list[Floor]:
    """The floor of each figure that `distances` finds.

    Each repeat draws two disjoint sets A, B of n real images and a set S of n synthetic ones: d(A, B) and d(A, S).

    Sharing A pairs the two figures, and equal n gives both the same bias: their difference tells S from B. The draws
    overlap between repeats, so low and high show the draw's influence rather than a confidence interval. ValueError
    with fewer than 6 real or 3 synthetic images.
    """
    return measure_sources(distances, real, {"": synthetic}, repeats=repeats, seed=seed, label=label)[""]


def measure_sources(
    distances: Distances,
    real: Shaped[np.ndarray, "n ..."],
    sources: Mapping[str, Shaped[np.ndarray, "..."]],
    *,
    repeats: int,
    seed: int,
    label: str = "floor",
) -> dict[str, list[Floor]]:
    """As `measure_floors` for several synthetic sets, which all meet the same A and B; n is that of the smallest."""
    fewest = min(len(synthetic) for synthetic in sources.values())
    n = floor_size(len(real), fewest)
    if n < 3:
        raise ValueError(f"{len(real)} real and {fewest} synthetic images: the floor needs 6 real and 3 synthetic")
    random = np.random.default_rng(seed)
    floors: list[np.ndarray] = []
    matched: dict[str, list[np.ndarray]] = {name: [] for name in sources}
    for _ in tqdm(range(repeats), desc=label, leave=False):
        order = random.permutation(len(real))
        one, other = real[order[:n]], real[order[n : 2 * n]]
        floors.append(np.atleast_1d(distances(one, other)))
        for name, synthetic in sources.items():
            drawn = synthetic[random.permutation(len(synthetic))[:n]]
            matched[name].append(np.atleast_1d(distances(one, drawn)))
    return {name: _floors(n, repeats, floors, found) for name, found in matched.items()}


def _floors(n: int, repeats: int, floors: list[np.ndarray], matched: list[np.ndarray]) -> list[Floor]:
    columns = zip(np.transpose(floors), np.transpose(matched), strict=True)
    return [Floor(n, repeats, _spread(f), _spread(m), _spread(m - f)) for f, m in columns]


def _spread(values: Sequence[float] | np.ndarray) -> Spread:
    low, high = np.percentile(values, [5, 95])
    return Spread(float(np.mean(values)), float(low), float(high))
