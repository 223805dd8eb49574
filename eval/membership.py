"""Can the images that a model was trained on be told by its loss? A membership-inference attack on files of losses.

A file holds the denoising losses of each image of a folder under one checkpoint (`python -m training.score`). The attack
calls images of low loss members (Yeom et al. 2018, section 3; of diffusion models Carlini et al. 2023, section 5): each loss
is standardised over all images, as losses at little noise are larger, and an image's score is minus their mean. Two
folders that differ in anything but membership (another device, other classes) are told apart by that, too.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import betabinom, rankdata
from scipy.stats import t as student

from eval.group_draws import deal, redrawn
from eval.privacy_groups import Dealt, SetGroups

FORMAT_VERSION = 1
FPR = 0.01
LEAST = 3  # images in each file
NO_RISK = 0.6  # an AUC that the interval must exclude before the attack is said to have failed
ALPHA = 0.01  # of the true positive rate
RESAMPLES = 1000
DEALS = 999  # of whole groups, for a p-value

GroupsOf = Callable[[list[str], list[str]], SetGroups]
"""What belongs together among the images of two files of losses, by their names in them."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and what it is where nothing can be told."""

    value: float
    low: float
    high: float
    expected: float


@dataclass(frozen=True)
class Membership:
    """How well the attack does. `tpr`: share of members found where at most 1 % of the others are taken for members."""

    n_train: int
    n_holdout: int
    auc: Interval
    tpr: Interval
    tpr_p_value: float  # of as many members found by chance
    checkpoint: str
    settings: dict[str, Any]
    groups: Dealt | None = None  # what stands alone instead of images

    @property
    def verdict(self) -> str:
        """fails, passes, or cannot be told."""
        if self.auc.low > 0.5 or self.tpr_p_value < ALPHA:
            return "fails"
        return "passes" if self.auc.high <= NO_RISK else "cannot be told"

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        by = self.groups
        of = "" if by is None else f", of {by.train} and {by.holdout} groups by {by.by},"
        reason = {
            "fails": "the loss tells training images from others",
            "passes": "the loss does not tell training images from others",
            "cannot be told": f"{self.n_train} and {self.n_holdout} images{of} leave an AUC above {NO_RISK:g} possible",
        }[self.verdict]
        return (
            f"membership: {self.verdict}: {reason} (AUC {self.auc.value:.3f} [{self.auc.low:.3f}, {self.auc.high:.3f}])"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        return {**asdict(self), "verdict": self.verdict}


def attack(train: Path, holdout: Path, *, seed: int, groups: GroupsOf | None = None) -> Membership:
    """The attack on two files of losses; `groups` says what belongs together among the images named in each file.

    ValueError naming the file that is none, or the image that is in both; and where checkpoint or settings differ.
    """
    (one, own), (other, others) = ((path, read_losses(path)) for path in (train, holdout))
    _refuse_mismatch(one, own, other, others)
    members, strangers = scores(*(np.array([image["losses"] for image in file["images"]]) for file in (own, others)))
    sets = None if groups is None else groups(*([image["file"] for image in file["images"]] for file in (own, others)))
    tpr, p_value = tpr_at_fpr(members, strangers, seed=seed, groups=sets)
    return Membership(
        n_train=len(members),
        n_holdout=len(strangers),
        auc=auc(members, strangers, sets),
        tpr=tpr,
        tpr_p_value=p_value,
        checkpoint=own["checkpoint"],
        settings=own["settings"],
        groups=None if sets is None else sets.dealt,
    )


def _refuse_mismatch(one: Path, own: dict[str, Any], other: Path, others: dict[str, Any]) -> None:
    """ValueError where two files cannot be held against each other."""
    for key, mend in (("checkpoint", "score both folders with the same ckpt="), ("settings", "score both alike")):
        if own[key] != others[key]:
            differ = [name for name in own[key] if own[key][name] != others[key].get(name)] if key == "settings" else []
            raise ValueError(f"{one} and {other} have another {', '.join(differ) or key}: {mend}")
    names = {image["sha256"]: image["file"] for image in own["images"]}
    both = [image for image in others["images"] if image["sha256"] in names]
    if both:
        raise ValueError(
            f"{other}: {both[0]['file']} is {names[both[0]['sha256']]} of {one} ({len(both)} such): an image was either "
            "trained on or not"
        )


def read_losses(path: Path) -> dict[str, Any]:
    """What `python -m training.score` wrote; ValueError naming the file where it is none."""
    try:
        file = json.loads(path.read_text(encoding="utf-8"))
        losses = np.array([image["losses"] for image in file["images"]], np.float64)
        named = all(isinstance(image[key], str) for image in file["images"] for key in ("file", "sha256"))
        whole = named and file["format_version"] == FORMAT_VERSION and {"checkpoint", "settings"} <= file.keys()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: write it with python -m training.score") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no losses of images: write it with python -m training.score") from error
    if not whole or losses.ndim != 2 or losses.shape[1] == 0 or not np.isfinite(losses).all():
        raise ValueError(f"{path} holds no losses of images: write it with python -m training.score")
    if len(losses) < LEAST:
        raise ValueError(f"{path} holds {len(losses)} images: the attack needs {LEAST} or more")
    return file


def scores(
    train: Float[np.ndarray, "n k"], holdout: Float[np.ndarray, "m k"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """How much each image looks like a member: minus the mean of its losses, each standardised over all images."""
    both = np.concatenate([train, holdout])
    spread = both.std(axis=0)
    standard = (both - both.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    found = -standard.mean(axis=1)
    return found[: len(train)], found[len(train) :]


def auc(members: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"], groups: SetGroups | None = None) -> Interval:
    """P(member > other) + P(equal) / 2, with the interval of DeLong et al. 1988, or of Obuchowski 1997 for `groups`.

    Its variance is that of the placements, the shares of the other set that each score exceeds:
    var(placements of members) / n + var(placements of others) / m. Where images come in groups, the sums of their placements'
    deviations over each group vary instead. At 0 or 1, where nothing varies, the bound is where so clear a cut would still
    come in 1 of 40 cases with independent pairs: 0.025^(1 / min(n, m)), with groups their number.
    """
    n, m = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    above = (ranks[:n] - rankdata(members)) / m  # placements: the share of others below each member
    below = 1 - (ranks[n:] - rankdata(others)) / n
    value = float(above.mean())
    of_members, of_others = _sides(groups)
    sides = [_squared_error(above, of_members), _squared_error(below, of_others)]
    half = _quantile(sides) * np.sqrt(sum(error for error, _ in sides))
    if value in (0.0, 1.0):
        half = 1 - 0.025 ** (1 / min(count for _, count in sides))
    return Interval(value, max(0.0, float(value - half)), min(1.0, float(value + half)), 0.5)


def _sides(groups: SetGroups | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    return (None, None) if groups is None else (groups.train, groups.holdout)


def _squared_error(values: np.ndarray, groups: np.ndarray | None) -> tuple[float, int]:
    """Of their mean, and of how many independent parts it is."""
    parts = np.bincount(np.arange(len(values)) if groups is None else groups, values - values.mean())
    return float(len(parts) / (len(parts) - 1) * np.square(parts).sum() / len(values) ** 2), len(parts)


def _quantile(sides: list[tuple[float, int]]) -> float:
    """Student's, 97.5 %, with the degrees of freedom of Welch 1947: few images or groups tell their spread badly."""
    whole = sum(error for error, _ in sides)
    if whole == 0:
        return 0.0
    return float(student.ppf(0.975, whole**2 / sum(error**2 / (count - 1) for error, count in sides)))


def tpr_at_fpr(
    members: Float[np.ndarray, " n"],
    others: Float[np.ndarray, " m"],
    *,
    seed: int,
    fpr: float = FPR,
    groups: SetGroups | None = None,
) -> tuple[Interval, float]:
    """The share of members above the k-th highest of the others, k = fpr (m + 1) or 1, and its p-value.

    By chance it is k / (m + 1) in the mean, and the number of members found is beta-binomial(n, k, m + 1 - k). Of images in
    groups both come from deals of whole groups: the mean, which is larger, as the highest of others that are alike is less
    high, and the rank. The interval is a bootstrap over both sets, or their groups.
    """
    n, m = len(members), len(others)
    of_members, of_others = _sides(groups)
    value, random = _found(members, others, fpr), np.random.default_rng(seed)
    drawn = [
        _found(_again(members, of_members, random), _again(others, of_others, random), fpr) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    if groups is None:
        k = _false_alarms(m, fpr)
        expected, p_value = k / (m + 1), float(betabinom(n, k, m + 1 - k).sf(round(value * n) - 1))
    else:
        dealt = _dealt(np.concatenate([members, others]), n, groups.joined, fpr, random)
        expected, p_value = float(dealt.mean()), float((1 + (dealt >= value).sum()) / (1 + DEALS))
    return Interval(value, float(low), float(high), expected), p_value


def _dealt(
    both: np.ndarray, n: int, groups: np.ndarray, fpr: float, random: np.random.Generator
) -> Float[np.ndarray, " deals"]:
    """The shares of members found where whole groups are dealt out to members, of whom there are n, and others."""
    deals = (deal(groups, np.arange(len(both)) < n, random) for _ in range(DEALS))
    return np.array([_found(both[names], both[~names], fpr) for names in deals])


def _again(values: np.ndarray, groups: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
    """With replacement."""
    return random.choice(values, len(values)) if groups is None else np.repeat(values, redrawn(groups, random))


def _false_alarms(m: int, fpr: float) -> int:
    """The highest of m others that is still let pass, from 1."""
    return max(1, int(fpr * (m + 1)))


def _found(members: np.ndarray, others: np.ndarray, fpr: float) -> float:
    """The share of members above what lets `fpr` of the others pass."""
    k, m = _false_alarms(len(others), fpr), len(others)
    return float((members > np.partition(others, m - k)[m - k]).mean())
