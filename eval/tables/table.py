"""Columns with their kinds, which the real file decides for all, and rows as numbers.

A row is a vector (c,): a number as it is, NaN where it is missing; a category by its index in `Column.categories`, of which
"missing" is one like any other. Text is categorical; numbers are numeric where more than two values occur, unless
categorical= or numeric= says otherwise.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.tables.reader import Cells

MISSING_STATE = "(missing)"
MOST_DECIMALS = 6
_IDENTIFIER = 0.9  # of the rows: a categorical column with more values than that tells rows apart, not kinds of rows


@dataclass(frozen=True)
class Column:
    """`categories` is None for numbers; the first `known` of them occur in the training file."""

    name: str
    categories: tuple[str, ...] | None = None
    known: int = 0
    decimals: int | None = None  # that all training values make do with; None where they need more than 6
    missing: bool = False  # whether any file lacks a value here

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.categories is None


@dataclass(frozen=True)
class Table:
    """A file's rows."""

    path: Path
    sha256: str
    rows: Float[np.ndarray, "n c"]

    def __len__(self) -> int:
        return len(self.rows)


def match_columns(key: str, path: Path, cells: Cells, wanted: Sequence[str], ignore: Sequence[str]) -> Cells:
    """The cells of the columns `wanted`, in that order; ValueError where the file has others, or lacks one."""
    given = [name for name in cells if name not in ignore]
    for name in wanted:
        if name not in given:
            near = _nearest(name, [other for other in given if other not in wanted], "its nearest is")
            held = f"; it holds {', '.join(given[:10])}{', ...' if len(given) > 10 else ''}"
            mend = f"{near or held}; leave it out with ignore=[{name}]"
            raise ValueError(f"{key}={path}: lacks the column {name!r}{mend}")
    for name in given:
        if name not in wanted:
            raise ValueError(
                f"{key}={path}: the column {name!r} is not in the real file"
                f"{_nearest(name, wanted, 'whose nearest is')}; leave it out with ignore=[{name}]"
            )
    return {name: cells[name] for name in wanted}


def _nearest(name: str, among: Sequence[str], words: str) -> str:
    found = difflib.get_close_matches(name, among, n=1, cutoff=0.5)
    return f", {words} {found[0]!r}" if found else ""


def decide_columns(
    files: Sequence[Cells], *, categorical: Sequence[str], numeric: Sequence[str], path: str
) -> tuple[Column, ...]:
    """The columns by the first of `files`, which is the training file; the others add categories that it lacks.

    ValueError where a name of `categorical` or `numeric` is no column, where numbers were asked for and there are none, or
    where nearly every row has a text of its own.
    """
    train = files[0]
    for option, names in (("categorical", categorical), ("numeric", numeric)):
        for name in names:
            if name not in train:
                raise ValueError(f"{option}: {name!r} is no column{_nearest(name, list(train), 'the nearest is')}")
    return tuple(_decide(name, [cells[name] for cells in files], categorical, numeric, path) for name in train)


def _decide(
    name: str, cells: list[np.ndarray], categorical: Sequence[str], numeric: Sequence[str], path: str
) -> Column:
    numbers = as_numbers(cells[0])
    missing = any((column == None).any() for column in cells)  # noqa: E711 - element by element
    present = np.array([]) if numbers is None else numbers[~np.isnan(numbers)]
    if name in numeric and not len(present):
        text = next((cell for cell in cells[0] if cell is not None), "nothing")
        raise ValueError(f"numeric: {name!r} holds {text!r} in {path}, which is no number")
    if name not in categorical and len(present) and (name in numeric or len(np.unique(present)) > 2):
        return Column(name, decimals=_decimals(present), missing=missing)
    listed = [_listed(column, numbers is not None) for column in cells]
    rows = len(cells[0])
    if rows >= 20 and len(listed[0]) > _IDENTIFIER * rows:
        raise ValueError(
            f"real={path}: the column {name!r} has {len(listed[0])} values in {rows} rows, so it names rows and is no "
            f"category: leave it out with ignore=[{name}]"
        )
    categories = dict.fromkeys(text for texts in listed for text in texts)
    known = len(listed[0])
    if missing:
        categories = dict.fromkeys([*listed[0], MISSING_STATE, *categories])
        known += 1
    return Column(name, categories=tuple(categories), known=known, missing=missing)


def _listed(cells: np.ndarray, as_number: bool) -> list[str]:
    """The values that occur, numbers in their order and before what is none."""
    texts = {text for text in _texts(cells, as_number) if text is not None}
    numbers = {text: _number(text) for text in texts} if as_number else {}
    return sorted(texts, key=lambda text: (np.inf if (number := numbers.get(text)) is None else number, text))


def to_rows(key: str, path: Path, cells: Cells, columns: Sequence[Column]) -> Float[np.ndarray, "n c"]:
    """The rows as numbers; ValueError naming column, row and text where a number was expected."""
    return np.stack([_numbers(key, path, column, cells[column.name]) for column in columns], axis=1)


def _numbers(key: str, path: Path, column: Column, cells: np.ndarray) -> np.ndarray:
    if column.categories is not None:
        index = {text: i for i, text in enumerate(column.categories)}
        texts = _texts(cells, number_like(column))
        return np.array([index[MISSING_STATE if text is None else text] for text in texts], np.float64)
    numbers = as_numbers(cells)
    if numbers is None:
        row = next(i for i, cell in enumerate(cells) if cell is not None and _number(cell) is None)
        raise ValueError(
            f"{key}={path}: column {column.name!r} holds {cells[row]!r} in row {row + 1}, where the real file has numbers"
        )
    return numbers


def number_like(column: Column) -> bool:
    """Whether all categories of the training file are numbers, so that 1 and 1.0 are the same one."""
    assert column.categories is not None
    known = [text for text in column.categories[: column.known] if text != MISSING_STATE]
    return all(_number(text) is not None for text in known)


def as_numbers(cells: np.ndarray) -> Float[np.ndarray, " n"] | None:
    """The cells as numbers, NaN where missing; None where one of them is no finite number."""
    numbers = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if cell is not None:
            number = _number(cell)
            if number is None:
                return None
            numbers[i] = number
    return numbers


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) and "_" not in text else None


def _texts(cells: np.ndarray, as_number: bool) -> list[str | None]:
    """The cells as names of categories; numbers in one form."""
    if not as_number:
        return list(cells)
    numbers = [None if cell is None else _number(cell) for cell in cells]
    return [cell if number is None else f"{number:.12g}" for cell, number in zip(cells, numbers, strict=True)]


def _decimals(values: np.ndarray) -> int | None:
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(values, np.round(values, decimals), rtol=1e-12, atol=0):
            return decimals
    return None
