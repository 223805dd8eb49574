"""Were training images copied? What distances from synthetic images to real ones say, and what chance alone would say.

A holdout is real images of the same kind that were not trained on. Had nothing been copied, then (1) a synthetic image and
one of the holdout would be equally likely to lie near a training image, so that a count of near ones follows a known law
however the images are distributed; (2) it would not matter which real images are called training and which holdout, so
that swapping these names at random shows what chance does. Neither asks the samples to be good: blurred ones lie nearer
to all real images, but not to those of the training set more than to others.

Without a holdout, the distances among the training images stand in for (1), and (2) cannot be had.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import gammaln
from scipy.stats import beta, betabinom, binom

PERCENTILE = 1.0  # of the distances from the holdout (or other training images): what is nearer is near
NEIGHBOURS = 50  # the n of Carlini et al. 2023, section 4.2
ALPHA = 0.01  # of each test; there are two for each kind of distance
MOST_COPIES = 0.10  # a test that would miss more than this share of copies cannot let a set pass
RELABELLINGS = 999


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


@dataclass(frozen=True)
class Evidence:
    """What one kind of distance says.

    near: nearer to a training image than `threshold`. copies: so much nearer to one training image than to the next ones
    (`copy_threshold`, a ratio). control: so much nearer to one image of the holdout, which nobody copied. dcr: nearer to
    the training set than to as large a holdout. The last two are None without a holdout. covered: the share of the
    training images that were looked at; copies of the others are not seen.
    """

    distance: str
    calibration: str  # holdout | training
    n_synthetic: int
    n_train: int
    n_holdout: int
    threshold: float
    copy_threshold: float
    near: Share
    copies: Share
    control: float | None
    dcr: Share | None
    covered: float = 1.0
    thing: str = "image"  # or row: what the sentences are about

    @property
    def copied(self) -> bool:
        """Whether more images stand out as near to one training image than chance and than the control explain.

        Samples unlike real images may stand out as near to some real image, too, but then as often to one of the holdout:
        of those that do, a share of t / (t + h) would be near to the training set. Where the holdout is the larger set, t
        of its images count, for among more images fewer stand out.
        """
        if self.control is None:
            return self.copies.p_value < ALPHA
        x = round(self.copies.value * self.n_synthetic)
        return self.copies.p_value < ALPHA and bool(self._beyond_control(x) < ALPHA)

    def _beyond_control(self, x: Any) -> Any:
        """The probability that, of x in the training set and those of the control, so many are in the training set."""
        assert self.control is not None
        odds = self.n_train / (self.n_train + min(self.n_train, self.n_holdout))
        return binom.sf(x - 1, x + round(self.control * self.n_synthetic), odds)

    @property
    def detectable(self) -> float:
        """The share of copies among the synthetic images from which on one of the tests sees them.

        That is the fewest images that would fail, so that a set with as many copies fails in about one of two cases.
        """
        n = self.n_synthetic
        failing = self.copies.critical + 1 / n  # one more than `critical`, which does not fail yet
        if self.dcr is not None:
            beyond = self._beyond_control(np.arange(1, n + 1)) < ALPHA
            failing = max(failing, float(1 + beyond.argmax()) / n if beyond.any() else 1.0)
        found = failing - self.copies.expected  # so many stand out without having been copied
        if self.dcr is not None:
            found = min(found, 2 * (self.dcr.critical - self.dcr.expected))  # a copy moves it from a half to 1
        return min(1.0, found / self.covered)

    @property
    def verdict(self) -> str:
        """fails, passes, or cannot be told at this n."""
        if self.copied or (self.dcr is not None and self.dcr.p_value < ALPHA):
            return "fails"
        return "passes" if self.detectable <= MOST_COPIES else "cannot be told"

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        return f"{self.distance}: {self.verdict}: {self._reason}"

    @property
    def _reason(self) -> str:
        copies, dcr = self.copies, self.dcr
        if self.copied:
            reason = f"{copies.value:.1%} stand out as near to one training {self.thing}, {copies.expected:.1%} would by chance"
            return reason + ("" if dcr is None else f"; {dcr.value:.1%} are nearer to them than to the holdout")
        if self.verdict == "fails":
            assert dcr is not None
            return (
                f"{dcr.value:.1%} are nearer to the training {self.thing}s than to as many others, 50 % would by chance"
            )
        blurred = (
            f"; nearer to real {self.thing}s in general, as smoother ones are" if self.near.p_value < ALPHA else ""
        )
        if self.verdict == "passes":
            part = "" if self.covered == 1 else f" (looked at: {self.covered:.0%} of the training {self.thing}s)"
            seen = f"which would show if {self.detectable:.1%} of the {self.thing}s were copies"
            return f"no sign of copies, {seen}{part}{blurred}"
        known = self.n_holdout or self.n_train
        return f"{known} {self.thing}s to compare with would only show copies if {self.detectable:.1%} were such"

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        return {**asdict(self), "detectable": self.detectable, "verdict": self.verdict}


def audit(
    distance: str,
    to_train: Float[np.ndarray, "n t"],
    calibrating: Float[np.ndarray, "c t"],
    to_holdout: Float[np.ndarray, "n h"] | None,
    *,
    seed: int,
    covered: float = 1.0,
    thing: str = "image",
) -> Evidence:
    """What the distances from synthetic to training images (or whatever `thing` is), the share `covered` of all, say.

    `calibrating`: those from the holdout to the training images; without one, those among the training images, infinite
    from each to itself. The calibrating images must be as many or more than 2, the training images 6 or more.
    """
    paired = to_holdout is None
    near, relative = _Count(calibrating.min(axis=1), paired), _Count(_prominence(calibrating), paired)
    control = dcr = None
    if to_holdout is not None:
        some = np.random.default_rng(seed).permutation(to_holdout.shape[1])[: to_train.shape[1]]
        control = relative.share(_prominence(to_holdout[:, some])).value
        dcr = dcr_share(to_train, to_holdout, seed=seed)
    return Evidence(
        distance=distance,
        calibration="training" if paired else "holdout",
        n_synthetic=len(to_train),
        n_train=to_train.shape[1],
        n_holdout=0 if to_holdout is None else to_holdout.shape[1],
        threshold=near.threshold,
        copy_threshold=relative.threshold,
        near=near.share(to_train.min(axis=1)),
        copies=relative.share(_prominence(to_train)),
        control=control,
        dcr=dcr,
        covered=covered,
        thing=thing,
    )


def _prominence(distances: Float[np.ndarray, "n t"]) -> Float[np.ndarray, " n"]:
    """Distance to the nearest over the mean distance to the 50 next (after Carlini et al. 2023, section 4.2).

    A copy is near to one image alone; a blurred or plain image is near to many.
    """
    count = min(NEIGHBOURS, distances.shape[1] - 2)
    nearest = np.sort(np.partition(distances, count, axis=1)[:, : count + 1], axis=1)
    following = nearest[:, 1:].mean(axis=1)
    return np.divide(nearest[:, 0], following, out=np.zeros_like(following), where=following > 0)


class _Count:
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


def dcr_share(to_train: Float[np.ndarray, "n t"], to_holdout: Float[np.ndarray, "n h"], *, seed: int) -> Share:
    """Share of images nearer to the training set than to a holdout of the same size; 0.5 where nothing was copied.

    Of the larger set a random part as large as the other counts; the share is the mean over all such parts, exactly.
    What chance does is seen by dealing the real images out anew to training and holdout, 999 times: so an image that is
    the nearest of hundreds counts as one image. The interval is chance's 95 % around 0.5, moved to the share.
    """
    t, h = to_train.shape[1], to_holdout.shape[1]
    random = np.random.default_rng(seed)
    mixed = random.permutation(t + h)  # so that of equal distances no set's comes first
    order = _nearest_first(np.concatenate([to_train, to_holdout], axis=1)[:, mixed], min(t, h))
    larger = (mixed < t) == (t >= h)
    nearer = 1 - _missed(max(t, h), min(t, h))
    # The share of images nearer to the larger set, drawn down; of a draw's names at random the mean is 0.5 for either.
    value, *chance = (
        nearer[_before_the_smaller(order, names)].mean()
        for names in (larger, *(random.permutation(larger) for _ in range(RELABELLINGS)))
    )
    of_train = np.array([value, *chance]) if t >= h else 1 - np.array([value, *chance])
    value, chance = float(of_train[0]), of_train[1:]
    below, above, critical = (float(q) for q in np.quantile(chance, [0.025, 0.975, 1 - ALPHA]))
    p_value = float((1 + (chance >= value - 1e-12).sum()) / (1 + RELABELLINGS))
    return Share(value, max(0.0, value + 0.5 - above), min(1.0, value + 0.5 - below), 0.5, critical, p_value)


def _nearest_first(distances: np.ndarray, fewer: int) -> Int[np.ndarray, "n k"]:
    """The nearest real images of each, as many that one of a random set of `fewer` is among them but for e^-12."""
    count = distances.shape[1]
    kept = min(count, -(-12 * count // fewer))
    nearest = np.argpartition(distances, kept - 1, axis=1)[:, :kept]
    order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1)


def _before_the_smaller(order: Int[np.ndarray, "n k"], larger: Bool[np.ndarray, " r"]) -> Int[np.ndarray, " n"]:
    """How many images of the larger set are nearer to each than the nearest of the smaller one."""
    inside = larger[order]
    return np.where(inside.all(axis=1), min(order.shape[1], int(larger.sum())), np.argmin(inside, axis=1))


def _missed(t: int, h: int) -> Float[np.ndarray, " js"]:
    """The probability that a draw of h of t images misses j given ones, C(t - j, h) / C(t, h), for j = 0 .. t."""
    left = np.arange(t, -1, -1)
    log = gammaln(left + 1) - gammaln(np.maximum(left - h, 0) + 1) - gammaln(t + 1) + gammaln(t - h + 1)
    return np.where(left >= h, np.exp(np.minimum(log, 0.0)), 0.0)
