import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.components import agreement, box_iou, dice, f1, instances, majority, match_boxes, without_small
from data.item import Box

MAPS = hnp.arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 0, 1, 2]))
CASES = settings(deadline=None, derandomize=True, max_examples=50)


def drawn(*rows: str) -> np.ndarray:
    """A label map from rows of digits, with dots for the background."""
    return np.array([[int(c) for c in row.replace(".", "0")] for row in rows], np.uint8)


def box(x: float, y: float, width: float, height: float, label: int = 1) -> Box:
    return Box(float(x), float(y), float(width), float(height), label)


def test_instances_of_a_drawn_map():
    label_map = drawn(
        "11....2",
        "..1...2",
        "..22...",
        "1....1.",
    )
    found = instances(label_map)
    assert [(i.box, i.area) for i in found] == [
        (box(0, 0, 3, 2, 1), 3),  # the corner joins
        (box(0, 3, 1, 1, 1), 1),
        (box(5, 3, 1, 1, 1), 1),
        (box(6, 0, 1, 2, 2), 2),
        (box(2, 2, 2, 1, 2), 2),
    ]
    assert np.array_equal(found[0].mask, drawn("11.....", "..1....", ".......", ".......") > 0)
    assert [i.area for i in instances(label_map, min_area=2)] == [3, 2, 2]
    assert np.array_equal(without_small(label_map, 2), drawn("11....2", "..1...2", "..22...", "......."))


@pytest.mark.parametrize(("value", "count"), [(0, 0), (3, 1)])
def test_an_empty_and_a_full_map(value, count):
    found = instances(np.full((4, 5), value, np.uint8))
    assert [i.box for i in found] == [box(0, 0, 5, 4, 3)] * count


@given(label_map=MAPS)
@CASES
def test_instances_put_the_map_together_again(label_map):
    found = instances(label_map)
    assert sum(i.area for i in found) == (label_map > 0).sum()
    assert np.array_equal(without_small(label_map, 1), label_map)
    for i in found:
        rows, columns = np.nonzero(i.mask)
        assert i.area == len(rows)
        assert (i.box.x, i.box.y) == (columns.min(), rows.min())
        assert (i.box.x + i.box.width, i.box.y + i.box.height) == (columns.max() + 1, rows.max() + 1)


def test_agreement_and_dice_of_shifted_squares():
    a, b = np.zeros((2, 10, 10), np.uint8)
    a[2:6, 2:6] = 1
    b[2:6, 4:8] = 1
    assert agreement(a, b, 3) == pytest.approx(8 / 24)
    assert dice(a, b, 3) == pytest.approx([16 / 32, np.nan], nan_ok=True)
    b[9, 9] = 2  # a class in one of them only
    assert agreement(a, b, 3) == pytest.approx((8 / 24 + 0) / 2)
    assert dice(a, b, 3) == pytest.approx([0.5, 0.0])


def test_agreement_of_empty_maps_is_one():
    empty, ship = np.zeros((2, 4, 4), np.uint8)
    assert agreement(empty, empty, 2) == 1.0
    ship[1, 1] = 1
    assert agreement(empty, ship, 2) == 0.0
    assert np.isnan(dice(empty, empty, 4)).all()


@given(a=MAPS, b=MAPS)
@CASES
def test_agreement_is_symmetric_and_follows_from_dice(a, b):
    assert agreement(a, a, 3) == 1.0
    assert agreement(a, b, 3) == pytest.approx(agreement(b, a, 3))
    scores = dice(a, b, 3)
    scores = scores[~np.isnan(scores)]
    assert agreement(a, b, 3) == pytest.approx(np.mean(scores / (2 - scores)) if len(scores) else 1.0)


def test_box_iou():
    boxes = [box(0, 0, 4, 2), box(2, 1, 4, 2), box(4, 0, 1, 1), box(1, 1, 0, 0)]
    assert box_iou(boxes[:1], boxes) == pytest.approx(np.array([[1.0, 2 / 14, 0.0, 0.0]]))
    assert box_iou(boxes[3:], boxes[3:]).tolist() == [[0.0]]
    assert box_iou([], boxes).shape == (0, 4)


def test_matching_counts():
    true = [box(0, 0, 10, 10), box(20, 0, 10, 10), box(40, 0, 10, 10, 2)]
    found = [box(1, 0, 10, 10), box(0, 1, 10, 10), box(40, 0, 10, 10, 1)]  # one doubled, one of another class
    assert match_boxes(found, true) == (1, 2, 2)
    assert match_boxes(true, true, min_iou=1.0) == (3, 0, 0)
    assert match_boxes([], true) == (0, 0, 3)
    assert match_boxes(found, []) == (0, 3, 0)
    assert match_boxes([], []) == (0, 0, 0)


def test_the_threshold_is_inclusive():
    assert match_boxes([box(0, 0, 2, 1)], [box(0, 0, 1, 1)], min_iou=0.5) == (1, 0, 0)
    assert match_boxes([box(0, 0, 2, 1)], [box(0, 0, 1, 1)], min_iou=0.51) == (0, 1, 1)
    with pytest.raises(ValueError, match=r"min_iou=0\.0"):
        match_boxes([], [], min_iou=0.0)


def test_matching_is_not_greedy():
    true = [box(0, 0, 10, 1), box(3, 0, 10, 1)]
    found = [box(1, 0, 10, 1), box(-2, 0, 10, 1)]  # the first fits both, the second the first alone
    assert box_iou(found, true)[0].argmax() == 0  # so that greedy takes the pair that leaves the others without
    assert match_boxes(found, true) == (2, 0, 0)


@given(st.lists(st.integers(0, 6), max_size=4), st.lists(st.integers(0, 6), max_size=4))
@CASES
def test_matching_is_the_largest_there_is(found, true):
    a, b = [box(x, 0, 4, 1) for x in found], [box(x, 0, 4, 1) for x in true]
    allowed = box_iou(a, b) >= 0.5
    wide = allowed if len(a) <= len(b) else allowed.T
    choices = itertools.permutations(range(wide.shape[1]), len(wide))  # a column for each row
    best = max(sum(wide[i, j] for i, j in enumerate(columns)) for columns in choices)
    assert match_boxes(a, b) == (best, len(a) - best, len(b) - best)


def test_f1():
    assert f1(3, 1, 2) == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))
    assert f1(0, 0, 0) == 1.0
    assert f1(0, 2, 0) == 0.0


def test_a_majority_takes_the_commonest_label_and_of_several_the_lowest():
    maps = np.array([[[0, 1, 2, 2]], [[1, 1, 2, 0]], [[1, 0, 0, 1]]], np.uint8)
    assert majority(maps, 3).tolist() == [[1, 1, 2, 0]]
    assert majority(maps[:1], 3).tolist() == maps[0].tolist()
