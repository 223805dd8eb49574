"""Is what there is of each kind as frequent in the synthetic images as in the real ones, and is the skew amplified?

Of each kind of label a few numbers per image are taken, so that the floor (real against real at equal n) tells a
difference from chance. A generator amplifies the skew of its training set where its labels have the smaller entropy:
what was frequent became more frequent (Zhao et al. 2017, arXiv:1707.09457, call that bias amplification). Shares of what
was asked for when sampling (class_label=, balance=) say what was asked for, not what the generator does.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from eval.comparison import Comparison, Side
from eval.config import MIN_REAL
from eval.distributions import kolmogorov
from eval.floor import smaller_half
from eval.label_boxes import SIZES, box_rows
from eval.labels import Labels
from eval.measure import Measurement

MOST_VALUES = 50  # of an attribute: one with more (a name, a number) has no shares to compare


class Bias(NamedTuple):
    """What there is to measure, and the shares of each value as {name: {"real": {value: share}, "synthetic": ...}}."""

    measurements: list[Measurement]
    shares: dict[str, dict[str, dict[str, float]]]


def measure_bias(comparison: Comparison, real: Labels, synthetic: Labels) -> Bias:
    """Brightness always, and whatever labels both sides have."""
    measurements, shares = [_intensity(comparison)], {}
    for name in sorted(real.attributes.keys() & synthetic.attributes.keys()):
        rows = [[i for i, value in enumerate(side.attributes[name]) if value is not None] for side in (real, synthetic)]
        known = [
            [str(side.attributes[name][i]) for i in own] for side, own in zip((real, synthetic), rows, strict=True)
        ]
        values = sorted({*known[0], *known[1]})
        shared = set(known[0]) & set(known[1])  # without any, the two sides name different things
        if shared and 1 < len(values) <= MOST_VALUES and _enough(comparison, rows[0]) and len(known[1]) >= 3:
            kind = name if name == "class" else f"attribute_{name}"
            one, other = (_one_hot(side, values) for side in known)
            measurements += _frequencies(kind, one, other, "labels", comparison.real.groups_of(rows[0]))
            shares[kind] = _shares(one, other, values)
    if real.boxes is not None and synthetic.boxes is not None:
        categories = sorted(
            {box.category for side in (real, synthetic) for boxes in side.boxes or [] for box in boxes or []}
        )
        one = box_rows(real.boxes, comparison.real, categories)
        other = box_rows(synthetic.boxes, comparison.synthetic, categories)
        boxed = [i for i, boxes in enumerate(real.boxes) if boxes is not None]
        groups = comparison.real.groups_of(boxed)
        if _enough(comparison, boxed) and len(other.count) >= 3:
            measurements += [
                Measurement("bias_box_count", one.count, other.count, _ks, "KS of boxes per image", "boxes", groups),
                Measurement(
                    "bias_box_size",
                    one.sizes,
                    other.sizes,
                    binned_ks,
                    f"KS of box sides, {SIZES} bins",
                    "boxes",
                    groups,
                ),
            ]
            if len(categories) > 1:
                measurements += _frequencies("box_category", one.categories, other.categories, "boxes", groups)
                shares["box_category"] = _shares(one.categories, other.categories, categories)
    return Bias(measurements, shares)


def total_variation(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "m k"]) -> float:
    """Half the sum of the differences of shares: what part would have to change to make both alike, 0..1."""
    return float(np.abs(_share(one) - _share(other)).sum() / 2)


def lost_entropy(real: Float[np.ndarray, "n k"], synthetic: Float[np.ndarray, "m k"]) -> float:
    """Entropy of the real shares less that of the synthetic ones, in bits: above 0 where the skew is amplified."""
    return entropy(_share(real)) - entropy(_share(synthetic))


def entropy(shares: Float[np.ndarray, " k"]) -> float:
    """In bits: log2 k where k values are equally frequent, 0 where there is one."""
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())


def binned_ks(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "m k"]) -> float:
    """The largest gap between the distribution functions of what the rows count in ascending bins."""
    return float(np.abs((_share(one) - _share(other)).cumsum()).max())


def summary(bias: Bias, amplified: dict[str, bool]) -> dict[str, Any]:
    """What metrics.json says beyond the figures; `amplified` by name, from the figures' floors."""
    return {
        name: {
            **sides,
            "entropy_bits": {side: entropy(np.array(list(values.values()))) for side, values in sides.items()},
            "largest_share": {side: max(values.values()) for side, values in sides.items()},
            "amplifies_skew": "yes" if amplified[name] else "no",
        }
        for name, sides in bias.shares.items()
    }


def _enough(comparison: Comparison, rows: Sequence[int]) -> bool:
    """Whether these of the real images make a floor."""
    config, groups = comparison.config, comparison.real.groups_of(rows)
    return len(rows) >= MIN_REAL and (
        2 * smaller_half(len(rows), groups, repeats=config.floor_repeats, seed=config.seed) >= MIN_REAL
    )


def _frequencies(
    kind: str, one: np.ndarray, other: np.ndarray, source: str, groups: Int[np.ndarray, " n"] | None
) -> list[Measurement]:
    skew = "entropy of the real shares less the synthetic, bits"
    return [
        Measurement(f"bias_{kind}", one, other, total_variation, "total variation of shares", source, groups),
        Measurement(f"skew_{kind}", one, other, lost_entropy, skew, source, groups),
    ]


def _intensity(comparison: Comparison) -> Measurement:
    one, other = (_brightness(side) for side in (comparison.real, comparison.synthetic))
    method, groups = "KS of the images' mean grey values", comparison.real.groups_of()
    return Measurement("bias_intensity", one, other, _ks, method, "grey pixels", groups)


def _brightness(side: Side) -> Float[np.ndarray, "n 1"]:
    return side.thumbnails().mean(axis=1, keepdims=True)


def _ks(one: np.ndarray, other: np.ndarray) -> float:
    return kolmogorov(one[:, 0], other[:, 0])


def _one_hot(found: Sequence[str], values: Sequence[str]) -> Float[np.ndarray, "n k"]:
    return (np.array(found)[:, None] == np.array(values)).astype(np.float64)


def _share(rows: np.ndarray) -> np.ndarray:
    """Shares (k,) of counts (n, k); all 0 where nothing is counted."""
    return rows.sum(axis=0) / max(rows.sum(), 1.0)


def _shares(one: np.ndarray, other: np.ndarray, values: Sequence[str]) -> dict[str, dict[str, float]]:
    sides = {"real": one, "synthetic": other}
    return {side: dict(zip(values, map(float, _share(rows)), strict=True)) for side, rows in sides.items()}
