"""A share of the samples beside what chance gives, and the law of a count of near ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import beta, betabinom

PERCENTILE = 1.0  # of the distances from the holdout (or other training images): what is nearer is near
ALPHA = 0.01  # of each test; there are two for each kind of distance


@dataclass(frozen=True)
class Share:
    """A share of the synthetic images: with a 95 % interval, what is expected where nothing was copied, and its test.

    `critical`: what the share exceeds with probability ALPHA by chance. `p_value` is one-sided.
    """

    value: float
    low: float
    high: float
    expected: float
    critical: float
    p_value: float


class Count:
    """How many of n new values are at most the k-th lowest of m known ones, where all come from one distribution.

    Beta-binomial(n, k, m + 1 - k), whatever that distribution is: the k-th lowest cuts off a share that is
    Beta(k, m + 1 - k). Distances among the training images come in pairs, since nearest neighbours often are each
    other's: they count as half as many.
    """

    def __init__(self, known: Float[np.ndarray, " m"], paired: bool) -> None:
        m = len(known)
        k = max(1, int(PERCENTILE / 100 * (m + 1)))
        self.threshold = float(np.sort(known)[k - 1])
        weight = 0.5 if paired else 1.0
        self.law = (weight * k, weight * (m + 1 - k))

    def share(self, values: Float[np.ndarray, " n"]) -> Share:
        """The share of `values` at or below the threshold, with the interval of Clopper and Pearson."""
        n, x = len(values), int((values <= self.threshold).sum())
        law = betabinom(n, *self.law)
        return Share(
            value=x / n,
            low=float(beta.ppf(0.025, x, n - x + 1)) if x else 0.0,
            high=float(beta.ppf(0.975, x + 1, n - x)) if x < n else 1.0,
            expected=float(law.mean() / n),
            critical=float(law.ppf(1 - ALPHA) / n),
            p_value=float(law.sf(x - 1)),
        )
