"""Numbers whose frequent values are learnt as categories: every cell comes back, in whatever mixture, and what has none is told."""

import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_files import load, refused, write_text

from data.table_column import Column
from data.table_config import TableConfig
from data.table_copies import RowCopyRate
from data.table_given import place_cells, read_cells
from data.table_picture import write_marginals
from data.table_real import load_real_rows
from data.table_spec import TableSpec
from data.table_transform import find_points

pd = pytest.importorskip("pandas")


def numbers_text(rows=200):
    """A gain that mostly is 0 and now and then missing, and a number of children, 0 to 4."""
    rng = np.random.default_rng(3)
    gain = np.where(rng.random(rows) < 0.7, 0, rng.integers(100, 10_000, rows)).astype(object)
    gain[::10] = ""
    return "gain,children,pay\n" + "".join(f"{g},{i % 5},{i * 1.5}\n" for i, g in enumerate(gain))


def test_a_frequent_number_is_a_category_beside_the_others(tmp_path):
    train = load(write_text(tmp_path / "t.csv", numbers_text())).train
    spec = train.spec
    gain = spec.columns[0]
    assert (gain.points, gain.others, gain.categories) == ([0.0], True, 3)
    assert spec.numbers == 2  # gain and pay
    x_0, _ = train.batch(range(len(train)))
    cells = spec.decode_texts(x_0, None)["gain"]
    block = x_0[:, 2:5]
    assert block.argmax(1).tolist() == [2 if cell is None else int(cell == "0") for cell in cells]
    # The block decides: a number that is elsewhere does not matter at a point, and what is missing stays so.
    x_0[:, 2:5] = torch.tensor([0.0, 1.0, 0.0])
    x_0[:, 0] = 3.0
    assert set(spec.decode_texts(x_0, None)["gain"]) == {"0"}
    x_0[:, 2:5] = torch.tensor([0.0, 0.0, 1.0])
    assert set(spec.decode_texts(x_0, None)["gain"]) == {None}
    x_0[:, 2:5] = torch.tensor([1.0, 0.0, 0.0])
    assert all(int(cell) >= 100 for cell in spec.decode_texts(x_0, None)["gain"])


def test_a_number_of_few_values_is_categories_alone(tmp_path):
    path = write_text(tmp_path / "t.csv", numbers_text())
    train = load(path).train
    spec, children = train.spec, train.spec.columns[1]
    assert (children.points, children.others, children.categories) == ([0.0, 1.0, 2.0, 3.0, 4.0], False, 5)
    assert spec.category_sizes == [3, 5]
    frame = spec.decode(*train.batch(range(10)))
    assert (str(frame.children.dtype), frame.children.tolist()) == ("int64", [0, 1, 2, 3, 4] * 2)
    with pytest.raises(ValueError, match="column children: '7'"):
        spec.encode(frame.assign(children=7))
    # The target of a regression is a number whatever it has, and so is everything where the options say so.
    assert load(path, target="children", task="regression").train.spec.numbers == 3
    assert load(path, few_values=0, point_share=1.0).train.spec.category_sizes == [2]


def test_small_tables_have_no_points(tmp_path):
    text = "x,y\n" + "".join(f"{i % 3},{i}.5\n" for i in range(20))
    assert load(write_text(tmp_path / "t.csv", text)).train.spec.category_sizes == []


def test_columns_of_old_checkpoints_have_no_points(tmp_path):
    path = write_text(tmp_path / "t.csv", numbers_text())
    train = load(path, few_values=0, point_share=1.0).train
    plain = train.spec.to_dict()
    for column in plain["columns"]:
        del column["points"], column["others"]
    old = TableSpec.from_dict(plain)
    assert old == train.spec
    assert old.category_sizes == [2]  # gain missing or not


BIG = 2**60 + 1  # float64 holds it no more
POOLS = {
    "whole": [str(i) for i in range(-3, 40)],
    "beyond 2^53": [str(BIG + i * i) for i in range(40)],
    "decimals": [f"{i / 100:.2f}" for i in range(0, 4000, 37)],
    "sums": [repr(0.1 * i + 0.2) for i in range(40)],  # 0.30000000000000004 and others of 17 digits
    "exponents": [f"{i + 1}e{i - 20}" for i in range(40)],
    "dates": [(datetime.date(2024, 1, 1) + datetime.timedelta(i * i)).isoformat() for i in range(40)],
    "moments": [f"2024-01-01 00:00:00.{i * i:09d}" for i in range(40)],  # in nanoseconds, which are beyond 2^53 too
}
EXACT = ["whole", "decimals", "dates"]  # with the other transforms, which float32 rounds


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    """Cells of a column, few values or many, some frequent, some missing; and options to read them with."""
    transform = draw(st.sampled_from(["quantile", "standard", "minmax"]))
    pool = POOLS[draw(st.sampled_from(list(POOLS) if transform == "quantile" else EXACT))]
    cells = draw(st.lists(st.sampled_from(pool), min_size=3, max_size=40, unique=True))
    cells += [draw(st.sampled_from(cells))] * draw(st.integers(0, 40)) + cells[:2] * draw(st.integers(0, 30))
    cells += [""] * draw(st.integers(0, 20))
    options = {"few_values": draw(st.sampled_from([0, 3, 20])), "point_share": draw(st.sampled_from([0.02, 0.1, 1.0]))}
    return draw(st.permutations(cells)), {"transform": transform, **options}


def table_of(cells: Sequence[str]) -> str:
    return "x,y\n" + "".join(f"{cell},{i % 17}.25\n" for i, cell in enumerate(cells))


@given(mixtures())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_mixture_comes_back(mixture):
    cells, options = mixture
    with tempfile.TemporaryDirectory() as folder:
        train = load(write_text(Path(folder) / "t.csv", table_of(cells)), **options).train
    spec = train.spec
    column, rows = spec.columns[0], range(len(cells))
    assert column.is_numeric
    expected = column.spelled([cell or None for cell in cells])
    x_0, _ = train.batch(rows)
    assert spec.decode_texts(x_0, None)["x"] == expected
    again = TableSpec.from_dict(yaml.safe_load(yaml.safe_dump(spec.to_dict())))
    assert again.decode_texts(x_0, None)["x"] == expected
    encoded = again.encode_texts({"x": [cell or None for cell in cells], "y": [f"{i % 17}.25" for i in rows]})
    assert np.array_equal(encoded.numbers, train.numbers)
    assert np.array_equal(encoded.codes, train.codes)
    for cell in set(cells[:5]):  # and it can be asked for
        found, known = place_cells(spec, read_cells(spec, {"x": cell or None}), 4, np.random.default_rng(0))
        assert spec.decode_texts(found, None)["x"] == column.spelled([cell or None]) * 4
        assert known.sum(1).tolist() == [column.has_number + column.categories] * 4
    low, high = (torch.tensor(bound) for bound in spec.number_bounds)
    numbers = torch.from_numpy(train.numbers)
    if column.has_number:
        numbers = numbers[torch.from_numpy(train.codes[:, 0] == 0)] if column.categories else numbers
    assert (numbers >= low - 1e-5).all()
    assert (numbers <= high + 1e-5).all()


def test_what_is_no_number_is_normal_noise(tmp_path):
    rng = np.random.default_rng(0)
    for transform in ("quantile", "standard", "minmax"):
        cells = np.where(rng.random(3000) < 0.5, 0, rng.integers(1000, 2000, 3000)).astype(object)
        cells[::4] = ""
        train = load(write_text(tmp_path / "t.csv", table_of(cells)), transform=transform).train
        noise = train.numbers[train.codes[:, 0] > 0, 0]
        assert (abs(noise.mean()) < 0.1, abs(noise.std() - 1) < 0.1) == (True, True), transform
        others = train.numbers[train.codes[:, 0] == 0, 0]  # the transform is of these alone
        assert abs(others.mean()) < 0.1, transform
        assert others.max() == pytest.approx(1.0 if transform == "minmax" else others.max())


@pytest.mark.parametrize("transform", ["quantile", "standard", "minmax"])
@pytest.mark.parametrize("point", [-999, 5000])
def test_a_point_far_out_says_nothing_of_the_other_numbers(tmp_path, transform, point):
    """Of -1 or 999 that mean "none", other numbers keep to their own range: in the sampler, in the file, on request."""
    numbers = np.random.default_rng(0).integers(100, 200, 300)
    numbers[[1, 2]], numbers[::3] = (100, 199), point
    spec = load(write_text(tmp_path / "t.csv", table_of(numbers.tolist())), transform=transform).train.spec
    assert spec.columns[0].points == [float(point - spec.columns[0].origin)]
    x_0 = torch.zeros(3, spec.width)
    x_0[:, :3] = torch.tensor([[-9.0, 0.0, 1.0], [-9.0, 1.0, 0.0], [9.0, 1.0, 0.0]])  # number; another value, the point
    assert spec.decode_texts(x_0, None)["x"] == [str(point), "100", "199"]
    bounds = [ends[0] for ends in spec.number_bounds]
    closed = {"minmax": 1.0, "standard": 2.0, "quantile": 5.3}[transform]  # sqrt(3) of uniform numbers
    assert -closed <= bounds[0] < -0.9 < 0.9 < bounds[1] <= closed
    with refused(f"x=150000 lies beyond the training rows, which go from 100 to 199 or are {point}"):
        read_cells(spec, {"x": 150000})
    with refused("x=50 lies beyond the training rows"):
        read_cells(spec, {"x": 50})
    assert [read_cells(spec, {"x": cell})["x"] for cell in (point, 100, 199)] == [str(point), "100", "199"]


def test_a_negative_point_leaves_the_other_numbers_positive(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 200, 300)
    numbers[::3] = -1
    options = {"transform": "standard", "allow_outside": True}
    spec = load(write_text(tmp_path / "t.csv", table_of(numbers.tolist())), **options).train.spec
    x_0 = torch.zeros(3, spec.width)
    x_0[:, :3] = torch.tensor([[-9.0, 1.0, 0.0], [9.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    least, beyond, point = spec.decode_texts(x_0, None)["x"]
    assert (least, int(beyond) > 200, point) == ("0", True, "-1")


def test_which_values_are_points():
    numbers = np.repeat([0.0, 1.0, 2.0, 3.0], [50, 30, 15, 5])
    assert find_points(numbers, few=4, share=1.0) == ([0, 1, 2, 3], False)
    assert find_points(numbers, few=3, share=1.0) == ([], True)
    assert find_points(numbers, few=0, share=0.3) == ([0], True)  # more than the share, not as much
    assert find_points(numbers, few=0, share=0.2) == ([0, 1], True)
    assert find_points(numbers, few=0, share=0.1) == ([0, 1, 2, 3], False)  # 3 alone would be no number
    assert find_points(numbers[:39:2], few=0, share=0.1) == ([0.0], False)
    assert find_points(np.arange(5.0), few=20, share=0.1) == ([], True)
    assert find_points(np.ones(2), few=0, share=1.0) == ([1.0], False)
    assert find_points(np.repeat([1.0, 2.0], 10), few=0, share=0.1) == ([], True)  # ten rows do not tell


def few_text() -> str:
    return "x,y\n" + "".join(f"{i % 4 / 2 + 0.5},{i}.5\n" for i in range(100))  # 0.5, 1.0, 1.5, 2.0


def test_an_unseen_value_is_told_as_it_is_spelled(tmp_path):
    """0.52 is written with one decimal as 0.5, which is another cell."""
    path = write_text(tmp_path / "t.csv", few_text())
    other = write_text(tmp_path / "v.csv", "x,y\n0.52,3.5\n0.50,4.5\n2.55,2.5\n1.5,2.5\n")
    loaded = load(path, val_path=str(other))
    assert loaded.val.names == ["line 3", "line 5"]
    assert loaded.skipped == [(f"line {i}", "no training row has its x") for i in (2, 4)]
    spec = loaded.train.spec
    with refused("row 1, column x: '0.52', which no training row has"):
        spec.encode(pd.DataFrame({"x": [0.5, 0.52], "y": [1.5, 2.5]}))
    assert len(load_real_rows(str(other), spec).near.rows) == 2
    with refused("condition: x: '0.52', which no training row has; the column knows 0.5, 1.0, 1.5, 2.0"):
        read_cells(spec, {"x": 0.52})


def test_real_rows_with_missing_whole_numbers(tmp_path):
    path = write_text(tmp_path / "t.csv", numbers_text())
    train = load(path).train
    real = load_real_rows(str(path), train.spec)
    x_0, _ = train.batch(range(20))
    assert real.copied(x_0, train.spec.decode_texts(x_0, None)).all()
    assert read_cells(train.spec, {"gain": None, "children": 3}) == {"gain": None, "children": "3"}


def test_a_cell_beside_the_points_is_asked_for_as_a_number(tmp_path):
    spec = load(write_text(tmp_path / "t.csv", numbers_text())).train.spec
    for cell, block in (("0", [0, 1, 0]), ("1234", [1, 0, 0]), (None, [0, 0, 1])):
        x_0, known = place_cells(spec, read_cells(spec, {"gain": cell}), 2, np.random.default_rng(0))
        assert x_0[:, 2:5].tolist() == [block] * 2
        assert known[0].tolist() == [True, False, True, True, True] + [False] * 5


def test_the_ends_of_numbers_beyond_2_53_can_be_asked_for(tmp_path):
    spec = load(write_text(tmp_path / "t.csv", table_of([str(BIG + i * i) for i in [3, *range(30)]]))).train.spec
    for cell in (BIG, BIG + 29 * 29):
        assert read_cells(spec, {"x": cell}) == {"x": str(cell)}
    for cell in (BIG - 1, BIG + 29 * 29 + 1):
        with refused(f"x={cell} lies beyond the training rows, which go from {BIG} to {BIG + 29 * 29}"):
            read_cells(spec, {"x": cell})


def test_a_target_to_predict_keeps_its_frequent_values(tmp_path):
    """Of a number of few values it is a number; of one with others, such as prices cut at a limit, these are points."""
    pay = np.random.default_rng(0).integers(100, 10_000, 200)
    pay[::4] = 10_000
    path = write_text(tmp_path / "t.csv", "pay,x\n" + "".join(f"{p},{i}.5\n" for i, p in enumerate(pay)))
    train = load(path, target="pay", task="regression").train
    assert (train.spec.columns[0].points, train.spec.category_sizes) == ([float(10_000 - pay.min())], [2])
    assert train.spec.decode(*train.batch(range(200))).pay.tolist() == pay.tolist()


def test_points_may_be_outside_of_nothing(tmp_path):
    """With allow_outside other numbers may lie beyond the training rows; points and missing cells stay what they are."""
    spec = load(write_text(tmp_path / "t.csv", numbers_text()), transform="standard", allow_outside=True).train.spec
    assert spec.number_bounds is None
    x_0 = torch.zeros(3, spec.width)
    x_0[:, :2] = 50.0
    x_0[range(3), [2, 3, 4]] = 1.0
    x_0[:, 9] = 1.0
    found = spec.decode_texts(x_0, None)
    assert int(found["gain"][0]) > 10_000
    assert found["gain"][1:] == ["0", None]
    assert found["children"] == ["4"] * 3


def test_one_number_spelled_in_two_ways(tmp_path):
    text = "x,y\n" + "".join(f"{['1', '1.0'][i % 2]},{i}.5\n" for i in range(8))
    path, other = write_text(tmp_path / "t.csv", text), write_text(tmp_path / "v.csv", "x,y\n2,3.5\n1,2.5\n")
    stated = str(write_text(tmp_path / "s.yaml", "x: number"))
    loaded = load(path, schema=stated, val_path=str(other))
    assert loaded.train.spec.width == 1
    assert loaded.train.spec.decode(*loaded.train.batch([0, 1])).x.tolist() == [1.0, 1.0]
    assert loaded.val.names == ["line 3"]
    with refused("data.target=x has the one value"):
        load(path, target="x", task="regression")


def test_copies_are_told_whatever_the_noise(tmp_path):
    train = load(write_text(tmp_path / "t.csv", numbers_text())).train
    copies = RowCopyRate(train)
    x_0, _ = train.batch(range(50))
    noisy = x_0.clone()
    points = x_0[:, 2] == 0
    noisy[points, 0] += 2.0
    assert copies.distance(noisy).max() == 0
    noisy[~points, 0] += 2.0
    assert (copies.distance(noisy)[~points] > 0).all()


def test_points_are_in_the_picture_and_the_report(tmp_path):
    loaded = load(write_text(tmp_path / "t.csv", numbers_text()))
    assert "gain: integer 0 to" in loaded.report
    assert "1 frequent value learnt as categories, 0 in" in loaded.report
    assert "children: integer 0 to 4, 5 values learnt as categories" in loaded.report
    x_0, _ = loaded.train.batch(range(50))
    write_marginals(tmp_path / "p.png", x_0, loaded.train)
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_wrong_options():
    with refused("data.few_values=-1: it must be at least 0"):
        TableConfig(few_values=-1)
    for share in (0.0, 1.5):
        with refused(f"data.point_share={share}: it must be in (0, 1]"):
            TableConfig(point_share=share)


def test_the_block_of_a_number():
    """(others, points, missing) to the size of the block: one part alone needs none."""
    sizes = {(True, 0, 0): 0, (True, 0, 3): 2, (True, 2, 0): 3, (True, 2, 3): 4, (False, 1, 0): 0, (False, 2, 3): 3}
    for (others, points, missing), size in sizes.items():
        column = Column(
            "x", "number", "float64", missing=missing, points=[float(i) for i in range(points)], others=others
        )
        assert column.categories == size
