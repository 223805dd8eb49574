"""Training rows that no drawn row may copy: equal cells, or nearer than training rows are to each other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from data.table_column import LEFT_OUT, MisfitError
from data.table_copies import RowCopyRate
from data.table_file import read_table
from data.table_set import TableSet
from data.table_spec import TableSpec, Texts

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class RealRows:
    """`cells` of the rows as they are written, without columns that are left out, and what knows their distances."""

    cells: frozenset[Row]
    near: RowCopyRate
    spec: TableSpec
    digest: str

    def copied(self, x_0: Float[Tensor, "n w"], texts: Texts) -> Bool[np.ndarray, " n"]:
        """Whether each of the drawn rows, x_0 and its cells, is a copy."""
        equal = np.array([row in self.cells for row in _rows(self.spec, texts)], bool)
        return equal | (self.near.distance(x_0) <= self.near.threshold).numpy()


def load_real_rows(path: str, spec: TableSpec) -> RealRows:
    """The rows of a file with the training file's columns; rows that no drawn row can equal are left out.

    ValueError where it is no such file or has fewer than 2 rows.
    """
    table = read_table(path, delimiter=spec.delimiter, missing=spec.missing)
    for column in spec.columns:
        if column.name not in table.texts and column.kind not in LEFT_OUT:
            raise ValueError(f"reject_copies={path}: the file has no column {column.name}")
    names = [column.name for column in spec.columns if column.name in table.texts]
    while True:
        texts = {name: table.texts[name] for name in names}
        try:
            rows = TableSet.of(spec.encode_texts(texts), table.rows, spec)
            break
        except MisfitError as error:
            table = table.take([i for i, text in enumerate(texts[error.column]) if text not in error.texts])
    if len(rows) < 2:
        raise ValueError(f"reject_copies={path}: {len(rows)} rows like those of training, but distances need 2 or more")
    return RealRows(frozenset(_rows(spec, texts)), RowCopyRate(rows), spec, table.digest)


def _rows(spec: TableSpec, texts: Texts) -> list[Row]:
    """Rows of cells, each spelled in one way: 1.50 and 1.5 are equal."""
    columns = [column for column in spec.columns if column.kind not in LEFT_OUT]
    return list(zip(*(column.spelled(texts[column.name]) for column in columns), strict=True))
