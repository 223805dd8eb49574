"""What is told of a table before training on it: a line for the whole, one for each column, and the notes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from data.table_column import LEFT_OUT, Column
from data.table_config import DELIMITERS
from data.table_dates import to_texts
from data.table_file import TableFile
from data.table_spec import TableSpec

MOST_LINES = 60
MASS_POINT = 0.1  # a number that so many rows share is told


def describe(table: TableFile, spec: TableSpec, notes: Sequence[str]) -> str:
    """A report on the training rows `table`, several lines."""
    kind = "Parquet"
    if spec.delimiter is not None:
        named = {character: name for name, character in DELIMITERS.items()}
        kind = f"CSV, delimiter {named.get(spec.delimiter, spec.delimiter)}"
    head = f"{len(table)} rows to train on, {len(spec.columns)} columns ({kind}), learnt as {spec.numbers} numbers"
    if sizes := spec.category_sizes:
        head += f" and {len(sizes)} categories of {sum(sizes)} values"
    lines = [f"{head}. {_describe_target(spec)}"]
    lines += [f"  {column.name}: {_describe_column(table, column)}" for column in spec.columns[:MOST_LINES]]
    if len(spec.columns) > MOST_LINES:
        lines.append(f"  ... and {len(spec.columns) - MOST_LINES} more")
    copies = len(table) - len(set(zip(*table.texts.values(), strict=True)))
    told = [f"{copies} {'rows are copies' if copies > 1 else 'row is a copy'} of another"] if copies else []
    told += [*table.notes, *(f"{column.name}: {column.note}" for column in spec.columns if column.note)]
    return "\n".join(lines + [f"Note: {note}" for note in [*told, *notes]])


def _describe_target(spec: TableSpec) -> str:
    if spec.target is None:
        return "No target."
    if spec.task == "regression":
        return f"Target {spec.target}: a number of the row (regression)."
    (counts,) = spec.counts.values()
    named = [f"{name} {count}" for name, count in zip(spec.classes, counts, strict=True)]
    shown = ", ".join(named if len(named) <= 12 else [*named[:11], "..."])
    return f"Target {spec.target}: {len(named)} classes, the condition ({shown})."


def _describe_column(table: TableFile, column: Column) -> str:
    texts = table.texts[column.name]
    said = [column.kind]
    if column.kind == "date":
        low, high = to_texts(np.array([column.low, column.high], np.int64), column.unit, column.form)
        said = [f"date {low} to {high} ({column.form})"]
    elif column.is_numeric:
        said = [f"{column.kind} {column.low:.10g} to {column.high:.10g}"]
        if column.kind == "number" and column.decimals is not None:
            said.append(f"{column.decimals} decimals")
    elif column.kind == "boolean":
        said = [f"boolean {' / '.join(column.values)}"]
    elif column.kind == "categorical":
        said = [
            f"{len(column.values)} categories" + (f" ({', '.join(column.values)})" if len(column.values) < 7 else "")
        ]
    elif column.kind == "constant":
        said = [f"constant {column.values[0]!r}" if column.values else "constant, every cell missing"]
    if column.points:
        frequent = " frequent" if column.others else ""
        said.append(f"{len(column.points)}{frequent} value{'s' * (len(column.points) > 1)} learnt as categories")
    if column.is_numeric:
        value, count = Counter(text for text in texts if text is not None).most_common(1)[0]
        if count > MASS_POINT * len(texts):
            said.append(f"{value} in {count / len(texts):.0%} of the rows")
    if column.missing and column.kind not in ("constant", *LEFT_OUT):
        spelled = f" ({column.missing_text!r})" if column.missing_text else ""
        said.append(f"{column.missing / len(texts):.1%} missing{spelled}")
    return ", ".join(said) + (" (left out)" if column.kind in LEFT_OUT else "")
