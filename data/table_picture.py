"""A picture of drawn rows for people to look at: the distribution of every column beside that of the training rows."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from data.table_column import Column
from data.table_set import TableSet
from data.table_spec import TableSpec
from data.table_transform import inverse

MOST_COLUMNS = 30
MOST_BARS = 12
BINS = 30
REAL, DRAWN = "0.75", "tab:blue"


def write_marginals(path: Path, x_0: Float[Tensor, "b w"], rows: TableSet) -> None:
    """Small multiples, training rows in grey and the rows x_0 as a blue line: histograms of numbers, shares of categories.

    Of a table of many columns the first are drawn, of a column of many categories the most frequent.
    """
    from matplotlib.figure import Figure  # the object interface: no global state, no display

    spec = rows.spec
    real, drawn = _cells(spec, rows.numbers, rows.codes), _cells(spec, *_split(spec, x_0))
    shown = spec.learnt[:MOST_COLUMNS]
    across = min(5, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(2.4 * across, 1.9 * down), layout="constrained")
    every = figure.subplots(down, across, squeeze=False).ravel()
    for axes, column, one, other in zip(every, shown, real, drawn, strict=False):
        draw = _draw_numbers if column.is_numeric else _draw_categories
        draw(axes, column, one, other)
        axes.set_title(column.name, fontsize=8)
        axes.tick_params(labelsize=6, left=False, labelleft=False)
    for axes in every[len(shown) :]:
        axes.set_axis_off()
    figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=7, frameon=False)
    figure.savefig(path, dpi=90)


def _split(spec: TableSpec, x_0: Tensor) -> tuple[Float[np.ndarray, "b d"], Int64[np.ndarray, "b c"]]:
    """Numbers, and of each block the number of its greatest entry."""
    values, begin, codes = x_0.detach().cpu().double().numpy(), spec.numbers, []
    for size in spec.category_sizes:
        codes.append(values[:, begin : begin + size].argmax(1))
        begin += size
    return values[:, : spec.numbers], np.stack(codes, axis=1) if codes else np.zeros((len(values), 0), np.int64)


def _cells(spec: TableSpec, numbers: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    """The cells of each learnt column: numbers in the file's units, NaN where missing, or the numbers of categories."""
    cells, number, block = [], 0, 0
    for column in spec.learnt:
        own = codes[:, block] if column.categories else None
        block += bool(column.categories)
        if not column.is_numeric:
            cells.append(own)
            continue
        values = np.zeros(len(numbers))
        if column.has_number:
            values = inverse(numbers[:, number].astype(np.float64), column.transform)
            number += 1
        if own is not None:
            values = column.at_points(values, own)
        cells.append(np.clip(values + column.origin, float(column.low), float(column.high)))
    return cells


def _draw_numbers(axes: Any, column: Column, real: np.ndarray, drawn: np.ndarray) -> None:
    edges = bin_edges(float(column.low), float(column.high), whole=column.kind == "integer")
    heights = [np.histogram(values[~np.isnan(values)], edges)[0] / max(1, len(values)) for values in (real, drawn)]
    _draw_bars(axes, edges, *heights)


def bin_edges(low: float, high: float, *, whole: bool) -> Float[np.ndarray, " n"]:
    """Edges of histogram bars from `low` to `high`; of whole numbers each bar holds equally many, so that none is a comb."""
    if not whole:
        return np.linspace(low, high, BINS + 1)
    width = max(1.0, np.ceil((high - low + 1) / BINS))
    return np.arange(low - 0.5, high + width, width)


def _draw_bars(axes: Any, edges: np.ndarray, real: np.ndarray, drawn: np.ndarray) -> None:
    axes.stairs(real, edges, fill=True, color=REAL, label="training rows")
    axes.stairs(drawn, edges, color=DRAWN, label="drawn rows")


def _draw_categories(axes: Any, column: Column, real: np.ndarray, drawn: np.ndarray) -> None:
    counts = np.bincount(real, minlength=column.categories)
    chosen = np.argsort(-counts, kind="stable")[:MOST_BARS]
    edges = np.arange(len(chosen) + 1) - 0.5
    found = np.bincount(drawn, minlength=column.categories)[chosen]
    _draw_bars(axes, edges, counts[chosen] / max(1, len(real)), found / max(1, len(drawn)))
    names = [*column.values, "(missing)"]
    axes.set_xticks(range(len(chosen)), [names[i][:12] for i in chosen], rotation=90)
