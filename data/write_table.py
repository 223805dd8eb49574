"""Tables to files: CSV in the form of the training file, or Parquet with its dtypes; the old file or the new one."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from data.libraries import tables
from data.sample_files import whole_file
from data.table_column import LEFT_OUT, Column
from data.table_spec import TableSpec

if TYPE_CHECKING:
    import pandas as pd

PARQUET = (".parquet", ".pq")


def write_table(path: Path, frame: "pd.DataFrame", spec: TableSpec) -> Path:
    """Write a DataFrame as `TableSpec.decode` gives it: Parquet where the path ends so, else CSV; return `path`.

    A CSV file has the training file's delimiter, decimal marks, decimals, forms of dates and spelling of missing cells,
    and is UTF-8. ValueError for cells that the columns cannot hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        if path.suffix.lower() in PARQUET:
            tables("pyarrow")
            frame.to_parquet(temporary, engine="pyarrow", index=False)
        else:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter=spec.delimiter or ",", lineterminator="\n")
                writer.writerows(csv_rows(frame, spec))
    return path


def csv_rows(frame: "pd.DataFrame", spec: TableSpec) -> Iterator[list[str]]:
    """The header and the cells of a CSV file, as texts."""
    texts = spec.texts(frame)
    columns = [column for column in spec.columns if column.kind not in LEFT_OUT]
    yield [column.name for column in columns]
    cells = [_spelled(texts[column.name], column) for column in columns]
    yield from map(list, zip(*cells, strict=True))


def _spelled(texts: list[str | None], column: Column) -> list[str]:
    """Cells as the training file would have them."""
    if column.is_numeric:
        present = [text for text in texts if text is not None]
        written = iter(column.number_texts(column.numbers(present)))
    else:
        written = iter(column.code_texts(column.codes([text for text in texts if text is not None])))
    cells = [column.missing_text if text is None else str(next(written)) for text in texts]
    return [cell.replace(".", column.mark) for cell in cells] if column.mark != "." else cells
