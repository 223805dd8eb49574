"""Were training images copied? What distances from synthetic images to real ones say, and what chance alone would say.

A holdout is real images of the same kind that were not trained on. Had nothing been copied, then (1) a synthetic image and
one of the holdout would be equally likely to lie near a training image, so that a count of near ones follows a known law
however the images are distributed; (2) it would not matter which real images are called training and which holdout, so
that swapping these names at random shows what chance does. Neither asks the samples to be good: blurred ones lie nearer
to all real images, but not to those of the training set more than to others.

Without a holdout, the distances among the training images stand in for (1), and (2) cannot be had.

Both take images for independent of each other. Where they come in groups (crops of one scene, slices of one patient), an
image of each group calibrates, and whole groups swap names: then a sample may be of any group, but new ones come from new
groups. What is nearer to the training groups than to others, copied or not, fails (2).
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import gammaln
from scipy.stats import binom

from eval.group_draws import deal
from eval.privacy_groups import Dealt, SetGroups, stretched
from eval.shares import ALPHA, Count, Share

NEIGHBOURS = 50  # the n of Carlini et al. 2023, section 4.2
MOST_COPIES = 0.10  # a test that would miss more than this share of copies cannot let a set pass
RELABELLINGS = 999


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
    groups: Dealt | None = None  # what was dealt out instead of images

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
            chance = self.dcr.expected  # a half; a copy moves it to 1
            found = min(found, (self.dcr.critical - chance) / (1 - chance))
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
        return f"{self.distance}: {self.verdict}: {self._reason}{self._dealt}"

    @property
    def _dealt(self) -> str:
        """What took the place of independent images."""
        if self.groups is None:
            return ""
        by, thing = self.groups.by, self.thing
        if self.dcr is None:
            return f" (one {thing} of each of {self.groups.train} groups by {by} calibrates)"
        one = f"one {thing} of each of the holdout's {self.groups.holdout} calibrates"
        if self.dcr.critical >= 1:
            return f" (groups by {by} too few or too unlike in size to be dealt out; {one})"
        return f" (whole groups by {by} dealt out, not {thing}s; {one})"

    @property
    def _reason(self) -> str:
        copies, dcr = self.copies, self.dcr
        new = "" if self.groups is None else f"; new {self.thing}s of the training groups would fail, too"
        if self.copied:
            reason = f"{copies.value:.1%} stand out as near to one training {self.thing}, {copies.expected:.1%} would by chance"
            return reason + ("" if dcr is None else f"; {dcr.value:.1%} are nearer to them than to the holdout") + new
        if self.verdict == "fails":
            assert dcr is not None
            chance = f"{100 * dcr.expected:.0f} % would by chance"
            return f"{dcr.value:.1%} are nearer to the training {self.thing}s than to as many others, {chance}{new}"
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
        plain = {key: value for key, value in asdict(self).items() if key != "groups" or value is not None}
        return {**plain, "detectable": self.detectable, "verdict": self.verdict}


def audit(
    distance: str,
    to_train: Float[np.ndarray, "n t"],
    calibrating: Float[np.ndarray, "c t"],
    to_holdout: Float[np.ndarray, "n h"] | None,
    *,
    seed: int,
    covered: float = 1.0,
    thing: str = "image",
    groups: SetGroups | None = None,
) -> Evidence:
    """What the distances from synthetic to training images (or whatever `thing` is), the share `covered` of all, say.

    `calibrating`: those from the holdout to the training images; without one, those among the training images, infinite
    from each to itself. The calibrating images must be as many or more than 2, the training images 6 or more.

    `groups`: those of the training images and of the holdout's; 2 or more of the holdout, or without one 3 of training.
    """
    paired, unlike = to_holdout is None, 1  # how many training images a calibrating one is not compared with, at most
    if groups is not None:
        calibrating, unlike = groups.calibrating(calibrating, seed), groups.largest if paired else 1
    near, relative = Count(calibrating.min(axis=1), paired), Count(_prominence(calibrating, unlike), paired)
    control = dcr = None
    if to_holdout is not None:
        some = np.random.default_rng(seed).permutation(to_holdout.shape[1])[: to_train.shape[1]]
        control = relative.share(_prominence(to_holdout[:, some])).value
        dcr = dcr_share(to_train, to_holdout, seed=seed, groups=groups)
    return Evidence(
        distance=distance,
        calibration="training" if paired else "holdout",
        n_synthetic=len(to_train),
        n_train=to_train.shape[1],
        n_holdout=0 if to_holdout is None else to_holdout.shape[1],
        threshold=near.threshold,
        copy_threshold=relative.threshold,
        near=near.share(to_train.min(axis=1)),
        copies=relative.share(_prominence(to_train, unlike)),
        control=control,
        dcr=dcr,
        covered=covered,
        thing=thing,
        groups=None if groups is None else groups.dealt,
    )


def _prominence(distances: Float[np.ndarray, "n t"], unlike: int = 1) -> Float[np.ndarray, " n"]:
    """Distance to the nearest over the mean distance to the 50 next (after Carlini et al. 2023, section 4.2).

    A copy is near to one image alone; a blurred or plain image is near to many. `unlike` distances of a row may be infinite.
    """
    count = min(NEIGHBOURS, distances.shape[1] - 1 - unlike)
    nearest = np.sort(np.partition(distances, count, axis=1)[:, : count + 1], axis=1)
    following = nearest[:, 1:].mean(axis=1)
    return np.divide(nearest[:, 0], following, out=np.zeros_like(following), where=following > 0)


def dcr_share(
    to_train: Float[np.ndarray, "n t"],
    to_holdout: Float[np.ndarray, "n h"],
    *,
    seed: int,
    groups: SetGroups | None = None,
) -> Share:
    """Share of images nearer to the training set than to a holdout of the same size; 0.5 where nothing was copied.

    Of the larger set a random part as large as the other counts; the share is the mean over all such parts, exactly.
    What chance does is seen by dealing the real images out anew to training and holdout, 999 times: so an image that is
    the nearest of hundreds counts as one image. The interval is chance's 95 % around 0.5, moved to the share.

    `groups` are dealt out whole, as many as there are, and so that the training set has its number of images, or nearly. What
    is expected is then the mean of chance: of two parts with as many images that with more groups has more near to it.
    """
    t, h = to_train.shape[1], to_holdout.shape[1]
    random = np.random.default_rng(seed)
    mixed = random.permutation(t + h)  # so that of equal distances no set's comes first
    training = mixed < t
    if groups is None:
        dealt = [random.permutation(training) for _ in range(RELABELLINGS)]
    else:
        dealt = [deal(groups.joined, np.arange(t + h) < t, random)[mixed] for _ in range(RELABELLINGS)]
    fewest = min(min(int(names.sum()), t + h - int(names.sum())) for names in (training, *dealt))
    order = _nearest_first(np.concatenate([to_train, to_holdout], axis=1)[:, mixed], fewest)
    value, *others = (_share_nearer(order, names) for names in (training, *dealt))
    chance = np.array(others)
    expected = 0.5 if groups is None else float(chance.mean())
    below, above, critical = (float(q) for q in np.quantile(chance, [0.025, 0.975, 1 - ALPHA]))
    if groups is not None:
        below, above, critical = stretched((below, above, critical), expected, training, dealt)
    p_value = float((1 + (chance >= value - 1e-12).sum()) / (1 + RELABELLINGS))
    low, high = max(0.0, value + expected - above), min(1.0, value + expected - below)
    return Share(value, low, high, expected, critical, p_value)


def _share_nearer(order: Int[np.ndarray, "n k"], training: Bool[np.ndarray, " r"]) -> float:
    """Share of images nearer to what is called training than to the rest, of the larger a part as large as the other.

    Of names dealt out at random one by one the mean is 0.5.
    """
    t = int(training.sum())
    h = len(training) - t
    nearer = 1 - _missed(max(t, h), min(t, h))
    to_larger = float(nearer[_before_the_smaller(order, training if t >= h else ~training)].mean())
    return to_larger if t >= h else 1 - to_larger


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


@lru_cache(maxsize=256)
def _missed(t: int, h: int) -> Float[np.ndarray, " js"]:
    """The probability that a draw of h of t images misses j given ones, C(t - j, h) / C(t, h), for j = 0 .. t."""
    left = np.arange(t, -1, -1)
    log = gammaln(left + 1) - gammaln(np.maximum(left - h, 0) + 1) - gammaln(t + 1) + gammaln(t - h + 1)
    return np.where(left >= h, np.exp(np.minimum(log, 0.0)), 0.0)
