"""Numbers to the network's scale and back: each transform is fitted on training rows and is a plain dict of numbers.

- quantile: to a standard normal, by way of the cumulative distribution. A value that several rows share is a mass point:
  it owns an interval of probabilities as wide as its share of the rows, in which its rows are spread at random (the
  distributional transform, Rueschendorf, J. Stat. Plan. Inference 139, 2009), and every probability inside it leads
  back to exactly that value. Between two values that are no mass points numbers are interpolated.
- standard: (x - mean) / std. minmax: to [-1, 1]. Both keep the range that they were fitted on, as `low` and `high`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from scipy.special import ndtr, ndtri

MOST_KNOTS = 1000
EDGE = 1e-7  # the normal ends at +-5.2
FLOAT32 = 2.0**-23  # twice what rounding to float32 may change, relatively
ROWS_OF_POINT = 10  # fewer do not tell how frequent a value is
MARGIN = 0.05  # of an interval, kept free at both ends: float32 then never leaves it


def fit(numbers: Float[np.ndarray, " n"], name: str) -> dict[str, Any]:
    """The transform `name` of finite numbers, two or more of them different."""
    low, high = float(numbers.min()), float(numbers.max())
    assert low < high
    if name == "quantile":
        return _fit_quantile(numbers)
    if name == "minmax":
        shift, scale = low / 2 + high / 2, high / 2 - low / 2
    else:
        assert name == "standard"
        unit = (numbers - low) / (high - low)  # squares of the numbers themselves may underflow
        shift, scale = low + float(unit.mean()) * (high - low), float(unit.std()) * (high - low)
    return {"name": name, "shift": shift, "scale": scale, "low": low, "high": high}


def find_points(numbers: Float[np.ndarray, " n"], *, few: int, share: float) -> tuple[list[float], bool]:
    """Which values are to be categories, and whether there are others: all, if at most `few`, else those that more than
    `share` of `numbers` have, and all if that leaves one. What few rows have, or few rows a value, is not told apart.
    """
    values, counts = np.unique(numbers, return_counts=True)
    frequent = counts > max(share * len(numbers), ROWS_OF_POINT)
    if len(values) <= min(few, len(numbers) / ROWS_OF_POINT) or (~frequent).sum() < 2:
        return values.tolist(), False
    return values[frequent].tolist(), True


def forward(
    numbers: Float[np.ndarray, " n"], transform: Mapping[str, Any], rng: np.random.Generator
) -> Float[np.ndarray, " n"]:
    """Numbers to the network's scale, float64. The quantile transform clips to the training range; `rng` spreads ties."""
    if transform["name"] != "quantile":
        return (numbers - transform["shift"]) / transform["scale"]
    values, begin, end = (np.array(transform[key]) for key in ("values", "begin", "end"))
    share = MARGIN + (1 - 2 * MARGIN) * rng.random(len(numbers))
    knot = np.clip(np.searchsorted(values, numbers, side="right") - 1, 0, len(values) - 1)
    after = np.minimum(knot + 1, len(values) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.clip((numbers - values[knot]) / (values[after] - values[knot]), 0.0, 1.0)
        inside = end[knot] + between * (begin[after] - end[knot])
    on_knot = (numbers <= values[0]) | (numbers >= values[-1]) | (numbers == values[knot])
    u = np.where(on_knot, begin[knot] + share * (end[knot] - begin[knot]), inside)
    return ndtri(np.clip(u, EDGE, 1 - EDGE))


def settled(x: Float[np.ndarray, " n"], transform: Mapping[str, Any]) -> Float[np.ndarray, " n"]:
    """Numbers on the network's scale without what chance spread: in the interval of a mass point all are its middle."""
    if transform["name"] != "quantile":
        return x
    begin, end = (np.array(transform[key]) for key in ("begin", "end"))
    u = ndtr(x)
    knot = np.clip(np.searchsorted(begin, u, side="right") - 1, 0, len(begin) - 1)
    inside = (begin[knot] <= u) & (u <= end[knot]) & (begin[knot] < end[knot])
    return np.where(inside, ndtri((begin + end) / 2)[knot], x)


def ends(transform: Mapping[str, Any]) -> tuple[float, float] | None:
    """The least and the greatest number that it was fitted on; None where a checkpoint from before that does not say."""
    if transform["name"] == "quantile":
        return transform["values"][0], transform["values"][-1]
    return (transform["low"], transform["high"]) if "low" in transform else None


def bounds(low: float, high: float, transform: Mapping[str, Any]) -> tuple[float, float]:
    """What the least and the greatest number become on the network's scale; of a mass point its interval's far end."""
    if transform["name"] != "quantile":
        return (low - transform["shift"]) / transform["scale"], (high - transform["shift"]) / transform["scale"]
    return float(ndtri(max(transform["begin"][0], EDGE))), float(ndtri(min(transform["end"][-1], 1 - EDGE)))


def inverse(x: Float[np.ndarray, " n"], transform: Mapping[str, Any]) -> Float[np.ndarray, " n"]:
    """The inverse of `forward`, float64. What `forward` made of a knot of the quantile transform, in float32, becomes
    exactly that knot; between two knots the error is below 1e-3 of their distance, and mostly far below.
    """
    if transform["name"] != "quantile":
        return transform["shift"] + x * transform["scale"]
    values, begin, end = (np.array(transform[key]) for key in ("values", "begin", "end"))
    edges, at_edge = np.stack([begin, end], 1).ravel(), np.repeat(values, 2)
    u = np.clip(ndtr(x), edges[0], edges[-1])
    left = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(edges) - 2)
    width = edges[left + 1] - edges[left]
    share = np.divide(u - edges[left], width, out=np.zeros_like(u), where=width > 0)
    numbers = at_edge[left] + share * (at_edge[left + 1] - at_edge[left])
    for edge in (left, left + 1):
        same = np.abs(x - ndtri(edges)[edge]) <= FLOAT32 * np.maximum(1.0, np.abs(x))
        numbers = np.where(same, at_edge[edge], numbers)
    return numbers


def _fit_quantile(numbers: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """`values`: the knots, in rising order. Each stands for the probabilities `begin` to `end`, which are one, the middle
    of its share, where a single row has the value.
    """
    values, counts = np.unique(numbers, return_counts=True)
    upto = np.cumsum(counts)
    knots = np.arange(len(values)) if len(values) <= MOST_KNOTS else _knots(counts)
    begin, end = (upto - counts)[knots] / len(numbers), upto[knots] / len(numbers)
    middle, alone = (begin + end) / 2, counts[knots] == 1
    begin, end = np.where(alone, middle, begin), np.where(alone, middle, end)
    return {"name": "quantile", "values": values[knots].tolist(), "begin": begin.tolist(), "end": end.tolist()}


def _knots(counts: Int64[np.ndarray, " v"]) -> Int64[np.ndarray, " k"]:
    """Which of many values, by how many rows have each, are knots: at most MOST_KNOTS of them.

    For the tails 50 quantiles at either end, ever closer; the 400 most frequent values; the neighbours of the first 100
    of those, so that a mass point far out does not draw others to it; and evenly spaced quantiles.
    """
    n, last, upto = counts.sum(), len(counts) - 1, np.cumsum(counts)
    tail = np.geomspace(1, n / 300, 50)
    frequent = np.argsort(-counts, kind="stable")[:400]
    frequent = frequent[counts[frequent] > 1]
    beside = np.clip(np.concatenate([frequent[:100] - 1, frequent[:100] + 1]), 0, last)
    ends = np.searchsorted(upto, np.concatenate([tail, n + 1 - tail]))
    knots = np.unique(np.concatenate([ends, frequent, beside]))
    even = np.searchsorted(upto, np.linspace(1, n, MOST_KNOTS - len(knots)))
    return np.union1d(knots, even)
