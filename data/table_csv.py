"""CSV files: their encoding, delimiter and header are found out, and every row has a cell for each column, or is named."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence

from data.table_file import CSV, TableFile
from data.table_numbers import has_decimal_comma, is_number

CANDIDATES = (",", ";", "\t", "|")
SNIFFED_ROWS = 50
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")


def read_csv(data: bytes, *, delimiter: str | None, missing: Sequence[str], skip: bool) -> TableFile:
    """The table that the bytes of a CSV file hold; `delimiter` None finds it out. ValueError where they are no table.

    Cells and names lose the spaces around them. Blank lines, and rows in which every cell is missing, are no rows.
    """
    text, notes = _decoded(data)
    delimiter = delimiter or sniffed(text)
    header, rows, broken = _rows(text, delimiter)
    if broken and not skip:
        raise ValueError(f"{broken[0][0]}: {broken[0][1]}" + (f" ({len(broken)} such rows)" if broken[1:] else ""))
    cells = [[cell.strip() for cell in row] for _, row in rows]
    absent = {"", *missing}
    names = _names(header, cells, absent, notes)
    kept = [i for i, row in enumerate(cells) if len(names) == 1 or any(cell not in absent for cell in row)]
    if len(kept) < len(cells):
        notes.append(f"{len(cells) - len(kept)} rows in which every cell is missing are left out")
    if not kept:
        raise ValueError("it has a header and no rows")
    table = TableFile({}, {}, [f"line {rows[i][0]}" for i in kept], delimiter=delimiter, notes=notes, broken=broken)
    for j, name in names.items():
        column = [cells[i][j] for i in kept]
        spellings = Counter(cell for cell in column if cell in absent)
        if len(spellings) > 1:
            named = ", ".join(repr(cell) for cell, _ in spellings.most_common())
            notes.append(f"{name} has {len(spellings)} spellings of a missing cell ({named}), written as the first")
        table.missing_texts[name] = spellings.most_common(1)[0][0] if spellings else ""
        if delimiter != "," and has_decimal_comma({cell for cell in column if cell not in absent}):
            table.marks[name] = ","
            column = [cell.replace(",", ".") for cell in column]
        table.texts[name] = [None if cell in absent else cell for cell in column]
        table.dtypes[name] = CSV
    if table.marks:
        notes.append(f"a comma is read as the decimal mark of {', '.join(table.marks)}")
    return table


def sniffed(text: str) -> str:
    """The delimiter that divides the header and the first rows into the same number of cells; a comma for one column."""
    found = []
    for delimiter in CANDIDATES:
        try:
            reader = csv.reader(io.StringIO(text[: 1 << 18], newline=""), delimiter=delimiter)
            rows = [row for row, _ in zip(filter(None, reader), range(SNIFFED_ROWS), strict=False)]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 1
        if width > 1:
            found.append((sum(len(row) == width for row in rows) / len(rows), width, delimiter))
    return max(found, key=lambda entry: entry[:2])[2] if found else ","


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """The file's text and what is to be said of its encoding."""
    wide, notes = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)), []
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide:
            raise ValueError("it begins as UTF-16 text and is damaged") from None
        line = data.count(b"\n", 0, error.start) + 1
        text = data.decode("latin-1")
        notes.append(f"not UTF-8 (line {line}), so read as Latin-1; tables are written as UTF-8")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"no CSV or Parquet file: line {line} holds the control character {found[0]!r}")
    return text, notes


def _rows(text: str, delimiter: str) -> tuple[list[str], list[tuple[int, list[str]]], list[tuple[str, str]]]:
    """The header, (line, cells) of each row, and (line, reason) of rows with another number of cells than the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows, broken, began = [], [], 1
    try:
        for row in reader:
            line, began = began, reader.line_num + 1
            blank = not "".join(row).strip()
            if not row or (blank and (not header or len(row) < min(2, len(header)))):
                continue
            if not header:
                header = row
                continue
            while len(row) > len(header) and not row[-1].strip():
                row.pop()  # delimiters at the end of the line
            if len(row) == len(header):
                rows.append((line, row))
            else:
                cells = f"{len(row)} cell{'s' * (len(row) != 1)}, the header {len(header)}"
                broken.append((f"line {line}", f"it has {cells} (delimiter {delimiter!r})"))
    except csv.Error as error:
        damage = "a quote is opened there and never closed" if "unexpected end" in str(error) else str(error)
        raise ValueError(f"line {began}: {damage}") from None
    return header, rows, broken


def _names(header: list[str], cells: list[list[str]], absent: set[str], notes: list[str]) -> dict[int, str]:
    """{index: name} of the columns. ValueError where a name stands twice or the first line is data."""
    names: dict[int, str] = {}
    stripped = [name.strip() for name in header]
    _check_header(stripped)
    for j, name in enumerate(stripped):
        if name:
            names[j] = name
        elif all(row[j] in absent for row in cells):
            notes.append(f"column {j + 1} has neither name nor values and is left out")
        else:
            names[j] = f"column_{j + 1}"
            notes.append(f"column {j + 1} has no name and is called column_{j + 1}")
    if not names:
        raise ValueError("line 1 names no columns")
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise ValueError(f"the header names {twice[0]} twice: every column needs a name of its own")
    return names


def _check_header(names: list[str]) -> None:
    """ValueError where the names are values: numbers, unless they only count upwards, as of pixels or of years."""
    numbers = [name for name in names if is_number(name)]
    whole = [int(name) for name in numbers if name.isdecimal()]
    counts_up = len(whole) == len(numbers) and whole == sorted(set(whole))
    if numbers and not counts_up:
        raise ValueError(f"its first line is data ({numbers[0]}): a table needs a header line with the columns' names")
