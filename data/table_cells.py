"""Columns of a pandas DataFrame as texts, and texts as a column of the same dtype again.

A dtype goes by its pandas name. A column of Python objects goes by what they are: object:str, object:date,
object:decimal, object:bool; a category goes by "category", beside its levels.
"""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from data.libraries import tables

if TYPE_CHECKING:
    import pandas as pd

TEXT = "str"  # the dtype that pandas gives to texts: str, or object before pandas 3
_OBJECTS = {str: "object:str", bool: "object:bool", datetime.date: "object:date", Decimal: "object:decimal"}


def dtype_name(series: "pd.Series") -> str:
    """The dtype's name; ValueError for a type that is neither number, text, boolean, category nor date."""
    pd = tables("pandas")
    dtype, types = series.dtype, pd.api.types
    name = str(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if name == "object":
        known = {_OBJECTS.get(type(value)) for value in series[series.notna()]}
        if len(known) > 1 or None in known:
            kinds = sorted({type(value).__name__ for value in series[series.notna()]})
            raise ValueError(f"it holds {', '.join(kinds[:3])}: make it numbers, texts or dates")
        return known.pop() or "" if known else "object:str"
    if types.is_complex_dtype(dtype) or not (
        types.is_numeric_dtype(dtype) or types.is_string_dtype(dtype) or types.is_datetime64_any_dtype(dtype)
    ):
        raise ValueError(f"it holds {name}: make it numbers, texts or dates")
    return name


def levels_of(series: "pd.Series") -> dict[str, Any]:
    """The categories of a column of dtype category, in their order, as texts, with their own dtype."""
    categories = tables("pandas").Series(series.cat.categories)
    texts = cell_texts(categories)
    return {"values": texts, "dtype": dtype_name(categories), "ordered": bool(series.cat.ordered)}


def cell_texts(series: "pd.Series") -> list[str | None]:
    """A text for each cell, None where it is missing; exact, so that `typed` gives the same column again."""
    absent, name = series.isna().to_numpy(), dtype_name(series)
    if is_time(name):
        moments = series.dt.tz_convert("UTC").dt.tz_localize(None) if series.dt.tz is not None else series
        texts = [str(text) for text in np.datetime_as_string(moments.to_numpy())]
    elif name == "category":
        levels = levels_of(series)["values"]
        texts = [levels[code] for code in series.cat.codes]  # a missing one has -1
    elif name in ("float16", "float32"):  # the shortest text that is this number, not the float64 it would become
        texts = [str(value) for value in series.to_numpy()]
    else:
        texts = [str(value) for value in series.tolist()]
    return [None if gone else text for text, gone in zip(texts, absent, strict=True)]


def typed(texts: Sequence[str | None], dtype: str, levels: dict[str, Any] | None = None) -> "pd.Series":
    """The inverse of `cell_texts`: a column of that dtype."""
    pd = tables("pandas")
    if dtype == "category":
        assert levels is not None
        categories = typed(levels["values"], levels["dtype"])
        number = {text: i for i, text in enumerate(levels["values"])}
        codes = [-1 if text is None else number[text] for text in texts]
        return pd.Series(pd.Categorical.from_codes(codes, categories, ordered=levels["ordered"]))
    if is_time(dtype):
        unit = dtype.partition("[")[2].rstrip("]").partition(",")[0]
        moments = pd.Series(np.array(["NaT" if text is None else text for text in texts], f"datetime64[{unit}]"))
        return moments.dt.tz_localize("UTC").astype(dtype) if "," in dtype else moments.astype(dtype)
    values = [None if text is None else _value(text, dtype) for text in texts]
    if dtype.startswith("float"):
        return pd.Series([np.nan if value is None else value for value in values], dtype=dtype)
    if dtype == TEXT and pd.Series(["a"]).dtype == np.dtype(object):  # pandas 2
        dtype = "object"
    return pd.Series(values, dtype="object" if dtype.startswith("object") else dtype)


def is_time(dtype: str) -> bool:
    """Whether a dtype is one of points in time."""
    return dtype.startswith("datetime64")


def is_boolean(dtype: str) -> bool:
    """Whether a dtype is one of booleans."""
    return dtype.startswith("bool") or dtype == "object:bool"


def is_whole(dtype: str) -> bool:
    """Whether a dtype is one of whole numbers."""
    return dtype.lower().startswith(("int", "uint"))


def _value(text: str, dtype: str) -> Any:
    if is_boolean(dtype):
        return text.casefold() == "true"
    if is_whole(dtype):
        return int(text)
    if dtype.lower().startswith(("float", "double")):
        return float(text)
    if dtype == "object:date":
        return datetime.date.fromisoformat(text)
    return Decimal(text) if dtype == "object:decimal" else text
