"""Synthetic rows that are training rows, beside what honest rows would be.

In a table of few values some new real rows equal training rows by chance. So two tests, as for near ones (eval.privacy):
are more synthetic rows in the training file than real rows are elsewhere in it, and, with a holdout, are they in it more
often than in the holdout, given how many rows either has.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binom, hypergeom

from eval.privacy import ALPHA


@dataclass(frozen=True)
class Duplicates:
    """Counts of exact copies of training rows: among synthetic rows, and among real ones (of other training rows)."""

    n_synthetic: int
    exact: int
    n_real: int
    real_exact: int
    in_holdout: int | None  # synthetic rows that equal a row of the holdout
    repeated: float  # share of synthetic rows that another synthetic row equals
    real_repeated: float
    p_value: float  # of so many by chance, one-sided (Fisher)
    holdout_p_value: float | None  # of so many more than in the holdout

    @property
    def verdict(self) -> str:
        """It fails or passes: every row is looked at, so that a single copy is seen."""
        fails = self.p_value < ALPHA and (self.holdout_p_value is None or self.holdout_p_value < ALPHA)
        return "fails" if fails else "passes"

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        shares = self.exact / self.n_synthetic, self.real_exact / self.n_real
        held = "" if self.in_holdout is None else f", {self.in_holdout} a row of the holdout"
        return (
            f"exact copies: {self.verdict}: {self.exact} of {self.n_synthetic} synthetic rows ({shares[0]:.2%}) equal a "
            f"training row{held}; of other real rows {shares[1]:.2%} do"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        return {**asdict(self), "verdict": self.verdict}


def find_duplicates(
    train: Float[np.ndarray, "t c"], holdout: Float[np.ndarray, "h c"] | None, synthetic: Float[np.ndarray, "n c"]
) -> Duplicates:
    """Exact equality in all columns, missing values included."""
    once, others = row_keys(train), None if holdout is None else row_keys(holdout)
    own = row_keys(synthetic)
    copied = np.isin(own, once)
    real = repeated(once) if others is None else np.concatenate([repeated(once), np.isin(others, once)])
    exact, real_exact = int(copied.sum()), int(real.sum())
    by_chance = hypergeom(len(own) + len(real), exact + real_exact, len(own))
    held, p_value = None, None
    if others is not None:
        in_holdout = np.isin(own, others)
        held = int(in_holdout.sum())
        x, y = int((copied & ~in_holdout).sum()), int((in_holdout & ~copied).sum())
        odds = len(once) / (len(once) + len(others))
        p_value = float(binom.sf(x - 1, x + y, odds))
    return Duplicates(
        len(own), exact, len(real), real_exact, held, float(repeated(own).mean()), float(repeated(once).mean()),
        float(by_chance.sf(exact - 1)), p_value,
    )  # fmt: skip


def row_keys(rows: np.ndarray) -> np.ndarray:
    """Each row as one value that can be compared; -0 is 0, and NaN is NaN."""
    plain = np.ascontiguousarray(np.where(np.isnan(rows), np.nan, rows + 0.0))
    return plain.view(np.dtype((np.void, plain.dtype.itemsize * plain.shape[1])))[:, 0]


def repeated(keys: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Whether each key occurs more than once."""
    _, back, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[back] > 1
