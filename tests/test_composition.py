"""Label maps composed of given ones: what is set in is whole, apart, and from the given maps."""

from dataclasses import replace

import numpy as np
import pytest
from mode_files import JOINT
from test_nifti import save as save_nifti

from conf.sample_schema import SampleConfig
from data.components import components
from data.composition import compose
from data.nifti import NiftiConfig
from generation.request import make_request

NONE = {"hflip": False, "vflip": False, "rot90": False}
ALL = dict.fromkeys(NONE, True)
ALIKE = np.zeros((3, 0), np.int64)  # maps without attributes
PART = np.array([[1, 1, 1], [0, 2, 2]], np.uint8)  # an object of two labels that touch, unlike its own turns


def drawn_maps(count=3, side=40):
    """Each with the part at another place, the first with a band along its edge, too."""
    maps = np.zeros((count, side, side), np.uint8)
    for k in range(count):
        maps[k, 8 + 5 * k : 10 + 5 * k, 20:23] = PART
    maps[0, :3] = 3
    return maps


def parts(label_map):
    """The objects, each cut out of its box."""
    numbers, count = components(label_map > 0)
    boxes = [np.nonzero(numbers == i) for i in range(1, count + 1)]
    return [label_map[r.min() : r.max() + 1, c.min() : c.max() + 1] for r, c in boxes]


def test_objects_are_set_in_whole_and_apart():
    maps = drawn_maps()
    made = compose(maps, ALIKE, 50, 4, NONE, seed=0)
    assert made.shape == (150, 40, 40)
    assert made.dtype == np.uint8
    counts = []
    for i, label_map in enumerate(made):
        given = maps[i // 50]
        assert (label_map[given > 0] == given[given > 0]).all(), "what was there stays"
        found = parts(label_map)
        band = [part for part in found if (part == 3).all()]
        assert len(band) == (i < 50), "an object that the edge cuts is not set in elsewhere"
        assert all(np.array_equal(part, PART) for part in found if 3 not in part)
        counts.append(len(found) - len(band) - 1)
    assert {*counts} == {0, 1, 2, 3, 4}
    assert abs(np.mean(counts) - 2) < 0.4, "0 to 4 equally often"


def test_maps_and_objects_are_turned_as_training_turned_images():
    maps = drawn_maps()[1:2]
    turned = {tuple(map(tuple, part)) for made in compose(maps, ALIKE[:1], 200, 1, ALL, seed=0) for part in parts(made)}
    assert len(turned) == 8
    mirrored = {**NONE, "hflip": True}
    seen = {
        tuple(map(tuple, part)) for made in compose(maps, ALIKE[:1], 50, 1, mirrored, seed=0) for part in parts(made)
    }
    assert seen == {tuple(map(tuple, PART)), tuple(map(tuple, PART[:, ::-1]))}


def test_a_map_depends_on_the_seed_and_its_number_alone():
    maps = drawn_maps(1)
    few, many = compose(maps, ALIKE[:1], 3, 2, ALL, seed=5), compose(maps, ALIKE[:1], 9, 2, ALL, seed=5)
    assert np.array_equal(few, many[:3])
    assert not np.array_equal(few, compose(maps, ALIKE[:1], 3, 2, ALL, seed=6))
    assert np.array_equal(maps, drawn_maps(1)), "what was given is left as it was"


def test_a_full_map_is_left_alone_and_without_objects_there_is_an_error():
    maps = drawn_maps(2)
    maps[1] = 3
    full = compose(maps, ALIKE[:2], 5, 9, NONE, seed=0)[5:]
    assert (full == 3).all()
    with pytest.raises(ValueError, match="no label map holds an object that its edge does not cut"):
        compose(maps[1:], ALIKE[:1], 1, 1, NONE, seed=0)


def test_objects_stay_in_their_class():
    maps = drawn_maps()[1:]
    maps[1, 8:30] = 0  # of the second class there are no objects yet
    maps = np.concatenate([maps, 4 * (maps[:1] > 0)]).astype(np.uint8)  # those of the third have a label of their own
    made = compose(maps, np.array([[0, 5], [1, 5], [0, 6]]), 30, 3, ALL, seed=0)
    assert [{*np.unique(of_class)} for of_class in np.split(made, 3)] == [{0, 1, 2}, {0}, {0, 4}]
    assert (made[:30] > 0).sum() > 30 * 5, "and are set in there"


# --- what a request makes of them -------------------------------------------------------------------------------------


def test_composed_slices_are_no_volume(tmp_path):
    """Each is turned by itself, so that stacked they would be none: format=nifti makes a volume of each."""
    mask = np.zeros((8, 8, 2), np.uint8)
    mask[3:5, 3:5] = 1
    file = save_nifti(tmp_path / "a.nii.gz", mask)
    how = NiftiConfig(image_size=8, path="gone", labels="gone", label_names=["ship", "buoy"])
    config = SampleConfig(mode="from_labels", labels=str(file), num_per_image=2)
    stacked = make_request(config, JOINT, how)
    assert stacked.volumes == ["a_00", "a_01", "a_00", "a_01"]
    composed = make_request(replace(config, add_objects=1), JOINT, how)
    assert composed.volumes == [None] * 4
    assert composed.files == stacked.files == ["a/0000_00", "a/0000_01", "a/0001_00", "a/0001_01"]
    assert composed.sources == ["a/0000"] * 2 + ["a/0001"] * 2
