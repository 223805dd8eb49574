"""What a network and a writer must know of a table, and the way from its rows to the network's vectors and back."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from data.libraries import tables
from data.table_cells import cell_texts, is_whole, typed
from data.table_column import LEFT_OUT, Column, MisfitError
from data.table_transform import bounds, inverse

if TYPE_CHECKING:
    import pandas as pd

Texts = dict[str, list[str | None]]
DERIVED = ("numbers", "category_sizes", "attributes", "number_bounds")


class Encoded(NamedTuple):
    """Rows of a table: its numbers on the network's scale, its categories, and the class, -1 where it is unknown."""

    numbers: Float32[np.ndarray, "n d"]
    codes: Int64[np.ndarray, "n c"]
    classes: Int64[np.ndarray, " n"] | None


@dataclass
class TableSpec:
    """What a network and a writer must know of a table; stands in the checkpoint as a plain dict.

    The vector of a row is x_0 of `width` numbers: first `numbers` numbers, then a one-hot block of each of
    `category_sizes`, both in the order of the columns. A number with missing cells or points (see `Column`) has a block
    too; where that says missing or a point, the number is standard normal noise, of which nothing can be learnt. One whose
    values are all points is a block alone. A target of classes is no part of x_0 but the row's one attribute.
    `columns` has all columns of the file in its order. `target` and `task` (classification, regression or empty).
    `delimiter`: of a CSV file, None of Parquet. `missing`: the spellings of a missing cell. `counts`: the number of
    training rows of each class. The quantiles of a transform, the ranges and the categories are training values.
    """

    columns: list[Column]
    target: str | None = None
    task: str = ""
    allow_outside: bool = False
    delimiter: str | None = ","
    missing: list[str] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.task in ("", "classification", "regression")
        assert (self.target is None) == (self.task == "")

    @property
    def learnt(self) -> list[Column]:
        """The columns that are in x_0, in the order of the file."""
        return [c for c in self.columns if c.name != self.class_target and (c.has_number or c.categories)]

    @property
    def class_target(self) -> str | None:
        """The target's name where it holds classes."""
        return self.target if self.task == "classification" else None

    @property
    def numbers(self) -> int:
        """d: how many numbers x_0 begins with."""
        return sum(column.has_number for column in self.learnt)

    @property
    def category_sizes(self) -> list[int]:
        """[K_j]: sizes of the one-hot blocks behind the numbers."""
        return [column.categories for column in self.learnt if column.categories]

    @property
    def width(self) -> int:
        """Length of x_0."""
        return self.numbers + sum(self.category_sizes)

    @property
    def item_shape(self) -> tuple[int]:
        """Of an item as the network sees it."""
        return (self.width,)

    @property
    def number_bounds(self) -> list[list[float]] | None:
        """[least, greatest] of each number of x_0; None where generated numbers may lie beyond."""
        if self.allow_outside:
            return None
        columns = [column for column in self.learnt if column.has_number]
        ends = [bounds(*c.ends, c.transform) if c.transform else (-np.inf, np.inf) for c in columns]
        return [[low for low, _ in ends], [high for _, high in ends]]

    @property
    def attributes(self) -> dict[str, list[str]]:
        """{target: its classes}; empty without classes."""
        return {c.name: c.values for c in self.columns if c.name == self.class_target}

    @property
    def classes(self) -> list[str]:
        """The target's classes; none without."""
        return self.attributes.get(self.class_target or "", [])

    @property
    def null_label(self) -> list[int]:
        """The number of each attribute that stands for "unknown": one beyond its last value."""
        return [len(values) for values in self.attributes.values()]

    def classes_in_turn(self, count: int) -> Int64[Tensor, "n a"]:
        """Attributes of `count` rows: the classes take turns."""
        return (torch.arange(count) % len(self.classes))[:, None]

    def to_dict(self) -> dict[str, Any]:
        """Plain types only; with what tells the network's shape without this class."""
        return {**asdict(self), **{name: getattr(self, name) for name in DERIVED}}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "TableSpec":
        """The inverse of `to_dict`."""
        kept = {name: value for name, value in plain.items() if name not in DERIVED}
        return cls(**{**kept, "columns": [Column.from_dict(column) for column in plain["columns"]]})

    def encode(self, frame: "pd.DataFrame") -> Encoded:
        """The rows of a DataFrame; ValueError for a cell that is not what the training rows hold."""
        texts = self.texts(frame)
        try:
            return self.encode_texts(texts)
        except MisfitError as error:
            row = next(i for i, text in enumerate(texts[error.column]) if text in error.texts)
            raise ValueError(f"row {row}, column {error.column}: {error}") from None

    def decode(self, x_0: Float[Tensor, "n w"], class_label: Int64[Tensor, "n 1"] | None) -> "pd.DataFrame":
        """The inverse of `encode`, of vectors as a network gives them; NaN or inf is a ValueError."""
        return self.frame(self.decode_texts(x_0, class_label))

    def encode_texts(self, texts: Texts, seed: int = 0) -> Encoded:
        """Rows as numbers and categories. MisfitError where a cell is not what the training rows hold.

        `seed` belongs to the spreading of ties in the quantile transform.
        """
        numbers, codes, n = [], [], len(next(iter(texts.values())))
        for j, column in enumerate(self.columns):
            if column.kind in LEFT_OUT or column.name == self.class_target:
                continue
            if column.is_numeric:
                found, block = column.numbers_and_codes(texts[column.name])
                if column.has_number:
                    numbers.append(column.scaled(found, block, np.random.default_rng([seed, j])))
            else:
                block = column.codes(texts[column.name])  # of a constant only to see that it is
            if column.categories:
                codes.append(block)
        return Encoded(
            _columns(numbers, n).astype(np.float32), _columns(codes, n).astype(np.int64), self._classes(texts)
        )

    def _classes(self, texts: Texts) -> Int64[np.ndarray, " n"] | None:
        if self.class_target is None:
            return None
        column = replace(next(column for column in self.columns if column.name == self.class_target), missing=1)
        found = column.codes(texts[column.name])  # with missing=1 a missing class is no misfit
        return np.where(found == len(column.values), -1, found)

    def decode_texts(self, x_0: Float[Tensor, "n w"], class_label: Int64[Tensor, "n 1"] | None) -> Texts:
        """The inverse of `encode_texts`; each block becomes its greatest entry. NaN or inf is a ValueError."""
        rows = x_0.detach().cpu().double().numpy()
        if not np.isfinite(rows).all():
            raise ValueError("the rows hold NaN or infinite values: the network or the sampler has diverged")
        number, begin, texts = 0, self.numbers, {}
        for column in self.columns:
            if column.kind in LEFT_OUT:
                continue
            if column.name == self.class_target:
                assert class_label is not None
                texts[column.name] = column.code_texts(class_label.cpu().numpy()[:, 0])
                continue
            block = rows[:, begin : begin + column.categories]
            codes = block.argmax(1) if column.categories else np.zeros(len(rows), np.int64)
            begin += column.categories
            if not column.is_numeric:
                texts[column.name] = column.code_texts(codes)
                continue
            values = np.zeros(len(rows))
            if column.has_number:
                values = self._clipped(inverse(rows[:, number], column.transform), column)
                number += 1
            texts[column.name] = column.number_texts(column.at_points(values, codes))
        return texts

    def _clipped(self, values: Float[np.ndarray, " n"], column: Column) -> Float[np.ndarray, " n"]:
        """To the training range of what is no point; under `allow_outside` to what the dtype holds, and what never was
        negative stays so."""
        if not self.allow_outside:
            return np.clip(values, *column.ends)
        low, high = 0 if column.ends[0] >= -column.origin else -np.inf, np.inf
        if is_whole(column.dtype):
            limits = np.iinfo(column.dtype.lower().partition("[")[0])
            low, high = max(low, int(limits.min)), int(limits.max)
        return np.clip(values, float(low - column.origin), float(high - column.origin))

    def frame(self, texts: Texts) -> "pd.DataFrame":
        """Texts as a DataFrame of the file's columns, order and dtypes, without those that are left out."""
        kept = [column for column in self.columns if column.kind not in LEFT_OUT]
        return tables("pandas").DataFrame(
            {column.name: typed(texts[column.name], column.dtype, column.levels) for column in kept}
        )

    def texts(self, frame: "pd.DataFrame") -> Texts:
        """The inverse of `frame`; columns may be in any order, and those that are left out may be absent."""
        absent = set(self.missing) if self.delimiter is not None else set()
        names = [str(name) for name in frame.columns]
        found: Texts = {}
        for column in self.columns:
            if column.name in names:
                cells = cell_texts(frame.iloc[:, names.index(column.name)])
                found[column.name] = [None if text in absent else text for text in cells]
            elif column.kind not in LEFT_OUT:
                raise ValueError(f"the table has no column {column.name}")
        return found


def _columns(found: Sequence[np.ndarray], n: int) -> np.ndarray:
    return np.stack(found, axis=1) if found else np.zeros((n, 0))
