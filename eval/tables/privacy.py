"""The privacy audit of rows: copies, rows near to training rows, and an attack, each beside what chance alone would give.

The tests are those of images (eval.privacy): an honest row is as likely to lie near a training row as one of the holdout is.
Beside them stand the figures that papers print, the distance to the closest record (DCR) and the ratio of the distances to
the closest and the second closest (NNDR), which by themselves prove nothing: a table of noise has a large DCR, and a set that
leaks a few rows a good median (Yao et al. 2025, "The DCR Delusion", arXiv:2505.01524).
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from eval.privacy import Evidence, audit
from eval.tables.attack import DistanceAttack, distance_attack
from eval.tables.distances import distances, nearest
from eval.tables.duplicates import Duplicates, find_duplicates
from eval.tables.opening import Tables
from eval.tables.space import MinMaxSpace, Space

MOST_ROWS = 2000  # synthetic rows, and rows of the holdout, in the tests by distance; all training rows count
MOST_PAIRS = 40_000_000  # entries of a matrix of distances: 160 MB
DISTANCES = "distances between rows"
LOT = np.float32(2e-5)  # of the range of a column: what decides between equal distances
PROVES_LITTLE = (
    "distances alone are no proof of privacy: neither a large distance to the closest record nor a failed attack by distance "
    "says what an attacker who sees the model could learn"
)


@dataclass(frozen=True)
class Closeness:
    """Medians of DCR and NNDR to the training rows, of synthetic rows and of the holdout's (None without one)."""

    dcr: float
    holdout_dcr: float | None
    nndr: float
    holdout_nndr: float | None
    dcr_minmax: float  # numbers over their range, as in TabDDPM's tables
    holdout_dcr_minmax: float | None


@dataclass(frozen=True)
class RowPrivacy:
    """What the audit of one synthetic set found; `index` and `distance` are of the nearest training row of each of `rows`."""

    evidence: Evidence
    duplicates: Duplicates
    attack: DistanceAttack | None
    closeness: Closeness
    rows: Int[np.ndarray, " n"]  # the synthetic rows that the tests by distance saw
    index: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]

    @property
    def verdict(self) -> str:
        """Fails where anything does, passes where all do, else cannot be told."""
        verdicts = [part.verdict for part in (self.duplicates, self.evidence, self.attack) if part is not None]
        if "fails" in verdicts:
            return "fails"
        return "passes" if set(verdicts) == {"passes"} else "cannot be told"

    @property
    def words(self) -> list[str]:
        """A sentence for each part, and what they leave open."""
        words = [part.words for part in (self.duplicates, self.evidence, self.attack) if part is not None]
        if self.attack is None:
            words.append(
                "calibrated with distances among the training rows, which say nothing of samples unlike them: give "
                "holdout=FILE or test=FILE, real rows that were not trained on"
            )
        return [*words, PROVES_LITTLE]

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        return {
            "verdict": self.verdict, "words": self.words, "evidence": [self.evidence.to_json()],
            "duplicates": self.duplicates.to_json(), "membership": self.attack and self.attack.to_json(),
            "closeness": asdict(self.closeness),
        }  # fmt: skip


class Audited(NamedTuple):
    """The points of the sets that are compared."""

    train: np.ndarray
    synthetic: np.ndarray
    holdout: np.ndarray | None


def audit_rows(tables: Tables, synthetic: Float[np.ndarray, "m c"], *, seed: int) -> RowPrivacy:
    """Audit a synthetic set against the training file and, where there is one, the holdout."""
    train = tables.train.rows
    unseen = None if tables.unseen is None else tables.unseen.rows
    random = np.random.default_rng(seed)
    most = _most(train)
    rows = np.sort(random.permutation(len(synthetic))[:most])
    held = None if unseen is None else unseen[np.sort(random.permutation(len(unseen))[:most])]
    # all real rows alike: one that fits itself to the training rows would bring these nearer to everything
    space = Space(tables.columns, train if unseen is None else np.concatenate([train, unseen]))
    minmax = MinMaxSpace(tables.columns, train)
    sets, others = (
        Audited(s.encode(train), s.encode(synthetic[rows]), None if held is None else s.encode(held))
        for s in (space, minmax)
    )
    far, which = nearest(sets.synthetic, sets.train, count=2)
    members = sets.train[random.permutation(len(train))[:most]]
    drawn = space.encode(synthetic[random.permutation(len(synthetic))[: MOST_PAIRS // most]])
    attack = None if sets.holdout is None else distance_attack(members, sets.holdout, drawn, seed=seed)
    return RowPrivacy(
        _evidence(sets, seed), find_duplicates(train, unseen, synthetic), attack, _closeness(sets, others, far), rows,
        which[:, 0], far[:, 0],
    )  # fmt: skip


def _evidence(sets: Audited, seed: int) -> Evidence:
    random = np.random.default_rng(seed)
    to_train = _told_apart(distances(sets.synthetic, sets.train), random)
    if sets.holdout is None:
        drawn = random.permutation(len(sets.train))[: _most(sets.train)]
        among = _told_apart(distances(sets.train[drawn], sets.train), random)
        among[np.arange(len(drawn)), drawn] = np.inf
        return audit(DISTANCES, to_train, among, None, seed=seed, thing="row")
    calibrating = _told_apart(distances(sets.holdout, sets.train), random)
    to_holdout = _told_apart(distances(sets.synthetic, sets.holdout), random)
    return audit(DISTANCES, to_train, calibrating, to_holdout, seed=seed, thing="row")


def _most(train: np.ndarray) -> int:
    """Rows whose distances to all training rows fit into memory."""
    return max(100, min(MOST_ROWS, MOST_PAIRS // len(train)))


def _told_apart(matrix: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Equal distances, as rows of few values have, in an order by lot: the laws of chance are those of unequal ones."""
    matrix += LOT * random.random(matrix.shape, dtype=np.float32)
    return matrix


def _closeness(sets: Audited, others: Audited, far: np.ndarray) -> Closeness:
    minmax = nearest(others.synthetic, others.train)[0]
    found = [float(np.median(far[:, 0])), _ratio(far), float(np.median(minmax))]
    if sets.holdout is None or others.holdout is None:
        return Closeness(found[0], None, found[1], None, found[2], None)
    held, held_minmax = nearest(sets.holdout, sets.train, count=2)[0], nearest(others.holdout, others.train)[0]
    return Closeness(
        found[0], float(np.median(held[:, 0])), found[1], _ratio(held), found[2], float(np.median(held_minmax))
    )  # fmt: skip


def _ratio(far: np.ndarray) -> float:
    """The median of nearest over second nearest; 1 where both are 0."""
    return float(np.median(np.divide(far[:, 0], far[:, 1], out=np.ones(len(far)), where=far[:, 1] > 0)))
