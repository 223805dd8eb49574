"""A membership-inference attack that has only the synthetic rows: who lies near one of them is called a member.

The full black-box attack of Chen et al. 2020 (GAN-Leaks, section 4.3.1) with one sample set: a row's score is minus the distance
to the nearest synthetic row. Members are training rows, the others are of the holdout. It is among the weakest attacks: one
that fails leaves stronger ones open, those that see the model first of all.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from eval.membership import ALPHA, NO_RISK, Interval, auc, tpr_at_fpr
from eval.tables.distances import nearest


@dataclass(frozen=True)
class DistanceAttack:
    """How well the attack does. `tpr`: share of members found where at most 1 % of the others are taken for members."""

    n_train: int
    n_holdout: int
    auc: Interval
    auc_p_value: float  # of as large an area by chance, one-sided, by a normal with its interval
    tpr: Interval
    tpr_p_value: float

    @property
    def verdict(self) -> str:
        """fails, passes, or cannot be told."""
        if min(self.auc_p_value, self.tpr_p_value) < ALPHA:
            return "fails"
        return "passes" if self.auc.high <= NO_RISK else "cannot be told"

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        reason = {
            "fails": "the distance to the nearest synthetic row tells training rows from others",
            "passes": "the distance to the nearest synthetic row does not tell training rows from others",
            "cannot be told": f"{self.n_train} and {self.n_holdout} rows leave an AUC above {NO_RISK:g} possible",
        }[self.verdict]
        area = f"AUC {self.auc.value:.3f} [{self.auc.low:.3f}, {self.auc.high:.3f}]"
        return f"membership attack by distance: {self.verdict}: {reason} ({area})"

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        return {**asdict(self), "verdict": self.verdict}


def distance_attack(
    train: Float[np.ndarray, "t d"],
    holdout: Float[np.ndarray, "h d"],
    synthetic: Float[np.ndarray, "n d"],
    *,
    seed: int,
) -> DistanceAttack:
    """The attack on points of one space."""
    members, others = (-nearest(side, synthetic)[0][:, 0] for side in (train, holdout))
    tpr, p_value = tpr_at_fpr(members, others, seed=seed)
    area = auc(members, others)
    error = max(area.high - area.value, area.value - area.low) / norm.ppf(0.975)
    by_chance = float(norm.sf((area.value - 0.5) / error)) if error > 0 else float(area.value <= 0.5)
    return DistanceAttack(len(members), len(others), area, by_chance, tpr, p_value)
