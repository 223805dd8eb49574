"""Which attributes samples get: in turn, in proportion, or so many of each."""

import numpy as np
import pytest

from data.balance import attribute_names, plan_attributes
from data.image_set import ImageSpec

SPEC = ImageSpec(
    1, 8, 8,
    attributes={"class": ["cat", "dog", "1"], "plane": ["a", "b"]},
    counts={"class": [6, 3, 1], "plane": [5, 5]},
)  # fmt: skip
PLAIN = ImageSpec(1, 8, 8)
NULL = [3, 2]


def first(balance, count=None, fixed=None):
    return plan_attributes(SPEC, fixed, balance, count)[:, 0].tolist()


def test_classes_take_turns_and_other_attributes_are_left_open():
    assert plan_attributes(SPEC, None, "equal", 4).tolist() == [[0, 2], [1, 2], [2, 2], [0, 2]]
    assert len(plan_attributes(SPEC, None, "equal", None)) == 64


def test_a_model_without_attributes_has_none():
    assert plan_attributes(PLAIN, None, "equal", 3).shape == (3, 0)


@pytest.mark.parametrize(
    ("fixed", "expected"),
    [
        ("dog", [[1, 2], [1, 2], [1, 2]]),
        (1, [[2, 2], [2, 2], [2, 2]]),  # a class named 1 comes as a number from the command line
        ({"class": "cat", "plane": "b"}, [[0, 1], [0, 1], [0, 1]]),
        ({"plane": "a"}, [[0, 0], [1, 0], [2, 0]]),
    ],
)
def test_what_is_fixed_is_the_same_for_all(fixed, expected):
    assert plan_attributes(SPEC, fixed, "equal", 3).tolist() == expected


def test_real_has_every_class_as_often_as_training_for_every_number_of_samples():
    whole = first("real", 100)
    assert np.bincount(whole).tolist() == [60, 30, 10]
    for count in range(1, 100):
        assert first("real", count) == whole[:count]
        shares = np.bincount(whole[:count], minlength=3) - np.array([0.6, 0.3, 0.1]) * count
        assert np.abs(shares).max() < 1


def test_fill_brings_every_class_to_the_commonest():
    assert first("fill") == [1, 1, 1, 2, 2, 2, 2, 2]
    assert plan_attributes(SPEC, {"plane": "b"}, "fill", None)[:, 1].tolist() == [1] * 8


def test_numbers_of_each_class():
    assert first({"dog": 2, 1: 1, "cat": 0}) == [1, 1, 2]
    assert first({"dog": 2}, count=2) == [1, 1]


@pytest.mark.parametrize(
    ("fixed", "balance", "count", "message"),
    [
        ("cow", "equal", 1, "class_label=cow is not a class of this checkpoint: it knows cat, dog, 1"),
        ({"sensor": "x"}, "equal", 1, "sensor is no attribute of this checkpoint: class, plane"),
        ({"plane": "c"}, "equal", 1, "class_label=c is not a plane of this checkpoint: it knows a, b"),
        ("cat", "real", 1, "balance=real has no effect where class_label fixes the class"),
        (None, "some", 1, "balance=some: use equal, real, fill or {class: number}"),
        (None, {"cow": 1}, None, "balance: cow is not a class of this checkpoint: it knows cat, dog, 1"),
        (None, {"cat": -1}, None, "balance: cat=-1 must be a whole number, 0 or more"),
        (None, {"cat": 1.5}, None, "balance: cat=1.5 must be a whole number"),
        (None, {"cat": True}, None, "balance: cat=True must be a whole number"),
        (None, {"cat": 0}, None, "balance asks for no sample at all"),
        (None, "fill", 9, "num_samples=9, but balance adds up to 8: leave num_samples out"),
    ],
)
def test_what_cannot_be_is_refused(fixed, balance, count, message):
    with pytest.raises(ValueError, match=message):
        plan_attributes(SPEC, fixed, balance, count)


@pytest.mark.parametrize(("fixed", "balance"), [("cat", "equal"), (None, "real"), (None, {"cat": 1})])
def test_a_model_without_classes_refuses_them(fixed, balance):
    with pytest.raises(ValueError, match="this checkpoint was trained without classes"):
        plan_attributes(PLAIN, fixed, balance, 1)


@pytest.mark.parametrize("balance", ["real", "fill"])
def test_a_checkpoint_that_does_not_know_its_counts_says_so(balance):
    spec = ImageSpec(1, 8, 8, attributes={"class": ["cat", "dog"]})
    with pytest.raises(ValueError, match="does not say how often each class was; use {class: number}"):
        plan_attributes(spec, None, balance, None)


def test_names_of_numbers():
    assert attribute_names(SPEC, np.array([1, 0])) == {"class": "dog", "plane": "a"}
    assert attribute_names(SPEC, np.array([3, 1])) == {"plane": "b"}
    assert attribute_names(SPEC, np.array(NULL)) == {}
