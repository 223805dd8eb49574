"""Segmentation: masks and what they mean, views and arms, Dice by hand, and the command from end to end on tiny folders."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from utility_files import write_pairs

from data.palette import found_palette
from data.sample_files import SampleFiles, write_label_map
from data.write_masks import write_masks
from eval.__main__ import main as evaluate
from eval.utility.__main__ import main
from eval.utility.segmentation.arms import arm_makers
from eval.utility.segmentation.config import SegmentationConfig
from eval.utility.segmentation.figures import dice, figures, pixel_counts
from eval.utility.segmentation.masks import names_of_values, read_mask, read_names, value_of
from eval.utility.segmentation.network import SmallUNet
from eval.utility.segmentation.pairs import Pair, read_pairs
from eval.utility.segmentation.paste import copy_paste
from eval.utility.segmentation.training import PairViewer, dice_loss, segment, train_segmenter
from eval.utility.windows import PixelScale, Window, cut_label_map

TINY = ["size=16", "width=8", "steps=2", "batch_size=2", "val_checks=1", "ratios=[1,2]", "seeds=2", "draws=100"]
TINY += ["precision=fp32"]
SCALE = PixelScale(0.0, 255.0, 0.2, 0.3)


def test_dice_by_hand():
    truth = np.array([[1, 1, 0], [2, 0, 0]])
    said = np.array([[1, 0, 0], [2, 2, 1]])
    counts = pixel_counts(truth, said, 3)
    assert counts.tolist() == [[1, 2, 2], [1, 2, 1], [0, 0, 0]]
    each = dice(counts[None])
    assert each[:2] == pytest.approx([2 * 1 / 4, 2 * 1 / 3])
    assert np.isnan(each[2])
    assert figures(counts[None])[:3] == pytest.approx([(1 / 2 + 2 / 3) / 2, 1 / 2, 2 / 3])
    assert figures(counts[None, :1]) == pytest.approx([1 / 2])


def test_dice_is_of_all_pixels_together_and_resampled_images_count_as_their_copies():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, (2, 5, 6, 7))
    counts = np.stack([pixel_counts(a, b, 2) for a, b in zip(truth, said, strict=True)])
    whole = pixel_counts(truth.reshape(-1, 7), said.reshape(-1, 7), 2)
    assert dice(counts) == pytest.approx(dice(whole[None]))
    weights = np.array([2, 0, 1, 0, 2])
    assert figures(counts, weights) == pytest.approx(figures(np.repeat(counts, weights, axis=0)))
    empty = pixel_counts(np.zeros((2, 2), int), np.ones((2, 2), int), 2)
    assert figures(empty[None])[0] == 0  # a drawn test set without any label
    missed = np.stack([empty, pixel_counts(np.ones((2, 2), int), np.ones((2, 2), int), 2)])
    assert dice(missed)[0] == pytest.approx(2 * 4 / (4 + 8))  # what is found in an image without the label counts


def test_the_loss_is_0_for_certain_truth_and_known_for_even_chances():
    labels = torch.tensor([[[0, 1], [1, 2]]])
    certain = 100 * torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    assert dice_loss(certain, labels).item() == pytest.approx(0, abs=1e-6)
    even = [(2 * 2 / 3 + 1) / (4 / 3 + 2 + 1), (2 * 1 / 3 + 1) / (4 / 3 + 1 + 1)]
    assert dice_loss(torch.zeros(1, 3, 2, 2), labels).item() == pytest.approx(1 - sum(even) / 2)


def test_a_label_map_keeps_its_values_and_a_pixel_takes_the_label_of_most_of_it():
    label_map = np.random.default_rng(0).integers(0, 4, (8, 8)).astype(np.uint8)
    assert np.array_equal(cut_label_map(label_map, Window(0.0, 0.0, 8.0), 8), label_map)
    assert np.array_equal(cut_label_map(label_map, Window(2.0, 3.0, 4.0), 4), label_map[3:7, 2:6])
    assert np.array_equal(cut_label_map(label_map, Window(-2.0, 0.0, 8.0), 8)[:, :2], np.zeros((8, 2)))
    halves = np.repeat([[0, 0, 0, 0, 5, 5, 5, 5]], 8, axis=0).astype(np.uint8)
    assert cut_label_map(halves, Window(0.0, 0.0, 8.0), 2).tolist() == [[0, 5], [0, 5]]


def drawn_pair(name: str, value: int, box: tuple[int, int, int, int], size: tuple[int, int] = (40, 60)) -> Pair:
    x0, y0, x1, y1 = box
    image, label_map = np.full((1, *size), 20, np.uint8), np.zeros(size, np.uint8)
    image[:, y0:y1, x0:x1], label_map[y0:y1, x0:x1] = value, 1 + value % 2
    return Pair(name, image, label_map)


@pytest.mark.parametrize("symmetry", ["none", "hflip", "flips", "dihedral"])
@pytest.mark.parametrize("jitter", [1.0, 2.0])
def test_image_and_labels_move_together(symmetry, jitter, monkeypatch):
    monkeypatch.setattr("eval.utility.segmentation.training.relit", lambda image, rng: image)
    viewer, pair = PairViewer(32, SCALE, 1, jitter, symmetry), drawn_pair("a", 230, (22, 6, 42, 30))
    seen = 0
    for seed in range(30):
        image, labels = viewer.window(pair, np.random.default_rng(seed))
        assert image.shape == (1, 32, 32)
        assert labels.shape == (32, 32)
        if (labels > 0).sum() > 60:
            seen += 1
            bright = image[0] > (image.max() + image.min()) / 2
            assert (bright & (labels > 0)).sum() > 0.9 * (bright | (labels > 0)).sum()
    assert seen > 15
    plain, _ = viewer.window(pair, np.random.default_rng(0), augment=False)
    assert plain.max() == pytest.approx((230 / 255 - 0.2) / 0.3, abs=1e-5)
    assert viewer.whole(pair).shape == (1, 32, 48)


def test_pasted_objects_keep_their_labels_and_touch_no_other():
    rng = np.random.default_rng(5)
    pairs = [drawn_pair(str(i), 200 + i, (x, y, x + 9, y + 6)) for i, (x, y) in enumerate(rng.integers(3, 30, (6, 2)))]
    made = copy_paste(pairs, 30, seed=0)
    for i, pasted in enumerate(made):
        own = pairs[i % 6].label_map > 0
        assert np.array_equal(pasted.image[:, own], pairs[i % 6].image[:, own])
        assert np.array_equal(np.where(pasted.image[0] > 20, 1 + pasted.image[0] % 2, 0), pasted.label_map)
        assert (pasted.label_map > 0).sum() % 54 == 0
    assert sum((pasted.label_map > 0).sum() // 54 for pasted in made) > 60
    assert np.array_equal(copy_paste(pairs, 30, seed=0)[7].image, made[7].image)
    full = Pair("full", np.zeros((1, 8, 8), np.uint8), np.ones((8, 8), np.uint8))
    assert np.array_equal(copy_paste([full, full], 1, seed=0)[0].label_map, full.label_map)


def test_each_arm_holds_exactly_what_it_says():
    train = [drawn_pair(f"r{i}", 200 + i, (i, 2, i + 6, 9)) for i in range(4)]
    val = [drawn_pair("v", 100, (4, 4, 9, 9))]
    synthetic = [drawn_pair(f"s{i}", 210, (4, 4, 9, 9)) for i in range(40)]
    makers = arm_makers(train, val, synthetic, [2, 10])
    sets = {name: make() for name, make in makers.items()}
    assert {name: len(chosen.train) for name, chosen in sets.items()} == {
        "real": 4, "no_augmentation": 4, "duplicated": 44, "copy_paste": 44, "+2": 12, "+10": 44, "synthetic_only": 4
    }  # fmt: skip
    assert all(chosen.val == val and chosen.arm.counts["val"] == 1 for chosen in sets.values())
    assert sets["+2"].train == train + synthetic[:8]
    assert sets["+10"].train == train + synthetic
    assert sets["synthetic_only"].train == synthetic[:4]
    assert sets["copy_paste"].train[:4] == train
    assert list(arm_makers(train, val, [], [2])) == ["real", "no_augmentation", "duplicated", "copy_paste"]
    with pytest.raises(
        ValueError, match=r"holds 39 images, but \+10 takes 40: draw more, lower ratios, or leave \+10 out"
    ):
        arm_makers(train, val, synthetic[:39], [2, 10])["+10"]()


def test_the_network_takes_images_of_any_size():
    net = SmallUNet(1, 3, 8)
    for h, w in ((16, 24), (21, 9)):
        assert net(torch.zeros(2, 1, h, w)).shape == (2, 3, h, w)
    assert sum(p.numel() for p in net.parameters()) < 150_000


def test_the_recipe_learns_bright_rectangles(tmp_path):
    write_pairs(tmp_path / "train", 12, seed=0, values=(1,))
    write_pairs(tmp_path / "val", 6, seed=1, values=(1,))
    config = SegmentationConfig(
        task="segmentation", out="", train=str(tmp_path / "train"), val=str(tmp_path / "val"),
        size=24, width=8, steps=40, batch_size=4, val_checks=0, ema_decay=0.8, scale_jitter=1.2, precision="fp32",
    )  # fmt: skip
    splits, viewer = read_pairs(config).splits, PairViewer(24, SCALE, 1, 1.2)
    model, _ = train_segmenter(
        lambda: SmallUNet(1, 2, 8), arm_makers(splits["train"], [], [], [1])["real"](), viewer, config,
        seed=0, val_score=lambda model: 0.0, label="toy",
    )  # fmt: skip
    assert figures(segment(model, splits["val"], viewer, config, 1))[0] > 0.9


def write_image(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, **options).save(path)
    return path


def test_masks_hold_numbers_colours_or_indices(tmp_path):
    numbers = np.array([[0, 7], [255, 1]], np.uint8)
    assert np.array_equal(read_mask(write_image(tmp_path / "n.png", numbers)), numbers)
    assert np.array_equal(read_mask(write_image(tmp_path / "g.png", np.repeat(numbers[..., None], 3, 2))), numbers)
    indexed = Image.fromarray(numbers, mode="L").convert("P")
    indexed.putpalette([i for k in range(256) for i in (k, 0, 255 - k)])
    indexed.save(tmp_path / "i.png")
    assert np.array_equal(read_mask(tmp_path / "i.png"), numbers)
    colours = np.array([[[0, 0, 0], [255, 0, 0]], [[255, 255, 255], [0, 128, 255]]], np.uint8)
    codes = read_mask(write_image(tmp_path / "c.png", colours))
    assert [value_of(code) for code in codes.ravel().tolist()] == [0, "#ff0000", 255, "#0080ff"]
    with pytest.raises(ValueError, match=r"m.jpg: is coded with loss"):
        read_mask(tmp_path / "m.jpg")
    np.save(tmp_path / "f.npy", np.array([[0.5, 1.0]]))
    with pytest.raises(ValueError, match=r"f.npy: holds fractions"):
        read_mask(tmp_path / "f.npy")


@pytest.mark.parametrize("seen", [{0, 5, 255}, {(0, 0, 0), (255, 0, 0), (9, 9, 9)}])
def test_unnamed_values_are_called_as_in_training(seen):
    codes = {
        v if isinstance(v, int) else v[0] if len({*v}) == 1 else 1 << 24 | v[0] << 16 | v[1] << 8 | v[2] for v in seen
    }
    assert {*names_of_values(codes).values()} == found_palette(seen).keys() - {"background"}


def test_names_of_labels_in_all_their_forms(tmp_path):
    assert read_names(tmp_path) is None
    for text, names in {
        '{"0": "background", "1": "ship"}': {0: "background", 1: "ship"},
        '{"ship": 255}': {255: "ship"},
        '{"ship": [255, 0, 0], "land": "#00ff00", "ice": [9, 9, 9]}': {"#ff0000": "ship", "#00ff00": "land", 9: "ice"},
    }.items():
        (tmp_path / "labels.json").write_text(text)
        assert read_names(tmp_path) == names
        assert read_names(tmp_path / "masks") == names
    for text in ("[1]", '{"ship": -1}', '{"ship": "red"}', "{"):
        (tmp_path / "labels.json").write_text(text)
        with pytest.raises(ValueError, match="labels.json: names no labels"):
            read_names(tmp_path)
    (tmp_path / "labels.json").write_text('{"ship": 1, "boat": 1}')
    with pytest.raises(ValueError, match="two names have the same value"):
        read_names(tmp_path)


def test_too_many_values_are_no_labels():
    with pytest.raises(ValueError, match="more than 255 values"):
        names_of_values(set(range(256)))


def sampled(root, source, label_names):
    """What `sample.py format=masks` writes of pairs whose masks hold 0, 1, ..."""
    samples = []
    for path in sorted((source / "images").glob("*.png")):
        label_map = root / "labels" / path.name
        label_map.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(label_map, np.asarray(Image.open(source / "masks" / path.name)))
        samples.append(SampleFiles(path.stem, path, label_map))
    write_masks(root, samples, label_names)
    return root


@pytest.fixture
def sets(tmp_path):
    """Real masks of 0, 100 and 255, named in train alone; synthetic ones of 0, 1 and 2, as sampled."""
    for i, (key, count) in enumerate({"train": 4, "val": 2, "test": 3}.items()):
        write_pairs(tmp_path / key, count, seed=i, values=(100, 255))
    (tmp_path / "train" / "labels.json").write_text('{"ship": 255, "land": 100}')
    source = write_pairs(tmp_path / "source", 8, seed=9)
    sampled(tmp_path / "synthetic", source, ["background", "land", "ship"])
    splits = {key: tmp_path / key for key in ("train", "val", "test", "synthetic")}
    return {"task": "segmentation", **splits, "out": tmp_path / "out"}


def command(sets, *more, leave_out=()):
    given = {arg.partition("=")[0] for arg in more}
    arguments = [arg for arg in TINY if arg.partition("=")[0] not in given]
    paths = [f"{key}={value}" for key, value in sets.items() if key not in {*leave_out, *given}]
    return main([*paths, *arguments, *more])


def config_of(sets) -> SegmentationConfig:
    return SegmentationConfig(**{key: str(value) for key, value in sets.items()})


def test_labels_go_by_their_names(sets, tmp_path):
    pairs = read_pairs(config_of(sets))
    assert pairs.names == ["land", "ship"]
    for pair in (pair for split in pairs.splits.values() for pair in split):
        assert {*np.unique(pair.label_map)} == {0, 1, 2}
        shown = [pair.image[0][pair.label_map == k] for k in range(3)]
        assert shown[0].max() < 60
        assert {*shown[1]} == {170}
        assert {*shown[2]} == {220}
    (tmp_path / "synthetic" / "masks").rename(tmp_path / "elsewhere")  # format=files: labels/ alone
    assert [pair.name for pair in read_pairs(config_of(sets)).splits["synthetic"]] == [f"{i:03d}.png" for i in range(8)]


def test_the_whole_study_its_second_call_and_its_page(sets, tmp_path, capsys):
    chosen = "arms=[real,copy_paste,+2,synthetic_only]"
    assert command(sets, chosen) == 0
    out = capsys.readouterr().out
    report = json.loads((sets["out"] / "utility.json").read_text())
    assert {arm["arm"]: tuple(arm["counts"].values()) for arm in report["arms"]} == {
        "real": (4, 2), "copy_paste": (12, 2), "+2": (12, 2), "synthetic_only": (4, 2)
    }  # fmt: skip
    assert report["test_images"] == 3
    assert list(report["arms"][0]["scores"]) == ["Dice", "Dice of land", "Dice of ship"]
    run = json.loads((sets["out"] / "runs" / "+2_1.json").read_text())
    assert [len(rows) for rows in run["records"].values()] == [2, 2, 2]
    assert run["scores"]["Dice"] == pytest.approx((run["scores"]["Dice of land"] + run["scores"]["Dice of ship"]) / 2)
    assert "its own control" not in out

    (sets["out"] / "runs" / "+2_1.json").rename(tmp_path / "before.json")
    assert command(sets, chosen) == 0
    again = capsys.readouterr().out
    assert "7 of 8 runs are in" in again
    assert again.split("\n\n")[-2:] == out.split("\n\n")[-2:]
    one, other = (
        json.loads(path.read_text()) for path in (tmp_path / "before.json", sets["out"] / "runs" / "+2_1.json")
    )
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert command(sets, chosen, "width=16") == 2
    assert "real_0.json was made with width=8, now width=16: choose another out" in capsys.readouterr().err

    shown = f"utility={sets['out'] / 'utility.json'}"
    write_pairs(tmp_path / "more", 8, seed=5)
    given = {"real": "more/images", "synthetic": "synthetic/images", "out": "page", "cache_dir": "cache"}
    folders = [f"{key}={tmp_path / name}" for key, name in given.items()]
    assert evaluate([*folders, shown, "floor_repeats=5"]) == 0
    assert json.loads((tmp_path / "page" / "card.json").read_text())["utility"]["task"] == "segmentation"
    assert "Dice of ship" in (tmp_path / "page" / "report.html").read_text()


def test_the_folders_of_patients_are_drawn_whole(sets, tmp_path, capsys):
    for key in ("train", "val", "test"):
        for path in [*(tmp_path / key).rglob("*.png")]:
            patient = path.parent / f"p{int(path.stem) // 2}"
            patient.mkdir(exist_ok=True)
            path.rename(patient / path.name)
    options = ["group=folder", "arms=[real]", "seeds=1", "steps=1", "val_checks=0"]
    assert command(sets, *options, leave_out=("synthetic",)) == 0
    assert json.loads((sets["out"] / "utility.json").read_text())["test_groups"] == {"by": "folder", "count": 2}
    (tmp_path / "val.txt").write_text("p0/000.png\n")
    assert command(sets, *options, f"val_list={tmp_path / 'val.txt'}", leave_out=("synthetic", "val")) == 2
    assert "train and val share 1 values of folder" in capsys.readouterr().err


REFUSED = {
    "group=folder: 000.png has no folder (train)": ["group=folder"],
    "val=... is missing": ["val=null"],
    "test=... is missing: without it val is scored": ["test=null"],
    "width=20: must be a multiple of 8": ["width=20"],
    "synthetic: holds 8 images, but +3 takes 12": ["ratios=[3]"],
    "arms: there is no arm 'copypaste': did you mean copy_paste?": ["arms=[real,copypaste]"],
    "val_list=missing.txt: no such file": ["val=null", "val_list=missing.txt"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_mistake_is_one_line_and_exit_code_2(sets, capsys, message):
    given = REFUSED[message]
    left_out = [arg.partition("=")[0] for arg in given if arg.endswith("=null")]
    assert command(sets, *(arg for arg in given if not arg.endswith("=null")), leave_out=left_out) == 2
    error = capsys.readouterr().err.rpartition("\r")[2]
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not sets["out"].exists()


def mask(root, key, value):
    path = root / key / "masks" / "000.png"
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0] = value
    Image.fromarray(pixels).save(path)


def blank(root, key, value):
    for path in (root / key / "masks").glob("*.png"):
        pixels = np.asarray(Image.open(path)).copy()
        pixels[pixels == value] = 0
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda root: (root / "train" / "masks").rename(root / "train" / "segs"),
            "has no folder masks or labels beside",
        ),
        (lambda root: (root / "train" / "images").rename(root / "train" / "x"), "has no folder images"),
        (lambda root: (root / "test" / "masks" / "001.png").unlink(), "test/images/001.png: has no mask in"),
        (
            lambda root: (root / "val" / "masks" / "001_mask.png").write_bytes(b""),
            "val/images/001.png: has 2 masks in",
        ),
        (lambda root: [path.unlink() for path in (root / "val" / "images").iterdir()], "val/images: holds no image"),
        (lambda root: mask(root, "test", 9), "test: the mask of 000.png holds 9, which has no name in labels.json"),
        (
            lambda root: (root / "synthetic" / "labels.json").write_text('{"1": "land", "2": "boat"}'),
            "synthetic: the mask of 000.png holds the label boat, none of train's (land, ship)",
        ),
        (lambda root: blank(root, "test", 255), "test: no mask holds the label ship, which the masks of train="),
        (
            lambda root: [blank(root, "train", value) for value in (100, 255)],
            "no mask holds anything but the background",
        ),
        (
            lambda root: write_image(root / "test" / "masks" / "000.png", np.zeros((4, 5), np.uint8)),
            "test/masks/000.png: has 4 x 5 pixels, its image 24 x 24",
        ),
        (
            lambda root: write_image(root / "val" / "images" / "000.png", np.ones((24, 24), np.uint16)),
            "val: holds uint16 pixels, train uint8: store all alike",
        ),
        (
            lambda root: (root / "test" / "images" / "000.png").write_bytes(
                (root / "synthetic" / "images" / "000.png").read_bytes()
            ),
            "test and synthetic share 1 images by their pixels, the first 000.png and 000.png: ",
        ),
    ],
)
def test_folders_that_make_no_study_are_named(sets, capsys, spoil, message):
    spoil(sets["train"].parent)
    assert command(sets) == 2
    error = capsys.readouterr().err.rpartition("\r")[2]
    assert message in error
    assert error.count("\n") == 1
