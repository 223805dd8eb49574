"""Files of rows as columns of text: one reading for CSV and Parquet, so that both mean the same.

Cells are text or None; empty cells, NA, NaN, null, None, ? and the like are missing. What is a number is decided later, on
the real file (eval.tables.table).
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd

from eval.tables.delimited import check_names, read_delimited

MISSING_MARKS = frozenset(
    {"", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "null", "Null", "NULL", "None"}
)  # what training takes for missing (data.table_config), for samples are written with the marks of the training file
Cells = dict[str, np.ndarray]
"""Each column's cells (n,), objects: str, or None where missing."""


def read_cells(key: str, path: Path) -> Cells:
    """The columns of a file in its order; its content tells which kind it is, not its name.

    ValueError, one line that names `key`, the file and the mend, where it cannot be read, has no rows, or two columns of one
    name.
    """
    try:
        data = path.read_bytes()
        columns = _parquet(data) if data.startswith(b"PAR1") else read_delimited(data, MISSING_MARKS)
    except ImportError as error:
        raise ValueError(f"{key}={path}: Parquet needs pyarrow: pip install 'speckle[tables]'") from error
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{key}={path}: {' '.join(str(error).split())[:160]}") from error
    if not columns or not len(next(iter(columns.values()))):
        raise ValueError(f"{key}={path}: has no rows")
    return {name: np.array(cells, dtype=object) for name, cells in columns.items()}


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parquet(data: bytes) -> dict[str, list[str | None]]:
    frame = pd.read_parquet(io.BytesIO(data))
    names = [str(name) for name in frame.columns]
    check_names(names)
    return {name: _texts(frame.iloc[:, i]) for i, name in enumerate(names)}


def _texts(column: pd.Series) -> list[str | None]:
    """The cells as text; floats by their shortest exact form."""
    texts = [repr(value) if isinstance(value, float) else str(value).strip() for value in column.tolist()]
    return [None if text in MISSING_MARKS else text for text in texts]
