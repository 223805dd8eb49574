"""A table as a file holds it: a text or nothing in every cell, and what type each column had.

Texts are exact for numbers, dates and categories alike, so all that follows works on one form, whatever the file was.
"""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

CSV = ""  # the dtype of a column of a CSV file, which states none
FOREIGN = {
    b"PK\x03\x04": "a zip archive (an .xlsx workbook is one): save the sheet as CSV",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"\x80\x02": "a Python pickle, which is never opened because it may run code: save the table as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"ARROW1": "a Feather file: save it as Parquet",
    b"\x89HDF": "an HDF5 file: save the table as CSV or Parquet",
    b"SQLite": "an SQLite database: export the table as CSV",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\x93NUMPY": "a NumPy array: save the table as CSV with a header line",
}
FOREIGN |= {bytes([0x80, version]): FOREIGN[b"\x80\x02"] for version in (3, 4, 5)}


@dataclass
class TableFile:
    """The cells of a table, column by column.

    `texts`: {column: a text, or None where the cell is missing, for each row}. `dtypes`: the columns' pandas dtypes as
    `data.table_cells` names them, CSV where the file states none. `levels`: of a pandas category its categories.
    `rows`: what a message calls each row, "line 17". `missing_texts`: how a missing cell is spelled in each column.
    `marks`: the decimal mark of each column where it is no point, which the texts have in its place.
    `delimiter`: of a CSV file, None of Parquet. `broken`: (row, reason) of rows that are left out.
    """

    texts: dict[str, list[str | None]]
    dtypes: dict[str, str]
    rows: list[str]
    levels: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing_texts: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    notes: list[str] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    digest: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Sequence[int] | Any) -> "TableFile":
        """The rows at `indices`, in that order."""
        texts = {name: [column[i] for i in indices] for name, column in self.texts.items()}
        return replace(self, texts=texts, rows=[self.rows[i] for i in indices])


def read_table(
    path: str, *, delimiter: str | None = None, missing: Sequence[str] = (), skip: bool = False
) -> TableFile:
    """The table in a CSV or Parquet file, told by its content. Nothing in it is ever executed.

    With `skip`, rows that are no rows are listed as `broken`, else they are a ValueError, as is a file that is no table.
    """
    from data.table_csv import read_csv  # they know this file's class
    from data.table_parquet import read_parquet

    file = _existing_file(path)
    data = file.read_bytes()
    try:
        if not data.strip():
            raise ValueError("is empty")
        for magic, what in FOREIGN.items():
            if data.startswith(magic):
                raise ValueError(f"is {what}")
        if data.startswith(b"PAR1"):
            table = read_parquet(data)
        else:
            table = read_csv(data, delimiter=delimiter, missing=missing, skip=skip)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    suffix, named = file.suffix.lower(), (".parquet", ".pq")
    if (table.delimiter is None) != (suffix in named):
        actual = "a Parquet" if table.delimiter is None else "a CSV"
        table.notes.append(f"its name ends in {suffix or 'nothing'}, its content is that of {actual} file")
    return replace(table, digest=hashlib.sha256(data).hexdigest())


def _existing_file(path: str) -> Path:
    file = Path(path).expanduser()
    if file.is_dir():
        raise ValueError(f"{file} is a folder: give the table's file, .csv or .parquet")
    if file.is_file():
        return file
    if not file.parent.is_dir():
        raise ValueError(f"{file} does not exist: there is no folder {file.parent}")
    near = difflib.get_close_matches(file.name, [other.name for other in file.parent.iterdir()], n=1)
    raise ValueError(f"{file} does not exist" + (f": did you mean {file.parent / near[0]}?" if near else ""))
