"""The privacy audit of a comparison: in pixels and in features, and what a membership attack adds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from eval.comparison import Comparison
from eval.image_groups import file_names, groups_of
from eval.membership import Membership, attack
from eval.nearest import nearest_distance
from eval.privacy import Evidence, audit
from eval.privacy_groups import SetGroups
from eval.provenance import from_manifest
from eval.tolerant import feature_distances, small, tolerant_distances

Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]
PIXELS = "grey pixels (at most 32 a side; shifts by 2, flips, and quarter turns of squares allowed)"


class Sets(NamedTuple):
    """The images of each kind, one a row; the holdout was not trained on, None where there is none.

    `covered`: the share of all training images that `train` holds.
    """

    train: np.ndarray
    synthetic: np.ndarray
    holdout: np.ndarray | None
    covered: float = 1.0
    groups: SetGroups | None = None


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

    def closest(self, count: int) -> Int[np.ndarray, " k"]:
        """The synthetic images of the `count` closest pairs, closest first, each training image in one pair at most.

        Else a dark image, near to which many samples lie, would be in all of them.
        """
        order = np.argsort(self.distance, kind="stable")
        first = np.unique(self.index[order], return_index=True)[1]  # of each training image, its closest sample
        return order[np.sort(first)][:count]

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


def audit_comparison(
    comparison: Comparison, features: Sets | None, extractor: str, membership: Membership | None
) -> Privacy:
    """Audit in grey pixels, images (n, h, w) of at most 32 a side, and in features (n, d), which `extractor` describes.

    `features` is None where the extractor has been trained on the training images, which it therefore tells from others.
    """
    real, size, seed = comparison.real, comparison.real.thumbnail_size, comparison.config.seed
    train, synthetic = (small(side.thumbnails(), size) for side in (real, comparison.synthetic))
    held_out = None if comparison.holdout is None else small(comparison.holdout.thumbnails(), size)
    pixels = Sets(train, synthetic, held_out, real.covered(len(train)), set_groups(comparison, np.arange(len(train))))
    to_train = tolerant_distances(pixels.synthetic, pixels.train)
    evidence = [_audit(PIXELS, to_train, pixels, tolerant_distances, seed)]
    if features is not None:
        in_features = feature_distances(features.synthetic, features.train)
        evidence.append(_audit(extractor, in_features, features, feature_distances, seed))
    return Privacy(evidence, membership, to_train.argmin(axis=1), to_train.min(axis=1))


def set_groups(comparison: Comparison, rows: Int[np.ndarray, " t"]) -> SetGroups | None:
    """The groups of the real images in `rows` and of the holdout's; None where every image stands alone."""
    train, held_out = comparison.real.groups_of(rows), comparison.holdout
    if comparison.real.groups is None or train is None:
        return None
    return SetGroups(comparison.real.groups.by, train, None if held_out is None else held_out.groups_of())


def membership_of(comparison: Comparison) -> Membership | None:
    """The membership attack where its files are given; ValueError where the samples are another checkpoint's."""
    config, folder = comparison.config, comparison.synthetic.folder
    if config.membership_train is None or config.membership_holdout is None:
        return None
    grouped = None if comparison.real.groups is None else partial(_scored_groups, comparison)
    files = Path(config.membership_train), Path(config.membership_holdout)
    membership = attack(*files, seed=config.seed, groups=grouped)
    made_by = from_manifest(folder).get("checkpoint", [membership.checkpoint])
    if made_by != [membership.checkpoint]:
        raise ValueError(
            f"membership_train={config.membership_train}: losses under the checkpoint {membership.checkpoint[:8]}, but the "
            f"samples in {folder.root} were drawn from {', '.join(name[:8] for name in made_by)}: score that one"
        )
    return membership


def _scored_groups(comparison: Comparison, train: list[str], holdout: list[str]) -> SetGroups:
    """The groups of images that losses were written of, by their names below real= and holdout=."""
    config, real, held_out = comparison.config, comparison.real, comparison.holdout
    assert config.group is not None
    if held_out is None:
        raise ValueError(
            f"group={config.group}: the attack needs the groups of the images of {config.membership_holdout}: add holdout=DIR"
        )
    sides = {"real": (real.folder, train), "holdout": (held_out.folder, holdout)}
    groups = groups_of(config, {key: (folder, file_names(folder, names)) for key, (folder, names) in sides.items()})
    return SetGroups(config.group, groups["real"].of_image, groups["holdout"].of_image)


def holdout_note(comparison: Comparison) -> list[str]:
    """A holdout that holds training images in other files would hide copies."""
    if comparison.holdout is None:
        return []
    rows = comparison.holdout.thumbnails()
    same = int((nearest_distance(rows, comparison.real.thumbnails()) == 0).sum())
    note = f"{same} of the {len(rows)} images of the holdout look exactly like real ones: were they not trained on?"
    return [note] if same else []


def _audit(name: str, to_train: np.ndarray, sets: Sets, distances: Distances, seed: int) -> Evidence:
    if sets.holdout is None:
        among = distances(sets.train, sets.train)
        np.fill_diagonal(among, np.inf)
        return audit(name, to_train, among, None, seed=seed, covered=sets.covered, groups=sets.groups)
    calibrating, to_holdout = distances(sets.holdout, sets.train), distances(sets.synthetic, sets.holdout)
    return audit(name, to_train, calibrating, to_holdout, seed=seed, covered=sets.covered, groups=sets.groups)
