"""Parquet files, which state the type of every column."""

import io

from data.libraries import one_line, tables
from data.table_cells import cell_texts, dtype_name, levels_of
from data.table_file import TableFile


def read_parquet(data: bytes) -> TableFile:
    """The table that the bytes of a Parquet file hold. Its index, where pandas wrote one, is no column of it."""
    pd = tables("pandas")
    tables("pyarrow")
    with one_line():
        frame = pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    notes = []
    if not isinstance(frame.index, pd.RangeIndex):
        notes.append(f"the index {frame.index.name or ''} that pandas wrote is left out".replace("  ", " "))
    if frame.empty:
        raise ValueError("it has no rows" if len(frame.columns) else "it has no columns")
    table = TableFile({}, {}, [f"row {i}" for i in range(len(frame))], notes=notes)
    for j, given in enumerate(frame.columns):
        name, series = str(given), frame.iloc[:, j]
        if name in table.texts:
            raise ValueError(f"two columns are called {name}: every column needs a name of its own")
        try:
            table.dtypes[name] = dtype_name(series)
            table.texts[name] = cell_texts(series)
        except ValueError as error:
            raise ValueError(f"column {name}: {error}") from None
        if table.dtypes[name] == "category":
            table.levels[name] = levels_of(series)
    return table
