"""Images, label maps and masks that sampling is given: exact on the model's scale, or one clear error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from label_files import grey, save
from PIL import Image
from tiny_checkpoint import write_stored

from data.fit import fit_hole, fit_image, fit_label_map
from data.folder import FolderConfig
from data.given import load_given_images, load_label_maps, load_masks, stated_classes
from data.given_files import Given, find_images, find_labels
from data.given_list import listed
from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.masks import MasksConfig
from data.writers import read_pixels

SPEC = ImageSpec(1, 8, 8, label_names=["background", "ship", "buoy"])
HOW = FolderConfig(path="gone", image_size=8)
SPECS = {
    "8-bit": SPEC,
    "colour": ImageSpec(3, 8, 8),
    "16-bit": ImageSpec(1, 8, 8, "uint16", IntensityConfig(high=65535.0)),
    "12-bit": ImageSpec(1, 8, 8, "uint16", IntensityConfig(high=4095.0), file_dtype="uint16"),
    "16-bit colour": ImageSpec(3, 8, 8, "uint16", IntensityConfig(high=65535.0)),
    "signed": ImageSpec(1, 8, 8, "uint16", IntensityConfig(low=-1000.0, high=3000.0), file_dtype="int32"),
    "real": ImageSpec(1, 8, 8, "uint16", IntensityConfig(low=-1.5, high=2.5), file_dtype="float32"),
    "dB": ImageSpec(1, 8, 8, "uint16", IntensityConfig("db", -30.0, 10.0), file_dtype="float32"),
    "5 bands": ImageSpec(5, 8, 8),
    "simulated": ImageSpec(1, 8, 8, "uint8", IntensityConfig("db", -30.0, 10.0)),
}


def images(folder: Path, count: int = 2, size: tuple[int, int] = (8, 8)):
    for i in range(count):
        save(folder / f"{i}.png", grey(*size, seed=i))
    return load_given_images("images", str(folder), SPEC, HOW)


def names(found: list[Given]) -> list[str]:
    return [given.name for given in found]


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_images_are_read_back_on_the_model_s_scale(spec, tmp_path):
    files = write_stored(tmp_path / "set", spec, 3)
    given = load_given_images("images", str(tmp_path / "set"), spec, HOW)
    assert given.names == ["000", "001", "002"]
    assert given.pixels.dtype.name == spec.dtype
    assert (given.pixels == np.stack([read_pixels(file, spec) for file in files])).all()


def test_images_of_another_size_are_fitted_as_in_training(tmp_path):
    image = grey(12, 20)
    save(tmp_path / "set" / "a.png", image)
    for fit in ("crop", "resize", "pad", "center_crop"):
        given = load_given_images("images", str(tmp_path / "set"), SPEC, FolderConfig(image_size=8, fit=fit))
        assert (given.pixels[0] == np.rint(fit_image(image[None], (8, 8), fit))).all()
        assert given.shapes == [(12, 20)]


def test_a_single_file_and_folders_of_classes(tmp_path):
    save(tmp_path / "dog" / "b.png", grey(seed=1))
    save(tmp_path / "cat" / "a.png", grey(seed=0))
    (tmp_path / "notes.txt").write_text("not an image")
    assert load_given_images("images", str(tmp_path), SPEC, HOW).names == ["cat/a", "dog/b"]
    one = load_given_images("images", str(tmp_path / "dog" / "b.png"), SPEC, HOW)
    assert one.names == ["b"]
    assert (one.pixels[0, 0] == grey(seed=1)).all()


@pytest.mark.parametrize(
    ("masks", "mask"), [("DIR/set", "a_mask"), ("DIR/set/masks", "masks/a"), ("DIR/set/./masks", "masks/deep/a")]
)
def test_masks_among_the_images_are_no_images(masks, mask, tmp_path):
    save(tmp_path / "a.png", grey())
    save(tmp_path / f"{mask}.png", a_map())
    how = MasksConfig(path="DIR/set", masks=masks, image_size=8)
    assert load_given_images("reject_copies", str(tmp_path), SPEC, how).names == ["a"]
    assert len(load_given_images("images", str(tmp_path), SPEC, replace(how, masks="elsewhere")).names) == 2
    one = tmp_path / f"{mask}.png"
    assert load_given_images("images", str(one), SPEC, how).names == [one.stem]  # as it is named
    assert one.stem in names(find_labels("mask", str(one.parent), SPEC, how, None))


def test_colour_and_grey_as_the_model_has_them(tmp_path):
    save(tmp_path / "grey" / "a.png", grey())
    three = load_given_images("images", str(tmp_path / "grey"), SPECS["colour"], HOW)
    assert (three.pixels[0] == grey()).all()
    save(tmp_path / "colour" / "a.png", np.repeat(grey()[:, :, None], 3, axis=2))
    one = load_given_images("images", str(tmp_path / "colour"), SPEC, HOW)
    assert (one.pixels[0, 0] == grey()).all()


def test_the_training_set_s_way_of_reading_is_kept(tmp_path):
    """Complex values as amplitude, NaN filled."""
    spec = ImageSpec(1, 8, 8, "uint16", IntensityConfig(high=5.0), file_dtype="float32")
    values = np.full((8, 8), 3 + 4j, np.complex64)
    values[0, 0] = np.nan
    (tmp_path / "set").mkdir()
    tifffile.imwrite(tmp_path / "set" / "a.tif", values)
    how = FolderConfig(image_size=8, complex="amplitude", nodata=0)
    pixels = load_given_images("images", str(tmp_path / "set"), spec, how).pixels
    assert pixels[0, 0, 0, 0] == 0
    assert (pixels[0, 0, 1:] == 65535).all()


def bad_depth(folder):
    save(folder / "a.png", grey().astype(np.uint16) * 257)


def bad_channels(folder):
    tifffile.imwrite(folder / "a.tif", np.zeros((8, 8, 5), np.uint8), photometric="minisblack", planarconfig="contig")


def bad_file(folder):
    (folder / "a.png").write_text("no picture")


def bad_twins(folder):
    save(folder / "a.png", grey())
    Image.fromarray(grey()).save(folder / "a.bmp")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bad_depth, "a.png: it holds uint16 values and the training images uint8"),
        (bad_channels, "a.tif: it has 5 channels and the training images 1"),
        (bad_file, "a.png: its content is none of"),
        (bad_twins, "a.png and a.bmp have one name"),
        (lambda folder: None, "images=.*: no image in it"),
        (lambda folder: folder.rmdir(), "images=.*does not exist"),
    ],
)
def test_images_unlike_the_training_images_are_refused(make, message, tmp_path):
    (tmp_path / "set").mkdir()
    make(tmp_path / "set")
    with pytest.raises(ValueError, match=message) as error:
        load_given_images("images", str(tmp_path / "set"), SPEC, HOW)
    assert str(error.value).startswith("images=")
    assert "\n" not in str(error.value)


def test_values_outside_the_training_range_are_refused_but_for_a_few(tmp_path):
    spec = SPECS["12-bit"]
    values = np.full((8, 8), 4000, np.uint16)
    values[0, 0] = 5000
    save(tmp_path / "set" / "a.png", values)
    for i in range(9):
        save(tmp_path / "set" / f"{i}.png", np.full((8, 8), 4000, np.uint16))
    assert load_given_images("images", str(tmp_path / "set"), spec, HOW).pixels.max() == 65535
    with pytest.raises(ValueError, match=r"2% of the values are outside 0..4095, which this checkpoint knows"):
        load_given_images("images", str(tmp_path / "set" / "a.png"), spec, HOW)


@pytest.mark.parametrize("intensity", ["linear", "log"])
def test_values_outside_a_stated_range_are_clipped_as_in_training(tmp_path, intensity):
    spec = ImageSpec(1, 8, 8, "uint8", IntensityConfig(intensity, 6.0, 255.0), file_dtype="uint8")
    how = FolderConfig(path="gone", image_size=8, intensity=intensity, value_range=(6.0, 255.0))
    dark = np.full((8, 8), 200, np.uint8)
    dark[:4] = 0
    save(tmp_path / "set" / "a.png", dark)
    pixels = load_given_images("images", str(tmp_path / "set"), spec, how).pixels
    assert (pixels[..., :4, :] == 0).all()
    assert (pixels[..., 4:, :] > 128).all()


def test_small_images_for_center_crop_are_named(tmp_path):
    save(tmp_path / "set" / "a.png", grey(4, 4))
    with pytest.raises(ValueError, match=r"images=.*a.png: 4 x 4 is smaller than"):
        load_given_images("images", str(tmp_path / "set"), SPEC, FolderConfig(image_size=8, fit="center_crop"))


# --- classes ----------------------------------------------------------------------------------------------------------


def of_files(*names: str) -> list[Given]:
    """What image files of these names say of their class."""
    return [Given(n, n, lambda: np.zeros((1, 8, 8)), {"class": n.rpartition("/")[0].split("/")[0]}) for n in names]


def test_classes_are_folders():
    spec = ImageSpec(1, 8, 8, attributes={"class": ["cat", "dog"]})
    assert stated_classes("images", of_files("dog/a", "cat/b", "dog/volume/c"), spec).tolist() == [1, 0, 1]
    assert stated_classes("images", of_files("a", "b"), spec).tolist() == [2, 2]
    with pytest.raises(ValueError, match=r"images: cow/a is in the folder cow, but the classes are cat, dog"):
        stated_classes("images", of_files("cat/b", "cow/a"), spec)
    with pytest.raises(ValueError, match=r"labels: a is in no folder, but the classes are cat, dog"):
        stated_classes("labels", of_files("a", "cat/b"), spec)
    known = [Given(n, n, lambda: np.zeros(1), a) for n, a in (("a/0", {"class": "dog"}), ("a/1", {}))]
    assert stated_classes("images", known, spec).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"images: a/0 is of the class dog, but the classes are cat"):
        stated_classes("images", known, ImageSpec(1, 8, 8, attributes={"class": ["cat"]}))


# --- label maps -------------------------------------------------------------------------------------------------------


def a_map(size=(8, 8), value=2):
    label_map = np.zeros(size, np.uint8)
    label_map[: size[0] // 2, 2:5] = value
    return label_map


def test_label_maps_alone_and_with_images(tmp_path):
    for name in ("1", "0", "2"):
        save(tmp_path / "labels" / f"{name}.png", a_map() // 2 * int(name))
    found, maps = load_label_maps(str(tmp_path / "labels"), SPEC, HOW, None)
    assert names(found) == ["0", "1", "2"]
    assert [int(m.max()) for m in maps] == [0, 1, 2]
    found, maps = load_label_maps(str(tmp_path / "labels"), SPEC, HOW, images(tmp_path / "images"))
    assert names(found) == ["0", "1"]
    found, maps = load_label_maps(str(tmp_path / "labels" / "2.png"), SPEC, HOW, images(tmp_path / "images"))
    assert [int(m.max()) for m in maps] == [2, 2]


@pytest.mark.parametrize("line", ["cat/1", "cat/1.jpg", "cat/1.nii.gz", "cat"])
def test_of_what_is_given_a_list_names_what_is_used(line, tmp_path):
    for name in ("cat/1", "cat.1", "dog/1"):
        save(tmp_path / "labels" / f"{name}.png", a_map())
    (tmp_path / "list.txt").write_text(f"{line}\n")
    listed = str(tmp_path / "list.txt")
    found, maps = load_label_maps(str(tmp_path / "labels"), SPEC, HOW, None, input_list=listed)
    assert (names(found), len(maps)) == (["cat/1"], 1)
    shown = load_given_images("images", str(tmp_path / "labels"), SPEC, HOW, input_list=listed)
    assert shown.names == ["cat/1"]
    found, _ = load_label_maps(str(tmp_path / "labels"), SPEC, HOW, shown, input_list=listed)
    assert names(found) == ["cat/1"]


@pytest.mark.parametrize(
    ("files", "line", "meant"),
    [
        (["cat.png", "cat.1.png"], "cat.1", ["cat.1"]),
        (["x.tif", "x.tif.png"], "x.tif", ["x"]),
        (["a.png", "a/1.png"], "a.png", ["a"]),
        (["a.png", "b.png"], ".", ["a", "b"]),
        (["cat/1.png"], "cat.7", None),
        (["s.png"], "s.2", None),
    ],
)
def test_a_line_means_what_it_names_and_nothing_near_it(files, line, meant, tmp_path):
    for name in files:
        save(tmp_path / "labels" / name, a_map())
    (tmp_path / "list.txt").write_text(f"{line}\n")
    given = find_images("images", str(tmp_path / "labels"), HOW)
    if meant is not None:
        assert names(listed(given, str(tmp_path / "labels"), str(tmp_path / "list.txt"))) == meant
        return
    with pytest.raises(ValueError, match=rf"input_list: {line} is not in .*labels \(1 of 1 missing\)"):
        listed(given, str(tmp_path / "labels"), str(tmp_path / "list.txt"))


@pytest.mark.parametrize("line", ["scan", "scan.nii.gz", "scan.NII", "scan/1"])
def test_a_volume_is_listed_with_all_its_slices(line, tmp_path):
    given = [Given(name, name, np.zeros) for name in ("scan/0", "scan/1", "other/0")]
    (tmp_path / "list.txt").write_text(f"{line}\n")
    of_scan = ["scan/1"] if line == "scan/1" else ["scan/0", "scan/1"]
    assert names(listed(given, "scans", str(tmp_path / "list.txt"))) == of_scan


MASKED = replace(SPEC, label_names=["background", "label_128", "label_255"])


def test_values_of_masks_that_training_named_by_their_value(tmp_path):
    """data=masks calls what it finds label_128 and label_255 where no palette says more."""
    for name, values in (("a", a_map(value=255)), ("c", a_map() // 2 * 128)):
        save(tmp_path / "labels" / f"{name}.png", values)
    _, maps = load_label_maps(str(tmp_path / "labels"), MASKED, HOW, None)
    assert (maps == np.stack([a_map(), a_map() // 2])).all()
    save(tmp_path / "labels" / "d.png", a_map(value=254))
    with pytest.raises(
        ValueError, match=r"d.png: its values are 0 to 254, but the labels are 0 background, 1 label_128"
    ):
        load_label_maps(str(tmp_path / "labels"), MASKED, HOW, None)


def test_values_mean_one_thing_in_all_maps(tmp_path):
    """{0, 2} beside {0, 1} are numbers; alone they may be either, where training had masks of 2 and of 5."""
    spec = replace(SPEC, label_names=["background", "label_2", "label_5"])
    save(tmp_path / "labels" / "a.png", a_map(value=2))
    with pytest.raises(ValueError, match=r"labels=.*: 2 may be the number of label_5 or the value of label_2 \(a COCO"):
        load_label_maps(str(tmp_path / "labels"), spec, HOW, None)
    for other, first in ((1, 2), (5, 1)):
        save(tmp_path / "labels" / "b.png", a_map(value=other))
        _, maps = load_label_maps(str(tmp_path / "labels"), spec, HOW, None)
        assert [int(m.max()) for m in maps] == [first, 3 - first]
    save(tmp_path / "labels" / "c.png", a_map(value=1))
    with pytest.raises(
        ValueError, match=r"b.png: its values are those of masks, and those of .*c.png numbers of labels"
    ):
        load_label_maps(str(tmp_path / "labels"), spec, HOW, None)
    same = replace(SPEC, label_names=["background", "label_1", "label_2"])
    (tmp_path / "labels" / "b.png").unlink()
    assert [int(m.max()) for m in load_label_maps(str(tmp_path / "labels"), same, HOW, None)[1]] == [2, 1]


def test_names_go_together_whatever_their_suffix_and_order(tmp_path):
    """`a.b` sorts before `a` as .png and behind it as .tif."""
    for i, name in enumerate(("a", "a.q")):
        save(tmp_path / "images" / f"{name}.png", grey(seed=i))
        (tmp_path / "labels").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "labels" / f"{name}.tif", np.full((8, 8), i + 1, np.uint8))
    given = load_given_images("images", str(tmp_path / "images"), SPEC, HOW)
    found, maps = load_label_maps(str(tmp_path / "labels"), SPEC, HOW, given)
    assert names(found) == given.names
    assert {name: int(m[0, 0]) for name, m in zip(given.names, maps, strict=True)} == {"a": 1, "a.q": 2}


def test_maps_and_masks_move_with_their_image(tmp_path):
    """Of the image's size they are fitted as it is; of the model's they belong to the fitted image; else refused."""
    given = images(tmp_path / "images", 1, size=(12, 20))
    for size, expected in (((12, 20), fit_label_map(a_map((12, 20)), (8, 8), "crop")), ((8, 8), a_map())):
        save(tmp_path / "labels" / "0.png", a_map(size))
        assert (load_label_maps(str(tmp_path / "labels"), SPEC, HOW, given)[1][0] == expected).all()
        hole = load_masks(str(tmp_path / "labels"), SPEC, HOW, given)[0]
        assert (hole == (expected > 0 if size == (8, 8) else fit_hole(a_map(size) > 0, (8, 8), "crop"))).all()
        assert hole[expected > 0].all()
    save(tmp_path / "labels" / "0.png", a_map((9, 9)))
    for option, load in (("labels", load_label_maps), ("mask", load_masks)):
        with pytest.raises(ValueError, match=rf"{option}=.*0.png: it is 9 x 9 and its image 12 x 20"):
            load(str(tmp_path / "labels"), SPEC, HOW, given)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (a_map(value=3), "values are 0 to 3, but the labels are 0 background, 1 ship, 2 buoy"),
        (a_map(value=255), "values are 0 to 255"),
        (np.stack([a_map(), a_map(value=1), a_map()], axis=2), "in colour"),
    ],
)
def test_what_is_no_label_map_is_refused(values, message, tmp_path):
    save(tmp_path / "labels" / "0.png", values)
    with pytest.raises(ValueError, match=rf"labels=.*0.png: .*{message}"):
        load_label_maps(str(tmp_path / "labels"), SPEC, HOW, None)


def test_lossy_and_missing_maps_are_refused(tmp_path):
    save(tmp_path / "lossy" / "0.jpg", a_map())
    with pytest.raises(ValueError, match="labels=.*0.jpg: coded with loss"):
        load_label_maps(str(tmp_path / "lossy"), SPEC, HOW, None)
    save(tmp_path / "labels" / "0.png", a_map())
    with pytest.raises(ValueError, match=r"labels=.*nothing for the image 1 \(1 of 2 missing\)"):
        load_label_maps(str(tmp_path / "labels"), SPEC, HOW, images(tmp_path / "images"))


# --- masks ------------------------------------------------------------------------------------------------------------


def test_one_mask_for_all_or_one_each(tmp_path):
    given = images(tmp_path / "images")
    for i in range(2):
        save(tmp_path / "mask" / f"{i}.png", a_map(value=100 * (i + 1)))
    assert (load_masks(str(tmp_path / "mask"), SPEC, HOW, given) == (a_map() > 0)).all()
    assert (load_masks(str(tmp_path / "mask" / "1.png"), SPEC, HOW, given) == (a_map() > 0)).all()


def test_a_mask_of_nothing_is_refused(tmp_path):
    save(tmp_path / "mask.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="mask=.*nothing to fill in"):
        load_masks(str(tmp_path / "mask.png"), SPEC, HOW, images(tmp_path / "images"))
