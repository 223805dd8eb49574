"""Files of rows: what is a number, what a category, what is missing, and what is refused in one line."""

import re

import numpy as np
import pandas as pd
import pytest
from eval_table_files import COLUMNS, rows, write
from table_files import load
from test_broken_tables import FILES, GOOD

from data.table_config import MISSING_CELLS
from data.table_file import read_table
from data.write_table import write_table
from eval.__main__ import main
from eval.tables.config import TableConfig, is_table_road, table_config
from eval.tables.opening import open_tables
from eval.tables.reader import MISSING_MARKS, read_cells
from eval.tables.table import MISSING_STATE, Column


def opened(tmp_path, real, synthetic=None, **options):
    """The files with these texts, opened."""
    (tmp_path / "real.csv").write_text(real)
    (tmp_path / "syn.csv").write_text(synthetic if synthetic is not None else real + real.splitlines()[-1] + "\n")
    return open_tables(
        TableConfig(real=str(tmp_path / "real.csv"), synthetic=str(tmp_path / "syn.csv"), out="o", **options)
    )


def text(header, make, n=24):
    return "\n".join([header, *(make(i) for i in range(n))]) + "\n"


def test_kinds_are_decided_by_the_real_file(tmp_path):
    real = text("age,sex,flag,grade,city", lambda i: f"{i},{'mf'[i % 2]},{i % 2},{i % 3 + 1}.0,{['x', '', '?'][i % 3]}")
    tables = opened(tmp_path, real, categorical=["grade"])
    assert [column.numeric for column in tables.columns] == [True, False, False, False, False]
    age, sex, flag, grade, city = tables.columns
    assert (age.decimals, age.missing) == (0, False)
    assert (sex.categories, flag.categories, grade.categories) == (("f", "m"), ("0", "1"), ("1", "2", "3"))
    assert (city.categories, city.missing) == (("x", MISSING_STATE), True)
    np.testing.assert_array_equal(tables.train.rows[1], [1, 0, 1, 1, 1])
    assert opened(tmp_path, real, numeric=["flag"]).columns[2].numeric


def test_unseen_categories_follow_the_known_ones_and_are_noted(tmp_path):
    real = text("x,c", lambda i: f"{i}.25,{'ab'[i % 2]}")
    tables = opened(tmp_path, real, text("x,c", lambda i: f"{i}.5,{'abz'[i % 3]}"))
    column = tables.columns[1]
    assert (column.categories, column.known) == (("a", "b", "z"), 2)
    assert any("8 synthetic cells hold categories" in note for note in tables.notes)
    tables = opened(tmp_path, real, text("x,c", lambda i: f"{i},{['a', ''][i % 2]}"))
    assert tables.columns[1].categories == ("a", "b", MISSING_STATE)


def test_columns_of_another_order_are_matched_and_missing_numbers_are_nan(tmp_path):
    real = text("x,c", lambda i: f"{i if i % 4 else ''},{'ab'[i % 2]}")
    tables = opened(tmp_path, real, text("c,x", lambda i: f"{'ab'[i % 2]},{i}.0"))
    np.testing.assert_array_equal(tables.synthetic[0].rows[3], [3, 1])
    assert np.isnan(tables.train.rows[0, 0])
    assert tables.columns[0].missing


def test_parquet_means_what_csv_means(tmp_path):
    frame = pd.DataFrame({"x": [0.1, np.nan, 3.0], "k": [1, 2, 3], "c": ["a", None, "b"], "f": [True, False, True]})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    one, other = (read_cells("real", tmp_path / name) for name in ("t.parquet", "t.csv"))
    assert {name: list(cells) for name, cells in one.items()} == {name: list(cells) for name, cells in other.items()}
    assert list(one["x"]) == ["0.1", None, "3.0"]


ROWS = "n,when,town,price\n" + "".join(f"{i},2024-01-{i % 28 + 1:02d},K\u00f6ln {i % 2},{i}.5\n" for i in range(30))
FORMS = {
    **GOOD,
    "Latin-1": ROWS.encode("latin-1"),
    "semicolons, decimal commas, Latin-1": ROWS.replace(",", ";").replace(".", ",").encode("latin-1"),
    "commas that are no decimals": "a;b;c;d\n1,5;x;007,5;1,5\n2;y;008,5;2.5\n?;z;9,5;3,5\n",
    "names and columns that lack": ",a,\n1,5,\n2,,\n,,\n",
    "one column": "a\n1\nNA\n2\n",
    "names that count": "0,1,2\n5,6,7\n",
    "what quotes protect": 'a,b\n"one, two","three\nfour"\n"say ""no""",\'\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_what_training_reads_is_read_alike(tmp_path, form):
    path = tmp_path / "t.csv"
    path.write_bytes(FORMS[form] if isinstance(FORMS[form], bytes) else FORMS[form].encode())
    known = read_table(str(path), missing=MISSING_CELLS).texts
    assert {name: list(cells) for name, cells in read_cells("real", path).items()} == known


@pytest.mark.parametrize("kind", FILES)
def test_what_training_refuses_is_refused_alike(tmp_path, kind):
    path = tmp_path / "t.csv"
    content, _ = FILES[kind]
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=rf"real={re.escape(str(path))}: \w") as error:
        read_cells("real", path)
    assert "\n" not in str(error.value)


def test_a_file_is_what_its_content_is(tmp_path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "t.csv")
    assert list(read_cells("real", tmp_path / "t.csv")["x"]) == ["1", "2"]


def test_drawn_rows_of_a_file_of_semicolons_and_decimal_commas(tmp_path):
    """Written by sample.py's writer as the training file is spelled, and compared with it."""
    real = text("pay;sex", lambda i: f"{i},{i % 10}5;{'mf'[i % 2]}", n=40)
    (tmp_path / "real.csv").write_text(real)
    train = load(tmp_path / "real.csv").train
    write_table(tmp_path / "syn.csv", train.spec.decode(*train.batch(range(30))), train.spec)
    tables = opened(tmp_path, real, (tmp_path / "syn.csv").read_text())
    assert [column.numeric for column in tables.columns] == [True, False]
    np.testing.assert_array_equal(tables.synthetic[0].rows, tables.train.rows[:30])


def test_what_training_takes_for_missing_is_missing_here(tmp_path):
    assert {"", *MISSING_CELLS} == MISSING_MARKS
    real = text("x,c", lambda i: f"{i if i % 4 else 'n/a'},{'ab'[i % 2]}")
    tables = opened(tmp_path, real)
    assert tables.columns[0].numeric
    assert np.isnan(tables.train.rows[0, 0])


def test_test_rows_that_are_training_rows_are_noted(tmp_path):
    """... where they are more than the training file's own repeats let one expect."""
    few = (Column("kind", categories=("a", "b", "c"), known=3), Column("label", categories=("no", "yes"), known=2))
    for name, train, test, columns, said in (
        ("leak", rows(60, 0), np.concatenate([rows(60, 0)[:10], rows(30, 1)]), COLUMNS, "10 of the 40 rows of test="),
        ("none", rows(60, 0), rows(40, 1), COLUMNS, None),
        ("few", rows(60, 0)[:, 2:], rows(40, 1)[:, 2:], few, None),
    ):
        files = {"real": train, "synthetic": np.concatenate([train[3:], train[:1]]), "test": test}
        given = {key: str(write(tmp_path / f"{name}_{key}.csv", values, columns)) for key, values in files.items()}
        notes = [note for note in open_tables(TableConfig(**given, out="o")).notes if "training rows, too" in note]
        assert [note.startswith(said) for note in notes] == ([True] if said else []), name


PLAIN = text("age,sex", lambda i: f"{i},{'mf'[i % 2]}")


@pytest.mark.parametrize(
    ("real", "synthetic", "options", "message"),
    [
        (PLAIN, PLAIN.replace("age", "agee"), {}, "lacks the column 'age', its nearest is 'agee'; leave it out"),
        (text("id,age", lambda i: f"{i % 9},{i}"), text("ag,id", lambda i: f"{i},{i % 9}"), {}, "'age', its nearest is 'ag'"),
        (text("cage,age", lambda i: f"{i % 9},{i}"), text("cage,x", lambda i: f"{i % 9},{i}"), {},
         "lacks the column 'age'; it holds cage, x; leave it out with ignore=[age]"),
        (PLAIN, text("age,sex,sexx", lambda i: f"{i},m,f"), {}, "'sexx' is not in the real file, whose nearest is 'sex'"),
        (PLAIN, PLAIN.replace("\n7,", "\nseven,"), {}, "'age' holds 'seven' in row 8"),
        (PLAIN, PLAIN.replace("\n7,", "\ninf,"), {}, "'age' holds 'inf' in row 8"),
        (PLAIN, None, {"target": "agee"}, "target=agee: no such column; known are age, sex"),
        (PLAIN, PLAIN + "1,m\n", {"ignore": ["id"]}, "ignore: 'id' is no column"),
        (PLAIN, PLAIN + "1,m\n", {"numeric": ["sex"]}, "numeric: 'sex' holds 'm'"),
        (PLAIN, PLAIN + "1,m\n", {"categorical": ["sez"]}, "'sez' is no column, the nearest is 'sex'"),
        (PLAIN, PLAIN, {}, "is the same file as real="),
        (text("id,x", lambda i: f"p{i},{i}"), None, {}, "'id' has 24 values in 24 rows.*ignore=[id]"),
        (text("a,a", lambda i: f"{i},{i}"), None, {}, "the column 'a' stands there twice"),
        (text(",a", lambda i: f"{i},{i}"), text("a", str), {},
         "lacks the column 'column_1'; it holds a; leave it out with ignore=[column_1]"),
        (text("a,b", lambda i: f"{i},{i},{i}"), None, {}, "line 2: it has 3 cells, the header 2 (delimiter ','; 24 such rows)"),
        ("a,b\n", "a,b\n1,2\n", {}, "has no rows"),
        (text("a,b", lambda i: f"{i},{i}", n=19), None, {}, "19 rows, a comparison needs 20 or more"),
        (PLAIN, PLAIN + "1,m\n", {"target": "age", "task": "classification", "numeric": ["age"]}, "named as another kind"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path, real, synthetic, options, message):
    with pytest.raises(ValueError, match=re.escape(message).replace(r"\.\*", ".*")):
        opened(tmp_path, real, synthetic, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["synthetik=x"], "did you mean synthetic"),
        (["test=no.csv"], "test=no.csv: no such file"),
        (["task=ranking"], "must be one of auto"),
        (["task=regression"], "no effect without target"),
        (["seeds=7"], "seeds=7 has no effect without target"),
        (["baselines=[smoke]"], "baselines: smoke is none of smote"),
        (["target=label", "test=T", "models=[]"], "models=[]: name one or more"),
        (["categorical=[x]", "numeric=[x]"], "x stands in numeric, too"),
        (["rows=3"], "rows=3: must be 20 or more"),
        (["features=random"], "unknown option 'features'"),
    ],
)
def test_a_wrong_option_exits_with_2_and_one_line(tmp_path, capsys, options, message):
    real, synthetic = (write(tmp_path / f"{name}.csv", rows(30, seed)) for seed, name in enumerate(("r", "s")))
    options = [option.replace("test=T", f"test={synthetic}") for option in options]
    assert main([f"real={real}", f"synthetic={synthetic}", f"out={tmp_path / 'out'}", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_a_list_and_a_file_of_synthetic_rows(tmp_path):
    real = write(tmp_path / "r.csv", rows(30, 0))
    (tmp_path / "s").mkdir()
    files = [write(tmp_path / "s" / f"{k}.csv", rows(30, k + 1)) for k in range(2)]
    for given in (str(tmp_path / "s"), f"[{files[0]}, {files[1]}]"):
        config = table_config([f"real={real}", f"synthetic={given}", f"out={tmp_path / 'o'}", "target=label"])
        assert [table.path for table in open_tables(config).synthetic] == files
    assert config.target == "label"


def test_only_a_file_of_rows_takes_the_road_of_tables(tmp_path):
    assert is_table_road(["out=o", "real=a/b.CSV"])
    assert not is_table_road(["real=images", "synthetic=x.csv"])
    (tmp_path / "odd.csv").mkdir()
    assert not is_table_road([f"real={tmp_path / 'odd.csv'}"])


def test_names_that_yaml_would_change_stay_as_they_are(tmp_path):
    real = write(tmp_path / "r.csv", rows(30, 0), tuple(type(c)(n, c.categories, c.known) for c, n in zip(
        COLUMNS, ("x", "y", "k", "yes"), strict=True)))  # fmt: skip
    config = table_config([f"real={real}", f"synthetic={real}", f"out={tmp_path / 'o'}", "target=yes"])
    assert config.target == "yes"
