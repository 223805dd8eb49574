"""Rows to vectors and back: the training table comes back as it was, and the vectors are what the spec says they are."""

import io

import numpy as np
import pytest
import torch
import yaml
from table_files import load, mixed_text, write_text

from data.table_demo import TableDemoConfig, load_table_demo
from data.table_file import read_table
from data.table_spec import TableSpec

pd = pytest.importorskip("pandas")


@pytest.fixture
def loaded(tmp_path):
    return load(write_text(tmp_path / "mixed.csv", mixed_text()), target="label")


def original(path, spec):
    """The file's own table, with the dtypes that the spec has for it."""
    return spec.frame(read_table(str(path), missing=["?"]).texts)


@pytest.mark.parametrize("transform", ["quantile", "standard", "minmax"])
@pytest.mark.parametrize("target", ["label", "pay", None])
def test_the_training_table_comes_back(tmp_path, transform, target):
    path = write_text(tmp_path / "mixed.csv", mixed_text())
    train = load(path, target=target, transform=transform).train
    x_0, class_label = train.batch(range(len(train)))
    frame = train.spec.decode(x_0, class_label)
    expected = original(path, train.spec)
    if target == "pay":
        expected = expected[expected.pay.notna()].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, expected)
    assert list(frame.columns) == ["age", "pay", "gain", "town", "smoker", "when", "unit", "label"]  # without the id


def test_the_vector_of_a_row(loaded):
    train, spec = loaded.train, loaded.train.spec
    assert spec.numbers == 4  # age, pay, gain, when
    assert spec.category_sizes == [2, 2, 4, 2]  # pay missing or not, gain 0 or not, town with missing, smoker
    x_0, class_label = train.batch([0, 1])
    assert (x_0.shape, x_0.dtype, class_label.dtype) == ((2, spec.width), torch.float32, torch.int64)
    assert class_label.tolist() == [[0], [1]]
    assert x_0[0, 4:6].tolist() == [0, 1]
    assert x_0[1, 1] != 0
    assert x_0[1, 4:6].tolist() == [1, 0]
    for begin, size in ((4, 2), (6, 2), (8, 4), (12, 2)):
        assert x_0[:, begin : begin + size].sum(1).tolist() == [1, 1]


def test_what_a_spec_says(loaded):
    spec = loaded.train.spec
    assert spec.attributes == {"label": ["a", "b", "c"]}
    assert spec.null_label == [3]
    assert spec.counts == {"label": [20, 20, 20]}
    assert spec.classes_in_turn(4).tolist() == [[0], [1], [2], [0]]
    assert loaded.train.subset([5, 2]).names == ["line 7", "line 4"]


def test_a_spec_lives_in_a_checkpoint_and_in_yaml(loaded):
    spec = loaded.train.spec
    x_0, class_label = loaded.train.batch(range(9))
    file = io.BytesIO()
    torch.save(spec.to_dict(), file)
    file.seek(0)
    for plain in (torch.load(file, weights_only=True), yaml.safe_load(yaml.safe_dump(spec.to_dict()))):
        again = TableSpec.from_dict(plain)
        assert again == spec
        pd.testing.assert_frame_equal(again.decode(x_0, class_label), spec.decode(x_0, class_label))
    assert (plain["numbers"], plain["category_sizes"]) == (spec.numbers, spec.category_sizes)


def test_any_vector_becomes_a_row_of_the_training_range(loaded):
    spec, n = loaded.train.spec, 200
    x_0 = 3 * torch.randn((n, spec.width), generator=torch.Generator().manual_seed(0))
    frame = spec.decode(x_0, spec.classes_in_turn(n))
    real = spec.decode(*loaded.train.batch(range(len(loaded.train))))
    for name in ("age", "pay", "gain"):
        assert real[name].min() <= frame[name].min()
        assert frame[name].max() <= real[name].max()
    assert set(frame.town.dropna()) <= set(real.town.dropna())
    assert set(frame.unit) == {"kg"}
    assert (frame.gain == 0).mean() > 0.5  # the mass point, which is not a coincidence
    assert (frame.pay.isna() == (x_0[:, 5] > x_0[:, 4]).numpy()).all()
    pd.testing.assert_series_equal(frame.pay, frame.pay.round(2))


def test_an_unknown_class_is_null(tmp_path):
    text = mixed_text().replace(",a\n", ",?\n", 1)
    train = load(write_text(tmp_path / "t.csv", text), target="label").train
    x_0, class_label = train.batch([0, 3])
    assert class_label.tolist() == [[3], [0]]
    assert train.spec.decode(x_0, class_label).label.isna().tolist() == [True, False]


def test_rows_are_divided_by_class(tmp_path):
    loaded = load(write_text(tmp_path / "t.csv", mixed_text()), target="label", val_fraction=0.2)
    assert (len(loaded.train), len(loaded.val)) == (48, 12)
    assert loaded.val.value_counts() == {"label": [4, 4, 4]}
    assert not set(loaded.val.names) & set(loaded.train.names)
    assert loaded.val.spec is loaded.train.spec


def test_a_file_of_its_own_for_validation(tmp_path):
    path = write_text(tmp_path / "t.csv", mixed_text())
    lines = mixed_text(80).splitlines()
    lines[1] = lines[1].replace("kg", "pound")
    lines[5] = lines[5].replace(lines[5].split(",")[4], "Rom")
    val_path = write_text(tmp_path / "v.csv", "\n".join(lines))
    loaded = load(path, target="label", val_path=str(val_path))
    assert (len(loaded.train), len(loaded.val)) == (60, 78)
    assert [row for row, _ in loaded.skipped] == ["line 6", "line 2"]
    assert "no training row has its town" in loaded.skipped[0][1]
    assert "rows left out: 2; line 6" in loaded.report
    with pytest.raises(ValueError, match="the file's content is that of data.path"):
        load(path, val_path=str(path))
    write_text(val_path, mixed_text().replace("age", "Age"))
    with pytest.raises(ValueError, match="no column age; did you mean Age"):
        load(path, val_path=str(val_path))


def test_the_key_tells_runs_apart(tmp_path):
    path = write_text(tmp_path / "t.csv", mixed_text())
    keys = [
        load(path, **options).key
        for options in ({}, {}, {"transform": "standard"}, {"val_fraction": 0.5}, {"target": "label"})
    ]
    moved = write_text(tmp_path / "moved.csv", mixed_text())
    assert keys[0] == keys[1] == load(moved).key
    assert len(set(keys)) == 4
    write_text(path, mixed_text().replace("kg", "g"))
    assert load(path).key != keys[0]


def test_encoding_a_data_frame(loaded, tmp_path):
    spec = loaded.train.spec
    frame = pd.read_csv(tmp_path / "mixed.csv")  # ? is a text to pandas, and `pay` with it
    encoded = spec.encode(frame[frame.columns[::-1]])
    assert np.array_equal(encoded.numbers, loaded.train.numbers)
    assert np.array_equal(encoded.codes, loaded.train.codes)
    frame.loc[3, "smoker"] = "perhaps"
    with pytest.raises(ValueError, match="row 3, column smoker: 'perhaps', which no training row has"):
        spec.encode(frame)
    with pytest.raises(ValueError, match="no column age"):
        spec.encode(frame.drop(columns="age"))


def test_a_diverged_network_is_told(loaded):
    x_0, class_label = loaded.train.batch([0])
    x_0[0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinite"):
        loaded.train.spec.decode(x_0, class_label)


def test_outside_the_training_range(tmp_path):
    path = write_text(tmp_path / "t.csv", "a,b\n" + "\n".join(f"{i + 10},-{i}.5" for i in (3, 1, 4, 15, 9, 2)))
    far = torch.tensor([[1e3, 1e3], [-1e3, -1e3]])
    inside = load(path, transform="standard").train.spec.decode(far, None)
    assert inside.values.tolist() == [[25, -1.5], [11, -15.5]]
    outside = load(path, transform="standard", allow_outside=True).train.spec.decode(far, None)
    assert outside.a[0] > 100
    assert outside.b[0] > 100
    assert outside.b[1] < -100
    assert outside.a[1] == 0  # it never was negative


def test_the_report(loaded):
    report = loaded.report
    assert (
        "60 rows to train on, 9 columns (CSV, delimiter comma), learnt as 4 numbers and 4 categories of 10 values"
        in report
    )
    assert "Target label: 3 classes, the condition (a 20, b 20, c 20)" in report
    assert "id: identifier (left out)" in report
    assert "data.schema with id: integer keeps it" in report
    assert "gain: integer 0 to" in report
    assert "0 in 80% of the rows" in report
    assert "pay: number" in report
    assert "11.7% missing ('?')" in report
    assert "smoker: boolean no / yes" in report
    assert "unit: constant 'kg'" in report
    assert "(%d.%m.%Y)" in report


def test_the_demo():
    pytest.importorskip("sklearn")
    loaded = load_table_demo(TableDemoConfig())
    spec = loaded.train.spec
    assert (len(loaded.train), len(loaded.val), spec.task) == (398, 44, "regression")
    assert (spec.numbers, spec.category_sizes) == (10, [2, 4])  # s4 has frequent values
    frame = spec.decode(*loaded.train.batch([0, 1]))
    assert frame.sex.tolist() in ([2, 1], [1, 2])
    assert frame.bmi[0] == 32.1
    assert load_table_demo(TableDemoConfig(target="sex")).train.spec.classes == ["1", "2"]
    with pytest.raises(ValueError, match="use table_demo"):
        TableDemoConfig(name="table")
