"""What a column is taken for, and what is stated of it."""

import datetime

import numpy as np
import pytest
from table_files import column_text, load, load_column, mixed_text, write_text

from data.table_config import TableConfig
from data.table_dates import check_form, date_forms, read_date, to_counts, to_moments, to_texts, write_date
from data.table_numbers import how_written, is_decorated, is_number, write_number

pytest.importorskip("pandas")


def scattered(count):
    """Whole numbers without order, none twice."""
    return [int(i) for i in np.random.default_rng(0).permutation(count) * 3]


def days(form, count=30):
    return [(datetime.datetime(2023, 12, 1) + datetime.timedelta(17 * i)).strftime(form) for i in range(count)]


KINDS = {
    "whole numbers": (scattered(40), "integer", "int64"),
    "few whole numbers": ([1, 2, 3] * 9, "integer", "int64"),
    "below zero": ([-3, 5, 0, -3, 7], "integer", "int64"),
    "whole numbers with a zero behind the point": (["880.0", "7099.0", "5.0", "7.0"], "integer", "float64"),
    "missing among whole numbers": ([3, "", 5, 4, 9, 11], "integer", "Int64"),
    "decimals": ([0.5, 1.25, 3], "number", "float64"),
    "exponents": (["1e-12", "3.5e-9", "2E5"], "number", "float64"),
    "a sign": (["+1", "-2", "+3.5"], "number", "float64"),
    "two numbers": ([1, 2] * 9, "categorical", "int64"),
    "two decimals": ([0.5, 1.5] * 9, "categorical", "float64"),
    "zero and one": ([0, 1] * 9, "boolean", "int64"),
    "yes and no": (["yes", "no", "", "yes"], "boolean", "str"),
    "True and False": (["True", "False", "True"], "boolean", "bool"),
    "TRUE, FALSE and missing": (["TRUE", "FALSE", ""], "boolean", "boolean"),
    "T and F": (["T", "F"] * 3, "boolean", "str"),
    "yes in two spellings": (["Yes", "yes", "no"], "categorical", "str"),
    "texts": (["a", "b", "c"] * 9, "categorical", "str"),
    "few texts, none twice": (["a", "b", "c"], "categorical", "str"),
    "numbers and a few texts": ([0, 1, 2, "3+"] * 8, "categorical", "str"),
    "leading zeros": (["007", "012", "100"] * 9, "categorical", "str"),
    "one value and missing": (["a", "", "a"], "categorical", "str"),
    "one number and missing": ([5, "", 5], "categorical", "Int64"),
    "one value": (["a"] * 5, "constant", "str"),
    "nothing": ([""] * 5, "constant", "str"),
    "1 and 1.0": (["1", "1.0", "1"], "constant", "int64"),
    "names": ([f"person {i}" for i in range(30)], "identifier", "str"),
    "row numbers": (range(30), "identifier", "int64"),
    "row numbers falling": (range(60, 0, -2), "identifier", "int64"),
    "hashes": ([2**60 + 2**54 * (i * 7 % 30) for i in range(30)], "identifier", "int64"),
    "two long numbers": ([2**60, 2**60 + 1] * 3, "categorical", "int64"),
    "numbers too long": ([10**20 + i for i in (3, 1, 2)], "categorical", "str"),
    "long leading zeros": ([f"{i:08d}" for i in scattered(30)], "identifier", "str"),
    "dates": (days("%Y-%m-%d"), "date", "str"),
    "German dates": (days("%d.%m.%Y"), "date", "str"),
    "compact dates": (days("%Y%m%d"), "date", "str"),
    "months": (["2024-01", "2023-12", "2024-05"], "date", "str"),
    "times": (days("%Y-%m-%dT%H:%M:%SZ"), "date", "str"),
    "English months": (days("%d %b %Y"), "date", "str"),
    "dates without zeros": (["1/5/2024", "12/31/2023", "3/14/2024"], "date", "str"),
}  # fmt: skip


@pytest.mark.parametrize("case", KINDS)
def test_kinds(tmp_path, case):
    cells, kind, dtype = KINDS[case]
    column = load_column(tmp_path, list(cells))
    assert (column.kind, column.dtype) == (kind, dtype)


def test_the_order_of_categories(tmp_path):
    assert load_column(tmp_path, ["b", "A", "c", "a"]).values == ["A", "a", "b", "c"]
    assert load_column(tmp_path, [10, 9] * 3).values == ["9", "10"]
    assert load_column(tmp_path, ["yes", "no"] * 3).values == ["no", "yes"]
    assert "'A', 'a' differ only in case" in load_column(tmp_path, ["b", "A", "a"]).note


@pytest.mark.parametrize(
    ("stated", "cells", "kind"),
    [
        ("categorical", [3, 1, 2], "categorical"), ("categorical", range(30), "categorical"), ("integer", range(30), "integer"),
        ("number", [3, 1, 2], "number"), ("drop", ["a", "b"], "dropped"), ("boolean", ["m", "f"], "boolean"),
        ("integer", [0, 1, 0], "integer"), ("date:%d/%m/%Y", ["03/04/2024", "05/06/2024"], "date"), ("number", ["5", "5"], "constant"),
    ],
)  # fmt: skip
def test_a_stated_kind(tmp_path, stated, cells, kind):
    schema = write_text(tmp_path / "schema.yaml", f"x: {stated}\n")
    column = load_column(tmp_path, list(cells), schema=str(schema))
    assert column.kind == kind
    if "/" in stated:
        assert column.form == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x: intger", "x: intger: use one of number, .*; did you mean integer"), ("y: integer", "no column y"),
        ("othr: number", "no column othr; did you mean other"), ("x: integer", r"line 4, column x: 'c' is no whole number"),
        ("x: boolean", "the column has 3 different values"), ("x: date", r"line 2, column x: 'a' is no date"),
        ("x: date:%Q", "not a form of dates"), ("x: date:%d", "not a form of dates"), ("[x]", "must hold columns"), ("x: [", "cannot be read"),
        ("", "must hold columns"), ("x: !!python/object/apply:os.system [ls]", "cannot be read"), ("x: null", "use one of"),
    ],
)  # fmt: skip
def test_a_wrong_schema_file(tmp_path, text, says):
    schema = write_text(tmp_path / "schema.yaml", text)
    with pytest.raises(ValueError, match=says) as error:
        load_column(tmp_path, ["a", "b", "c"] if "line 4" not in says else [1, 2, "c"], schema=str(schema))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("cells", "task", "stated", "expected"),
    [
        (["a", "b", "c"] * 4, "auto", None, "classification"), ([1, 2] * 6, "auto", None, "classification"),
        ([0.5, 1.5] * 6, "auto", None, "classification"), (list(range(10)), "auto", None, "classification"),
        (list(range(11)), "auto", None, "regression"), ([1.5, 2.5, 3.5] * 3, "auto", None, "regression"),
        (list(range(3)), "regression", None, "regression"), (list(range(11)), "classification", None, "classification"),
        (list(range(3)), "auto", "number", "regression"), (list(range(3)), "auto", "integer", "regression"),
        (list(range(11)), "auto", "categorical", "classification"),
    ],
)  # fmt: skip
def test_the_task(tmp_path, cells, task, stated, expected):
    path = write_text(tmp_path / "t.csv", column_text(cells))
    schema = str(write_text(tmp_path / "s.yaml", f"x: {stated}")) if stated else None
    spec = load(path, target="x", task=task, schema=schema).train.spec
    assert spec.task == expected
    assert (spec.numbers, len(spec.classes)) == ((1, len(set(cells))) if expected == "classification" else (2, 0))


def test_a_regression_target_of_two_values_is_a_number(tmp_path):
    path = write_text(tmp_path / "t.csv", column_text([0, 1] * 4))
    assert load(path, target="x", task="regression").train.spec.numbers == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "clustering"}, "data.task=clustering: use auto or classification"), ({"transform": "log"}, "data.transform=log"),
        ({"val_fraction": 1.0}, "data.val_fraction=1.0"), ({"task": "regression"}, "no effect without a target"),
        ({"allow_outside": True}, "no effect with data.transform=quantile"), ({"delimiter": "::"}, "data.delimiter=::"),
        ({"delimiter": "a"}, "data.delimiter=a"), ({"missing": "NA"}, "data.missing=NA: use a list"), ({"missing": [True]}, "data.missing"),
        ({"on_error": "stop"}, "data.on_error=stop"), ({"name": "tables"}, "data.name=tables"),
    ],
)  # fmt: skip
def test_a_wrong_config(options, says):
    with pytest.raises(ValueError, match=says):
        TableConfig(path="t.csv", **options)


def test_no_path():
    with pytest.raises(ValueError, match=r"data\.path is missing"):
        load("???")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2024-01-05", "%Y-%m-%d"), ("05.01.2024", "%d.%m.%Y"), ("5.1.2024", "%-d.%-m.%Y"), ("01/31/24", "%m/%d/%y"),
        ("31/01/2024", "%d/%m/%Y"), ("2024-01-05 09:30", "%Y-%m-%d %H:%M"), ("1/5/2024 9:30", "%-m/%-d/%Y %-H:%M"),
        ("2024-01-05T09:30:01.250", "%Y-%m-%dT%H:%M:%S.%L"), ("05 Mar 2024", "%d %b %Y"), ("March 05, 2024", "%B %d, %Y"),
        ("2024-01-05 09:30:01.000250", "%Y-%m-%d %H:%M:%S.%f"), ("2024-02-29", "%Y-%m-%d"),
    ],
)  # fmt: skip
def test_date_forms(text, form):
    assert form in date_forms([text])
    check_form(form)
    assert write_date(read_date(text, form), form) == text
    counts = to_counts(to_moments([text], form), "us")
    assert to_texts(counts, "us", form) == [text]


@pytest.mark.parametrize(
    "text", ["2023-02-29", "2024-13-01", "45.67", "1.2.3.4", "12:30", "a 2024-01-05", "2024-01-05 25:00", ""]
)
def test_no_dates(text):
    assert date_forms([text]) == []


def test_a_date_that_can_be_read_in_two_ways(tmp_path):
    column = load_column(tmp_path, ["03/04/2024", "05/06/2024", "07/08/2024"])
    assert column.form == "%m/%d/%Y"
    assert "%d/%m/%Y would fit too" in column.note
    assert load_column(tmp_path, ["13/04/2024", "05/06/2024", "07/08/2024"]).note == ""


def test_numbers_as_texts():
    yes = ["0", "-0", "0.5", ".5", "5.", "+3", "1e5", "1E-300", "123456789012345678901234567890"]
    no = ["", "-", "1_000", "1,5", "0x10", "inf", "nan", "1e999", "007", "00.5", "1 2", "٣", "--1", "1e", "5%"]
    assert all(is_number(text) for text in yes)
    assert not any(is_number(text) for text in no)
    assert all(is_decorated(text) for text in ["5%", "1,234", "1 234.5", "€ 5", "5 kg", "-3 %", "1'000"])
    assert not any(is_decorated(text) for text in ["5", "a5", "5-6", "12:30", "", "12A"])


@pytest.mark.parametrize(
    ("texts", "value", "written"),
    [
        (["1.5", "2.25"], 3.14159, "3.14"), (["1.5", "2.25"], 3.0, "3.0"), (["1.50", "2.25"], 3.1, "3.10"), (["1", "2.25"], 3.0, "3"),
        (["1.5", "2.25"], -0.001, "0.0"), (["1e-12", "2.5e-9"], 3.14159e-10, "3.1e-10"), (["0.1", "1"], 1e15, "1000000000000000"),
        (["0.12345678901234567", "1"], 1 / 3, "0.3333333333333333"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_its_column_is(texts, value, written):
    style = how_written(texts)
    assert (
        write_number(value, decimals=style.decimals, least_decimals=style.least_decimals, digits=style.digits)
        == written
    )


def test_everything_left_out_is_told(tmp_path):
    schema = write_text(tmp_path / "s.yaml", "town: drop\n")
    loaded = load(write_text(tmp_path / "t.csv", mixed_text()), schema=str(schema))
    assert "town: dropped (left out)" in loaded.report
    assert "id: 60 whole numbers in rising order" in loaded.report
