"""A membership-inference attack that has only the synthetic rows: who lies near one of them is called a member.

The full black-box attack of Chen et al. 2020 (GAN-Leaks, section 4.3.1) with one sample set: a row's score is minus the distance
to the nearest synthetic row. Members are training rows, the others are of the holdout. It is among the weakest attacks: one
that fails leaves stronger ones open, those that see the model first of all.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from eval.membership import ALPHA, NO_RISK, Interval, auc, tpr_at_fpr
from eval.tables.distances import nearest


@dataclass(frozen=True)
class DistanceAttack:
    """How well the attack does. `tpr`: share of members found where at most 1 % of the others are taken for members."""

    n_train: int
    n_holdout: int
    auc: Interval
    tpr: Interval
    tpr_p_value: float

    @property
    def verdict(self) -> str:
        """fails, passes, or cannot be told."""
        if self.auc.low > 0.5 or self.tpr_p_value < ALPHA:
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
    return DistanceAttack(len(members), len(others), auc(members, others), tpr, p_value)
