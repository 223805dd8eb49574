"""Cells that every drawn row is to have: from what a user typed to places of x_0, and the texts that they are written as."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from data.table_column import LEFT_OUT, Column, MisfitError
from data.table_spec import TableSpec
from data.table_stated import nearest


def read_cells(spec: TableSpec, given: Any) -> dict[str, str | None]:
    """{column: its cell as it will be written}; None is a missing cell. ValueError for what no training row could have."""
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"condition={given}: use {{column: value}}, such as {{{spec.learnt[0].name}: ...}}")
    columns = {column.name: column for column in spec.columns}
    cells = {}
    for name, value in given.items():
        column = columns.get(str(name))
        if column is None:
            raise ValueError(f"condition: the table has no column {name}{nearest(str(name), list(columns))}")
        if column.name == spec.class_target:
            raise ValueError(
                f"condition: {name} is the class that this checkpoint was trained with: say class_label={value}"
            )
        if column.kind in LEFT_OUT or column not in spec.learnt:
            raise ValueError(f"condition: {name} was not learnt ({column.kind}), so nothing can be asked of it")
        cells[column.name] = _cell(column, value, spec.allow_outside)
    return cells


def place_cells(
    spec: TableSpec, cells: Mapping[str, str | None], count: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "n w"], Bool[Tensor, "n w"]]:
    """x_0 of `count` rows with these cells, 0 elsewhere, and which places are known.

    A number that many training rows share owns an interval (`table_transform`); each row's place in it is drawn from `rng`.
    """
    x_0, known = np.zeros((count, spec.width), np.float32), np.zeros(spec.width, bool)
    number, block = 0, spec.numbers
    for column in spec.learnt:
        if column.name in cells:
            text = cells[column.name]
            if column.is_numeric:
                numbers, codes = column.numbers_and_codes([text] * count)
                if column.has_number:
                    x_0[:, number] = column.scaled(numbers, codes, rng)
                    known[number] = True
            else:
                codes = column.codes([text])
            if column.categories:
                x_0[:, block + codes[0]] = 1.0
                known[block : block + column.categories] = True
        number += column.has_number
        block += column.categories
    return torch.from_numpy(x_0), torch.from_numpy(known).expand(count, -1)


def _cell(column: Column, value: Any, allow_outside: bool) -> str | None:
    """The text of a value, as the column writes it."""
    text = None if value is None else str(value)
    try:
        if not column.is_numeric:
            return column.code_texts(column.codes([text]))[0]
        numbers, codes = column.numbers_and_codes([text])
    except MisfitError as error:
        values = list(map(str, column.values if column.others else column.number_texts(np.array(column.points))))
        known = ", ".join(values[:10]) + (", ..." if len(values) > 10 else "")
        said = f"; the column knows {known}" if known else ""
        near = nearest(text, values) if text is not None and not column.is_numeric else ""
        raise ValueError(f"condition: {column.name}: {error}{said}{near}") from None
    if column.has_number and codes[0] == 0 and not allow_outside:
        least, greatest = column.ends
        if not least <= numbers[0] <= greatest:
            low, high, *points = map(str, column.number_texts(np.array([least, greatest, *column.points])))
            beside = f" or are {', '.join(points)}" if points else ""
            raise ValueError(
                f"condition: {column.name}={text} lies beyond the training rows, which go from {low} to {high}{beside}"
            )
    return column.number_texts(numbers)[0]
