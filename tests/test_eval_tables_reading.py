"""Files of rows: what is a number, what a category, what is missing, and what is refused in one line."""

import re

import numpy as np
import pandas as pd
import pytest
from eval_table_files import COLUMNS, rows, write

from data.table_config import MISSING_CELLS
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


GOOD = text("age,sex", lambda i: f"{i},{'mf'[i % 2]}")


@pytest.mark.parametrize(
    ("real", "synthetic", "options", "message"),
    [
        (GOOD, GOOD.replace("age", "agee"), {}, "lacks the column 'age', its nearest is 'agee'; leave it out"),
        (text("id,age", lambda i: f"{i % 9},{i}"), text("ag,id", lambda i: f"{i},{i % 9}"), {}, "'age', its nearest is 'ag'"),
        (text("cage,age", lambda i: f"{i % 9},{i}"), text("cage,x", lambda i: f"{i % 9},{i}"), {},
         "lacks the column 'age'; it holds cage, x; leave it out with ignore=[age]"),
        (GOOD, text("age,sex,sexx", lambda i: f"{i},m,f"), {}, "'sexx' is not in the real file, whose nearest is 'sex'"),
        (GOOD, GOOD.replace("\n7,", "\nseven,"), {}, "'age' holds 'seven' in row 8"),
        (GOOD, GOOD.replace("\n7,", "\ninf,"), {}, "'age' holds 'inf' in row 8"),
        (GOOD, None, {"target": "agee"}, "target=agee: no such column; known are age, sex"),
        (GOOD, GOOD + "1,m\n", {"ignore": ["id"]}, "ignore: 'id' is no column"),
        (GOOD, GOOD + "1,m\n", {"numeric": ["sex"]}, "numeric: 'sex' holds 'm'"),
        (GOOD, GOOD + "1,m\n", {"categorical": ["sez"]}, "'sez' is no column, the nearest is 'sex'"),
        (GOOD, GOOD, {}, "is the same file as real="),
        (text("id,x", lambda i: f"p{i},{i}"), None, {}, "'id' has 24 values in 24 rows.*ignore=[id]"),
        (text("a,a", lambda i: f"{i},{i}"), None, {}, "the column 'a' stands there twice"),
        (text(",a", lambda i: f"{i},{i}"), None, {}, "column 1 has no name; is it a row index"),
        (text("a;b", lambda i: f"{i};{i}"), None, {}, "not divided by commas"),
        (text("a,b", lambda i: f"{i},{i},{i}"), None, {}, "more values than its first line holds names"),
        ("a,b\n", "a,b\n1,2\n", {}, "has no rows"),
        (text("a,b", lambda i: f"{i},{i}", n=19), None, {}, "19 rows, a comparison needs 20 or more"),
        (GOOD, GOOD + "1,m\n", {"target": "age", "task": "classification", "numeric": ["age"]}, "named as another kind"),
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
