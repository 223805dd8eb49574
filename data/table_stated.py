"""What people state about columns, `data.schema=FILE.yaml`: {age: integer, zip: categorical, when: date:%d.%m.%Y, note: drop}."""

import difflib
from collections.abc import Collection
from pathlib import Path

import yaml

from data.table_column import Column
from data.table_dates import check_form
from data.table_file import TableFile
from data.table_infer import categorical, constant, numeric

KINDS = ("number", "integer", "categorical", "boolean", "date", "drop")


def read_stated(path: str) -> dict[str, str]:
    """{column: kind} of a YAML file; ValueError where it is none, or a kind is unknown. No tag in it is ever executed."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"data.schema: no file {file}")
    try:
        stated = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"data.schema: {file} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(stated, dict):
        raise ValueError(f"data.schema: {file} must hold columns and their kinds, such as {{age: integer, note: drop}}")
    for name, kind in stated.items():
        head, _, form = str(kind).partition(":")
        if head not in KINDS or (form and head != "date"):
            raise ValueError(f"data.schema: {name}: {kind}: use one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}")
        if form:
            check_form(form)
    return {str(name): str(kind) for name, kind in stated.items()}


def check_names(stated: Collection[str], names: Collection[str]) -> None:
    """ValueError for a stated column that the table does not have."""
    for name in stated:
        if name not in names:
            raise ValueError(f"data.schema: the table has no column {name}{nearest(name, names)}")


def nearest(wrong: str, known: Collection[str]) -> str:
    """`; did you mean x?`, or nothing where no name is like it."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wrong.casefold(), folded, n=1)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def stated_column(table: TableFile, name: str, stated: str) -> Column:
    """The column as it is stated; MisfitError where its cells are not that."""
    kind, _, form = stated.partition(":")
    different = {text for text in table.texts[name] if text is not None}
    if kind == "drop":
        return Column(name, "dropped", table.dtypes[name], note="left out, as data.schema states")
    if not different or (len(different) == 1 and None not in table.texts[name]):
        return constant(table, name)
    if kind in ("number", "integer", "date") and len(different) > 1:
        return numeric(table, name, kind, form or None)
    if kind == "boolean" and len(different) > 2:
        raise ValueError(f"data.schema: {name}: boolean: the column has {len(different)} different values")
    return categorical(table, name, kind if kind == "boolean" else "categorical")
