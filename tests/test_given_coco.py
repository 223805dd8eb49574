"""COCO files as label maps to draw images for: by the names of categories and images, or one clear error."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import coco_file, grey, save

from data.coco import CocoConfig
from data.fit import fit_label_map
from data.folder import FolderConfig
from data.given import load_given_images, load_label_maps
from data.image_set import ImageSpec
from data.rasterise import paint
from data.sample_files import sample_files
from data.write_coco import write_coco

pytest.importorskip("pycocotools.mask")

SPEC = ImageSpec(1, 8, 8, attributes={"class": ["cat", "dog"]}, label_names=["background", "ship", "buoy"])
HOW = FolderConfig(path="gone", image_size=8)


def write(path: Path, whole: Any) -> str:
    path.write_text(json.dumps(whole))
    return str(path)


def square(top: int, left: int, height: int, width: int, size: tuple[int, int] = (8, 8)) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_categories_are_labels_by_their_names(tmp_path):
    whole = coco_file()
    whole["images"][0]["attributes"] = {"class": "dog"}
    whole["categories"].append({"id": 9, "name": "plane"})  # of which there is none
    found, maps = load_label_maps(write(tmp_path / "a.json", whole), SPEC, HOW, None)
    assert [given.name for given in found] == ["a", "b", "c"]
    assert [dict(given.attributes) for given in found] == [{"class": "dog"}, {}, {}]
    assert (maps[0] == square(1, 1, 3, 4)).all()  # ship is 1 here, and 2 in the order of the file's ids
    assert (maps[1] == 2 * square(5, 2, 2, 2)).all()
    assert not maps[2].any()


def test_records_have_sizes_of_their_own_and_models_their_way_to_fit_and_draw(tmp_path):
    whole = coco_file(2)
    whole["images"][1] |= {"file_name": "folder/b.x.png", "width": 16, "height": 12}
    whole["annotations"][1]["bbox"] = [2, 5, 4, 6]
    whole["annotations"][0]["segmentation"] = [[1, 1, 5, 1, 1, 4]]  # half of its box
    path = write(tmp_path / "a.json", whole)
    for how in (
        FolderConfig(image_size=8, fit="pad"),
        CocoConfig(path="gone", label_from="boxes", image_size=8, fit="pad"),
    ):
        found, maps = load_label_maps(path, SPEC, how, None)
        assert [given.name for given in found] == ["a", "folder/b.x"]
        wanted = paint([(square(5, 2, 6, 4, (12, 16)), 2)], (12, 16))
        assert (maps[1] == fit_label_map(wanted, (8, 8), "pad")).all()
        assert (maps[0] > 0).sum() == (12 if how.name == "coco" else pytest.approx(6, abs=2))


def test_label_maps_go_with_their_images(tmp_path):
    for name in "ab":
        save(tmp_path / "images" / f"{name}.png", grey())
    images = load_given_images("images", str(tmp_path / "images"), SPEC, HOW)
    path = write(tmp_path / "a.json", coco_file())
    found, maps = load_label_maps(path, SPEC, HOW, images)
    assert [given.name for given in found] == ["a", "b"]
    assert [int(label_map.max()) for label_map in maps] == [1, 2]
    save(tmp_path / "images" / "z.png", grey())
    with pytest.raises(ValueError, match=r"labels=.*a.json: nothing for the image z"):
        load_label_maps(path, SPEC, HOW, load_given_images("images", str(tmp_path / "images"), SPEC, HOW))
    whole = coco_file()
    whole["images"][0]["width"] = 9
    with pytest.raises(ValueError, match=r"labels=.*a.json: a.png: it is 8 x 9 and its image 8 x 8"):
        load_label_maps(write(tmp_path / "a.json", whole), SPEC, HOW, images)


def test_what_our_own_writer_writes_is_read_back(tmp_path):
    label_map = np.zeros((8, 8), np.uint8)
    label_map[1:4, 2:7], label_map[5:, :3] = 2, 1
    save(tmp_path / "images" / "cat" / "0.png", grey())
    save(tmp_path / "labels" / "cat" / "0.png", label_map)
    row = {"file": "images/cat/0.png", "label_map": "labels/cat/0.png", "attributes": {"class": "cat"}}
    path = write_coco(tmp_path, [sample_files(tmp_path, row)], SPEC, SPEC.label_names)
    found, maps = load_label_maps(str(path), SPEC, HOW, None)
    assert (found[0].name, dict(found[0].attributes)) == ("cat/0", {"class": "cat"})
    assert (maps[0] == label_map).all()


def changed(**keys: Any) -> dict[str, Any]:
    return {**coco_file(), **keys}


def with_image(**keys: Any) -> dict[str, Any]:
    whole = coco_file()
    whole["images"][0] |= keys
    return whole


BAD = {
    "no COCO": ({"ship": 1}, "a.json is no COCO file: it has no list of images"),
    "a list": ([1], "a.json is no COCO file: it holds a list"),
    "another category": (
        changed(categories=[{"id": 7, "name": "tanker"}, {"id": 3, "name": "buoy"}]),
        r"a.json: the category tanker is no label of this checkpoint \(ship, buoy\)",
    ),
    "no size": (with_image(width=None), "a.json: a.png: its record needs a width and a height"),
    "a size too large": (with_image(width=10**9), "a.json: a.png: its record needs a width and a height"),
    "no images": (changed(images=[], annotations=[]), "a.json: no image in it"),
    "one name": (with_image(file_name="b.tif"), "a.json: 2 images have the name b"),
    "outside": (with_image(file_name="../a.png"), r"a.json: the file_name '../a.png' must be a name inside"),
    "no place": (
        changed(annotations=[{"id": 1, "image_id": 10, "category_id": 7}]),
        "a.json: a.png: the annotation with id 1 has no segmentation or bbox",
    ),
    "a category of a strange kind": (
        changed(annotations=[{"id": 1, "image_id": 10, "category_id": [7], "bbox": [1, 1, 2, 2]}]),
        "a.json: a.png: the annotation with id 1 is of a category that the file does not list",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_drawn_for_is_refused_in_one_line(kind, tmp_path):
    whole, message = BAD[kind]
    with pytest.raises(ValueError, match=message) as error:
        load_label_maps(write(tmp_path / "a.json", whole), SPEC, HOW, None)
    assert str(error.value).startswith(f"labels={tmp_path}")
    assert "\n" not in str(error.value)


def test_a_broken_file_and_a_missing_one(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"labels=.*a.json is no JSON file"):
        load_label_maps(str(tmp_path / "a.json"), SPEC, HOW, None)
    with pytest.raises(ValueError, match=r"labels=.*b.json does not exist"):
        load_label_maps(str(tmp_path / "b.json"), SPEC, HOW, None)
