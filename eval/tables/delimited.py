"""Delimited text as columns: its encoding, delimiter and decimal commas are found out, as training finds them out.

The rules are those of data/table_csv.py, which nothing in here may import; a test holds the two together. UTF-8 or UTF-16
by its mark, else Latin-1; the first of comma, semicolon, tab and bar that divides the header and the first rows alike; a
decimal comma only where a comma divides nothing.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Collection
from math import isfinite

DELIMITERS = ",;\t|"
LOOKED_AT = 50  # rows that tell the delimiter
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_COMMA_NUMBER = re.compile(r"[+-]?([0-9]+,?[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")  # a code such as 007


def read_delimited(data: bytes, missing: Collection[str]) -> dict[str, list[str | None]]:
    """{column: its cells}, None where a cell is one of `missing`, which are spaces' worth of nothing too.

    Blank lines and rows without any value are no rows; a column without a name is called column_N. ValueError for what
    is no table, naming the line.
    """
    text = _decoded(data)
    delimiter = _delimiter(text)
    header, rows = _lines(text, delimiter)
    _check_header(header)
    columns = {}
    for j, name in enumerate(header):
        cells = [None if row[j] in missing else row[j] for row in rows]
        if name or any(cell is not None for cell in cells):
            columns[j] = cells
    names = [header[j] or f"column_{j + 1}" for j in columns]
    check_names(names)
    kept = [i for i in range(len(rows)) if len(columns) == 1 or any(cells[i] is not None for cells in columns.values())]
    found = [[cells[i] for i in kept] for cells in columns.values()]
    if delimiter != ",":
        found = [_with_points(cells) for cells in found]
    return dict(zip(names, found, strict=True))


def check_names(names: Collection[str]) -> None:
    """ValueError where two columns have one name."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"the column {twice[0]!r} stands there twice; give each a name of its own")


def _decoded(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        if wide:
            raise ValueError("it begins as UTF-16 text and is damaged") from None
        text = data.decode("latin-1")  # which fits everything, so look whether it is text
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"is no CSV or Parquet file: line {line} holds the control character {found[0]!r}")
    if not text.strip():
        raise ValueError("is empty")
    return text


def _delimiter(text: str) -> str:
    """The one that gives most of the first rows as many cells as the header has, more than one; a comma if none does."""
    best = (0.0, 1, ",")
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text[: 1 << 18], newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row, _ in zip(filter(None, reader), range(LOOKED_AT), strict=False)]
        except csv.Error:
            continue
        alike = widths.count(widths[0]) / len(widths)
        if widths[0] > 1 and (alike, widths[0]) > best[:2]:
            best = alike, widths[0], delimiter
    return best[2]


def _lines(text: str, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of cells without the spaces around them; ValueError for rows of another length than the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows, broken, line = [], [], 0
    try:
        for cells in reader:
            begun, line = line + 1, reader.line_num
            row = [cell.strip() for cell in cells]
            if not any(row) and (not header or len(row) < min(2, len(header))):
                continue
            if not header:
                header = row
                continue
            while len(row) > len(header) and not row[-1]:
                row.pop()  # delimiters at the end of the line
            if len(row) != len(header):
                broken.append(f"line {begun}: it has {len(row)} cells, the header {len(header)}")
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"line {line + 1}: {error}") from None
    if broken:
        raise ValueError(f"{broken[0]} (delimiter {delimiter!r}; {len(broken)} such rows)")
    return header, rows


def _check_header(names: list[str]) -> None:
    """ValueError where the names are numbers, unless they only count upwards, as of pixels or years."""
    numbers = [name for name in names if _is_number(name)]
    whole = [int(name) for name in numbers if name.isdecimal()]
    if numbers and (len(whole) < len(numbers) or whole != sorted(set(whole))):
        raise ValueError(f"its first line is data ({numbers[0]}): a table needs a header line with the columns' names")


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _with_points(cells: list[str | None]) -> list[str | None]:
    """Cells with points for decimal commas, where all are numbers, some with a comma and none with a point."""
    present = {cell for cell in cells if cell is not None}
    numbers = all(_COMMA_NUMBER.fullmatch(cell) and not _LEADING_ZERO.match(cell) for cell in present)
    if not numbers or not any("," in cell for cell in present):
        return cells
    return [None if cell is None else cell.replace(",", ".") for cell in cells]
