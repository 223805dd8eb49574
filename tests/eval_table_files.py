"""Small tables of known make, as rows and as files."""

from pathlib import Path

import numpy as np

from eval.tables.table import Column

COLUMNS = (
    Column("x"),
    Column("y"),
    Column("kind", categories=("a", "b", "c"), known=3),
    Column("label", categories=("no", "yes"), known=2),
)


def rows(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Correlated x and y, kind by x, and a label that x and kind foretell."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n) + shift
    y = 0.9 * x + 0.4 * random.normal(size=n)
    kind = np.digitize(x + 0.5 * random.normal(size=n), [-0.5, 0.5])
    label = (x + 0.4 * (kind == 2) + 0.5 * random.normal(size=n) > 0.2).astype(int)
    return np.stack([x, y, kind, label], axis=1).astype(np.float64)


def write(path: Path, values: np.ndarray, columns: tuple[Column, ...] = COLUMNS) -> Path:
    """A CSV of the rows; NaN as an empty cell."""
    lines = [",".join(column.name for column in columns)]
    for row in values:
        cells = []
        for column, value in zip(columns, row, strict=True):
            cell = column.categories[int(value)] if column.categories else "" if np.isnan(value) else f"{value:.6f}"
            cells.append(cell)
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path
