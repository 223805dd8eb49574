"""Attributes from a table, groups from anywhere, and a split that divides no group."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import load_images
from data.attributes import attribute_numbers, attribute_values, describe_attributes, with_groups, with_table
from data.folder import FolderConfig
from data.image_set import ImageSet, ImageSpec, LoadedImages
from data.item import Entry, Item, Listing
from data.nifti import NiftiConfig
from data.split import split, with_copies


def entry(name: str, group: str | None = None, **attributes: str) -> Entry:
    return Entry(name, name, lambda: Item(np.zeros((1, 4, 4), np.uint8)), attributes, group)


def image_set(labels: list[int]) -> ImageSet:
    n = len(labels)
    spec = ImageSpec(1, 4, 4, attributes={"class": [str(k) for k in range(max(labels) + 1)]})
    return ImageSet(np.zeros((n, 1, 4, 4), np.uint8), np.array(labels)[:, None], [str(i) for i in range(n)], spec)


def groups_of(part: ImageSet, groups: list) -> list:
    return [groups[int(name)] for name in part.names]


def test_no_group_is_divided_and_the_share_is_kept():
    rng = np.random.default_rng(0)
    for seed in range(20):
        groups = [f"g{i}" for i in rng.integers(0, 40, 300)]
        train, val = split(image_set([0] * 300), 0.2, seed, groups)
        assert len(train) + len(val) == 300
        assert not set(groups_of(train, groups)) & set(groups_of(val, groups))
        assert abs(len(val) - 60) <= 3


def test_groups_keep_the_proportions_of_the_classes():
    labels, groups = [], []
    for g in range(60):  # 20 groups of class 0 with 10 images, 40 of class 1 with 2
        labels += [0] * 10 if g < 20 else [1] * 2
        groups += [f"g{g}"] * (10 if g < 20 else 2)
    for seed in range(10):
        _, val = split(image_set(labels), 0.2, seed, groups)
        assert val.class_labels is not None
        assert np.bincount(val.class_labels[:, 0]).tolist() == [40, 16]


def test_a_group_split_depends_on_its_seed_alone():
    groups = [f"g{i // 3}" for i in range(90)]
    images = image_set([0] * 90)
    assert split(images, 0.2, 3, groups)[1].names == split(images, 0.2, 3, groups)[1].names
    assert split(images, 0.2, 3, groups)[1].names != split(images, 0.2, 4, groups)[1].names


def test_images_without_a_group_stand_alone():
    groups = ["a", "a", "a", "a", None, None, None, None]
    for seed in range(10):
        train, val = split(image_set([0] * 8), 0.25, seed, groups)
        assert len(val) == 2
        assert groups_of(train, groups).count("a") == 4
    plain = [split(image_set([0] * 8), 0.25, 1, g)[1].names for g in (None, [None] * 8)]
    assert plain[0] == plain[1]


@pytest.mark.parametrize(
    ("groups", "content", "parts"),
    [
        (None, "abcd", None),  # as they are: the split is that of before
        (["x", None, "x", None], "abcd", None),
        (None, "abca", [0, 1, 2, 0]),
        (["x", None, "x", None], "abcb", [0, 1, 0, 1]),
        (["x", "y", "x", "z"], "abcc", [0, 1, 0, 0]),
        (["x", "y", "z", "y", "x"], "abbde", [0, 1, 1, 1, 0]),
        (["x", "y", "z", "y", "x"], "abaab", [0, 0, 0, 0, 0]),
    ],
)
def test_groups_that_hold_the_same_item_are_one(groups, content, parts):
    joined = with_copies(groups, list(content))
    if parts is None:
        assert joined is groups
    else:
        assert joined is not None
        assert [[a == b for b in joined] for a in joined] == [[a == b for b in parts] for a in parts]


def test_an_image_in_two_files_is_in_training_or_in_validation(tmp_path):
    folder = save(tmp_path / "set", *(f"{i}.png" for i in range(5)))
    for i in range(5):
        (folder / f"x{i}.png").write_bytes((folder / f"{i}.png").read_bytes())
    loaded = load(folder, val_fraction=0.2)
    assert sorted(name.removeprefix("x") for name in loaded.val.names) == [loaded.val.names[0]] * 2
    assert "5 files are copies of another" in loaded.report
    assert "Groups" not in loaded.report


def test_a_class_of_one_group_stays_in_training():
    groups = ["a", "a", "b", "b", "c", "c"]
    for seed in range(20):
        train, val = split(image_set([0, 0, 0, 0, 1, 1]), 0.3, seed, groups)
        assert train.class_labels is not None
        assert set(train.class_labels[:, 0].tolist()) == {0, 1}
        assert len(val) == 2


@pytest.mark.parametrize(("groups", "held"), [(["a"] * 6, 0), (["a"] * 5 + ["b"], 1), (["a"] * 3 + ["b"] * 3, 3)])
def test_few_groups(groups, held):
    train, val = split(image_set([0] * 6), 0.1, 0, groups)
    assert (len(train), len(val)) == (6 - held, held)


def test_an_attribute_that_is_a_group_is_no_attribute():
    listing = Listing([entry("x/1.png", patient="p1", plane="a"), entry("x/2.png", patient="p2", plane="a")])
    grouped = with_groups(listing, "patient")
    assert [e.group for e in grouped.entries] == ["p1", "p2"]
    assert [dict(e.attributes) for e in grouped.entries] == [{"plane": "a"}] * 2
    assert [e.group for e in with_groups(listing, "folder").entries] == ["x", "x"]
    assert with_groups(listing, None) is listing
    own = Listing([entry("1.png", group="s1")], grouped_by="scene")
    assert with_groups(own, "scene") is own
    stated = Listing([entry("1.png", group="s1", scene="x"), entry("2.png", group="s2", scene="x")], grouped_by="scene")
    grouped = with_groups(stated, "scene")  # of a table: it goes before what a reader takes from names
    assert [(e.group, dict(e.attributes)) for e in grouped.entries] == [("x", {})] * 2
    volume = Listing([replace(entry("a/p/t1/0001"), file="a/p/t1.nii")])
    assert [e.group for e in with_groups(volume, "folder").entries] == ["a/p"]


def test_a_group_that_images_lack():
    listing = Listing([entry("1.png", patient="p1"), entry("2.png")])
    with pytest.raises(ValueError, match=r"data\.group=patient: 2\.png has no patient"):
        with_groups(listing, "patient")
    with pytest.raises(ValueError, match=r"data\.group=scene: 1\.png has no scene \(use folder, patient or null\)"):
        with_groups(listing, "scene")
    with pytest.raises(ValueError, match=r"data\.group=folder: 1\.png has no folder"):
        with_groups(listing, "folder")


def table(tmp_path: Path, text: str) -> str:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    return str(tmp_path / "table.csv")


def test_a_table_names_files_stems_or_folders(tmp_path):
    listing = Listing([entry("a/1.png"), entry("a/2.png"), entry("b/3.png"), entry("c/4.png")])
    text = "\ufefffile, sensor ,plane\na/1.png,X,top\n3,Y,\na,Z,side\n"
    found = with_table(listing, table(tmp_path, text)).entries
    assert [dict(e.attributes) for e in found] == [
        {"sensor": "X", "plane": "top"}, {"sensor": "Z", "plane": "side"}, {"sensor": "Y"}, {},
    ]  # fmt: skip
    values = attribute_values(found)
    numbers = attribute_numbers(found, values)
    assert values == {"sensor": ["X", "Y", "Z"], "plane": ["side", "top"]}
    assert numbers is not None
    assert numbers.tolist() == [[0, 1], [2, 0], [1, -1], [-1, -1]]
    assert describe_attributes(numbers, values) == [
        "3 values of sensor: X 1, Y 1, Z 1, unknown 1", "2 values of plane: side 1, top 1, unknown 2",
    ]  # fmt: skip


def test_a_table_may_name_files_without_their_folders(tmp_path):
    found = with_table(Listing([entry("a/1.png"), entry("b/2.png")]), table(tmp_path, "file,age\n1.png,old\n2,young\n"))
    assert [e.attributes["age"] for e in found.entries] == ["old", "young"]
    with pytest.raises(ValueError, match=r"1\.png in .* fits several images"):
        with_table(Listing([entry("a/1.png"), entry("b/1.png")]), table(tmp_path, "file,age\n1.png,old\n"))


def test_rows_that_name_no_image_are_told_of_once_and_change_no_key(tmp_path):
    save(tmp_path / "set", "a/1.png", "a/2.png", "b/3.png")
    rows = ["a/1.png,X", "2,Y", "b,Z"]  # by path, stem and folder
    options = {"attributes": table(tmp_path, "file,sensor\n" + "\n".join(rows))}
    plain = load(tmp_path / "set", **options)
    assert "name no image" not in plain.report
    table(tmp_path, "file,sensor\n" + "\n".join([*rows, "x.png,X", "c/1.png,Y"]))
    more = load(tmp_path / "set", **options)
    assert f"2 of 5 rows of {options['attributes']} name no image here, such as x.png." in more.report
    assert more.key == plain.key
    fewer = load(tmp_path / "set", max_images=2, **options)
    assert "name no image" not in fewer.report  # they may be of images left out


def slices(*files: str) -> list[Entry]:
    return [replace(entry(f"{f}/{k:04d}"), file=f"{f}.nii.gz") for f in files for k in range(3)]


def test_a_table_names_the_file_of_a_slice_not_its_number(tmp_path):
    text = "file,age\n0001,old\n0002,young\n"
    found = with_table(Listing(slices("0001", "0002")), table(tmp_path, text)).entries
    assert [e.attributes["age"] for e in found] == ["old"] * 3 + ["young"] * 3
    found = with_table(Listing(slices("0001", "a/0002", "ctrl")), table(tmp_path, text)).entries
    assert [e.attributes.get("age") for e in found] == ["old"] * 3 + ["young"] * 3 + [None] * 3
    with pytest.raises(ValueError, match=r"0002 in .* fits several images"):
        with_table(Listing(slices("a/0002", "b/0002")), table(tmp_path, text))


def test_class_is_the_first_attribute():
    assert list(attribute_values([entry("1", plane="a"), entry("2", plane="b", **{"class": "c"})])) == [
        "class",
        "plane",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a CSV table"),
        ("file\n1.png\n", "each named once"),
        ("file,a,a\n1.png,x,y\n", "each named once"),
        ("file,\n1.png,x\n", "each named once"),
        ("file,a\n1.png,x,y\n", "the line of 1.png has 3 cells, not 2"),
        ("file,a\n1.png,x\n1.png,y\n", "names 1.png twice"),
        ("file,a\n9.png,x\n", "names none of the images, such as a/1.png"),
        ("file,class\na/1.png,x\n", "have a class already"),
        ("file,a\n1,x\n", "1 in .* fits several images"),
        ('file,a\n"1.png,x\n', "not a CSV table"),
    ],
)
def test_tables_that_are_none(tmp_path, text, says):
    listing = Listing([entry("a/1.png", **{"class": "c"}), entry("b/1.png")])
    with pytest.raises(ValueError, match=rf"data\.attributes: .*{says}") as error:
        with_table(listing, table(tmp_path, text))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"data\.attributes: no file"):
        with_table(listing, str(tmp_path / "no.csv"))


def save(folder: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / name)
    return folder


def load(folder: Path, **options) -> LoadedImages:
    return load_images(FolderConfig(path=str(folder), image_size=8, **options), cache_dir=folder.parent / "cache")


def test_folders_as_groups_below_classes_or_without(tmp_path):
    names = [f"patient{i}/{k}.png" for i in range(4) for k in range(3)]
    loaded = load(save(tmp_path / "flat", *names), group="folder", val_fraction=0.25)
    assert loaded.train.spec.attributes == {}
    assert len({name.split("/")[0] for name in loaded.val.names}) == 1
    assert len(loaded.val) == 3
    assert "Groups by folder, none divided: 3 (9 images) to train on, 1 (3 images) held out." in loaded.report
    deep = save(tmp_path / "deep", *(f"{c}/{c}{name}" for c in "ab" for name in names))
    loaded = load(deep, group="folder", val_fraction=0.25)
    assert loaded.train.spec.classes == ["a", "b"]
    assert {name.rpartition("/")[0] for name in loaded.val.names}.isdisjoint(
        {name.rpartition("/")[0] for name in loaded.train.names}
    )
    assert loaded.val.class_labels is not None
    assert np.bincount(loaded.val.class_labels[:, 0]).tolist() == [3, 3]
    with pytest.raises(ValueError, match="two folders down"):
        load(deep)
    save(deep, "a/odd.png")
    with pytest.raises(ValueError, match=r"different depths .*CLASS/GROUP/1\.png"):
        load(deep, group="folder")


def test_a_patient_who_lies_in_two_classes_is_one_group(tmp_path):
    folder = save(tmp_path / "set", *(f"{c}/p{i}/{k}.png" for c in "ab" for i in range(6) for k in range(2)))
    loaded = load(folder, group="folder", val_fraction=0.3)
    held, kept = ({name.split("/")[1] for name in part.names} for part in (loaded.val, loaded.train))
    assert held.isdisjoint(kept)
    assert "4 (16 images) to train on, 2 (8 images) held out" in loaded.report
    listing = Listing([entry("a/1.png", **{"class": "a"}), entry("a/p/2.png", **{"class": "b"}), entry("c/p/3.png")])
    assert [e.group for e in with_groups(listing, "folder").entries] == ["a", "a/p", "c/p"]  # no class stands there


def test_a_table_gives_attributes_and_groups_to_a_folder(tmp_path):
    folder = save(tmp_path / "images", *(f"{i}.png" for i in range(8)))
    rows = "".join(f"{i}.png,s{i % 2},p{i // 2}\n" for i in range(8))
    csv = table(tmp_path, f"file,sensor,patient\n{rows}")
    loaded = load(folder, attributes=csv, group="patient", val_fraction=0.25)
    assert loaded.train.spec.attributes == {"sensor": ["s0", "s1"]}
    assert len(loaded.val) == 2
    assert int(loaded.val.names[0][0]) // 2 == int(loaded.val.names[1][0]) // 2
    assert load(folder, attributes=csv, val_fraction=0.25).key != loaded.key
    table(tmp_path, f"file,sensor,patient\n{rows.replace('s1', 's2')}")
    assert load(folder, attributes=csv, group="patient", val_fraction=0.25).key != loaded.key


def test_a_group_held_out_by_hand_must_be_whole(tmp_path):
    folder = save(tmp_path / "images", *(f"p{i}/{k}.png" for i in range(3) for k in range(2)))
    (tmp_path / "val.txt").write_text("p1/0.png\n")
    with pytest.raises(ValueError, match=r"folder p1 is in training and in validation \(1 such groups\)"):
        load(folder, group="folder", val_list=str(tmp_path / "val.txt"))
    (tmp_path / "val.txt").write_text("p1/0.png\np1/1.png\n")
    loaded = load(folder, group="folder", val_list=str(tmp_path / "val.txt"))
    assert "2 (4 images) to train on, 1 (2 images) held out" in loaded.report


def test_a_table_of_a_set_without_a_usable_file_leaves_the_error_to_the_files(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.nii").write_bytes(b"junk" * 200)
    options = {"image_size": 8, "attributes": table(tmp_path, "file,patient\na,p\n"), "group": "patient"}
    with pytest.raises(ValueError, match=r"1 of 1 files cannot be used; a\.nii: not a NIfTI file"):
        load_images(NiftiConfig(path=str(tmp_path / "images"), **options), cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("val_path", ["images", "images/../images"])
def test_a_validation_folder_that_is_the_training_folder(tmp_path, val_path):
    folder = save(tmp_path / "images", "1.png", "2.png")
    with pytest.raises(ValueError, match=r"1\.png is in training and in validation \(2 such images\)"):
        load(folder, val_path=str(tmp_path / val_path))


def test_folders_of_one_name_in_two_places_are_two_groups(tmp_path):
    for k, place in enumerate(("train", "val")):
        save(tmp_path / place, *(f"p{i}/{k}.png" for i in range(2)))
    loaded = load(tmp_path / "train", val_path=str(tmp_path / "val"), group="folder")
    assert loaded.report.endswith("Groups by folder, none divided: 2 (2 images) to train on, 2 (2 images) held out.")


def test_one_group_alone_leaves_nothing_to_validate_with(tmp_path):
    loaded = load(save(tmp_path / "images", "p/1.png", "p/2.png"), group="folder")
    assert (
        "1 (2 images) to train on, 0 (0 images) held out. One group cannot be divided, so nothing is held out"
        in loaded.report
    )
