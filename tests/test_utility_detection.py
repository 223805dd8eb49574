"""Detection: what windows, pasted objects and arms hold, and the command from end to end on tiny sets."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from utility_files import run_lengths, scene, write_detection_set, write_names

pytest.importorskip("pycocotools.cocoeval")
from eval.utility.__main__ import main
from eval.utility.arms import TrainingSet, chosen_arms, in_random_order
from eval.utility.detection.arms import arm_makers, scene_fingerprint
from eval.utility.detection.config import DETECTOR_NAMES, DetectionConfig
from eval.utility.detection.detector import DETECTORS, build_detector
from eval.utility.detection.paste import copy_paste, object_mask
from eval.utility.detection.precision import evaluate
from eval.utility.detection.scenes import open_coco
from eval.utility.detection.training import detect, train_detector
from eval.utility.detection.views import Viewer
from eval.utility.study import Arm
from eval.utility.training import check_steps, rate

TINY = ["size=32", "steps=2", "batch_size=2", "val_checks=1", "ratios=[1,2]", "seeds=2", "draws=100", "precision=fp32"]


def rectangle_scene(h: int, w: int, boxes: list[tuple[int, int, int, int]], value: int = 200):
    image = np.full((1, h, w), 20, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[:, y0:y1, x0:x1] = value
    return scene(boxes, image=image)


def bright(image: np.ndarray) -> tuple[int, int, int, int]:
    """The corners of what is above half of the largest value."""
    rows, columns = np.nonzero(image > image.max() / 2)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("symmetry", ["none", "hflip", "flips", "dihedral"])
@pytest.mark.parametrize("jitter", [1.0, 2.0])
def test_a_window_shows_the_object_where_its_box_is(symmetry, jitter):
    viewer = Viewer(size=64, scale_jitter=jitter, symmetry=symmetry)
    given = rectangle_scene(80, 120, [(50, 30, 74, 44)])
    seen = 0
    for seed in range(40):
        view = viewer.window(given, np.random.default_rng(seed))
        assert view.image.shape == (3, 64, 64)
        assert view.image.dtype == np.float32
        if len(view.boxes):
            seen += 1
            assert np.abs(view.boxes[0] - bright(view.image[0])).max() <= 1.5
    assert seen > 20


def test_without_augmentation_a_window_is_a_part_of_the_image_as_it_is():
    image = np.random.default_rng(0).integers(0, 255, (1, 32, 50)).astype(np.uint8)
    given = scene([[10, 4, 30, 20]], image=image)
    viewer = Viewer(size=32, scale_jitter=2.0)
    for seed in range(10):
        view = viewer.window(given, np.random.default_rng(seed), augment=False)
        [[x0, _, x1, _]] = view.boxes
        left = 10 - x0 if x0 > 0 else 30 - x1
        between = image[0, :, round(left) : round(left) + 32] / 255
        assert np.abs(view.image[0][:, : between.shape[1]] - between).mean() < 0.25  # moved by less than a pixel


def test_the_whole_image_keeps_its_shape_and_says_its_scale():
    image, (sx, sy) = Viewer(size=40).whole(rectangle_scene(80, 121, [(60, 20, 100, 60)]))
    assert image.shape == (3, 40, 60)
    assert (sx, sy) == pytest.approx((60 / 121, 0.5))
    assert np.abs(np.array(bright(image[0])) - np.array([60 * sx, 10, 100 * sx, 30])).max() <= 1


def test_objects_that_are_mostly_cut_off_and_crowds_are_not_asked_for():
    given = scene([[0, 0, 100, 100]], image=np.zeros((1, 100, 1000), np.uint8), crowd=[True])
    assert len(Viewer(50, 1.0).window(given, np.random.default_rng(0)).boxes) == 0
    wide = scene([[0, 0, 1000, 100]], image=np.zeros((1, 100, 1000), np.uint8))
    assert len(Viewer(50, 1.0).window(wide, np.random.default_rng(0)).boxes) == 0  # a tenth is left of it


def test_pasted_objects_are_where_their_boxes_say_and_touch_no_other():
    rng = np.random.default_rng(5)
    scenes = [
        rectangle_scene(60, 70, [(x, y, x + 9 + i, y + 6)], value=201 + i)
        for i, (x, y) in enumerate(rng.integers(5, 40, (6, 2)).tolist())
    ]
    made = copy_paste(scenes, 30, seed=0)
    assert len(made) == 30
    assert sum(len(pasted.boxes) for pasted in made) > 45
    for i, pasted in enumerate(made):
        source = scenes[i % 6]
        assert np.array_equal(pasted.boxes[0], source.boxes[0])
        drawn = np.full_like(source.image, 20)
        for x0, y0, x1, y1 in pasted.boxes.astype(int):
            assert (drawn[:, y0:y1, x0:x1] == 20).all(), "two objects overlap"
            drawn[:, y0:y1, x0:x1] = 200 + (x1 - x0) - 8  # the value tells the width
        assert np.array_equal(pasted.image, drawn)
    assert np.array_equal(copy_paste(scenes, 30, seed=0)[7].image, made[7].image)


def test_an_object_is_cut_out_by_its_mask():
    mask = np.zeros((20, 30), bool)
    mask[5:9, 10:20] = True
    mask[6, 12] = False
    boxed = scene([[10, 5, 20, 9]], image=np.zeros((1, 20, 30), np.uint8))
    assert object_mask(boxed, 0).sum() == 40
    assert np.array_equal(object_mask(replace(boxed, segmentations=[run_lengths(mask)]), 0), mask)
    polygon = object_mask(replace(boxed, segmentations=[[[10, 5, 20, 5, 20, 9, 10, 9]]]), 0)
    assert polygon.sum() == 40
    assert polygon[5:9, 10:20].all()
    with pytest.raises(ValueError, match="a segmentation is for"):
        object_mask(replace(boxed, segmentations=[run_lengths(np.ones((4, 4), bool))]), 0)


def many(count: int, value: int) -> list:
    return [rectangle_scene(20, 20, [(i % 10, 2, i % 10 + 6, 9)], value=value) for i in range(count)]


def test_each_arm_holds_exactly_what_it_says():
    train, val, synthetic = many(4, 100), many(2, 150), many(60, 200)
    arms = {name: make() for name, make in arm_makers(train, val, synthetic, [2, 10]).items()}
    controls = ["real", "no_augmentation", "duplicated", "copy_paste"]
    assert list(arms) == [*controls, "+2", "+10", "copy_paste+2", "copy_paste+10", "synthetic_only"]
    assert chosen_arms(None, list(arms)) == [*controls, "+2", "+10"]
    counts = {name: (len(chosen.train), len(chosen.val)) for name, chosen in arms.items()}
    assert counts == {
        "real": (4, 2), "no_augmentation": (4, 2), "duplicated": (44, 2), "copy_paste": (44, 2),
        "+2": (12, 6), "+10": (44, 22), "copy_paste+2": (52, 6), "copy_paste+10": (84, 22), "synthetic_only": (40, 20),
    }  # fmt: skip
    assert all(arms[name].arm.counts == {"train": n, "val": v} for name, (n, v) in counts.items())
    assert [name for name, chosen in arms.items() if not chosen.augment] == ["no_augmentation"]
    assert all(arms["duplicated"].train[i::4] == [train[i]] * 11 for i in range(4))
    for name in ("+2", "+10", "copy_paste"):
        assert arms[name].train[:4] == train
    assert arms["+10"].train[4:] == synthetic[:40]
    assert arms["+2"].train[4:] == synthetic[:8]
    assert [scene.name for scene in arms["copy_paste+2"].train[:44]] == [
        scene.name for scene in arms["copy_paste"].train
    ]
    for pasted, plain in zip(arms["copy_paste+2"].train[44:], synthetic[:8], strict=True):
        assert np.array_equal(pasted.boxes[:1], plain.boxes)
        assert len(pasted.boxes) > 1
        assert {*np.unique(pasted.image)} <= {*np.unique(plain.image)}  # objects of synthetic images, not of real ones
    assert {arms[f"copy_paste+{r}"].arm.control for r in (2, 10)} == {"copy_paste"}
    assert arms["+10"].val == [*val, *synthetic[40:60]]
    assert arms["+2"].val == [*val, *synthetic[40:44]]
    assert list(arm_makers(train, val, [], [2])) == controls
    with pytest.raises(
        ValueError, match="holds 59 images, but ratio 10 to 4 for training and 2 for validation takes 60"
    ):
        arm_makers(train, val, synthetic[:59], [2, 10])["+2"]()


def test_a_share_of_real_images_is_kept_where_others_are_added():
    mixed = TrainingSet(Arm("synthetic", "", {}), many(10, 1), [], real=2)
    assert mixed.chances(None) == pytest.approx([0.1] * 10)
    assert mixed.chances(0.5) == pytest.approx([0.25] * 2 + [0.5 / 8] * 8)
    assert replace(mixed, real=10).chances(0.5) == pytest.approx([0.1] * 10)


def test_a_fingerprint_changes_with_pixels_boxes_and_order():
    one, two = many(2, 100)
    moved = replace(one, boxes=one.boxes + 1)
    assert len({scene_fingerprint(scenes) for scenes in ([one, two], [two, one], [moved, two], many(2, 101))}) == 4
    assert scene_fingerprint([one, two]) == scene_fingerprint(many(2, 100))


def test_rate_and_checks_by_hand():
    assert [rate(step, 100, 0.1) for step in (0, 9)] == pytest.approx([0.1, 1.0])
    assert rate(55, 100, 0.1) == pytest.approx(0.5)
    assert 0 < rate(99, 100, 0.1) < 1e-3
    assert check_steps(800, 4) == [500, 600, 700, 800]
    assert check_steps(800, 0) == []


def test_config_and_registry_name_the_same_detectors():
    assert tuple(DETECTORS) == DETECTOR_NAMES


@pytest.fixture
def sets(tmp_path):
    real = write_detection_set(tmp_path / "real", 10, seed=0)
    synthetic = write_detection_set(tmp_path / "synthetic", 12, seed=1)
    return {
        "task": "detection", "images": real / "images", "annotations": real / "annotations.json",
        "train": write_names(tmp_path / "train.txt", range(4)), "val": write_names(tmp_path / "val.txt", range(4, 6)),
        "test": write_names(tmp_path / "test.txt", range(6, 10)), "synthetic": synthetic, "out": tmp_path / "out",
    }  # fmt: skip


def command(sets, *more, leave_out=()):
    return main([*(f"{key}={value}" for key, value in sets.items() if key not in leave_out), *TINY, *more])


def test_the_whole_study_and_its_second_call(sets, capsys):
    chosen = "arms=[real,no_augmentation,copy_paste,+2]"
    assert command(sets, chosen) == 0
    out = capsys.readouterr().out
    report = json.loads((sets["out"] / "utility.json").read_text())
    assert [arm["arm"] for arm in report["arms"]] == ["real", "no_augmentation", "copy_paste", "+2"]
    assert report["arms"][-1]["counts"] == {"train": 12, "val": 6}
    assert report["test_images"] == 4
    assert report["verdict"][0].startswith("+2: ")
    assert set(report["arms"][-1]["minus_real"]) == {"AP50", "AP"}
    run = json.loads((sets["out"] / "runs" / "+2_1.json").read_text())
    assert sorted(run["records"]) == [f"{i:03d}.png" for i in range(6, 10)]
    assert [check["step"] for check in run["history"]] == [2]
    assert report["environment"]["torch"]
    assert "[8/8] +2, seed 1: AP50 0." in out
    assert command(sets, chosen) == 0
    again = capsys.readouterr().out
    assert "8 of 8 runs are in" in again
    assert again.split("\n\n")[-2:] == out.split("\n\n")[-2:]
    assert command(sets, chosen, "lr=1e-4") == 2
    assert "real_0.json was made with lr=0.0005, now lr=0.0001: choose another out" in capsys.readouterr().err


def test_groups_of_a_study_may_be_named_later_and_their_number_is_said(sets, capsys):
    write_names(sets["test"], range(6, 10))
    assert command(sets, "arms=[real]", "seeds=1") == 0
    plain = json.loads((sets["out"] / "utility.json").read_text())
    assert "test_groups" not in plain
    assert command(sets, "arms=[real]", "seeds=1", "group=scene") == 0
    assert "1 of 1 runs are in" in capsys.readouterr().out
    grouped = json.loads((sets["out"] / "utility.json").read_text())
    assert grouped["test_groups"] == {"by": "scene", "count": 2}
    assert "intervals: 4 test images were drawn as the 2 groups that they form by scene" in grouped["verdict"]
    write_names(sets["test"], range(6, 8))
    assert command(sets, "group=scene") == 2
    assert "group=scene: all images of test have the same scene, 3: there must be several" in capsys.readouterr().err


def test_a_group_is_a_field_of_a_record_of_its_attributes_or_the_files_folder(tmp_path):
    folder = write_detection_set(tmp_path, 2, seed=0)
    whole = json.loads((folder / "annotations.json").read_text())
    (folder / "images" / "p1").mkdir()
    (folder / "images" / "001.png").rename(folder / "images" / "p1" / "001.png")
    whole["images"][1] |= {"file_name": "p1/001.png", "attributes": {"patient": 7, "scene": "ignored"}}
    (folder / "annotations.json").write_text(json.dumps(whole))
    coco = open_coco(folder / "images", folder / "annotations.json")
    for group, expected in {
        None: [None, None],
        "scene": ["0", "0"],
        "patient": [None, "7"],
        "folder": [None, "p1"],
    }.items():
        assert [each.group for each in coco.scenes(["000.png", "p1/001.png"], coco.categories, group)] == expected


def test_without_a_test_set_validation_is_scored_and_seeds_repeat(sets, tmp_path, capsys):
    plain = {**sets, "out": tmp_path / "a"}
    left_out = ("test", "synthetic")
    assert command(plain, "arms=[real]", "seeds=1", leave_out=left_out) == 0
    assert "no synthetic arm was run" in capsys.readouterr().out
    first = json.loads((tmp_path / "a" / "runs" / "real_0.json").read_text())
    assert sorted(first["records"]) == ["004.png", "005.png"]
    assert command({**sets, "out": tmp_path / "b"}, "arms=[real]", "seeds=1", leave_out=left_out) == 0
    assert json.loads((tmp_path / "b" / "runs" / "real_0.json").read_text())["records"] == first["records"]


REFUSED = {
    "unknown option 'sise': did you mean size?": ["sise=3"],
    "detector=yolo: must be one of fcos_resnet18": ["detector=yolo"],
    "ratios=[10, 2]: must be rising whole numbers": ["ratios=[10,2]"],
    "steps=0: must be 1 or more": ["steps=0"],
    "arms: there is no arm 'duplicate': did you mean duplicated?": ["arms=[real,duplicate]"],
    "arms=+2: real must be among them": ["arms=[+2]"],
    "takes 18": ["ratios=[1,3]"],
    "scale_jitter=0.5: must be 1.0 to 4.0": ["scale_jitter=0.5"],
    "group=ship: 000.png has no ship": ["group=ship"],
    "test=missing.txt: no such file": ["test=missing.txt"],
    "annotations=missing.json: no such file": ["annotations=missing.json"],
    "images=missing: no such folder": ["images=missing"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_mistake_is_one_line_and_exit_code_2(sets, capsys, message):
    given = REFUSED[message]
    keys = {arg.partition("=")[0] for arg in given}
    arguments = [arg for arg in TINY if arg.partition("=")[0] not in keys]
    assert main([*(f"{key}={value}" for key, value in sets.items() if key not in keys), *arguments, *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not sets["out"].exists()


def test_what_would_make_the_test_no_test_is_refused(sets, tmp_path, capsys):
    write_names(tmp_path / "train.txt", range(2, 8))
    assert command(sets) == 2
    assert "train and val share 2 images, the first 004.png: a test needs images of its own" in capsys.readouterr().err
    write_names(tmp_path / "train.txt", range(3))
    write_names(tmp_path / "val.txt", range(3, 5))
    write_names(tmp_path / "test.txt", range(6, 10))
    assert command(sets, "group=scene") == 2
    assert "train and val share 1 values of scene, the first 1" in capsys.readouterr().err
    images = sets["images"]
    (images / "009.png").write_bytes((images / "000.png").read_bytes())
    assert command(sets) == 2
    assert "train and test share 1 images by their pixels, the first 000.png and 009.png: " in capsys.readouterr().err
    (sets["synthetic"] / "images" / "000.png").write_bytes((images / "008.png").read_bytes())
    (images / "009.png").write_bytes((images / "008.png").read_bytes()[::-1])
    assert command(sets) == 2
    assert "009.png: cannot identify" in capsys.readouterr().err
    write_names(tmp_path / "test.txt", range(6, 9))
    assert command(sets) == 2
    assert (
        "test and synthetic share 1 images by their pixels, the first 008.png and 000.png: " in capsys.readouterr().err
    )


def test_synthetic_images_need_a_test_set_and_a_task_needs_a_name(sets, capsys):
    assert command(sets, leave_out=("test",)) == 2
    assert "test=... is missing: without it val is scored" in capsys.readouterr().err
    assert main(["out=x"]) == 2
    assert "task=: must be one of detection" in capsys.readouterr().err
    assert main(["task=detection", "out=x"]) == 2
    assert "images=... is missing" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "usage: python -m eval.utility task=detection" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda whole: whole["annotations"][0].update(bbox=[90, 0, 4, 4]), "has no area inside the image of 40 x 56"),
        (lambda whole: whole["annotations"][0].pop("bbox"), "has no bbox of"),
        (lambda whole: whole["annotations"][0].update(image_id=99), "must be COCO's JSON of images"),
        (lambda whole: whole["annotations"][0].update(category_id=9), "must be COCO's JSON of images"),
        (lambda whole: whole["images"][0].update(height=41), "says 41 x 56"),
        (lambda whole: whole["images"].pop(0), "must be COCO's JSON of images"),
        (lambda whole: whole["images"][0].update(file_name="other.png"), "000.png: no such image in"),
    ],
)
def test_broken_annotations_are_named(sets, capsys, spoil, message):
    whole = json.loads(sets["annotations"].read_text())
    spoil(whole)
    sets["annotations"].write_text(json.dumps(whole))
    assert command(sets) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "of", "images", "arms"),
    [
        ("train", "annotations", range(1, 5), "[real]"),
        ("val", "annotations", range(5, 7), "[real]"),
        ("test", "annotations", range(7, 11), "[real]"),
        ("synthetic, for validation", "synthetic", in_random_order(range(1, 13))[8:], "[real,synthetic_only]"),
    ],
)
def test_images_without_any_object_are_refused_for_they_have_no_score(sets, capsys, key, of, images, arms):
    file = sets[of] if of == "annotations" else sets[of] / "annotations.json"
    whole = json.loads(file.read_text())
    whole["annotations"] = [row for row in whole["annotations"] if row["image_id"] not in images]
    file.write_text(json.dumps(whole))
    assert command(sets, f"arms={arms}") == 2
    assert f"error: {key}: none of its {len(images)} images has an object" in capsys.readouterr().err


def test_another_category_or_depth_of_synthetic_images_is_refused(sets, capsys):
    file = sets["synthetic"] / "annotations.json"
    file.write_text(file.read_text().replace('"ship"', '"boat"'))
    assert command(sets) == 2
    assert "the category 'boat' is none of the real ones (ship)" in capsys.readouterr().err


def test_the_recipe_learns_bright_rectangles(tmp_path):
    folder = write_detection_set(tmp_path, 20, seed=0)
    coco = open_coco(folder / "images", folder / "annotations.json")
    scenes = coco.scenes(sorted(coco.records), coco.categories)
    places = dict.fromkeys(("task", "out", "images", "annotations", "train", "val"), "")
    config = DetectionConfig(**places, size=48, steps=50, batch_size=4, lr=1e-3, val_checks=0, ema_decay=0.9)
    viewer = Viewer(48, 1.2)
    model, history = train_detector(
        lambda: build_detector("fcos_resnet18", num_classes=1, size=48, mean=0.2, std=0.25, bf16=False),
        scenes[:16], np.full(16, 1 / 16), viewer, config, seed=0, augment=True,
        val_score=lambda model: 0.0, label="toy",
    )  # fmt: skip
    assert history == []
    found = detect(model, scenes[16:], viewer, torch.device("cpu"))
    assert evaluate(found, scenes[16:], 1)[0]["AP50"] > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_no_box_is_empty_before_training_and_a_gradient_reaches_each_side(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_detector("fcos_resnet18", num_classes=1, size=32, mean=0.2, std=0.25, bf16=False)
        features = list(model.backbone(torch.rand(1, 3, 32, 32)).values())
    sides = model.head(features)["bbox_regression"]
    assert sides.min() > 0.3
    sides.log().sum().backward()
    convolution = model.head.regression_head.bbox_reg[0]
    assert (convolution.bias.grad > 1.0).all()
