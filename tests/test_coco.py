import json
from pathlib import Path

import numpy as np
import pytest
from label_files import coco_file, grey, load_coco, save, write_coco_set
from label_files import load as load_format

from data.coco import CocoConfig, _places_near, list_coco
from data.item import Box
from data.rasterise import box_mask, paint, polygon_mask, rle_mask

mask_tools = pytest.importorskip("pycocotools.mask")


def filled(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((1, 2, 3, 4), slice(2, 6), slice(1, 4)),
        ((1.4, 2.6, 3, 4), slice(3, 7), slice(1, 4)),  # whose middles lie inside: 1.5, 2.5, 3.5 and 3.5 ... 6.5
        ((1.5, 1.5, 2, 2), slice(1, 3), slice(1, 3)),  # a middle on the left edge is inside, on the right one not
        ((4.6, 4.6, 0.2, 0.2), slice(4, 5), slice(4, 5)),  # no middle inside: the pixel it lies in
        ((-3, -3, 5, 5), slice(0, 2), slice(0, 2)),
        ((6, 6, 9, 9), slice(6, 8), slice(6, 10)),
        ((9.8, 0, 5, 8), slice(0, 8), slice(9, 10)),
        ((-5, 7.9, 5.1, 5), slice(7, 8), slice(0, 1)),
    ],
)
def test_boxes_by_hand(box, rows, columns):
    assert np.array_equal(box_mask(Box(*map(float, box), label=1), (8, 10)), filled((8, 10), rows, columns))


@pytest.mark.parametrize("box", [(0, 0, 0, 3), (0, 0, 3, -1), (10, 0, 2, 2), (-2, 0, 2, 2), (0, float("nan"), 1, 1)])
def test_boxes_that_are_none(box):
    with pytest.raises(ValueError, match="box"):
        box_mask(Box(*map(float, box), label=1), (8, 10))


def test_polygons_by_hand():
    assert np.array_equal(polygon_mask([[2, 1, 6, 1, 6, 4, 2, 4]], (8, 10)), filled((8, 10), slice(1, 4), slice(2, 6)))
    two = polygon_mask([[0, 0, 2, 0, 2, 2, 0, 2], [5, 5, 8, 5, 8, 8, 5, 8]], (8, 10))
    assert np.array_equal(two, filled((8, 10), slice(0, 2), slice(0, 2)) | filled((8, 10), slice(5, 8), slice(5, 8)))
    n = 100
    triangle = polygon_mask([[0, 0, n, 0, 0, n]], (n, n))
    assert triangle.sum() == pytest.approx(n * n / 2, rel=0.02)
    assert triangle[10, 10]
    assert not triangle[90, 90]
    speck = polygon_mask([[3.2, 5.2, 3.21, 5.2, 3.21, 5.21]], (8, 10))
    assert np.array_equal(speck, filled((8, 10), slice(5, 6), slice(3, 4)))


def test_run_lengths_in_both_forms():
    mask = np.random.default_rng(0).random((13, 40)) < 0.3
    mask[0, 0] = True
    compressed = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert np.array_equal(rle_mask({"size": [13, 40], "counts": compressed["counts"].decode()}, (13, 40)), mask)
    large = filled((300, 400), slice(20, 280), slice(100, 399))  # long runs, and differences below 0
    compressed = mask_tools.encode(np.asfortranarray(large.astype(np.uint8)))
    assert np.array_equal(rle_mask({"size": [300, 400], "counts": compressed["counts"].decode()}, (300, 400)), large)
    assert np.array_equal(rle_mask({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3)), [[0, 1, 0], [1, 0, 0]])
    assert np.array_equal(rle_mask({"size": [2, 1], "counts": [0, 2]}, (2, 1)), [[1], [1]])


def test_smaller_objects_lie_on_top_whatever_their_order():
    large, small = filled((8, 8), slice(0, 6), slice(0, 6)), filled((8, 8), slice(2, 4), slice(2, 4))
    for order in ([(large, 1), (small, 2)], [(small, 2), (large, 1)]):
        label_map = paint(order, (8, 8))
        assert label_map[3, 3] == 2
        assert label_map[0, 0] == 1
        assert label_map[7, 7] == 0
    assert paint([(small, 1), (small, 2)], (8, 8))[2, 2] == 2


def test_categories_in_order_of_id_become_the_labels(tmp_path):
    loaded = load_coco(tmp_path)
    train = loaded.train
    assert train.spec.label_names == ["background", "buoy", "ship"]
    assert train.names == ["a.png", "b.png", "c.png"]
    maps = train.label_maps(range(3))
    assert np.array_equal(maps[0], 2 * filled((8, 8), slice(1, 4), slice(1, 5)))
    assert np.array_equal(maps[1], 1 * filled((8, 8), slice(5, 7), slice(2, 4)))
    assert not maps[2].any()
    assert np.array_equal(train.integers([1])[0, 0], grey(seed=1))
    assert "buoy 1 objects in 1 images, ship 1 objects in 1 images" in loaded.report
    assert "1 image is all background (1 without any label)" in loaded.report


def test_masks_or_boxes(tmp_path):
    whole = coco_file()
    whole["annotations"][0]["segmentation"] = [[1, 1, 5, 1, 1, 4]]  # a triangle in the box
    triangle = load_coco(tmp_path, whole).train.label_maps([0])[0]
    box = load_coco(tmp_path, whole, label_from="boxes").train.label_maps([0])[0]
    assert np.array_equal(box, 2 * filled((8, 8), slice(1, 4), slice(1, 5)))
    assert 3 <= (triangle > 0).sum() <= 9
    assert (box[triangle > 0] == 2).all()


def test_a_crowd_is_labelled_and_a_string_of_run_lengths_read(tmp_path):
    whole = coco_file()
    mask = filled((8, 8), slice(0, 8), slice(0, 3))
    counts = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    rle = {"size": [8, 8], "counts": counts}
    whole["annotations"] = [
        {"id": 5, "image_id": 12, "category_id": 7, "iscrowd": 1, "segmentation": rle, "bbox": [0, 0, 3, 8]}
    ]
    assert np.array_equal(load_coco(tmp_path, whole).train.label_maps([2])[0], 2 * mask)


def test_fields_of_the_images_as_group_and_as_attributes(tmp_path):
    whole = coco_file()
    for row, sensor in zip(whole["images"], ["X", "Y", "X"], strict=True):
        row["attributes"] = {"sensor": sensor}
    loaded = load_coco(tmp_path, whole, group="scene", image_attributes=["sensor"], val_fraction=0.3)
    assert loaded.train.spec.attributes == {"sensor": ["X", "Y"]}
    assert loaded.val.names in (["c.png"], ["a.png", "b.png"])  # a and b are of one scene
    assert "Groups by scene" in loaded.report
    assert "no condition" not in loaded.report
    hint = "no condition: the images' sensor (data.image_attributes=[sensor])"
    assert hint in load_coco(tmp_path, whole, group="scene", val_fraction=0.3).report
    both = load_coco(tmp_path, whole, group="scene", image_attributes=["sensor", "scene"], val_fraction=0.3)
    assert both.train.spec.attributes == {"sensor": ["X", "Y"]}  # what is a group is no condition
    with pytest.raises(ValueError, match=r"data\.group=scen: a\.png has no scen \("):
        load_coco(tmp_path, whole, group="scen")
    with pytest.raises(ValueError, match=r"data\.image_attributes: no image in .* has a sensr"):
        load_coco(tmp_path, whole, image_attributes=["sensr"])
    del whole["images"][1]["scene"]
    with pytest.raises(ValueError, match=r"data\.group=scene: b\.png has no scene in"):
        load_coco(tmp_path, whole, group="scene")


def test_lists_and_validation_annotations(tmp_path):
    (tmp_path / "list.txt").write_text("a.png\nc.png\n")
    (tmp_path / "val.txt").write_text("b.png\n")
    lists = {"file_list": str(tmp_path / "list.txt"), "val_list": str(tmp_path / "val.txt")}
    loaded = load_coco(tmp_path, **lists)
    assert (loaded.train.names, loaded.val.names) == (["a.png", "c.png"], ["b.png"])
    assert loaded.val.label_maps([0]).max() == 1
    (tmp_path / "list.txt").write_text("a.png\nz.png\n")
    with pytest.raises(ValueError, match=r"data\.file_list: z\.png is not in"):
        load_coco(tmp_path, **lists)
    (tmp_path / "list.txt").write_text("a.png\nb.png\n")
    with pytest.raises(ValueError, match=r"b\.png is in data\.file_list and in data\.val_list"):
        load_coco(tmp_path, **lists)
    other = coco_file(1)
    other["categories"] = [{"id": 1, "name": "ship"}]  # known to training under another number
    other["annotations"][0]["category_id"] = 1
    other["annotations"].pop()
    (tmp_path / "val.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match=r"a\.png is in training and in validation \(1 such images\): leave them out"):
        load_coco(tmp_path, val_annotations=str(tmp_path / "val.json"))
    (tmp_path / "list.txt").write_text("b.png\nc.png\n")
    options = {"file_list": str(tmp_path / "list.txt"), "val_annotations": str(tmp_path / "val.json")}
    loaded = load_coco(tmp_path, **options)
    assert loaded.val.spec == loaded.train.spec
    assert np.unique(loaded.val.label_maps([0])).tolist() == [0, 2]
    other["categories"][0]["name"] = "whale"
    (tmp_path / "val.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="validation label whale is not a training label"):
        load_coco(tmp_path, val_annotations=str(tmp_path / "val.json"))


def test_images_of_the_folder_that_the_file_does_not_name_are_counted(tmp_path):
    assert "1 images in the folder are not in annotations.json" in load_coco(tmp_path, coco_file(2)).report


def test_the_cache_knows_annotations_by_what_they_say(tmp_path):
    first = load_coco(tmp_path)
    assert load_coco(tmp_path).key == first.key
    whole = coco_file()
    whole["annotations"][1]["bbox"] = [2, 5, 3, 2]
    assert load_coco(tmp_path, whole).key != first.key
    moved = write_coco_set(tmp_path / "moved", coco_file())
    assert load_format("coco", moved, annotations=str(tmp_path / "moved" / "annotations.json")).key == first.key
    assert load_coco(tmp_path, label_from="boxes").key != first.key


def test_a_folder_too_high_or_too_low_is_said(tmp_path):
    write_coco_set(tmp_path, coco_file())
    for place, names in ((tmp_path, ""), (tmp_path / "images", "images/")):
        whole = coco_file()
        for record in whole["images"]:
            record["file_name"] = names + record["file_name"]
        (tmp_path / "annotations.json").write_text(json.dumps(whole))
        meant = tmp_path if names else tmp_path / "images"
        says = rf"a\.png: annotations.json names it, but there is no such file in {place}; did you mean data.path={meant}\?"
        with pytest.raises(ValueError, match=says):
            load_format("coco", place, annotations=str(tmp_path / "annotations.json"))


def test_a_folder_without_any_of_the_images_is_searched_once(tmp_path):
    """Each of 3,000 images that are missing took a tenth of a second in a folder of 3,000 others."""
    write_coco_set(tmp_path, coco_file())
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "images").mkdir()
    listing = list_coco(CocoConfig(path=str(tmp_path / "images"), annotations=str(tmp_path / "annotations.json")))
    assert len(listing.entries) > 1
    looked = _places_near.cache_info().misses
    for entry in listing.entries:
        with pytest.raises(ValueError, match="there is no such file"):
            entry.read()
    assert _places_near.cache_info().misses == looked + 1


def test_a_broken_annotation_is_its_images_error(tmp_path):
    whole = coco_file()
    whole["annotations"][0]["segmentation"] = [[1, 1, 5, 1]]
    whole["annotations"][1]["bbox"] = [90, 90, 2, 2]
    with pytest.raises(ValueError, match=r"2 of 3 files cannot be used; a\.png: a polygon must be"):
        load_coco(tmp_path, whole)
    loaded = load_coco(tmp_path, whole, on_error="skip")
    assert loaded.train.names == ["c.png"]
    assert [name for name, _ in loaded.skipped] == ["a.png", "b.png"]


def test_pycocotools_is_asked_for_by_the_name_of_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(ValueError, match=r"pycocotools is not installed: pip install .*\[labels\]"):
        load_coco(tmp_path)
    assert len(load_coco(tmp_path, label_from="boxes").train) == 3  # boxes need no library


def test_settings(tmp_path: Path):
    save(tmp_path / "images" / "a.png", grey())
    with pytest.raises(ValueError, match=r"data\.label_from=circles: use masks or boxes"):
        load_format("coco", tmp_path / "images", label_from="circles")
    with pytest.raises(ValueError, match=r"data\.annotations is missing"):
        load_format("coco", tmp_path / "images")
    with pytest.raises(ValueError, match=r"data\.annotations: no file"):
        load_format("coco", tmp_path / "images", annotations=str(tmp_path / "no.json"))
