"""The privacy audit of a comparison: in pixels and in features, and what a membership attack adds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from eval.comparison import Comparison
from eval.membership import Membership
from eval.privacy import Evidence, audit
from eval.tolerant import feature_distances, tolerant_distances

Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]
PIXELS = "grey pixels at 32 or less a side, shifts of 2 of them, flips and quarter turns of square images allowed"


class Sets(NamedTuple):
    """The images of each kind, one a row; the holdout was not trained on, None where there is none."""

    train: np.ndarray
    synthetic: np.ndarray
    holdout: np.ndarray | None


@dataclass(frozen=True)
class Privacy:
    """The evidence of each kind of distance; `index` and `distance` are those of the nearest training image in pixels."""

    evidence: list[Evidence]
    membership: Membership | None
    index: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]

    @property
    def verdict(self) -> str:
        """Fails where anything does, passes where all do, else cannot be told."""
        verdicts = [part.verdict for part in (*self.evidence, self.membership) if part is not None]
        if "fails" in verdicts:
            return "fails"
        return "passes" if set(verdicts) == {"passes"} else "cannot be told"

    @property
    def words(self) -> list[str]:
        """A sentence for each part."""
        words = [part.words for part in (*self.evidence, self.membership) if part is not None]
        if self.evidence[0].calibration == "training":
            words.append(
                "calibrated with distances among the training images, which say nothing of samples unlike them: give "
                "holdout=DIR, real images that were not trained on"
            )
        return words

    @property
    def calibration(self) -> str:
        """The images that say what is near."""
        return "images of the holdout" if self.evidence[0].calibration == "holdout" else "training images to each other"

    def closest(self, count: int) -> Int[np.ndarray, " k"]:
        """The synthetic images of the `count` closest pairs, closest first."""
        return np.argsort(self.distance, kind="stable")[:count]

    def to_json(self, comparison: Comparison, count: int) -> dict[str, Any]:
        """Plain types for metrics.json, with the `count` closest pairs."""
        synthetic, real = comparison.synthetic.folder.paths, comparison.real.folder.paths
        closest = [
            {"synthetic": str(synthetic[i]), "real": str(real[self.index[i]]), "distance": float(self.distance[i])}
            for i in self.closest(count)
        ]
        return {
            "verdict": self.verdict,
            "words": self.words,
            "evidence": [evidence.to_json() for evidence in self.evidence],
            "membership": None if self.membership is None else self.membership.to_json(),
            "closest": closest,
        }


def audit_privacy(pixels: Sets, features: Sets, extractor: str, membership: Membership | None, *, seed: int) -> Privacy:
    """Audit in pixels, images (n, h, w) of at most 32 a side, and in features (n, d), which `extractor` describes."""
    to_train = tolerant_distances(pixels.synthetic, pixels.train)
    evidence = [
        _audit(PIXELS, to_train, pixels, tolerant_distances, seed),
        _audit(extractor, feature_distances(features.synthetic, features.train), features, feature_distances, seed),
    ]
    return Privacy(evidence, membership, to_train.argmin(axis=1), to_train.min(axis=1))


def _audit(name: str, to_train: np.ndarray, sets: Sets, distances: Distances, seed: int) -> Evidence:
    if sets.holdout is None:
        among = distances(sets.train, sets.train)
        np.fill_diagonal(among, np.inf)
        return audit(name, to_train, among, None, seed=seed)
    calibrating, to_holdout = distances(sets.holdout, sets.train), distances(sets.synthetic, sets.holdout)
    return audit(name, to_train, calibrating, to_holdout, seed=seed)
