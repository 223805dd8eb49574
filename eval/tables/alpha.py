"""alpha-precision and beta-recall: how typical the synthetic rows are, and how much of the typical they reach.

Alaa et al. 2022, arXiv:2102.08921, sections 3 and 4. S_real(alpha) is the ball around the mean of the real points that holds
the share alpha of them, B(x) the ball of a real point x up to its k-th nearest other real one:

    P(alpha) = share of synthetic points within S_real(alpha)
    R(beta)  = share of real points x whose B(x) holds a synthetic point of S_synthetic(beta)
    score    = 1 - 2 * integral over (0, 1) of |P(alpha) - alpha|, and likewise with R(beta)

1 is ideal. The paper learns an embedding in which typical points lie in a ball; here the points are used as they are, as in
the "naive" figures of synthcity, TabSyn and TabDiff, which take k = 1, where equal distributions have a recall of about 0.5.
"""

import numpy as np
from jaxtyping import Float

from eval.tables.distances import squares_in_blocks

NEIGHBOURS = 5  # k, as of eval.coverage
_LEVELS = (np.arange(200) + 0.5) / 200


def alpha_precision(real: Float[np.ndarray, "n d"], synthetic: Float[np.ndarray, "m d"]) -> float:
    """The integrated alpha-precision, 0..1."""
    centre = real.mean(axis=0)
    inner, distances = (np.linalg.norm(side - centre, axis=1) for side in (real, synthetic))
    levels = np.searchsorted(np.sort(inner), distances, side="left") / len(real)
    return _score(np.where(distances <= inner.max(), levels, np.inf))


def beta_recall(
    real: Float[np.ndarray, "n d"], synthetic: Float[np.ndarray, "m d"], *, neighbours: int = NEIGHBOURS
) -> float:
    """The integrated beta-recall, 0..1; of k real points or fewer, k is one less than their number."""
    k = min(neighbours, len(real) - 1)
    from_centre = np.linalg.norm(synthetic - synthetic.mean(axis=0), axis=1)
    levels = np.empty(len(synthetic))
    levels[np.argsort(from_centre, kind="stable")] = (np.arange(len(synthetic)) + 0.5) / len(synthetic)
    reached = np.empty(len(real))  # the least beta that reaches each real point
    for rows, among in squares_in_blocks(real, real):
        radii = np.partition(among, k, axis=1)[:, k]  # the 0-th is the point itself
        [(_, squares)] = squares_in_blocks(real[rows], synthetic)
        reached[rows] = np.where(squares <= radii[:, None], levels, np.inf).min(axis=1)
    return _score(reached)


def _score(levels: np.ndarray) -> float:
    """1 - 2 integral |share of levels at or below alpha - alpha|."""
    shares = np.searchsorted(np.sort(levels), _LEVELS, side="right") / len(levels)
    return float(1 - 2 * np.abs(shares - _LEVELS).mean())
