"""What a column of texts is: told by its cells and, in a Parquet file, by its dtype.

The rules, in their order. Numbers with two different values are categories; all others, however few their values, are
numbers (of which data.few_values has some learnt as categories). Texts that all are dates of one form are dates. Texts
with more than MANY different values of which most are numbers or dates are a mistake in the file, and told. Texts that
hardly repeat, or have more than MOST_CATEGORIES values, and whole numbers that only count rows name things
(identifier): they cannot be learnt, and may be a person's name. The others are categories.
"""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from data.table_cells import TEXT, is_boolean, is_time
from data.table_column import Column, MisfitError
from data.table_dates import COMPACT, ISO, common_unit, date_forms, is_date, to_counts, to_moments
from data.table_file import CSV, TableFile
from data.table_numbers import LARGEST_EXACT, LARGEST_WHOLE, how_written, is_code, is_decorated, is_infinite, is_number

MANY = 20
MOST_CATEGORIES = 1000
PAIRS = ({"false", "true"}, {"no", "yes"}, {"f", "t"}, {"n", "y"}, {"off", "on"}, {"0", "1"}, {"0.0", "1.0"})
_STATE_IT = "state it as categorical or drop in data.schema"
LOOKED_AT = 200  # different texts, of which the share of dates is told


def infer_column(table: TableFile, name: str) -> Column:
    """The column as its cells have it. MisfitError where most of them are numbers or dates and some are not."""
    texts, dtype = table.texts[name], table.dtypes[name]
    counts = Counter(text for text in texts if text is not None)
    natural = natural_kind(list(counts), dtype)
    values = (
        {Decimal(text) for text in counts} if natural in ("integer", "number") else set(counts)
    )  # 1 and 1.0 are one
    if not values or (len(values) == 1 and len(texts) == counts.total()):
        return constant(table, name)
    if len(values) == 1 or dtype == "category" or is_boolean(dtype):
        return categorical(table, name)
    if natural == "date":
        return numeric(table, name, natural)
    if natural in ("integer", "number"):
        return categorical(table, name) if len(values) == 2 else _numbers(table, name, natural, counts)
    _check_texts(counts)
    if len(counts) > max(MANY, counts.total() / 2) or len(counts) > MOST_CATEGORIES:
        return identifier(table, name, f"{len(counts)} different texts in {counts.total()} rows", "categorical")
    return categorical(table, name)


def natural_kind(distinct: Sequence[str], dtype: str) -> str:
    """integer, number, date or text, by all the different texts of a column and its dtype."""
    if is_time(dtype):
        return "date"
    if distinct and all(is_number(text) for text in distinct):
        if date_forms(distinct) == [COMPACT]:
            return "date"
        if any(is_code(text) and int(text) > LARGEST_WHOLE for text in distinct):
            return "text"
        return "integer" if how_written(distinct).whole else "number"
    return "date" if date_forms(distinct) else "text"


def constant(table: TableFile, name: str) -> Column:
    """A column that has one value, or none at all."""
    values = [text for text in dict.fromkeys(table.texts[name]) if text is not None]
    return _column(table, name, "constant", values[:1])


def identifier(table: TableFile, name: str, why: str, kind: str) -> Column:
    """A column that names things; `kind` is what it would have to be stated as to be kept."""
    column = _column(table, name, "identifier", [])
    column.note = f"{why}: it looks like an identifier and is left out; data.schema with {name}: {kind} keeps it"
    return column


def categorical(table: TableFile, name: str, kind: str | None = None) -> Column:
    """A column of categories: numbers in their order, other texts sorted, a pandas category in its own order.

    `kind` None: boolean where the values are a pair such as no and yes, else categorical.
    """
    known = {text for text in table.texts[name] if text is not None}
    if table.dtypes[name] == "category":
        values = [text for text in table.levels[name]["values"] if text in known]
    elif all(is_number(text) for text in known):
        values = list({Decimal(text): text for text in sorted(known, key=lambda text: (Decimal(text), text))}.values())
    else:
        values = sorted(known, key=lambda text: (text.casefold(), text))
    pair = is_boolean(table.dtypes[name]) or ({value.casefold() for value in values} in PAIRS and len(values) == 2)
    column = _column(table, name, kind or ("boolean" if pair else "categorical"), values)
    folded = Counter(value.casefold() for value in values)
    alike = [value for value in values if folded[value.casefold()] > 1]
    numbers = sum(is_number(value) for value in values)
    if alike:
        column.note = f"{', '.join(map(repr, alike[:4]))} differ only in case"
    elif 0 < numbers < len(values):
        column.note = f"{numbers} of its {len(values)} values are numbers"
    return column


def numeric(table: TableFile, name: str, kind: str, form: str | None = None) -> Column:
    """A column of kind number, integer or date; `form` of dates that is stated. MisfitError for texts that are none."""
    distinct = [text for text in dict.fromkeys(table.texts[name]) if text is not None]
    column = _column(table, name, kind, [])
    if kind == "date":
        forms = [ISO] if is_time(table.dtypes[name]) else [form] if form else date_forms(distinct)
        if not forms:
            raise _mixed_dates(Counter(distinct)) or MisfitError(f"{distinct[0]!r} is no date", distinct)
        column.form = forms[0]
        readings = {reading.replace("%-", "%").replace("%B", "%b") for reading in forms}
        if len(readings) > 1:
            column.note = f"read as {column.form}, though {' or '.join(sorted(readings - {forms[0]}))} would fit too"
    if misfits := [text for text in distinct if not column.fits(text)]:
        raise MisfitError(f"{misfits[0]!r} is no {column.what}", misfits)
    _measure(column, distinct)
    return column


def _measure(column: Column, distinct: Sequence[str]) -> None:
    """The range of a column, and how its values are written. ValueError where float64 cannot hold the range."""
    if column.kind == "date":
        moments = to_moments(distinct, column.form)
        column.unit = common_unit(moments)
        found = to_counts(moments, column.unit).tolist()
    else:
        written = how_written(distinct)
        column.decimals, column.least_decimals, column.digits = written.decimals, written.least_decimals, written.digits
        found = [float(text) + 0.0 for text in distinct]
        if column.kind == "integer":
            found = column.wholes(distinct)
    column.low, column.high = min(found), max(found)
    width = column.high - column.low
    if isinstance(width, int) and width > LARGEST_EXACT:
        raise ValueError(f"column {column.name}: its range of {width} is beyond 2^53: {_STATE_IT}")
    if not math.isfinite(width) or 0 < width < 1e-300:
        raise ValueError(
            f"column {column.name}: its range {column.low} to {column.high} is beyond float64: {_STATE_IT}"
        )


def _numbers(table: TableFile, name: str, natural: str, counts: Counter[str]) -> Column:
    """Numbers of more than two values, unless they only count the rows."""
    texts = table.texts[name]
    if natural == "integer" and len(counts) == len(texts) > MANY:
        wholes = Column(name, "integer", CSV).wholes([text for text in texts if text is not None])
        rises = [a < b for a, b in pairwise(wholes)]
        if len(set(rises)) == 1:
            order = "rising" if rises[0] else "falling"
            return identifier(table, name, f"{len(counts)} whole numbers in {order} order, none twice", "integer")
        if max(wholes) - min(wholes) > LARGEST_EXACT:
            return identifier(table, name, f"{len(counts)} whole numbers of up to 19 digits, none twice", "categorical")
    return numeric(table, name, natural)


def _check_texts(counts: Counter[str]) -> None:
    """MisfitError where texts mostly are numbers or dates, and too many to be categories."""
    infinite = [text for text in counts if is_infinite(text)]
    if infinite and all(is_number(text) for text in counts if text not in infinite):
        raise MisfitError(f"{infinite[0]!r} is no finite number", infinite)
    if len(counts) <= MANY or all(is_code(text) for text in counts):
        return
    if (mixed := _mixed_dates(counts)) is not None:
        raise mixed
    misfits = [text for text in counts if not is_number(text)]
    alike = [text for text in counts if is_number(text) or is_decorated(text)]
    if sum(counts[text] for text in alike) > counts.total() / 2:
        raise MisfitError(
            f"{misfits[0]!r} is no plain number (no unit, percent sign, space or separator of thousands), and most of the "
            "column are numbers",
            misfits,
        )


def _mixed_dates(counts: Counter[str]) -> MisfitError | None:
    """An error for texts that mostly are dates, in several forms or with others among them; None for other texts."""
    some = list(counts)[:LOOKED_AT]
    dates = [text for text in some if is_date(text)]
    if not dates or sum(counts[text] for text in dates) <= sum(counts[text] for text in some) / 2:
        return None
    votes = Counter(form for text in dates for form in date_forms([text]))
    form = votes.most_common(1)[0][0]
    column = Column("", "date", CSV, form=form)
    misfits = [text for text in counts if not column.fits(text)]
    return MisfitError(f"{misfits[0]!r} is no date of the form {form}, which most of the column has", misfits)


def _column(table: TableFile, name: str, kind: str, values: list[str]) -> Column:
    """A column with what its file says of it; a CSV file's dtypes are those that its texts suggest."""
    texts, dtype = table.texts[name], table.dtypes[name]
    missing = sum(text is None for text in texts)
    distinct = {text for text in texts if text is not None}
    if dtype == CSV:
        natural = natural_kind(list(distinct), dtype) if distinct else "text"
        dtype = TEXT
        if natural in ("integer", "number"):
            whole = natural == "integer" and kind != "number" and not how_written(distinct).least_decimals
            dtype = "float64" if not whole else "Int64" if missing else "int64"
        folded = {text.casefold() for text in distinct}
        if distinct and folded <= {"false", "true"} and len(folded) == len(distinct):
            dtype = "boolean" if missing else "bool"
    return Column(
        name,
        kind,
        dtype,
        values,
        missing,
        table.missing_texts.get(name, ""),
        table.marks.get(name, "."),
        levels=table.levels.get(name, {}),
    )
