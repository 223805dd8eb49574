"""NumPy archives as label maps to draw images for: as format=npz writes them, by the names of labels and items."""

import numpy as np
import pytest
from label_files import grey, save
from mode_files import JOINT, label_maps
from test_sample import rows

from data.folder import FolderConfig
from data.given import load_given_images, load_label_maps
from data.image_set import ImageSpec
from data.npz import NpzConfig

SPEC = ImageSpec(1, 8, 8, attributes={"class": ["cat", "dog"]}, label_names=["background", "ship", "buoy"])
HOW = FolderConfig(path="gone", image_size=8)
IMAGES = np.stack([grey(seed=i) for i in range(3)])
MAPS = np.zeros((3, 8, 8), np.uint8)
MAPS[0, :2], MAPS[1, 3:], MAPS[2, 1:3, 4:] = 1, 2, 1


def archive(tmp_path, **arrays):
    np.savez_compressed(tmp_path / "set.npz", **{"image": IMAGES, "label_map": MAPS, **arrays})
    return str(tmp_path / "set.npz")


@pytest.mark.parametrize("how", [HOW, NpzConfig(path="gone", image_size=8, file_list="gone.txt")])
def test_labels_go_by_their_names(tmp_path, how):
    names = {"label_names": np.array(["nothing", "buoy", "ship"]), "name": np.array(["c", "dog/a", "b"])}
    found, maps = load_label_maps(archive(tmp_path, **names, plane=np.array(["x", "", "y"])), SPEC, how, None)
    assert [given.name for given in found] == ["b", "c", "dog/a"]
    assert [dict(given.attributes) for given in found] == [{"plane": "y"}, {"plane": "x"}, {}]
    assert (maps == np.array([0, 2, 1])[MAPS[[2, 0, 1]]]).all()


def test_labels_without_names_go_by_their_numbers(tmp_path):
    found, maps = load_label_maps(archive(tmp_path), SPEC, HOW, None)
    assert [given.name for given in found] == ["000000", "000001", "000002"]
    assert (maps == MAPS).all()
    unnamed = ImageSpec(1, 8, 8, label_names=["background", "label_255"])  # as masks of 0 and 255 are called
    for value in (1, 255):
        path = archive(tmp_path, label_map=(MAPS > 0) * np.uint8(value))
        assert (load_label_maps(path, unnamed, HOW, None)[1] == (MAPS > 0)).all()


def test_label_maps_go_with_their_images(tmp_path):
    for name in "ba":
        save(tmp_path / "images" / f"{name}.png", grey())
    images = load_given_images("images", str(tmp_path / "images"), SPEC, HOW)
    found, maps = load_label_maps(archive(tmp_path, name=np.array(["c", "b", "a"])), SPEC, HOW, images)
    assert [given.name for given in found] == ["a", "b"]
    assert (maps == MAPS[[2, 1]]).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"label_names": np.array(["", "tanker", "buoy"])[[1, 1, 2]]}, "label_names must be different"),
        ({"label_names": np.array(["0", "tanker", "buoy"])}, r"the label tanker is no label of this checkpoint \(ship, buoy\)"),
        ({"label_map": MAPS * 2}, "its values are 0 to 4, but the labels are 0 background, 1 ship, 2 buoy"),
        ({"label_map": np.array(["a", "b", "c"])}, "no array called label_map in it"),
        ({"image": np.zeros(3)}, "no array called image of shape"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_for_is_refused_in_one_line(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message) as error:
        load_label_maps(archive(tmp_path, **arrays), SPEC, HOW, None)
    assert str(error.value).startswith(f"labels={tmp_path}")
    assert "\n" not in str(error.value)


def test_new_images_for_the_label_maps_of_earlier_samples(joint, draw):
    """What format=npz writes, names, classes and all, is what mode=from_labels takes."""
    first = draw(joint, "num_samples=3", "class_label={class: dog, plane: b}", "format=npz", out="first")
    out = draw(joint, "mode=from_labels", f"labels={first / 'dataset.npz'}")
    assert [row["attributes"] for row in rows(out)] == [{"class": "dog", "plane": "b"}] * 3
    assert [row["file"] for row in rows(out)] == [f"images/dog/{i:06d}.png" for i in range(3)]
    drawn, given = label_maps(out), label_maps(first)
    assert all((drawn[i] == given[i]).all() for i in range(3))
    assert JOINT.label_names == ["background", "ship", "buoy"]
