"""Tables written for a test, and read as a run reads them."""

import datetime
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.table_config import TableConfig
from data.table_load import load_table
from data.table_set import LoadedTable


def write_text(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@contextmanager
def refused(says: str) -> Iterator[None]:
    """What a user has to be told: one line that holds `says`."""
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        yield
    assert "\n" not in str(error.value)


def load(path: Path, **options: Any) -> LoadedTable:
    """Load with all rows to train on, unless `options` say otherwise."""
    return load_table(TableConfig(path=str(path), **{"val_fraction": 0.0, **options}))


def column_text(cells: list[Any], name: str = "x") -> str:
    """A CSV file of the column `name` beside a number of two decimals that only makes the table learnable."""
    rows = [f"{cell},{i % 7}.{i % 10}5" for i, cell in enumerate(cells)]
    return "\n".join([f"{name},other", *rows]) + "\n"


def load_column(tmp_path: Path, cells: list[Any], **options: Any):
    """The column x of a table that holds `cells`."""
    loaded = load(write_text(tmp_path / "table.csv", column_text(cells)), **options)
    return next(column for column in loaded.train.spec.columns if column.name == "x")


def mixed_text(rows: int = 60, *, delimiter: str = ",", mark: str = ".") -> str:
    """A CSV file with a column of every kind; missing cells are ?, and `label` is a class."""
    rng = np.random.default_rng(0)
    lines = ["id;age;pay;gain;town;smoker;when;unit;label".replace(";", delimiter)]
    for i in range(rows):
        cells = [
            str(100 + i),
            str(rng.integers(18, 90)),
            f"{rng.normal(50, 20):.2f}".replace(".", mark) if i % 9 else "?",
            str(rng.integers(1, 9999) if i % 5 == 0 else 0),
            ["Köln", "Paris", 'a "b"', "?"][rng.integers(4)],
            ["no", "yes"][rng.integers(2)],
            (datetime.date(2024, 1, 1) + datetime.timedelta(int(rng.integers(400)))).strftime("%d.%m.%Y"),
            "kg",
            "abc"[i % 3],
        ]
        lines.append(delimiter.join('"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in cells))
    return "\n".join(lines) + "\n"
