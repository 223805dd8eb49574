"""Is a file further off than chance has it? The names "real" and "synthetic" are dealt out anew by lot, again and again.

Were the synthetic rows real ones, it would not matter which rows bear which name. So the figure of real against synthetic is
held against the same figure after all rows were shuffled together and parted again into as many of each (a permutation
test, Fisher 1935). The floor alone would not do: one half of the real rows against the other tells what two sets of real rows
read, but the halves lean to opposite sides of their common mean, and one file leans as it does however often parts of it are
drawn.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t

from eval.floor import Spread

ALARM = 0.05  # honest files in which some figure tells a difference nonetheless; each figure has its part of it


def excess_by_lot(
    figures: Callable[[np.ndarray, np.ndarray], Sequence[float]],
    real: Int[np.ndarray, " n"],
    synthetic: Int[np.ndarray, " m"],
    *,
    repeats: int,
    seed: int,
) -> list[Spread]:
    """Each figure less its mean over the lots; low is above 0, or high below, where a new lot seldom reaches as far.

    Of so few lots the tail is found by its side's standard deviation and Student's law for a new value beside `repeats` known
    ones; each side has its own, as errors above 0 are skewed.
    """
    random = np.random.default_rng(seed)
    rows = np.concatenate([real, synthetic])
    found, lots = figures(real, synthetic), []
    for _ in range(repeats):
        dealt = rows[random.permutation(len(rows))]
        lots.append(figures(dealt[: len(real)], dealt[len(real) :]))
    alarm = ALARM / (len(found) + 1)  # the classifier has its part, too
    return [tail(value, of, alarm) for value, of in zip(found, np.transpose(lots), strict=True)]


def tail(value: float, lots: Float[np.ndarray, " k"], alarm: float) -> Spread:
    """The excess of `value` over the mean of `lots`, and beyond what of it one new lot in 1 / `alarm` is on either side."""
    middle, count = float(lots.mean()), len(lots)
    far = float(t.ppf(1 - alarm, count - 1) * np.sqrt(1 + 1 / count))
    above, below = (far * _one_sided(side * (lots - middle)) for side in (1, -1))
    excess = float(value) - middle
    return Spread(excess, excess - above, excess + below)


def _one_sided(deviations: np.ndarray) -> float:
    """The root mean square of those above 0."""
    beyond = deviations[deviations > 0]
    return float(np.sqrt(np.square(beyond).mean())) if len(beyond) else 0.0
