"""Pictures of columns, drawn as SVG inside the page: distributions side by side, and a map of how far pairs are off."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from eval.tables.opening import Tables
from eval.tables.table import Column

BINS, BARS = 24, 10  # of a number, and most of a categorical column
WIDTH, HEIGHT, FOOT = 200.0, 80.0, 16.0


@dataclass(frozen=True)
class Marginal:
    """Shares of the real and the synthetic rows in the same bins; `ends` are what stands below the first and the last."""

    column: str
    numeric: bool
    real: list[float]
    synthetic: list[float]
    labels: list[str]
    ends: tuple[str, str]


def marginals(tables: Tables, synthetic: np.ndarray) -> list[Marginal]:
    """Of every column. The end bins of a number hold what lies beyond, too; a last bin of its own what is missing."""
    real = tables.train.rows
    return [
        _numbers(column, real[:, i], synthetic[:, i]) if column.numeric else _names(column, real[:, i], synthetic[:, i])
        for i, column in enumerate(tables.columns)
    ]


def _numbers(column: Column, real: np.ndarray, synthetic: np.ndarray) -> Marginal:
    known = real[~np.isnan(real)]
    low, high = (float(v) for v in np.quantile(known, [0.005, 0.995])) if len(known) else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = _whole(low, high) if column.decimals == 0 else np.linspace(low, high, BINS + 1)
    labels = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)]
    sides = [_shares(values, edges, column.missing) for values in (real, synthetic)]
    shown = (np.ceil(edges[0]), np.floor(edges[-1])) if column.decimals == 0 else (edges[0], edges[-1])
    ends = _tick(shown[0]), _tick(shown[1])
    return Marginal(column.name, True, sides[0], sides[1], [*labels, *["missing"] * column.missing], ends)


def _shares(values: np.ndarray, edges: np.ndarray, missing: bool) -> list[float]:
    present = values[~np.isnan(values)]
    shares = np.histogram(present.clip(edges[0], edges[-1]), edges)[0] / len(values)
    return [*shares.tolist(), *[float(np.isnan(values).mean())] * missing]


def _tick(value: float) -> str:
    value = float(value) + 0.0  # -0 is 0
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _whole(low: float, high: float) -> np.ndarray:
    """Bins of equally many whole numbers, so that none is empty for want of any."""
    first, last = np.floor(low), np.ceil(high)
    step = np.ceil((last - first + 1) / BINS)
    return first - 0.5 + step * np.arange(np.ceil((last - first + 1) / step) + 1)


def _names(column: Column, real: np.ndarray, synthetic: np.ndarray) -> Marginal:
    assert column.categories is not None
    size = len(column.categories)
    sides = [np.bincount(side.astype(int), minlength=size) / len(side) for side in (real, synthetic)]
    order = np.argsort(-sides[0], kind="stable")
    shown, rest = order[:BARS], order[BARS:]
    labels = [column.categories[k] for k in shown] + ([f"{len(rest)} others"] if len(rest) else [])
    shares = [[float(s[k]) for k in shown] + ([float(s[rest].sum())] if len(rest) else []) for s in sides]
    return Marginal(
        column.name, False, shares[0], shares[1], labels, (labels[0], labels[-1] if len(labels) > 1 else "")
    )


def marginal_svg(marginal: dict[str, Any]) -> str:
    """A small picture of one column: real shares filled, synthetic ones as a line (numbers) or a narrower bar (names)."""
    real, synthetic, labels = marginal["real"], marginal["synthetic"], marginal["labels"]
    top = max([*real, *synthetic, 1e-9])
    step = WIDTH / len(real)
    bars = "".join(
        f'<rect class="real" x="{k * step + (0.4 if marginal["numeric"] else 2):.2f}" y="{HEIGHT * (1 - share / top):.2f}" '
        f'width="{max(0.5, step - (0.8 if marginal["numeric"] else 4)):.2f}" height="{HEIGHT * share / top:.2f}">'
        f"<title>{escape(label)}: real {share:.1%}, synthetic {other:.1%}</title></rect>"
        for k, (share, other, label) in enumerate(zip(real, synthetic, labels, strict=True))
    )
    drawn = _line(synthetic, top, step) if marginal["numeric"] else _bars(synthetic, top, step)
    first, last = (escape(_short(end)) for end in marginal["ends"])
    return (
        f'<svg class="marginal" viewBox="0 0 {WIDTH:g} {HEIGHT + FOOT:g}" role="img" '
        f'aria-label="{escape(marginal["column"])}: distribution of real and synthetic rows">{bars}{drawn}'
        f'<line class="tick" x1="0" x2="{WIDTH:g}" y1="{HEIGHT:g}" y2="{HEIGHT:g}"/>'
        f'<text class="start" x="0" y="{HEIGHT + 12:g}">{first}</text>'
        f'<text class="end" x="{WIDTH:g}" y="{HEIGHT + 12:g}">{last}</text></svg>'
    )


def _line(shares: Sequence[float], top: float, step: float) -> str:
    points = [(x, HEIGHT * (1 - share / top)) for k, share in enumerate(shares) for x in (k * step, (k + 1) * step)]
    return '<polyline class="outline" points="' + " ".join(f"{x:.2f},{y:.2f}" for x, y in points) + '"/>'


def _bars(shares: Sequence[float], top: float, step: float) -> str:
    return "".join(
        f'<rect class="synthetic" x="{k * step + step * 0.3:.2f}" y="{HEIGHT * (1 - share / top):.2f}" '
        f'width="{step * 0.4:.2f}" height="{HEIGHT * share / top:.2f}"/>'
        for k, share in enumerate(shares)
    )


def _short(text: str) -> str:
    return text if len(text) <= 14 else f"{text[:13]}…"


def pair_map_svg(columns: Sequence[str], errors: Sequence[Sequence[float]], darkest: float) -> str:
    """A square per pair of columns, the darker the further off; `darkest` is the value from which on it is full."""
    cell, margin = 22.0, 120.0
    side = cell * len(columns)
    squares = "".join(
        f'<rect class="cell" x="{margin + j * cell:g}" y="{margin + i * cell:g}" width="{cell - 1:g}" height="{cell - 1:g}" '
        f'style="fill-opacity:{min(1.0, error / darkest) if i != j else 0:.3f}">'
        f"<title>{escape(one)}, {escape(other)}: {error:.3f} above chance</title></rect>"
        for i, (one, row) in enumerate(zip(columns, errors, strict=True))
        for j, (other, error) in enumerate(zip(columns, row, strict=True))
    )
    names = "".join(
        f'<text class="end" x="{margin - 6:g}" y="{margin + k * cell + 15:g}">{escape(_short(name))}</text>'
        f'<text class="start" transform="translate({margin + k * cell + 15:g} {margin - 6:g}) rotate(-60)">'
        f"{escape(_short(name))}</text>"
        for k, name in enumerate(columns)
    )
    size = margin + side
    return (
        f'<svg class="map" viewBox="0 0 {size + 60:g} {size:g}" style="max-width:{size + 60:g}px" role="img" '
        f'aria-label="errors of pairs of columns">{names}{squares}</svg>'
    )
