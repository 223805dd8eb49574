import numpy as np
import pytest
from label_files import grey, load, save, write_yolo_set

pytest.importorskip("pycocotools.mask")


def test_boxes_polygons_and_empty_files(tmp_path):
    loaded = load("yolo", write_yolo_set(tmp_path / "set"))
    train = loaded.train
    assert train.names == ["images/a.png", "images/b.png", "images/c.png"]
    assert train.spec.label_names == ["background", "ship", "buoy"]
    maps = train.label_maps(range(3))
    box = np.zeros((8, 8), np.uint8)
    box[2:4, 2:6] = 2  # centre (4, 3), 4 wide, 2 high
    assert np.array_equal(maps[0], box)
    assert maps[1][0, 0] == 1
    assert maps[1][7, 7] == 0
    assert (maps[1] > 0).sum() == pytest.approx(32, abs=8)
    assert not maps[2].any()
    assert "1 image is all background (0 without any label)" in loaded.report


def test_an_image_without_a_label_file_is_background_and_counted(tmp_path):
    folder = write_yolo_set(tmp_path / "set")
    (folder / "labels" / "a.txt").unlink()
    loaded = load("yolo", folder)
    assert not loaded.train.label_maps([0]).any()
    assert "2 images are all background (1 without any label)" in loaded.report


@pytest.mark.parametrize("layout", ["images/{subset}/{name}.png", "{subset}/images/{name}.png"])
def test_subsets_of_both_layouts(tmp_path, layout):
    folder = tmp_path / "set"
    for k, (subset, name) in enumerate([("train", "a"), ("train", "b"), ("val", "a")]):
        image = folder / layout.format(subset=subset, name=name)
        save(image, grey(seed=k))
        label = folder / layout.replace("images", "labels").format(subset=subset, name=name)
        label.parent.mkdir(parents=True, exist_ok=True)
        label.with_suffix(".txt").write_text(f"{k % 2} 0.5 0.5 1 1\n")
    (folder / "data.yaml").write_text("names:\n  0: ship\n  1: buoy\n")
    with pytest.raises(ValueError, match=r"has the subsets train, val: say data\.subset="):
        load("yolo", folder)
    loaded = load("yolo", folder, subset="train", val_subset="val")
    assert [len(loaded.train), len(loaded.val)] == [2, 1]
    assert loaded.train.label_maps([0, 1])[:, 0, 0].tolist() == [1, 2]
    assert np.array_equal(loaded.val.integers([0])[0, 0], grey(seed=2))
    assert len(load("yolo", folder, subset="all").train) == 3
    with pytest.raises(ValueError, match=r"a\.png is in training and in validation \(1 such images\)"):
        load("yolo", folder, subset="all", val_subset="val")
    with pytest.raises(ValueError, match=r"data\.subset=tests: .* has train, val"):
        load("yolo", folder, subset="tests")


def test_names_in_a_text_file_or_in_the_folder_above(tmp_path):
    folder = write_yolo_set(tmp_path / "set")
    (folder / "data.yaml").unlink()
    (folder / "labels" / "classes.txt").write_text("ship\nbuoy\n")  # what label tools leave there is no label file
    (folder / "classes.txt").write_text("ship\nbuoy\n")
    assert load("yolo", folder).train.spec.label_names == ["background", "ship", "buoy"]
    (folder / "classes.txt").rename(tmp_path / "classes.txt")
    assert load("yolo", folder).train.spec.label_names == ["background", "ship", "buoy"]
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(ValueError, match=r"has no data\.yaml or classes\.txt"):
        load("yolo", folder)


@pytest.mark.parametrize("place", ["", "set/images/train", "set/images"])
def test_a_path_too_high_or_too_low_is_said(tmp_path, place):
    folder = write_yolo_set(tmp_path / "set")
    for kind in ("images", "labels"):
        (folder / kind).rename(folder / "kind")
        (folder / kind).mkdir()
        (folder / "kind").rename(folder / kind / "train")
    with pytest.raises(ValueError, match=rf"did you mean data.path={folder}\?"):
        load("yolo", tmp_path / place)


def test_a_label_file_without_an_image_is_a_bad_file(tmp_path):
    folder = write_yolo_set(tmp_path / "set")
    (folder / "labels" / "z.txt").write_text("0 0.5 0.5 1 1\n")
    with pytest.raises(ValueError, match=r"1 of 4 files cannot be used; labels/z\.txt: a label file without an image"):
        load("yolo", folder)
    assert len(load("yolo", folder, on_error="skip").train) == 3


def test_two_images_of_one_label_file(tmp_path):
    folder = write_yolo_set(tmp_path / "set")
    save(folder / "images" / "a.bmp", grey())
    with pytest.raises(ValueError, match=r"images/a\.png: its label file is that of images/a\.bmp too"):
        load("yolo", folder)


def test_a_changed_label_is_a_changed_set(tmp_path):
    folder = write_yolo_set(tmp_path / "set")
    first = load("yolo", folder).key
    assert load("yolo", folder).key == first
    (folder / "labels" / "c.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert load("yolo", folder).key != first


def test_names_of_classes_beside_the_subsets_of_labels_are_no_subset(tmp_path):
    folder = tmp_path / "set"
    save(folder / "images" / "train" / "a.png", grey())
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 1 1\n")
    for name in ("classes.txt", "labels/classes.txt"):
        (folder / name).write_text("ship\n")
    assert load("yolo", folder).train.label_maps([0]).all()
    (folder / "images" / "train" / "a.png").rename(folder / "images" / "train" / "train.png")
    (folder / "labels" / "train" / "a.txt").rename(folder / "labels" / "train" / "train.txt")
    assert load("yolo", folder).train.label_maps([0]).all()  # the labels of an image, whatever it is called
