"""One column of a table: what it holds, and the way from its texts to numbers or categories and back."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from data.table_cells import is_boolean, is_whole
from data.table_dates import read_date, to_counts, to_moments, to_texts
from data.table_numbers import is_number, write_number, write_whole
from data.table_transform import ends, forward

NUMERIC = ("number", "integer", "date")
CATEGORICAL = ("categorical", "boolean")
LEFT_OUT = ("identifier", "dropped")  # never learnt and never written


class MisfitError(ValueError):
    """Texts that are not what their column holds; `texts` has all of them, the message speaks of the first."""

    def __init__(self, reason: str, texts: Sequence[str | None], column: str = "") -> None:
        super().__init__(reason)
        self.texts, self.column = set(texts), column


class UnseenError(MisfitError):
    """Values that could be their column's, but that no training row has: a new category, a missing cell."""

    def __init__(self, texts: Sequence[str | None], column: str) -> None:
        super().__init__("a missing cell" if texts[0] is None else repr(texts[0]), texts, column)
        self.args = (f"{self}, which no training row has",)


@dataclass
class Column:
    """What is known of a column; plain types only.

    `kind`: number, integer, date; categorical, boolean; constant, identifier, dropped. `dtype`: of the column in a
    DataFrame (see `data.table_cells`). `values`: the categories in the order of their numbers, false before true, or
    the one value of a constant; a missing value is a category behind them. `missing`: how many training cells are.
    `missing_text`: how a CSV file spells that; `mark`: its decimal mark, while texts in here have a point. `decimals`,
    `least_decimals`, `digits`: how a number is written (`data.table_numbers.Written`). `form`, `unit`: of dates.
    `low`, `high`: the least and greatest of the training rows, whole numbers for integers and dates (in `unit`s since
    1970). `levels`: of a pandas category. `points`: numbers, counted from `origin`, that are categories of their own,
    beside the other numbers or, without `others`, alone. `transform`: of the other numbers, as `data.table_transform`
    fitted it. `note`: what people should know.
    """

    name: str
    kind: str
    dtype: str
    values: list[str] = field(default_factory=list)
    missing: int = 0
    missing_text: str = ""
    mark: str = "."
    decimals: int | None = 0
    least_decimals: int = 0
    digits: int = 17
    form: str = ""
    unit: str = "D"
    low: int | float = 0
    high: int | float = 0
    levels: dict[str, Any] = field(default_factory=dict)
    points: list[float] = field(default_factory=list)
    others: bool = True
    transform: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Column":
        """The inverse of `dataclasses.asdict`; fields that this version does not know are a ValueError."""
        if unknown := set(plain) - {entry.name for entry in fields(cls)}:
            raise ValueError(f"column {plain.get('name')}: unknown field {min(unknown)}")
        return cls(**plain)

    @property
    def is_numeric(self) -> bool:
        """Whether the cells are numbers or dates."""
        return self.kind in NUMERIC

    @property
    def has_number(self) -> bool:
        """Whether the column is a number of x_0; else it is nothing or categories alone."""
        return self.is_numeric and self.others

    @property
    def origin(self) -> int:
        """What integers and dates count from, so that float64 holds those beyond 2^53 too."""
        return 0 if self.kind == "number" else int(self.low)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest training number that is no point, counted from `origin`.

        A frequent -1 that means "none" says nothing of how low the other numbers may be.
        """
        known = ends(self.transform) if self.transform else None
        return known or (float(self.low - self.origin), float(self.high - self.origin))

    @property
    def categories(self) -> int:
        """Size of the column's one-hot block: its values and, where some are missing, one more. 0: it has no block.

        Of a number, in this order: any other value (if there are `others`), its points, missing (if a cell is). A block of
        one is none.
        """
        if self.kind in CATEGORICAL:
            return len(self.values) + bool(self.missing)
        size = self.others + len(self.points) + bool(self.missing)
        return size if self.is_numeric and size > 1 else 0

    def numbers(self, texts: Sequence[str | None]) -> Float[np.ndarray, " n"]:
        """Texts as float64, NaN where missing; integers and dates count from `origin`.

        MisfitError for texts that are no such numbers; UnseenError for missing cells where no training cell was.
        """
        distinct = [text for text in dict.fromkeys(texts) if text is not None]
        if misfits := [text for text in distinct if not self.fits(text)]:
            raise MisfitError(f"{misfits[0]!r} is no {self.what}", misfits, self.name)
        if not self.missing and None in texts:
            raise UnseenError([None], self.name)
        if self.kind == "number":
            found = [float(text) for text in distinct]
        else:
            found = [whole - self.origin for whole in self.wholes(distinct)]
        value = {text: float(number) + 0.0 for text, number in zip(distinct, found, strict=True)}
        value[None] = np.nan  # type: ignore[index]
        return np.array([value[text] for text in texts], np.float64)  # type: ignore[index]

    @property
    def what(self) -> str:
        """What a cell is to be, in words."""
        return {"integer": "whole number", "date": f"date of the form {self.form}"}.get(self.kind, "number")

    def fits(self, text: str) -> bool:
        """Whether a text is what a column of this kind, number, integer or date, may hold."""
        if self.kind == "date":
            try:
                to_moments([text], self.form) if self.form == "iso" else read_date(text, self.form)
            except ValueError:
                return False
            return True
        if not is_number(text):
            return False
        return self.kind == "number" or Decimal(text) % 1 == 0

    def number_texts(self, numbers: Float[np.ndarray, " n"]) -> list[str | None]:
        """The inverse of `numbers`, rounded to what the column can hold."""
        missing = np.isnan(numbers)
        numbers = np.where(missing, 0.0, numbers)
        if self.kind == "number":
            style = {"decimals": self.decimals, "least_decimals": self.least_decimals, "digits": self.digits}
            texts = [write_number(value, **style) for value in numbers.tolist()]
        else:
            counts = [int(value) + self.origin for value in np.rint(numbers).tolist()]
            if self.kind == "date":
                texts = to_texts(np.array(counts, np.int64), self.unit, self.form)
            else:
                texts = [write_whole(count, self.least_decimals) for count in counts]
        return [None if gone else text for text, gone in zip(texts, missing.tolist(), strict=True)]

    def numbers_and_codes(self, texts: Sequence[str | None]) -> tuple[Float[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Texts as `numbers`, and the place of each in the column's block (see `categories`).

        What `numbers` raises; UnseenError for a number that is no point where there are no others.
        """
        numbers = self.numbers(texts)
        codes = np.full(len(numbers), 0 if self.others else -1, np.int64)
        for code, point in enumerate(self.points, start=self.others):
            codes[numbers == point] = code
        codes[np.isnan(numbers)] = self.others + len(self.points)
        if (codes < 0).any():
            raise UnseenError([text for text, code in zip(texts, codes.tolist(), strict=True) if code < 0], self.name)
        return numbers, codes

    def scaled(
        self, numbers: Float[np.ndarray, " n"], codes: Int64[np.ndarray, " n"], rng: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        """Numbers on the network's scale; standard normal noise where `codes` says that they are points or missing."""
        others = codes == 0
        found = rng.standard_normal(len(numbers))
        found[others] = forward(numbers[others], self.transform, rng)
        return found

    def at_points(self, numbers: Float[np.ndarray, " n"], codes: Int64[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """`numbers`, but where a block's `codes` say so the points, and NaN for missing."""
        found = numbers.copy()
        for code, value in enumerate([*self.points, np.nan], start=self.others):
            found[codes == code] = value
        return found

    def codes(self, texts: Sequence[str | None]) -> Int64[np.ndarray, " n"]:
        """The number of each text's category; UnseenError for values that the training rows do not have."""
        code = {self._key(value): i for i, value in enumerate(self.values)}
        found = {text: code.get(self._key(text), -1) for text in set(texts) if text is not None}
        found[None] = len(self.values) if self.missing else -1  # type: ignore[index]
        if misfits := [text for text in dict.fromkeys(texts) if found[text] < 0]:  # type: ignore[index]
            raise UnseenError(misfits, self.name)
        return np.array([found[text] for text in texts], np.int64)  # type: ignore[index]

    def code_texts(self, codes: Int64[np.ndarray, " n"]) -> list[str | None]:
        """The inverse of `codes`; a number beyond the last value is a missing cell."""
        named = [*self.values, None]
        return [named[min(code, len(self.values))] for code in codes.tolist()]

    def spelled(self, texts: Sequence[str | None]) -> list[str | None]:
        """Cells that are this column's, equal ones as one text: of numbers as they are written, of categories its name."""
        if self.is_numeric:
            return self.number_texts(self.numbers(texts))
        name = {self._key(value): value for value in self.values}
        return [None if text is None else name[self._key(text)] for text in texts]

    def wholes(self, texts: Sequence[str]) -> list[int]:
        """Texts of an integer or date column as whole numbers: of dates, how many units since 1970."""
        if self.kind == "date":
            return to_counts(to_moments(texts, self.form), self.unit).tolist() if texts else []
        return [int(Decimal(text)) for text in texts]

    def _key(self, text: str) -> str | Decimal:
        """What makes two texts the same category: numbers by their value, booleans in any case."""
        if is_boolean(self.dtype):
            return text.casefold()
        number = is_whole(self.dtype) or self.dtype.lower().startswith("float")
        return Decimal(text) if number and is_number(text) else text
