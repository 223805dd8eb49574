"""Tables to files and back: what is read, decoded and written is the file that was read."""

import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from table_files import column_text, load, mixed_text, write_text

from data.table_file import read_table
from data.write_table import write_table

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")


def written_again(path: Path, name: str, **options) -> Path:
    """The file at `path` through the network's vectors into a file called `name`."""
    train = load(path, **options).train
    frame = train.spec.decode(*train.batch(range(len(train))))
    return write_table(path.parent / "out" / name, frame, train.spec)


@pytest.mark.parametrize(("delimiter", "mark"), [(",", "."), (";", ","), ("\t", "."), ("|", ".")])
def test_a_csv_file_is_written_as_it_was(tmp_path, delimiter, mark):
    text = mixed_text(delimiter=delimiter, mark=mark)
    again = written_again(write_text(tmp_path / "t.csv", text), "t.csv", target="label")
    without_id = "".join(line.split(delimiter, 1)[1] for line in text.splitlines(keepends=True))
    assert again.read_bytes().decode() == without_id
    assert not list(again.parent.glob(".tmp*"))


@pytest.mark.parametrize(
    "cells",
    [
        ["1.50", "2.25", "3.00"], ["1.5", "2", "3.25"], ["5.0", "7.5", "9.25"], ["TRUE", "", "FALSE"], ["007", "8", "010"],
        ["1e-12", "2.5e-09", "3.0"], ["", '"a,b"', '"c ""d"""'], ['"a\nb"', "c", "d"], ["1/5/2024", "12/31/2023", "3/4/2024"],
        ["2024-01-05T10:00:00Z", "2024-01-05T10:30:00Z", "2024-01-06T10:00:00Z"], ["880.0", "9.0", "12.0"], ["NA", "5", "7"],
        ["9223372036854775807", "9223372036854775806", "9223372036854775805"], ["-1", "-2", "0"], ["0", "1", ""],
    ],
    ids=lambda cells: cells[0],
)  # fmt: skip
def test_every_spelling(tmp_path, cells):
    text = column_text(cells)
    assert written_again(write_text(tmp_path / "t.csv", text), "t.csv").read_text() == text


def test_a_single_column_with_missing_cells(tmp_path):
    again = written_again(write_text(tmp_path / "t.csv", 'a\n1\n""\n2\n4\n'), "t.csv")
    assert again.read_text() == 'a\n1\n""\n2\n4\n'


def test_a_boolean_keeps_its_spelling_in_a_data_frame_of_booleans(tmp_path):
    train = load(write_text(tmp_path / "t.csv", column_text(["true", "FALSE", "true"]))).train
    frame = pd.DataFrame({"other": [0.05, 1.15], "x": [False, True]})
    assert write_table(tmp_path / "o.csv", frame, train.spec).read_text() == "x,other\nFALSE,0.05\ntrue,1.15\n"


def test_what_a_column_cannot_hold_is_refused_and_the_old_file_stays(tmp_path):
    train = load(write_text(tmp_path / "t.csv", column_text(["a", "b", "c"]))).train
    old = write_text(tmp_path / "o.csv", "old")
    with pytest.raises(ValueError, match="'z'"):
        write_table(old, pd.DataFrame({"other": [0.05], "x": ["z"]}), train.spec)
    assert old.read_text() == "old"


N = 24
COLUMNS = {
    "int8": pd.Series(np.arange(N) * 7 % 100, dtype="int8"),
    "uint64": pd.Series([2**63 + i % 5 for i in range(N)], dtype="uint64"),
    "whole numbers with missing": pd.Series([None if i == 3 else i * 5 % 19 for i in range(N)], dtype="Int32"),
    "float32": pd.Series(np.arange(N) * 0.1 % 0.7, dtype="float32"),
    "float64": pd.Series(np.arange(N) / 7 % 2),
    "floats with missing": pd.Series([None if i == 5 else i * 1.25 % 9 for i in range(N)], dtype="float64"),
    "nullable floats": pd.Series([None if i == 5 else i * 1.25 % 9 for i in range(N)], dtype="Float64"),
    "bool": pd.Series([i % 3 == 0 for i in range(N)]),
    "nullable booleans": pd.Series([None if i == 2 else i % 3 == 0 for i in range(N)], dtype="boolean"),
    "objects that are booleans": pd.Series([None if i == 2 else i % 3 == 0 for i in range(N)], dtype=object),
    "texts": pd.Series([f"t{i % 5}" for i in range(N)]),
    "texts with missing": pd.Series([None if i == 4 else f"NA{i % 5}" for i in range(N)]),
    "string": pd.Series([f"t{i % 5}" for i in range(N)], dtype="string"),
    "category": pd.Series(pd.Categorical([["low", "high"][i % 2] for i in range(N)], ["none", "low", "high"], ordered=True)),
    "category of numbers with missing": pd.Series(pd.Categorical([None if i == 1 else i % 3 for i in range(N)], [0, 1, 2, 3])),
    "datetime64[ns]": pd.Series(pd.date_range("2024-01-01", periods=N, freq="37h")).astype("datetime64[ns]"),
    "datetime64[s] with missing": pd.Series([None, *pd.date_range("1960-01-01", periods=N - 1, freq="37D")]).astype("datetime64[s]"),
    "a time zone": pd.Series(pd.date_range("2024-03-30", periods=N, freq="1h", tz="Europe/Berlin")).astype("datetime64[us, Europe/Berlin]"),
    "date": pd.Series([datetime.date(2024, 1, 1) + datetime.timedelta(i * i) for i in range(N)], dtype=object),
    "decimal": pd.Series([Decimal(i * 7 % N) / 4 + Decimal("0.00") for i in range(N)], dtype=object),
    "constant": pd.Series([7] * N, dtype="int16"),
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_every_dtype_of_parquet(tmp_path, column):
    frame = pd.DataFrame({column: COLUMNS[column], "other": np.arange(N) % 5 + 0.5})
    frame.to_parquet(tmp_path / "t.parquet")
    given = pd.read_parquet(tmp_path / "t.parquet")
    again = written_again(tmp_path / "t.parquet", "o.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(again), given, check_exact=True)
    assert read_table(str(again)).texts == read_table(str(tmp_path / "t.parquet")).texts


@pytest.mark.parametrize(
    ("series", "says"),
    [
        (pd.Series([[1, 2]] * N), "column x: it holds ndarray"), (pd.Series([b"a"] * N), "column x: it holds bytes"),
        (pd.Series(pd.to_timedelta(range(N), unit="h")), "column x: it holds timedelta64"),
        (pd.Series([float("inf"), *range(N - 1)]), "row 0, column x: 'inf' is no finite number"),
    ],
)  # fmt: skip
def test_types_that_are_no_cells(tmp_path, series, says):
    pd.DataFrame({"x": series, "y": range(N)}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=says):
        load(tmp_path / "t.parquet")


def test_a_parquet_file_without_rows_and_with_an_index(tmp_path):
    pd.DataFrame({"x": []}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="it has no rows"):
        load(tmp_path / "t.parquet")
    pd.DataFrame({"x": [3, 1, 2, 5]}, index=pd.Index(list("abcd"), name="who")).to_parquet(tmp_path / "t.parquet")
    assert "the index who that pandas wrote is left out" in load(tmp_path / "t.parquet").report
