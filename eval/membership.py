"""Can the images that a model was trained on be told by its loss? A membership-inference attack on files of losses.

A file holds the denoising losses of each image of a folder under one checkpoint (`python -m training.score`). The attack
calls images of low loss members (Yeom et al. 2018, section 3; of diffusion models Carlini et al. 2023, section 5): each loss
is standardised over all images, as losses at little noise are larger, and an image's score is minus their mean. Two
folders that differ in anything but membership (another device, other classes) are told apart by that, too.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import betabinom, norm, rankdata

FORMAT_VERSION = 1
FPR = 0.01
LEAST = 3  # images in each file
NO_RISK = 0.6  # an AUC that the interval must exclude before the attack is said to have failed
ALPHA = 0.01  # of the true positive rate
RESAMPLES = 1000


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
            "fails": "the loss tells training images from others",
            "passes": "the loss does not tell training images from others",
            "cannot be told": f"{self.n_train} and {self.n_holdout} images leave an AUC above {NO_RISK:g} possible",
        }[self.verdict]
        return (
            f"membership: {self.verdict}: {reason} (AUC {self.auc.value:.3f} [{self.auc.low:.3f}, {self.auc.high:.3f}])"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        return {**asdict(self), "verdict": self.verdict}


def attack(train: Path, holdout: Path, *, seed: int) -> Membership:
    """The attack on two files of losses.

    ValueError naming the file that is none, or the image that is in both; and where checkpoint or settings differ.
    """
    (one, own), (other, others) = ((path, read_losses(path)) for path in (train, holdout))
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
    members, strangers = scores(*(np.array([image["losses"] for image in file["images"]]) for file in (own, others)))
    tpr, p_value = tpr_at_fpr(members, strangers, seed=seed)
    return Membership(
        n_train=len(members),
        n_holdout=len(strangers),
        auc=auc(members, strangers),
        tpr=tpr,
        tpr_p_value=p_value,
        checkpoint=own["checkpoint"],
        settings=own["settings"],
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


def auc(members: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"]) -> Interval:
    """P(member > other) + P(equal) / 2, with the interval of DeLong et al. 1988.

    Its variance is that of the placements, the shares of the other set that each score exceeds:
    var(placements of members) / n + var(placements of others) / m. At 0 or 1, where these do not vary, the bound is where so
    clear a cut would still come in 1 of 40 cases with independent pairs: 0.025^(1 / min(n, m)).
    """
    n, m = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    above = (ranks[:n] - rankdata(members)) / m  # placements: the share of others below each member
    below = 1 - (ranks[n:] - rankdata(others)) / n
    value = float(above.mean())
    half = norm.ppf(0.975) * np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    if value in (0.0, 1.0):
        half = 1 - 0.025 ** (1 / min(n, m))
    return Interval(value, max(0.0, float(value - half)), min(1.0, float(value + half)), 0.5)


def tpr_at_fpr(
    members: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"], *, seed: int, fpr: float = FPR
) -> tuple[Interval, float]:
    """The share of members above the k-th highest of the others, k = fpr (m + 1) or 1, and its p-value.

    By chance it is k / (m + 1) in the mean, and the number of members found is beta-binomial(n, k, m + 1 - k). The
    interval is a bootstrap over both sets.
    """
    n, m = len(members), len(others)
    k = max(1, int(fpr * (m + 1)))
    value = _above(members, others, k)
    random = np.random.default_rng(seed)
    drawn = [
        _above(random.choice(members, n), random.choice(others, m), k) for _ in range(RESAMPLES)
    ]  # with replacement
    low, high = np.quantile(drawn, [0.025, 0.975])
    p_value = float(betabinom(n, k, m + 1 - k).sf(round(value * n) - 1))
    return Interval(value, float(low), float(high), k / (m + 1)), p_value


def _above(members: np.ndarray, others: np.ndarray, k: int) -> float:
    return float((members > np.partition(others, len(others) - k)[len(others) - k]).mean())
