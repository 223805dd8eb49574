"""What a table's config says: `data=table data.path=FILE.csv data.target=COLUMN`."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from data.folder import MISSING

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
TASKS = ("auto", "classification", "regression")
TRANSFORMS = ("quantile", "standard", "minmax")
# Cells that hold no value, beside the empty one. A dash or a dot is a value unless data.missing names it.
MISSING_CELLS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "Null", "null", "None", "?")


@dataclass
class TablesConfig:
    """Fields that every table's config shares.

    `target`: the column to predict. Under `task` classification its values are the condition, under regression it is
    one more number of the row; `auto` decides by its values (see `data.table_target`). null: nothing is predicted.
    `val_fraction`: share of the rows held out for validation, each class in proportion.
    `schema`: a YAML file {column: kind} that states kinds or overrides them: number, integer, categorical, boolean,
    date (or date:%d.%m.%Y), drop.
    `transform`: quantile (to a standard normal, see `data.table_transform`), standard (mean 0, variance 1) or minmax
    (to [-1, 1]), fitted on the training rows.
    `few_values`: a column of numbers or dates with at most so many different values (and ten rows a value), other than
    the target, is learnt as categories.
    `point_share`: a value that more than this share of a column's cells have (and ten rows), such as the zeros of a gain,
    is learnt as a category beside the other numbers. Rows are written as the file has them all the same; 0 and 1 switch
    the two off.
    `allow_outside`: generated numbers may lie beyond the training rows' least and greatest; not with quantile, whose
    inverse ends there.
    `on_error`: raise, or skip rows that do not fit their columns and list them.
    """

    ITEMS: ClassVar[str] = "rows"

    target: str | None = None
    task: str = "auto"
    val_fraction: float = 0.1
    schema: str | None = None
    transform: str = "quantile"
    few_values: int = 20
    point_share: float = 0.1
    allow_outside: bool = False
    on_error: str = "raise"

    def __post_init__(self) -> None:
        choices = {"task": TASKS, "transform": TRANSFORMS, "on_error": ("raise", "skip")}
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"data.{field}={getattr(self, field)}: use {' or '.join(allowed)}")
        if not 0.0 <= self.val_fraction < 1.0:
            raise ValueError(f"data.val_fraction={self.val_fraction}: it must be in [0, 1)")
        if self.few_values < 0:
            raise ValueError(f"data.few_values={self.few_values}: it must be at least 0 (0: none is)")
        if not 0.0 < self.point_share <= 1.0:
            raise ValueError(f"data.point_share={self.point_share}: it must be in (0, 1] (1: none is)")
        if self.target is None and self.task != "auto":
            raise ValueError(f"data.task={self.task} has no effect without a target: name it, data.target=COLUMN")
        if self.allow_outside and self.transform == "quantile":
            raise ValueError(
                "data.allow_outside=true has no effect with data.transform=quantile: use standard or minmax"
            )


@dataclass
class TableConfig(TablesConfig):
    """A table in a CSV or Parquet file, a row an item; the file's content tells which, not its name.

    `val_path`: a file of its own for validation, with the same columns; it takes the place of `val_fraction`.
    `delimiter`: auto, or comma, semicolon, tab, pipe or the character itself. `missing`: a list of the spellings of a
    missing cell in a CSV file, in the place of NA, N/A, NaN, NULL, None, ? and their like; an empty cell always is one.
    """

    name: str = "table"
    path: str = MISSING
    val_path: str | None = None
    delimiter: str = "auto"
    missing: Any = None

    PLACES: ClassVar[tuple[str, ...]] = ("path", "val_path")  # where files lie; their content has a digest

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name != "table":
            raise ValueError(f"data.name={self.name}: use table")
        if self.delimiter != "auto":
            self.character()
        if self.missing is not None and not (
            isinstance(self.missing, list | tuple) and all(_spelling(cell) for cell in self.missing)
        ):
            raise ValueError(f"data.missing={self.missing}: use a list of the spellings of a missing cell, such as [-]")

    def character(self) -> str | None:
        """The delimiter; None where it is to be found out."""
        if self.delimiter == "auto":
            return None
        character = DELIMITERS.get(self.delimiter, self.delimiter)
        if len(character) != 1 or character.isalnum() or character in "\"'\r\n.-+ ":
            raise ValueError(f"data.delimiter={self.delimiter}: use auto, {', '.join(DELIMITERS)} or one character")
        return character

    def missing_cells(self) -> tuple[str, ...]:
        """The spellings of a missing cell, beside the empty one."""
        return MISSING_CELLS if self.missing is None else tuple(str(cell) for cell in self.missing)


def _spelling(cell: Any) -> bool:
    number = isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell)
    return number or isinstance(cell, str)
