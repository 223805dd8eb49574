"""Files of rows as columns of text: one reading for CSV and Parquet, so that both mean the same.

Cells are text or None; empty cells, NA, NaN, null, None, ? and the like are missing. What is a number is decided later, on
the real file (eval.tables.table).
"""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

MISSING_MARKS = frozenset(
    {"", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "null", "Null", "NULL", "None"}
)  # what training takes for missing (data.table_config), for samples are written with the marks of the training file
Cells = dict[str, np.ndarray]
"""Each column's cells (n,), objects: str, or None where missing."""


def read_cells(key: str, path: Path) -> Cells:
    """The columns of a file in its order.

    ValueError, one line that names `key`, the file and the mend, where it cannot be read, has no rows, or two columns of one
    name.
    """
    try:
        frame = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _delimited(key, path)
    except ImportError as error:
        raise ValueError(f"{key}={path}: Parquet needs pyarrow: pip install 'speckle[tables]'") from error
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors, and so is a wrong encoding
        reason = " ".join(str(error).split())
        raise ValueError(reason if reason.startswith(f"{key}=") else f"{key}={path}: {reason[:160]}") from error
    if not len(frame):
        raise ValueError(f"{key}={path}: has no rows")
    return {str(name): _cells(frame.iloc[:, i]) for i, name in enumerate(frame.columns)}


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _delimited(key: str, path: Path) -> pd.DataFrame:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    head = pd.read_csv(
        path, header=None, nrows=1, dtype=str, sep=separator, encoding="utf-8-sig", na_filter=False, skipinitialspace=True
    )  # fmt: skip
    names = [str(name).strip() for name in head.iloc[0]]
    _check_names(key, path, names)
    if len(names) == 1 and separator == "," and (";" in names[0] or "\t" in names[0]):
        raise ValueError(
            f"{key}={path}: its columns are not divided by commas; write it with commas, or as .tsv with tabs"
        )
    frame = pd.read_csv(
        path, dtype=str, sep=separator, encoding="utf-8-sig", na_filter=False, skipinitialspace=True
    )  # fmt: skip
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(f"{key}={path}: its rows hold more values than its first line holds names")
    frame.columns = pd.Index(names)
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame.reset_index(drop=True)


def _check_names(key: str, path: Path, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{key}={path}: the column {twice[0]!r} stands there twice; give each a name of its own")
    if "" in names:
        raise ValueError(
            f"{key}={path}: column {names.index('') + 1} has no name; is it a row index? Write the file without it"
        )


def _cells(column: pd.Series) -> np.ndarray:
    """The column as text; floats by their shortest exact form."""
    cells = np.empty(len(column), dtype=object)
    for i, value in enumerate(column.tolist()):
        text = repr(value) if isinstance(value, float) else str(value).strip()
        cells[i] = None if value is None or text in MISSING_MARKS else text
    return cells
