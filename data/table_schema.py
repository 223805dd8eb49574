"""The schema of a table: a `Column` for each of its columns, by what is stated, what its cells tell and what the target is."""

from collections.abc import Mapping
from decimal import Decimal

from data.table_column import CATEGORICAL, LEFT_OUT, Column, MisfitError
from data.table_file import TableFile
from data.table_infer import MANY, categorical, infer_column, natural_kind, numeric
from data.table_numbers import is_number
from data.table_stated import check_names, nearest, stated_column

MOST_AUTO_CLASSES = 10  # whole numbers of more values are a number to predict: ages, counts, years


def infer_schema(table: TableFile, stated: Mapping[str, str], target: str | None, task: str) -> list[Column]:
    """The columns of a table in their order. The target is categorical under classification, a number under regression.

    MisfitError where cells are not what their column holds, ValueError where the target is no target.
    """
    check_names(stated, table.texts)
    check_target(table, stated, target)
    columns = []
    for name in table.texts:
        try:
            if name == target:
                columns.append(_target_column(table, name, stated.get(name), task))
            elif name in stated:
                columns.append(stated_column(table, name, stated[name]))
            else:
                columns.append(infer_column(table, name))
        except MisfitError as error:
            error.column = name
            raise
    if not any(column.is_numeric or column.kind in CATEGORICAL for column in columns if column.name != target):
        raise ValueError(_nothing_to_learn(columns, target, len(table)))
    return columns


def check_target(table: TableFile, stated: Mapping[str, str], target: str | None) -> None:
    """ValueError where the table has no such column or it is to be left out."""
    if target is not None and target not in table.texts:
        raise ValueError(f"data.target={target}: the table has no such column{nearest(target, table.texts)}")
    if target is not None and stated.get(target) == "drop":
        raise ValueError(f"data.schema drops {target}, which is data.target")


def is_classification(table: TableFile, target: str, stated: str | None, task: str) -> bool:
    """Whether the target's values are classes. `auto`: texts, booleans, pandas categories, what is stated as
    categorical, two different values, and whole numbers of at most MOST_AUTO_CLASSES different values are.
    """
    if task != "auto":
        return task == "classification"
    if stated in ("categorical", "boolean", "number"):
        return stated != "number"
    values = {text for text in table.texts[target] if text is not None}
    natural = natural_kind(list(values), table.dtypes[target])
    if table.dtypes[target] == "category" or natural == "text" or len(values) == 2:
        return True
    return natural == "integer" and stated != "integer" and len(values) <= MOST_AUTO_CLASSES


def _target_column(table: TableFile, name: str, stated: str | None, task: str) -> Column:
    values = {text for text in table.texts[name] if text is not None}
    if len({Decimal(text) if is_number(text) else text for text in values}) < 2:
        one = f"has the one value {min(values)!r}" if values else "has no values"
        raise ValueError(f"data.target={name} {one}: there is nothing to predict (data.target=null learns without)")
    if is_classification(table, name, stated, task):
        if len(values) > max(MANY, len(table) / 2):
            mend = "use data.task=regression or another target"
            raise ValueError(f"data.target={name} has {len(values)} different values in {len(table)} rows: {mend}")
        return categorical(table, name)
    natural = natural_kind(list(values), table.dtypes[name])
    if natural in ("date", "text") or table.dtypes[name] == "category":
        example = min(text for text in values)
        raise ValueError(f"data.task=regression: the target {name} holds no numbers but {example!r}")
    return numeric(table, name, "number" if stated == "number" else natural)


def _nothing_to_learn(columns: list[Column], target: str | None, rows: int) -> str:
    others = [column for column in columns if column.name != target]
    if not others:
        return f"the table has no column beside its target {target}"
    fates = [f"{column.name} ({'left out' if column.kind in LEFT_OUT else column.kind})" for column in others[:5]]
    return f"no column of the {rows} training rows can be learnt: {', '.join(fates)}"
