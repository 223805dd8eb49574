"""Tables as people have them: each gives the right table, or one line that says what is wrong, and never runs anything."""

import gzip
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_files import column_text, load, load_column, refused, write_text

from data.table_csv import sniffed
from data.table_file import read_table

pd = pytest.importorskip("pandas")

TABLE = "a,b,c\n1,x,0.5\n2,y,1.5\n3,z,2.5\n"


def cells(tmp_path: Path, content: str | bytes, **options: Any) -> dict[str, list[str | None]]:
    """The texts of the columns of a file called t.csv."""
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(str(path), missing=("NA", "?"), **options).texts


GOOD = {
    "as it should be": TABLE,
    "a byte order mark": "\ufeff" + TABLE,
    "UTF-16": TABLE.encode("utf-16"),
    "semicolons": TABLE.replace(",", ";"),
    "tabs": TABLE.replace(",", "\t"),
    "pipes": TABLE.replace(",", "|"),
    "semicolons and decimal commas": TABLE.replace(",", ";").replace(".", ","),
    "Windows line ends": TABLE.replace("\n", "\r\n"),
    "old Mac line ends": TABLE.replace("\n", "\r"),
    "no line end": TABLE.rstrip(),
    "empty lines": "\n\n" + TABLE.replace("\n", "\n\n") + "  \n\n",
    "spaces around": TABLE.replace(",", " ,  "),
    "quotes": TABLE.replace("x", '"x"').replace("a,", '"a",'),
    "a delimiter at the end of rows": TABLE.replace("5\n", "5,\n"),
    "a delimiter at the end of every line": TABLE.replace("\n", ",\n"),
    "empty columns behind": TABLE.replace("\n", ",,,\n"),
    "empty rows behind": TABLE + ",,\n,,\n",
}


@pytest.mark.parametrize("kind", GOOD)
def test_one_table_in_many_forms(tmp_path, kind):
    assert cells(tmp_path, GOOD[kind]) == {"a": ["1", "2", "3"], "b": ["x", "y", "z"], "c": ["0.5", "1.5", "2.5"]}


def test_what_quotes_protect(tmp_path):
    text = 'a,b\n"one, two","three\nfour"\n"say ""no""",\'\n'
    assert cells(tmp_path, text) == {"a": ["one, two", 'say "no"'], "b": ["three\nfour", "'"]}
    with pytest.raises(ValueError, match=r"t\.csv: line 5: it has 1 cell, the header 2"):
        cells(tmp_path, 'a,b\n"one","three\nfour"\n1,2\n5\n')


@pytest.mark.parametrize("text", ["Größe,名前\n1,ü\n2,😀\n3,é\n"])
def test_any_script(tmp_path, text):
    assert cells(tmp_path, text) == {"Größe": ["1", "2", "3"], "名前": ["ü", "😀", "é"]}


def test_latin_1_is_told(tmp_path):
    path = write_text(tmp_path / "t.csv", "a,b\n1,x\n2,\xfc\n3,x\n", "latin-1")
    loaded = load(path)
    assert "not UTF-8 (line 3), so read as Latin-1" in loaded.report
    assert loaded.train.spec.columns[1].values == ["x", "ü"]


def test_missing_cells_of_every_kind(tmp_path):
    text = "n,d,t,b,w\n1,0.5,x,yes,2024-01-05\n,NA,?,,NaN\n3,2.5,y,no,2024-03-01\n7,1.5,z,no,2024-03-09\n"
    train = load(write_text(tmp_path / "t.csv", text)).train
    assert len(train) == 3  # a row without any value is no row
    text = text.replace("\n,NA", "\n9,NA")
    train = load(write_text(tmp_path / "t.csv", text)).train
    frame = train.spec.decode(*train.batch(range(4)))
    assert frame.iloc[1].isna().tolist() == [False, True, True, True, True]
    assert train.spec.category_sizes == [2, 4, 3, 2]


def test_two_spellings_of_missing_are_told(tmp_path):
    loaded = load(write_text(tmp_path / "t.csv", column_text(["a", "NA", "", "b", "NA"])))
    assert "x has 2 spellings of a missing cell ('NA', '')" in loaded.report
    kept = load(tmp_path / "t.csv", missing=["-"]).train.spec.columns[0]
    assert (kept.values, kept.missing) == (["a", "b", "NA"], 1)


def test_odd_names(tmp_path):
    loaded = load(write_text(tmp_path / "t.csv", " a a ,,c.c,\n1,5,x,\n2,7,y,\n4,9,x,\n"))
    assert [column.name for column in loaded.train.spec.columns] == ["a a", "column_2", "c.c"]
    assert "column 2 has no name and is called column_2" in loaded.report
    assert "column 4 has neither name nor values and is left out" in loaded.report
    assert list(cells(tmp_path, "0,1,2\n5,6,7\n8,9,1\n")) == ["0", "1", "2"]  # pixels, as pandas names them
    assert list(cells(tmp_path, "land,2019,2020\nx,6,7\ny,9,1\n")) == ["land", "2019", "2020"]


FILES: dict[str, tuple[str | bytes, str]] = {
    "an empty file": ("", "is empty"),
    "blank lines alone": ("\n \n\n", "is empty"),
    "a header alone": ("a,b,c\n", "it has a header and no rows"),
    "a header and empty rows": ("a,b,c\n,,\n", "it has a header and no rows"),
    "a name twice": ("a,b,a\n1,2,3\n", "the header names a twice"),
    "a name twice but for spaces": ("a,b, a\n1,2,3\n", "the header names a twice"),
    "no header": ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "its first line is data (5.1)"),
    "a row too short": (TABLE + "4,w\n", "line 5: it has 2 cells, the header 3 (delimiter ',')"),
    "a row too long": (TABLE + "4,w,1,7\n5,w,1,7\n", "line 5: it has 4 cells, the header 3 (delimiter ',') (2 such rows)"),
    "a quote never closed": ('a,b\n1,"x\n2,y\n3,z\n', "line 2: a quote is opened there and never closed"),
    "a quote in the middle": ('a,b\n1,"x"y\n', "line 2: ',' expected after '\"'"),
    "bytes of zero": (b"a,b\n1,\x00\n", "line 2 holds the control character '\\x00'"),
    "binary junk": (bytes(range(256)) * 4, "no CSV or Parquet file"),
    "damaged UTF-16": (b"\xff\xfea\x00,", "it begins as UTF-16 text and is damaged"),
    "a damaged Parquet file": (b"PAR1" + b"x" * 50 + b"PAR1", "truncated or damaged"),
    "a gzip archive": (gzip.compress(TABLE.encode(), mtime=0), "is a gzip archive: unpack it"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is an image"),
    "a database": (b"SQLite format 3\x00", "is an SQLite database"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_no_tables(tmp_path, kind):
    content, says = FILES[kind]
    with refused(says):
        cells(tmp_path, content)


class Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_is_ever_executed(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with refused("t.csv: is a Python pickle, which is never opened" if protocol > 1 else "t"):
            load(write_bytes(tmp_path / "t.csv", pickle.dumps(Trap(tmp_path / "sprung"), protocol)))
    assert not (tmp_path / "sprung").exists()


def write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_places_that_are_no_tables(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("t.csv", TABLE)
    for path, says in {
        "t.csv": "zip archive (an .xlsx workbook is one): save the sheet as CSV",
        "": "is a folder: give the table's file",
        "tt.csv": f"does not exist: did you mean {tmp_path / 't.csv'}?",
        "no/t.csv": "there is no folder",
    }.items():
        with refused(says):
            load(tmp_path / path)


def test_the_content_counts_and_not_the_name(tmp_path):
    pd.DataFrame({"a": [1, 2, 4], "b": ["x", "y", "x"]}).to_parquet(tmp_path / "t.csv")
    loaded = load(tmp_path / "t.csv")
    assert "its name ends in .csv, its content is that of a Parquet file" in loaded.report
    assert len(load(write_text(tmp_path / "t.parquet", TABLE)).train) == 3


NUMBERS = [f"{i * 37 % 101}.5" for i in range(40)]
DATES = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(40)]
COLUMNS: dict[str, tuple[list[Any], str]] = {
    "a text among numbers": ([*NUMBERS, "abc"], "line 42, column x: 'abc' is no plain number"),
    "units": ([f"{n} kg" for n in NUMBERS], "line 2, column x: '0.5 kg' is no plain number"),
    "percent signs": ([f"{n}%" for n in NUMBERS], "line 2, column x: '0.5%' is no plain number"),
    "spaces of thousands": ([f"{i + 1} 00{i % 10}" for i in range(40)], "'1 000' is no plain number"),
    "quoted commas of thousands": ([f'"{i + 1},00{i % 10}"' for i in range(40)], "'1,000' is no plain number"),
    "infinity": ([*NUMBERS, "inf"], "line 42, column x: 'inf' is no finite number"),
    "two infinities": ([1, 2, "-Infinity", "Infinity"], "line 4, column x: '-Infinity' is no finite number (2 such cells)"),
    "a number beyond float64": ([*NUMBERS, "1e999"], "'1e999' is no finite number"),
    "a range beyond float64": (["-1e308", "1e308", "0"], "its range -1e+308 to 1e+308 is beyond float64"),
    "a range beyond 2^53": ([0, 2**60, 5, 5], "its range of 1152921504606846976 is beyond 2^53"),
    "dates in two forms": ([*DATES, "5.1.2024"], "line 42, column x: '5.1.2024' is no date of the form %Y-%m-%d"),
    "a wrong date": ([*DATES, "2024-02-30"], "line 42, column x: '2024-02-30' is no date"),
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_that_are_wrong(tmp_path, kind):
    values, says = COLUMNS[kind]
    with refused(says):
        load_column(tmp_path, values)
    schema = write_text(tmp_path / "schema.yaml", "x: drop")
    assert load_column(tmp_path, values, schema=str(schema)).kind == "dropped"


def test_wrong_rows_can_be_skipped(tmp_path):
    path = write_text(tmp_path / "t.csv", column_text([*NUMBERS, "abc", "inf"]) + "1.5\n")
    loaded = load(path, on_error="skip")
    assert len(loaded.train) == 40
    assert loaded.train.spec.columns[0].kind == "number"
    assert [row for row, _ in loaded.skipped] == ["line 44", "line 42", "line 43"]
    assert "rows left out: 3; line 44: it has 1 cell" in loaded.report
    with pytest.raises(ValueError, match="is no plain number"):  # every row would be skipped
        load_column(tmp_path, [f"{n}%" for n in NUMBERS], on_error="skip")
    held_out = column_text([*NUMBERS, "abc"])
    path = write_text(tmp_path / "t.csv", column_text(NUMBERS))
    val_path = str(write_text(tmp_path / "v.csv", held_out))
    with pytest.raises(ValueError, match="line 42, column x: 'abc' is no number"):
        load(path, val_path=val_path)
    assert len(load(path, val_path=val_path, on_error="skip").val) == 40


FINE: dict[str, list[Any]] = {
    "large numbers": [10**12 + i * 7919 % 1000 for i in range(30)],
    "larger than float64 counts": [2**62 + i * 7 % 30 // 2 for i in range(30)],
    "tiny numbers": [f"{i * 7 % 30}.25e-12" for i in range(30)],
    "tiny and large": ["1e-12", "1e12", "5", "2.5"],
    "negative zeros": ["-0.0", "0.0", "-1.5", "2.5", "-0.0"],
    "two hundred categories": [f"c{i % 200}" for i in range(420)],
    "one row in ten missing": [i % 10 or "" for i in range(40)],
    "mostly missing": ["", "", "", "5", "6", "", "7"],
    "booleans and missing": ["True", "", "False"],
    "leading zeros": ["007", "010", "7"],
    "numbers and texts": ["1", "2", "many", "none"],
    "quotes": ['"a, b"', '"c ""d"""', "e"],
    "rows that are copies": [1, 1, 1, 2, 2, 3],
    "a date before 1970": ["1899-12-31", "1950-01-01", "2000-02-29"],
}  # fmt: skip


@pytest.mark.parametrize("kind", FINE)
def test_columns_that_come_back(tmp_path, kind):
    path = write_text(tmp_path / "table.csv", column_text(FINE[kind]))
    train = load(path).train
    decoded = train.spec.decode(*train.batch(range(len(train))))
    given = train.spec.frame(read_table(str(path), missing=()).texts)
    pd.testing.assert_frame_equal(decoded, given, check_exact=True)


def test_rows_that_are_copies_are_told(tmp_path):
    path = write_text(tmp_path / "t.csv", TABLE + "3,z,2.5\n3,z,2.5\n")
    assert "2 rows are copies of another" in load(path).report
    other = write_text(tmp_path / "v.csv", TABLE.replace("1,x,0.5", "1,x,1.5"))
    assert "2 of the different validation rows are training rows too" in load(path, val_path=str(other)).report


TARGETS: dict[str, tuple[str, dict[str, Any], str]] = {
    "one row": ("a,b\n1,2\n", {}, "the table has 1 row to learn from"),
    "the target alone": ("a\nx\ny\n", {"target": "a"}, "the table has no column beside its target a"),
    "constants alone": ("a,b\n1,x\n1,x\n1,x\n", {}, "no column of the 3 training rows can be learnt: a (constant), b (constant)"),
    "names alone": ("a\n" + "\n".join(f"p{i}" for i in range(30)), {}, "can be learnt: a (left out)"),
    "a wrong target": (TABLE, {"target": "B"}, "data.target=B: the table has no such column; did you mean b?"),
    "a target far off": (TABLE, {"target": "income"}, "data.target=income: the table has no such column"),
    "a constant target": ("a,b\n1,x\n2,x\n3,x\n", {"target": "b"}, "data.target=b has the one value 'x'"),
    "an empty target": ("a,b\n1,\n2,\n3,\n", {"target": "b"}, "data.target=b has no values"),
    "a target of names": (column_text([f"p{i}" for i in range(30)]), {"target": "x"}, "data.target=x has 30 different values in 30 rows"),
    "texts to predict": (TABLE, {"target": "b", "task": "regression"}, "data.task=regression: the target b holds no numbers but 'x'"),
    "dates to predict": (column_text(DATES), {"target": "x"}, "the target x holds no numbers but '2024-01-01'"),
    "a target among texts": (column_text([*NUMBERS, "abc"]), {"target": "x", "task": "regression"}, "the target x holds no numbers but"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_and_tables_too_small(tmp_path, kind):
    text, options, says = TARGETS[kind]
    with refused(says):
        load(write_text(tmp_path / "t.csv", text), **options)


def test_a_single_column_is_a_table(tmp_path):
    assert load(write_text(tmp_path / "t.csv", "a\n3\n1\n2\n\n")).train.batch([0, 1]).x_0.shape == (2, 1)


def test_rows_without_the_number_to_predict_are_left_out(tmp_path):
    loaded = load(write_text(tmp_path / "t.csv", "a,b\n1,5.5\n2,\n3,7.5\n4,6.5\n"), target="b")
    assert (len(loaded.train), loaded.skipped) == (3, [("line 3", "its b is missing")])
    assert loaded.train.spec.category_sizes == []


def test_a_stated_delimiter(tmp_path):
    path = write_text(tmp_path / "t.csv", "a:b\n1:x\n2:y\n3:x\n")
    assert len(load(path, delimiter=":").train.spec.columns) == 2
    assert sniffed("a;b\n1,5;2,5\n3,5;4,5\n") == ";"
    assert sniffed("a\n1\n") == ","
    assert sniffed('a,b\n"x;y;z",1\n') == ","


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=60), st.text(alphabet='ab,;\t"\n 01.-', max_size=60).map(str.encode)))
def test_whatever_a_file_holds(tmp_path, content):
    told = ""
    try:
        train = load(write_bytes(tmp_path / "t.csv", content)).train
        assert len(train.spec.decode(*train.batch(range(len(train))))) == len(train)
    except ValueError as error:
        told = str(error)
    assert "\n" not in told
