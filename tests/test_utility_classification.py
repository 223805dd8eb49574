"""Classification: what arms and views hold, figures by hand, and the command from end to end on tiny folders."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from utility_files import write_class_folder

pytest.importorskip("torchvision")
from eval.__main__ import main as evaluate
from eval.folder_groups import groups_in
from eval.utility.__main__ import main
from eval.utility.arms import make_arms
from eval.utility.classification.arms import arm_makers
from eval.utility.classification.config import NETWORK_NAMES, ClassificationConfig
from eval.utility.classification.examples import Example
from eval.utility.classification.figures import confusion, figures, macro_f1, recalls
from eval.utility.classification.network import CLASSIFIERS, build_classifier
from eval.utility.classification.training import Looker, classify, mixed, train_classifier
from eval.utility.windows import PixelScale, draw_window

TINY = ["size=16", "width=8", "steps=2", "batch_size=4", "val_checks=1", "ratios=[1,2]", "seeds=2", "draws=100"]
TINY += ["precision=fp32"]
MATRIX = np.array([[2.0, 1, 0], [0, 3, 0], [1, 0, 0]])  # of three classes, of which the last is never found


def test_figures_by_hand():
    truth, said = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 1, 0])
    assert np.array_equal(confusion(truth, said, 3), MATRIX)
    assert recalls(MATRIX) == pytest.approx([2 / 3, 1, 0])
    f1 = [2 * 2 / (3 + 3), 2 * 3 / (3 + 4), 0]
    assert macro_f1(MATRIX) == pytest.approx(sum(f1) / 3)
    assert figures(MATRIX, rarest=2) == pytest.approx([sum(f1) / 3, 5 / 7, 0])


def test_figures_are_scikit_learns():
    truth, said = np.random.default_rng(0).integers(0, 4, (2, 60))
    said = np.where(np.arange(60) % 3 == 0, truth, said)
    matrix = confusion(truth, said, 4)
    # sklearn.metrics.f1_score(average="macro"), accuracy_score and recall_score of scikit-learn 1.9.1
    assert figures(matrix, rarest=1) == pytest.approx([0.514422374066423, 0.5166666666666667, 0.5833333333333334])
    assert recalls(matrix) == pytest.approx([0.42857142857142855, 0.5833333333333334, 0.47368421052631576, 0.6])


def test_a_resampled_set_scores_as_its_copies_and_a_class_that_it_lacks_does_not_count():
    truth, said = np.random.default_rng(1).integers(0, 3, (2, 20))
    weights = np.bincount(np.random.default_rng(2).integers(20, size=20), minlength=20)
    copies = confusion(np.repeat(truth, weights), np.repeat(said, weights), 3)
    assert np.array_equal(confusion(truth, said, 3, weights), copies)
    lacking = np.array([[2.0, 1], [0, 0]])
    assert macro_f1(lacking) == pytest.approx(2 * 2 / (3 + 2))
    assert np.isnan(figures(lacking, rarest=1)[2])


def examples(prefix: str, counts: dict[str, int]) -> list[Example]:
    return [
        Example(f"{prefix}/{label}/{i}", np.full((1, 4, 4), float(i), np.float32), label, f"{prefix}{label}{i}")
        for label, count in counts.items()
        for i in range(count)
    ]


def labels_of(chosen, of: slice = slice(None)) -> dict[str, int]:
    return dict(Counter(example.label for example in chosen.train[of]))


def test_each_arm_holds_exactly_what_it_says():
    train, val = examples("real", {"a": 4, "b": 2}), examples("val", {"a": 1, "b": 1})
    synthetic = examples("made", {"a": 40, "b": 20})
    makers = arm_makers(train, val, synthetic, [2, 10])
    assert list(makers) == [
        *("real", "no_augmentation", "duplicated", "oversampled", "mixup", "+2", "+10", "synthetic_only", "rebalanced")
    ]
    sets = {name: make() for name, make in makers.items()}
    counts = {name: labels_of(chosen) for name, chosen in sets.items()}
    assert counts == {
        **{name: {"a": 4, "b": 2} for name in ("real", "no_augmentation", "oversampled", "mixup")},
        "duplicated": {"a": 44, "b": 22}, "+2": {"a": 12, "b": 6}, "+10": {"a": 44, "b": 22},
        "synthetic_only": {"a": 4, "b": 2}, "rebalanced": {"a": 4, "b": 4},
    }  # fmt: skip
    assert all(chosen.arm.counts == {"train": len(chosen.train), "val": 2} for chosen in sets.values())
    assert all(chosen.val == val for chosen in sets.values())
    for name in ("+2", "+10", "rebalanced"):
        assert sets[name].train[:6] == train
    assert [example.name for example in sets["rebalanced"].train[6:]] == ["made/b/0", "made/b/1"]
    assert {*sets["synthetic_only"].train} <= {*sets["+2"].train[6:]} <= {*sets["+10"].train[6:]} == {*synthetic}
    assert [name for name, chosen in sets.items() if not chosen.augment] == ["no_augmentation"]
    assert [name for name, chosen in sets.items() if chosen.mixup] == ["mixup"]
    assert {name: chosen.arm.control for name, chosen in sets.items() if chosen.arm.control} == {
        "rebalanced": "oversampled"
    }
    assert list(arm_makers(train, val, [], [2])) == list(makers)[:5]
    alike = arm_makers(train[2:], val, synthetic, [2])
    assert not {"oversampled", "rebalanced"} & {*alike}


def test_classes_are_drawn_equally_often_where_that_is_promised():
    makers = arm_makers(examples("real", {"a": 6, "b": 2}), [], examples("made", {"a": 6, "b": 20}), [1])
    assert makers["oversampled"]().chances(None) == pytest.approx([1 / 12] * 6 + [1 / 4] * 2)
    assert makers["rebalanced"]().chances(0.9) == pytest.approx([1 / 12] * 12)
    assert makers["+1"]().chances(0.5) == pytest.approx([0.5 / 8] * 16)


def test_too_few_synthetic_images_are_refused_where_an_arm_takes_them():
    makers = arm_makers(examples("real", {"a": 4, "b": 2}), [], examples("made", {"b": 3}), [1])
    with pytest.raises(ValueError, match=r"holds 0 images of the class a, but \+1 takes 4: draw more, lower ratios"):
        make_arms(None, makers)
    assert list(make_arms(["real", "oversampled", "rebalanced"], makers)) == ["real", "oversampled", "rebalanced"]
    with pytest.raises(ValueError, match="rebalanced is measured against oversampled, which must be among them"):
        make_arms(["real", "rebalanced"], makers)


SCALE = PixelScale(0.0, 255.0, 0.2, 0.5)


def corner_image() -> np.ndarray:
    image = np.full((1, 16, 16), 20, np.float32)
    image[0, 2:5, 2:5] = 240
    return image


def bright_corner(seen: np.ndarray) -> tuple[bool, bool]:
    rows, columns = np.nonzero(seen[0] > (seen.max() + seen.min()) / 2)
    return bool(rows.mean() > 7.5), bool(columns.mean() > 7.5)


@pytest.mark.parametrize(
    ("symmetry", "corners"),
    [("none", 1), ("hflip", 2), ("flips", 4), ("dihedral", 4)],
)
def test_images_are_turned_only_as_the_symmetry_allows(symmetry, corners):
    looker = Looker(16, SCALE, 1, symmetry=symmetry)
    seen = [looker.look(corner_image(), np.random.default_rng(seed)) for seed in range(40)]
    assert all(view.shape == (1, 16, 16) and view.dtype == np.float32 for view in seen)
    assert len({bright_corner(view) for view in seen}) == corners
    assert len({view.tobytes() for view in seen}) == 40


def test_without_augmentation_an_image_is_itself_and_windows_move_by_no_more_than_the_shift():
    looker = Looker(16, SCALE, 3)
    assert looker.look(corner_image())[2] == pytest.approx((corner_image()[0] / 255 - 0.2) / 0.5)
    windows = [draw_window((16, 16), 1.0, np.random.default_rng(i), augment=True, shift=0.25) for i in range(200)]
    lefts = np.array([window.left for window in windows])
    assert 3.5 < lefts.max() <= 4.0
    assert -4.0 <= lefts.min() < -3.5
    assert {window.side for window in windows} == {16.0}


def test_mixup_mixes_images_and_targets_alike():
    classes = torch.tensor([0, 1, 2, 3])
    targets = torch.nn.functional.one_hot(classes, 4).float()
    images = classes.float()[:, None, None, None].expand(4, 1, 2, 2)
    found, wanted = mixed(images, targets, np.random.default_rng(3))
    assert torch.allclose(wanted.sum(dim=1), torch.ones(4))
    assert torch.allclose(found[:, 0, 0, 0], wanted @ classes.float())
    assert ((wanted > 0).sum(dim=1) == 2).any()


def test_the_networks():
    assert tuple(CLASSIFIERS) == NETWORK_NAMES
    small = build_classifier("small_resnet18", channels=1, num_classes=4, width=8)
    assert sum(p.numel() for p in small.parameters()) < 200_000
    assert small.features[:3](torch.zeros(2, 1, 16, 16)).shape == (2, 8, 16, 16)
    assert small(torch.zeros(2, 1, 20, 20)).shape == (2, 4)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in small.modules()) == 20  # ResNet-18's 17 and three shortcuts
    whole = build_classifier("resnet18", channels=1, num_classes=4, width=16)
    assert whole(torch.zeros(1, 1, 32, 32)).shape == (1, 4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for net in (small, whole) for m in net.modules())


def test_the_recipe_learns_to_tell_rows_from_columns(tmp_path):
    config = ClassificationConfig(
        task="classification", out="", train="", val="", size=16, width=8, steps=40, batch_size=8, val_checks=0,
        ema_decay=0.9, shift=0.0, precision="fp32",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    made = [replace(example, image=rng.uniform(0, 60, (1, 16, 16))) for example in examples("x", {"a": 12, "b": 12})]
    for example in made:
        start = int(rng.integers(3, 10))
        bar = example.image[0] if example.label == "a" else example.image[0].T
        bar[start : start + 3] = 230
    train, test = made[::2], made[1::2]
    looker = Looker(16, SCALE, 1, shift=0.0)
    model, _ = train_classifier(
        lambda: build_classifier("small_resnet18", channels=1, num_classes=2, width=8),
        arm_makers(train, [], [], [1])["real"](), ["a", "b"], looker, config,
        seed=0, val_score=lambda model: 0.0, label="toy",
    )  # fmt: skip
    said = classify(model, test, looker, config)
    assert [example.label for example in test] == ["ab"[i] for i in said]


@pytest.fixture
def sets(tmp_path):
    write_class_folder(tmp_path / "train", {"a": 4, "b": 2}, seed=0)
    write_class_folder(tmp_path / "val", {"a": 1, "b": 1}, seed=1)
    write_class_folder(tmp_path / "test", {"a": 3, "b": 3}, seed=2)
    made = write_class_folder(tmp_path / "synthetic" / "images", {"a": 8, "b": 4}, seed=3).parent
    rows = [
        {"file": path.relative_to(made).as_posix(), "class": path.parent.name} for path in sorted(made.rglob("*.png"))
    ]
    (made / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made / "grid.png").write_bytes((made / "images" / "a" / "000.png").read_bytes())  # named in no manifest
    splits = {key: tmp_path / key for key in ("train", "val", "test", "synthetic")}
    return {"task": "classification", **splits, "out": tmp_path / "out"}


def command(sets, *more, leave_out=()):
    given = {arg.partition("=")[0] for arg in more}
    arguments = [arg for arg in TINY if arg.partition("=")[0] not in given]
    paths = [f"{key}={value}" for key, value in sets.items() if key not in {*leave_out, *given}]
    return main([*paths, *arguments, *more])


def test_the_whole_study_its_second_call_and_its_page(sets, tmp_path, capsys):
    chosen = "arms=[real,oversampled,mixup,+2,rebalanced,synthetic_only]"
    assert command(sets, chosen) == 0
    out = capsys.readouterr().out
    report = json.loads((sets["out"] / "utility.json").read_text())
    counts = {arm["arm"]: tuple(arm["counts"].values()) for arm in report["arms"]}
    assert counts == {
        "real": (6, 2), "oversampled": (6, 2), "mixup": (6, 2), "+2": (18, 2), "synthetic_only": (6, 2), "rebalanced": (8, 2)
    }  # fmt: skip
    assert report["test_images"] == 6
    assert list(report["arms"][0]["scores"]) == ["macro-F1", "accuracy", "recall of b"]
    rebalanced = report["arms"][-1]
    assert set(rebalanced["minus_own_control"]) == set(report["arms"][0]["scores"])
    assert report["arms"][3]["minus_own_control"] is None
    said = next(
        line for line in report["verdict"] if line.startswith("rebalanced against oversampled, its own control")
    )
    assert "in recall of b (" in said
    table = [line for line in out.splitlines() if line.startswith(("arm ", "rebalanced ", "+2 "))]
    assert table[0].endswith("macro-F1 minus its own control")
    assert table[1].endswith("-")
    assert table[2].endswith("] to oversampled")
    run = json.loads((sets["out"] / "runs" / "rebalanced_1.json").read_text())
    assert sorted(run["records"]) == [f"{label}/{i:03d}.png" for label in "ab" for i in range(3)]
    assert set(run["recall"]) == {"a", "b"}
    assert run["scores"]["recall of b"] == run["recall"]["b"]

    (sets["out"] / "runs" / "+2_1.json").rename(tmp_path / "before.json")
    assert command(sets, chosen) == 0
    again = capsys.readouterr().out
    assert "11 of 12 runs are in" in again
    assert again.split("\n\n")[-2:] == out.split("\n\n")[-2:]
    one, other = (
        json.loads(path.read_text()) for path in (tmp_path / "before.json", sets["out"] / "runs" / "+2_1.json")
    )
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert command(sets, chosen, "shift=0.2") == 2
    assert "real_0.json was made with shift=0.1, now shift=0.2: choose another out" in capsys.readouterr().err

    shown = f"utility={sets['out'] / 'utility.json'}"
    folders = [
        f"{key}={tmp_path / name}" for key, name in (("real", "train"), ("synthetic", "synthetic"), ("out", "page"))
    ]
    assert evaluate([*folders, shown, f"cache_dir={tmp_path / 'cache'}", "floor_repeats=5"]) == 0
    card = json.loads((tmp_path / "page" / "card.json").read_text())
    assert card["utility"]["task"] == "classification"
    assert "rebalanced against oversampled, its own control" in (tmp_path / "page" / "report.html").read_text()


def test_validation_images_may_be_named_in_train_and_are_scored_where_there_is_no_test(sets, tmp_path, capsys):
    (tmp_path / "val.txt").write_text("a/003.png\nb/000.png\n")
    (tmp_path / "few.txt").write_text("a/000.png\na/001.png\nb/001.png\n")
    left_out = ("val", "test", "synthetic")
    lists = [f"val_list={tmp_path / 'val.txt'}", f"train_list={tmp_path / 'few.txt'}"]
    assert command(sets, *lists, "arms=[real]", "seeds=1", leave_out=left_out) == 0
    report = json.loads((sets["out"] / "utility.json").read_text())
    assert report["arms"][0]["counts"] == {"train": 3, "val": 2}
    assert sorted(report["runs"]["real"][0]["recall"]) == ["a", "b"]
    (tmp_path / "few.txt").write_text("a/000.png\na/003.png\nb/001.png\n")
    assert command(sets, *lists, leave_out=left_out) == 2
    assert "train_list and val_list share 1 images, the first a/003.png" in capsys.readouterr().err


REFUSED = {
    "val=... is missing: a folder of real images": ["val=null"],
    "val and val_list both say": ["val_list=x.txt"],
    "train=missing: no such folder": ["train=missing"],
    "network=vgg: must be one of small_resnet18": ["network=vgg"],
    "width has no effect with network=resnet18": ["network=resnet18"],
    "width=12: must be a multiple of 8": ["width=12"],
    "unknown option 'shft': did you mean shift?": ["shft=0.1"],
    "symmetry=rot: must be one of none": ["symmetry=rot"],
    "synthetic: holds 8 images of the class a, but +3 takes 12": ["ratios=[3]"],
    "arms: rebalanced is measured against oversampled": ["arms=[real,rebalanced]"],
    "group=patient: a/000.png has no patient (train): give a table": ["group=patient"],
    "group=folder: a/000.png lies in the folder of its class": ["group=folder"],
    "attributes=t.csv has no effect without group=COLUMN": ["attributes=t.csv"],
    "attributes=t.csv: no such file": ["attributes=t.csv", "group=patient"],
    "is smaller than 40x40: fit=center_crop never enlarges": ["size=40", "fit=center_crop"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_mistake_is_one_line_and_exit_code_2(sets, capsys, message):
    given = REFUSED[message]
    left_out = [arg.partition("=")[0] for arg in given if arg.endswith("=null")]
    assert command(sets, *(arg for arg in given if not arg.endswith("=null")), leave_out=left_out) == 2
    error = capsys.readouterr().err.rpartition("\r")[2]  # behind the progress bars, which clear themselves
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not sets["out"].exists()


def test_patients_of_a_table_are_never_divided_and_are_drawn_whole(sets, tmp_path, capsys):
    table = tmp_path / "patients.csv"
    rows = [
        "train/a,p1",
        "train/b,p2",
        "val/a,p3",
        "val/b/000.png,p3",
        "test/a,p4",
        "test/b/000,p4",
        "test/b/001,p5",
        "test/b/002,",
    ]
    options = ["group=patient", f"attributes={table}", "arms=[real,+1]", "seeds=1", "steps=1", "val_checks=0"]
    table.write_text("\n".join(["file,patient", *rows]))
    assert command(sets, *options) == 2
    assert "group=patient: b/002.png has no patient (test): give a table that says so" in capsys.readouterr().err
    table.write_text("\n".join(["file,patient", *rows]) + "p1")
    assert command(sets, *options) == 2
    assert "train and test share 1 values of patient, the first p1" in capsys.readouterr().err
    table.write_text("\n".join(["file,patient", *rows]) + "p6")
    assert command(sets, *options) == 0
    report = json.loads((sets["out"] / "utility.json").read_text())
    assert report["test_groups"] == {"by": "patient", "count": 3}
    assert "6 test images were drawn as the 3 groups that they form by patient" in capsys.readouterr().out


def test_a_table_names_images_stems_or_folders_and_must_be_one(tmp_path):
    names = ["a/p1/0.png", "a/p1/1.png", "b/p2/0.png", "b/p2/x.png"]
    table = tmp_path / "t.csv"

    def read(*rows, names=names, column="patient"):
        table.write_text("\n".join(["image,age,patient", *rows]))
        return groups_in(tmp_path / "test", names, column, str(table))

    assert read("a/p1,9,one", "x,9,two", "b/p2/0,9,three") == dict(
        zip(names, ["one", "one", "three", "two"], strict=True)
    )
    assert read("test/a,9,one", "a,9,two", column="age") == {names[0]: "9", names[1]: "9"}
    assert read("a/p1/0.png,,one") == {names[0]: "one"}
    for rows, message in {
        ("0,9,one",): "0 fits several images: give names with folders",
        ("a,9",): "the line of a has 2 cells, not 3",
        ("a,9,x", "a,9,y"): "names a twice",
    }.items():
        with pytest.raises(ValueError, match=message):
            read(*rows)
    with pytest.raises(ValueError, match=r"group=scene: no column of attributes=.*t.csv \(age, patient\)"):
        read("a,9,x", column="scene")
    in_two_classes = groups_in(
        tmp_path, ["a/p1/0.png", "b/p1/1.png", "b/p2/2.png", "p3/3.png", "0.png"], "folder", None
    )
    one, two, three = (str(tmp_path / name) for name in ("p1", "p2", "p3"))
    assert in_two_classes == {"a/p1/0.png": one, "b/p1/1.png": one, "b/p2/2.png": two, "p3/3.png": three}
    assert groups_in(tmp_path, names, None, None) == {}


def empty(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


def loose(root):
    (root / "loose.png").write_bytes((root / "a" / "000.png").read_bytes())


def deep(root):
    for path in root.rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 257).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: empty(root / "test" / "b"), "test: holds no image of the class b, which train has"),
        (lambda root: empty(root / "val" / "b"), "val: holds no image of the class b, which train has"),
        (lambda root: empty(root / "train" / "b"), "all its images are of the class a: there is nothing to tell"),
        (lambda root: empty(root / "train"), "train: holds no image"),
        (lambda root: (root / "synthetic" / "manifest.jsonl").write_text(""), "synthetic: holds no image"),
        (lambda root: loose(root / "test"), "loose.png has no class: one subfolder a class, or a manifest.jsonl"),
        (lambda root: (root / "test" / "a").rename(root / "test" / "c"), "test: holds no image of the class a"),
        (lambda root: deep(root / "val"), "val: holds integer pixels, train uint8: store all alike"),
        (
            lambda root: (root / "test" / "a" / "000.png").write_bytes((root / "train" / "a" / "000.png").read_bytes()),
            "train and test share 1 images by their pixels, the first a/000.png and a/000.png: ",
        ),
        (
            lambda root: (root / "synthetic" / "manifest.jsonl").write_text(
                (root / "synthetic" / "manifest.jsonl").read_text().replace('"class": "b"', '"class": "ship"')
            ),
            "synthetic: images/b/000.png is of the class ship, which train does not have (a, b)",
        ),
    ],
)
def test_folders_that_make_no_study_are_named(sets, capsys, spoil, message):
    spoil(sets["train"].parent)
    assert command(sets) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
