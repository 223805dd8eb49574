"""The page's plots: one small SVG a row, all rows of a plot on one scale, coordinates in per cent of the row's width.

Per cent, not pixels: the rows are as wide as the page leaves them, and neither lines nor letters are stretched.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

MARGIN = 2.0  # per cent of the width that stays free at either end
HEIGHT = 26.0  # pixels of a row

_TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)


@dataclass(frozen=True)
class Scale:
    """From values to per cent of the width. `far` draws large values together: equal steps, then equal ratios."""

    low: float
    high: float
    far: bool = False

    def at(self, value: float) -> float:
        """Where `value` stands, 0..100; what lies outside the scale stands at its end."""
        low, high, value = (math.asinh(v) if self.far else v for v in (self.low, self.high, value))
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return MARGIN + (100 - 2 * MARGIN) * share


def in_floors(figure: dict[str, Any], value: float) -> float:
    """How many half widths of the floor's interval `value` is from the floor's mean, positive where it is worse."""
    floor, synthetic = figure["floor"], figure["synthetic"]
    widths = [(side["high"] - side["low"]) / 2 for side in (floor, synthetic)]
    unit = next((width for width in widths if width > 0), 1.0)
    distance = (value - floor["mean"]) / unit
    return -distance if figure["higher_is_better"] else distance


def floor_scale(figures: Sequence[dict[str, Any]]) -> Scale:
    """The scale on which all figures' floors and synthetic intervals find room."""
    sides = [figure[side] for figure in figures for side in ("floor", "synthetic")]
    owners = [figure for figure in figures for _ in range(2)]
    at = [in_floors(figure, side[key]) for figure, side in zip(owners, sides, strict=True) for key in ("low", "high")]
    return Scale(min(-3.0, *at), max(3.0, *at), far=True)


def floor_plot(figure: dict[str, Any], scale: Scale) -> str:
    """The floor's interval as a band, the synthetic interval as a bar with its mean."""
    floor, synthetic = figure["floor"], figure["synthetic"]
    ends = [scale.at(in_floors(figure, floor[key])) for key in ("low", "high")]
    band = _rect("band", min(ends), max(ends), 0.0, HEIGHT)
    zero = _line("centre", scale.at(0.0))
    bar = [scale.at(in_floors(figure, synthetic[key])) for key in ("low", "mean", "high")]
    label = f"{figure['title']}: synthetic {_spread(synthetic)}, floor {_spread(floor)}"
    return _svg(label, band + zero + _interval(min(bar), bar[1], max(bar), outside=figure["worse"]))


def floor_axis(scale: Scale) -> str:
    """The ticks below a plot of figures and their floors."""
    ticks = [0.0, *(sign * tick for tick in _TICKS for sign in (1.0, -1.0) if scale.low <= sign * tick <= scale.high)]
    return _axis(scale, [(tick, f"{abs(tick):g}×" if tick else "floor") for tick in ticks])


def interval_scale(rows: Sequence[Mapping[str, Any]], *marks: float) -> Scale:
    """A plain scale for rows with "low" and "high" and whatever `marks` have to be on it."""
    ends = [*marks, *(row[key] for row in rows for key in ("low", "high"))]
    low, high = min(ends), max(ends)
    return Scale(low, high) if high > low else Scale(low - 1, high + 1)


def interval_plot(
    label: str, interval: tuple[float, float, float], mark: float, scale: Scale, *, above: bool = False
) -> str:
    """An interval (low, mean, high) beside a mark (0, or what chance gives); `above`: only above it is it told from it."""
    low, mean, high = interval
    outside = low > mark or (high < mark and not above)
    bar = _interval(scale.at(low), scale.at(mean), scale.at(high), outside=outside)
    return _svg(f"{label}: {mean:.4g} [{low:.4g}, {high:.4g}]", _line("mark", scale.at(mark)) + bar)


def interval_axis(scale: Scale) -> str:
    """Round values below a plot of intervals."""
    power = 10.0 ** math.floor(math.log10((scale.high - scale.low) / 6))
    step = power * next(factor for factor in (1, 2, 5, 10) if (scale.high - scale.low) / (factor * power) <= 6)
    first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
    return _axis(scale, [(k * step, f"{k * step:.3g}".replace("-", "−")) for k in range(first, last + 1)])


def share_plot(label: str, real: float, synthetic: float, largest: float) -> str:
    """Two bars, the real share above the synthetic one."""
    scale = Scale(0.0, largest)
    bars = "".join(
        _rect(name, scale.at(0.0), scale.at(share), top, 9.0)
        for name, share, top in (("real", real, 3.0), ("synthetic", synthetic, 14.0))
    )
    return _svg(f"{label}: real {real:.1%}, synthetic {synthetic:.1%}", bars)


def _spread(side: dict[str, float]) -> str:
    return f"{side['mean']:.4g} [{side['low']:.4g}, {side['high']:.4g}]"


def _interval(low: float, mean: float, high: float, *, outside: bool) -> str:
    name = "outside" if outside else "inside"
    bar = _rect(f"bar {name}", low, high, HEIGHT / 2 - 2, 4.0)
    return bar + f'<circle class="mean {name}" cx="{mean:.3f}%" cy="{HEIGHT / 2:g}" r="5"/>'


def _rect(name: str, left: float, right: float, top: float, height: float) -> str:
    size = f'width="{right - left:.3f}%" height="{height:g}"'
    return f'<rect class="{name}" x="{left:.3f}%" y="{top:g}" {size} rx="2"/>'


def _line(name: str, x: float) -> str:
    return f'<line class="{name}" x1="{x:.3f}%" x2="{x:.3f}%" y1="0" y2="{HEIGHT:g}"/>'


def _axis(scale: Scale, ticks: list[tuple[float, str]]) -> str:
    marks = "".join(
        f'<line class="tick" x1="{scale.at(v):.3f}%" x2="{scale.at(v):.3f}%" y1="0" y2="5"/>'
        f'<text x="{scale.at(v):.3f}%" y="18">{escape(text)}</text>'
        for v, text in ticks
    )
    return f'<svg class="axis" width="100%" height="22" aria-hidden="true">{marks}</svg>'


def _svg(label: str, body: str) -> str:
    return (
        f'<svg class="plot" width="100%" height="{HEIGHT:g}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>{body}</svg>"
    )
