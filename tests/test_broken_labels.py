"""Labels as people break them: each is one line that says what is wrong, never a traceback or a wrong label."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_files import coco_file, grey, load, load_masks, save, write_coco_set, write_mask_set, write_yolo_set

pytest.importorskip("pycocotools.mask")

Change = Callable[[dict[str, Any]], Any]


def ship(**changes: Any) -> Change:
    """Change the first annotation, a ship with a polygon and a box."""
    return lambda whole: whole["annotations"][0].update(changes)


def rle(counts: Any, size: Any = (8, 8)) -> Change:
    return ship(segmentation={"size": list(size), "counts": counts})


COCO: dict[str, tuple[Change, str]] = {
    "no categories": (lambda w: w.pop("categories"), "no list of categories"),
    "no images": (lambda w: w.pop("images"), "no list of images"),
    "annotations by id": (lambda w: w.update(annotations={"1": {}}), "no list of annotations"),
    "an image that is a name": (lambda w: w["images"].append("d.png"), "no list of images"),
    "an empty list of categories": (lambda w: w.update(categories=[]), "0 categories"),
    "too many categories": (
        lambda w: w.update(categories=[{"id": i, "name": str(i)} for i in range(256)]), "256 categories",
    ),
    "a category twice": (lambda w: w["categories"].append({"id": 7, "name": "boat"}), "repeats an id or name"),
    "a category's name twice": (lambda w: w["categories"].append({"id": 8, "name": "ship"}), "repeats an id or name"),
    "a category without a name": (lambda w: w["categories"].append({"id": 8}), "needs a whole number as id and a name"),
    "a category called background": (lambda w: w["categories"].append({"id": 8, "name": "background"}), "background"),
    "an image id twice": (lambda w: w["images"][1].update(id=10), "2 images have the id 10"),
    "a file twice": (lambda w: w["images"][1].update(file_name="a.png"), "2 images have the file_name a.png"),
    "a file twice by two spellings": (
        lambda w: w["images"][1].update(file_name="./a.png"), "2 images have the file_name a.png",
    ),
    "an image without a file": (lambda w: w["images"][1].pop("file_name"), "needs an id and a file_name"),
    "a file outside the folder": (lambda w: w["images"][1].update(file_name="../b.png"), "must be a name inside"),
    "an absolute file": (lambda w: w["images"][1].update(file_name="/etc/passwd"), "must be a name inside"),
    "an annotation of no image": (lambda w: w["annotations"][0].update(image_id=99), "belongs to the image '99'"),
    "an image id that is a list": (lambda w: w["annotations"][0].update(image_id=[10]), "belongs to the image"),
    "a file that is not there": (lambda w: w["images"][1].update(file_name="z.png"), "z.png: annotations.json names it, but there is no such file in "),
    "another image size": (lambda w: w["images"][0].update(width=9), "annotations are for 8 x 9 pixels, .* 8 x 8"),
    "an unknown category": (ship(category_id=8), "category that the file does not list"),
    "a category that is a list": (ship(category_id=[7]), "category that the file does not list"),
    "neither mask nor box": (ship(segmentation=None, bbox=None), "no segmentation or bbox"),
    "a box of three": (ship(bbox=[1, 2, 3]), "not \\[x, y, width, height\\]"),
    "a box of texts": (ship(bbox=["1", "2", "3", "4"]), "a value of a bbox is '1', not a number"),
    "a box without width": (ship(segmentation=[], bbox=[1, 1, 0, 4]), "must be above 0"),
    "a box elsewhere": (ship(segmentation=[], bbox=[50, 50, 4, 4]), "outside the image"),
    "a box of 400 digits": (ship(segmentation=[], bbox=[10**400, 1, 4, 4]), "a value of a bbox is '1000.*', not a number"),
    "a box of NaN": (ship(segmentation=[], bbox=[float("nan"), 1, 4, 4]), "not a number"),
    "two points": (ship(segmentation=[[1, 1, 5, 5]]), "three points or more"),
    "half a point": (ship(segmentation=[[1, 1, 5, 1, 5, 4, 1]]), "three points or more"),
    "a flat polygon": (ship(segmentation=[1, 1, 5, 1, 5, 4]), "a polygon must be a list"),
    "a polygon of null": (ship(segmentation=[[1, 1, 5, None, 5, 4]]), "coordinate is 'None'"),
    "a polygon of infinity": (ship(segmentation=[[1, 1, float("inf"), 1, 5, 4]]), "coordinate is 'inf'"),
    "a polygon far away": (ship(segmentation=[[1, 1, 1e9, 1, 5, 4]]), "outside the image"),
    "a polygon in microns": (ship(segmentation=[[900, 900, 950, 900, 900, 950]]), "outside the image"),
    "a segmentation that is a text": (ship(segmentation="1,1,5,1"), "neither polygons nor run lengths"),
    "run lengths too short": (rle([10, 20]), "add up to 30 pixels, the image has 64"),
    "run lengths below 0": (rle([70, -6]), "none below 0"),
    "run lengths of another image": (rle([81], (9, 9)), "of size \\[9, 9\\]"),
    "run lengths that are none": (rle({"a": 1}), "must be whole numbers"),
    "a damaged string": (rle("P1\u00e9~~~"), "damaged"),
    "a string cut off": (rle("P"), "cut off"),
    "a string of another image": (rle("04"), "add up to 4 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("kind", COCO)
def test_broken_coco(tmp_path, kind):
    change, says = COCO[kind]
    whole = coco_file()
    change(whole)
    images = write_coco_set(tmp_path, whole)
    with pytest.raises(ValueError, match=says) as error:
        load("coco", images, annotations=str(tmp_path / "annotations.json"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no JSON file"), (b"{", "no JSON file"), (b"\xff\xfe\x00", "no JSON file"), (b"[]", "it holds a list"),
        (b"[" * 100000, "no JSON file"), (b'{"images": 3}', "no list of images"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_coco_file(tmp_path, data, says):
    images = write_coco_set(tmp_path, coco_file())
    (tmp_path / "annotations.json").write_bytes(data)
    for on_error in ("raise", "skip"):
        with pytest.raises(ValueError, match=says):
            load("coco", images, annotations=str(tmp_path / "annotations.json"), on_error=on_error)


YOLO = {
    "a text as class": (b"ship 0.5 0.5 0.1 0.1", r"line 1 of a\.txt: class 'ship' is not one of 0 to 1"),
    "a class too high": (b"2 0.5 0.5 0.1 0.1", "class '2' is not one of 0 to 1"),
    "a class below 0": (b"-1 0.5 0.5 0.1 0.1", "class '-1'"),
    "a fractional class": (b"0.0 0.5 0.5 0.1 0.1", "class '0.0'"),
    "the class alone": (b"0", "0 numbers follow the class"),
    "three numbers": (b"0 0.5 0.5 0.1", "3 numbers follow the class"),
    "half a point": (b"0 0.1 0.1 0.5 0.1 0.5 0.5 0.3", "7 numbers follow the class"),
    "a confidence": (b"0 0.5 0.5 0.1 0.1 0.93", "5 numbers follow the class"),
    "pixels": (b"0 40 50 10 12", "must be shares of the image's width and height"),
    "NaN": (b"0 nan 0.5 0.1 0.1", "must be shares"),
    "a text as number": (b"0 0.5 0.5 0.1 x", "must be numbers"),
    "no width": (b"0 0.5 0.5 0 0.1", "must be above 0"),
    "outside": (b"0 1.4 0.5 0.1 0.1", "outside the image"),
    "the second line": (b"0 0.5 0.5 0.1 0.1\n0 0.5", r"line 2 of a\.txt"),
    "commas": (b"0,0.5,0.5,0.1,0.1", "class '0,0.5"),
    "no text": (b"\xff\xfe\x80\x81", "is not a text file"),
}


@pytest.mark.parametrize("kind", YOLO)
def test_broken_yolo_labels(tmp_path, kind):
    data, says = YOLO[kind]
    folder = write_yolo_set(tmp_path / "set")
    (folder / "labels" / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=rf"1 of 3 files cannot be used; images/a\.png: .*{says}") as error:
        load("yolo", folder)
    assert "\n" not in str(error.value)
    assert load("yolo", folder, on_error="skip").train.names == ["images/b.png", "images/c.png"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("names: [ship", "cannot be read"), ("names: 3", "names must be"), ("- ship", "names must be"), ("", "names must be"),
        ("names: {0: a, 2: b}", "names must be"), ("names: [a, a]", "a name of its own"), ("names: []", "1 to 255"),
        ("names: [background]", "none called background"), ("names: [[a]]", "names must be"),
        ("names: !!python/object/apply:os.system [ls]", "cannot be read"),
    ],
)  # fmt: skip
def test_broken_yolo_names(tmp_path, text, says):
    folder = write_yolo_set(tmp_path / "set")
    (folder / "data.yaml").write_text(text)
    with pytest.raises(ValueError, match=says) as error:
        load("yolo", folder, on_error="skip")
    assert "\n" not in str(error.value)


def mask_file(image: np.ndarray, suffix: str = ".png") -> Callable[[Path], None]:
    """Put another mask in the place of masks/b.png."""

    def write(folder: Path) -> None:
        (folder / "masks" / "b.png").unlink()
        if suffix in (".tif", ".npy"):
            {".tif": tifffile.imwrite, ".npy": np.save}[suffix](folder / "masks" / f"b{suffix}", image)
        else:
            save(folder / "masks" / f"b{suffix}", image)

    return write


MASKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no mask": (lambda f: (f / "masks" / "b.png").unlink(), "no mask"),
    "two masks": (lambda f: save(f / "masks" / "b_mask.png", grey()), "it has 2 masks"),
    "another size": (mask_file(np.zeros((8, 9), np.uint8)), r"its mask b\.png has 8 x 9 pixels, the image 8 x 8"),
    "a JPEG": (mask_file(np.zeros((8, 8), np.uint8), ".jpg"), "coded with loss"),
    "a text": (lambda f: (f / "masks" / "b.png").write_text("no"), "its content is none of"),
    "an empty file": (lambda f: (f / "masks" / "b.png").write_bytes(b""), "empty file"),
    "fractions": (mask_file(np.full((8, 8), 0.5, np.float32), ".tif"), "holds fractions"),
    "two channels": (mask_file(np.zeros((8, 8, 2), np.uint8), ".npy"), "2 channels of uint8"),
    "deep colour": (mask_file(np.zeros((8, 8, 3), np.uint16), ".tif"), "3 channels of uint16|TIFF with"),
    "a transparent mask": (mask_file(np.full((8, 8, 4), 7, np.uint8)), "partly transparent"),
    "below 0": (mask_file(np.full((8, 8), -1, np.int16), ".tif"), "holds -1"),
    "one in colour": (mask_file(np.eye(8, dtype=np.uint8)[:, :, None] * np.array([9, 0, 0], np.uint8)), "some masks are grey"),
    "every value": (mask_file(np.arange(64, dtype=np.uint16).reshape(8, 8) * 9, ".tif"), ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in MASKS if kind != "every value"])
def test_broken_masks(tmp_path, kind):
    change, says = MASKS[kind]
    folder = write_mask_set(tmp_path / "set")
    change(folder)
    with pytest.raises(ValueError, match=says) as error:
        load_masks(folder)
    assert "\n" not in str(error.value)


def test_more_values_than_a_label_map_holds(tmp_path):
    folder = write_mask_set(tmp_path / "set")
    for k, name in enumerate("abc"):
        values = np.arange(100, dtype=np.uint16).reshape(10, 10) + 1000 * k
        tifffile.imwrite(folder / "masks" / f"{name}.tif", values)
        (folder / "masks" / f"{name}.png").unlink()
    with pytest.raises(ValueError, match=r"more than 255 values \(c\.tif is one\)"):
        load_masks(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"ship": [1, 2]}', '{"ship": [256, 0, 0]}', '{"ship": "#12345"}', '{"ship": "#gggggg"}',
     '{"ship": 1, "land": 1}', '{"ship": 1, "land": [1, 2, 3]}', '{"ship": -1}', '{"background": 0}', '{"ship": 0}',
     '{"ship": null}', '{"1": "ship", "2": "ship"}', '{"ship": true}'],
)  # fmt: skip
def test_broken_palettes(tmp_path, text):
    folder = write_mask_set(tmp_path / "set")
    (tmp_path / "palette.json").write_text(text)
    with pytest.raises(ValueError, match=r"palette\.json") as error:
        load_masks(folder, palette=str(tmp_path / "palette.json"))
    assert "\n" not in str(error.value)


BATCH = np.zeros((3, 8, 8), np.uint8)
NPZ: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"x": BATCH}, r"no array called image .* it holds x \(3, 8, 8\)"),
    "nothing": ({}, "it holds nothing"),
    "one image": ({"image": BATCH[0]}, "no array called image of shape"),
    "one image and a number beside it": (
        {"image": BATCH[:1] + 0j, "version": np.array(3)}, r"values of type complex128: .*data\.complex=amplitude",
    ),
    "no pixels": ({"image": BATCH[:, :0]}, "no array called image of shape"),
    "two names": ({"image": BATCH, "images": BATCH}, "both image and images"),
    "two maps": ({"image": BATCH, "mask": BATCH, "label": BATCH}, "both label and mask"),
    "fewer maps": ({"image": BATCH, "mask": BATCH[:2]}, "3 images and label maps of shape"),
    "other maps": ({"image": BATCH, "mask": BATCH[:, :4]}, r"label map has the shape \(4, 8\), its image \(8, 8\)"),
    "maps of fractions": ({"image": BATCH, "mask": BATCH + 0.5}, "label maps of float64"),
    "maps below 0": ({"image": BATCH, "mask": BATCH - np.int16(1)}, "label maps of int16"),
    "maps too high": ({"image": BATCH, "mask": BATCH + np.int16(256)}, "label maps of int16"),
    "a value without a name": (
        {"image": BATCH, "mask": BATCH + np.uint8(2), "label_names": np.array(["no", "ship"])}, "holds 2",
    ),
    "a name twice": ({"image": BATCH, "name": np.array(["a", "a", "b"])}, "3 different texts"),
    "fewer names": ({"image": BATCH, "name": np.array(["a", "b"])}, "3 different texts"),
    "a label's name twice": (
        {"image": BATCH, "mask": BATCH, "label_names": np.array(["background", "a", "a"])}, "different texts",
    ),
    "a pickle": ({"image": np.array([{"a": 1}], dtype=object)}, "allow_pickle=False"),
    "texts as images": ({"image": np.full((3, 8, 8), "x")}, "values of type"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NPZ)
def test_broken_archives(tmp_path, kind):
    arrays, says = NPZ[kind]
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(ValueError, match=says) as error:
        load("npz", tmp_path / "set.npz")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"text", b"PK\3\4" + bytes(60)])
def test_files_that_are_no_archives(tmp_path, data):
    (tmp_path / "set.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"set\.npz: truncated or damaged|no array called image"):
        load("npz", tmp_path / "set.npz")


# What nobody thought of

FUZZ = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.lists(st.floats(-20, 20), max_size=8),
)  # fmt: skip


def usable_or_one_line(action: Callable[[], Any]) -> None:
    """Only success, or an error of one line that the command line tells as it is."""
    said = "nothing"
    try:
        action()
    except (ValueError, OSError) as error:
        said = str(error)
    assert said
    assert "\n" not in said


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The path to every value in a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, inner in items for place in places(inner, (*path, key))]


@FUZZ
@given(data=st.data())
def test_any_value_in_a_coco_file_may_be_odd(tmp_path, data):
    whole = coco_file()
    whole["annotations"].append(
        {"id": 3, "image_id": 12, "category_id": 3, "segmentation": {"size": [8, 8], "counts": [60, 4]}}
    )
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(places(whole)))
        target = whole
        for key in parents:
            target = target[key]
        target[last] = data.draw(ODD)
    images = write_coco_set(tmp_path, whole)
    usable_or_one_line(lambda: load("coco", images, annotations=str(tmp_path / "annotations.json"), channels=1))


@FUZZ
@given(counts=st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_string_may_stand_for_run_lengths(tmp_path, counts):
    whole = coco_file()
    whole["annotations"][0]["segmentation"] = {"size": [8, 8], "counts": counts}
    images = write_coco_set(tmp_path, whole)
    usable_or_one_line(lambda: load("coco", images, annotations=str(tmp_path / "annotations.json"), channels=1))


def valid_files(folder: Path) -> dict[str, tuple[Path, Callable[[], Any]]]:
    """A file of each format, and what loads the set that it belongs to."""
    coco = write_coco_set(folder / "coco", coco_file())
    yolo, masks = write_yolo_set(folder / "yolo"), write_mask_set(folder / "masks")
    (masks / "labels.json").write_text(json.dumps({"5": "ship"}))
    np.savez_compressed(folder / "set.npz", image=BATCH, mask=BATCH, name=np.array(["a", "b", "c"]))
    (folder / "tiff").mkdir(exist_ok=True)
    tifffile.imwrite(
        folder / "tiff" / "a.tif", np.ones((8, 8, 4), np.float32), photometric="minisblack", planarconfig="contig",
        extratags=[(42113, "s", 0, "-9999", True)], compression="zlib",
    )  # fmt: skip
    load_coco = lambda: load("coco", coco, annotations=str(coco.parent / "annotations.json"), channels=1)  # noqa: E731
    return {
        "coco": (coco.parent / "annotations.json", load_coco),
        "yolo labels": (yolo / "labels" / "a.txt", lambda: load("yolo", yolo, channels=1)),
        "yolo names": (yolo / "data.yaml", lambda: load("yolo", yolo, channels=1)),
        "mask": (masks / "masks" / "a.png", lambda: load_masks(masks, channels=1)),
        "palette": (masks / "labels.json", lambda: load_masks(masks, channels=1)),
        "npz": (folder / "set.npz", lambda: load("npz", folder / "set.npz", channels=1)),
        "tiff": (folder / "tiff" / "a.tif", lambda: load("folder", folder / "tiff", nodata=0.0)),
    }


@pytest.mark.parametrize("kind", ["coco", "yolo labels", "yolo names", "mask", "palette", "npz", "tiff"])
@FUZZ
@given(data=st.data())
def test_bytes_may_be_wrong_missing_or_too_many(tmp_path, kind, data):
    path, action = valid_files(tmp_path)[kind]
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        how = data.draw(st.sampled_from(["change", "cut", "insert"]))
        if how == "change":
            content[at] = data.draw(st.integers(0, 255))
        elif how == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        elif at > 0:
            del content[at:]
    path.write_bytes(content)
    usable_or_one_line(action)
