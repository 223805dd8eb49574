"""Shares, boxes and skew against closed forms, and what the command says of folders whose bias is known."""

import json

import numpy as np
import pytest
from PIL import Image

from eval.bias import binned_ks, entropy, lost_entropy, total_variation
from eval.by_class import split_classes
from eval.comparison import open_comparison
from eval.config import EvalConfig, config_from_args
from eval.images import open_folder
from eval.label_boxes import visible_area
from eval.labels import LabelBox, Labels, read_labels
from eval.score import score


def write(folder, names, *, seed=0, brightness=100):
    random = np.random.default_rng(seed)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = (random.integers(0, 60, (8, 8)) + brightness).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


def classes(counts):
    return [f"{name}/{i:03d}.png" for name, count in counts.items() for i in range(count)]


def with_manifest(folder, names, *, seed=0):
    """The files flat, their classes and planes in a manifest."""
    flat = [f"images/{i:03d}.png" for i in range(len(names))]
    write(folder, flat, seed=seed)
    rows = [
        {"file": f, "class": n.split("/")[0], "attributes": {"plane": "ab"[i % 2]}}
        for i, (f, n) in enumerate(zip(flat, names, strict=True))
    ]
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def coco(path, boxes, *, prefix="", size=32):
    """`boxes[i]`: (x, y, w, h, category) of image i."""
    images = [{"id": i, "file_name": f"{prefix}{i:03d}.png", "width": size, "height": size} for i in range(len(boxes))]
    annotations = [
        {"id": 100 * i + k, "image_id": i, "category_id": box[4], "bbox": box[:4]}
        for i, of in enumerate(boxes)
        for k, box in enumerate(of)
    ]
    categories = [{"id": 1, "name": "ship"}, {"id": 2, "name": "barge"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def scored(tmp_path, real, synthetic, *options):
    args = [
        f"real={real}",
        f"synthetic={synthetic}",
        f"out={tmp_path / 'out'}",
        f"cache_dir={tmp_path / 'cache'}",
        "floor_repeats=5",
    ]
    return score(open_comparison(config_from_args([*args, *options])))


def by_name(scores):
    return {figure.name: figure for figure in scores.figures}


def one_hot(*counts):
    return np.repeat(np.eye(len(counts)), counts, axis=0)


def test_distances_of_shares():
    assert total_variation(one_hot(5, 5), one_hot(9, 1)) == pytest.approx(0.4)
    assert total_variation(one_hot(5, 0), one_hot(0, 3)) == 1
    assert lost_entropy(one_hot(8, 8), one_hot(4, 0)) == pytest.approx(1.0)
    assert lost_entropy(one_hot(4, 0), one_hot(8, 8)) == pytest.approx(-1.0)
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(3)
    assert binned_ks(one_hot(4, 0, 0), one_hot(0, 0, 4)) == 1
    assert binned_ks(one_hot(2, 2, 0), one_hot(2, 0, 2)) == pytest.approx(0.5)


def test_boxes_follow_their_image():
    box = LabelBox(10, 10, 20, 10, "ship")
    assert visible_area(box, (100, 100), (100, 100), "crop") == 200
    assert visible_area(box, (100, 100), (50, 50), "crop") == 50
    assert visible_area(box, (100, 200), (50, 50), "resize") == 20 / 4 * 10 / 2
    assert visible_area(box, (100, 200), (50, 50), "pad") == 20 / 4 * 10 / 4
    # the square of 100 in the middle of 200 begins at x = 50
    assert visible_area(box, (100, 200), (100, 100), "crop") == 0
    assert visible_area(LabelBox(40, 10, 20, 10, "ship"), (100, 200), (100, 100), "center_crop") == 100
    assert visible_area(LabelBox(32, 10, 20, 10, "ship"), (100, 200), (100, 100), "crop") == 0  # a tenth is left


def test_labels_of_folders_and_manifests(tmp_path):
    names = classes({"cat": 3, "dog": 2})
    plain = read_labels(open_folder(write(tmp_path / "real", names)))
    assert plain.attributes == {"class": ["cat"] * 3 + ["dog"] * 2}
    assert plain.boxes is None
    listed = read_labels(open_folder(with_manifest(tmp_path / "synthetic", names)))
    assert listed.attributes == {"class": ["cat"] * 3 + ["dog"] * 2, "plane": list("ababa")}
    assert read_labels(open_folder(write(tmp_path / "flat", ["a.png", "b.png"]))).attributes == {}


def test_boxes_are_found_by_name(tmp_path):
    folder = open_folder(write(tmp_path / "real", ["000.png", "001.png", "x.png"]))
    found = read_labels(folder, coco(tmp_path / "boxes.json", [[(1, 2, 3, 4, 2)], []])).boxes
    assert found == [[LabelBox(1, 2, 3, 4, "barge")], [], None]
    for content, message in (("{", "cannot be read as COCO"), ('{"images": []}', "KeyError")):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            read_labels(folder, tmp_path / "bad.json")
    with pytest.raises(ValueError, match="names none of the 3 images"):
        read_labels(folder, coco(tmp_path / "other.json", [[]], prefix="other"))


def test_classes_with_enough_images():
    real = Labels({"class": ["a"] * 14 + ["b"] * 12 + ["c"] * 5})
    synthetic = Labels({"class": ["c"] * 9 + ["b"] * 4 + ["a"] * 3})
    found, notes = split_classes(real, synthetic, np.arange(31))
    assert [(c.name, len(c.real), len(c.synthetic)) for c in found] == [("a", 14, 3), ("b", 12, 4)]
    assert found[1].real.tolist() == list(range(14, 26))
    assert found[1].synthetic.tolist() == list(range(9, 13))
    assert notes == ["No figures by class for c (5 real, 9 synthetic): they need 12 real and 3 synthetic images."]
    kept = np.arange(2, 31)  # rows count among those kept, as the features do
    assert split_classes(real, synthetic, kept)[0][0].real.tolist() == list(range(12))
    assert split_classes(real, Labels(), kept) == ([], [])
    assert split_classes(real, Labels({"class": ["images"] * 16}), kept) == ([], [])


def test_a_generator_that_forgets_the_rare_class(tmp_path):
    real = write(tmp_path / "real", classes({"common": 48, "rare": 24}))
    skewed = scored(tmp_path, real, with_manifest(tmp_path / "skewed", classes({"common": 35, "rare": 1}), seed=1))
    even = scored(tmp_path, real, with_manifest(tmp_path / "even", classes({"common": 18, "rare": 18}), seed=1))
    assert skewed.bias["class"]["amplifies_skew"] == "yes"
    assert even.bias["class"]["amplifies_skew"] == "no"
    assert skewed.bias["class"]["largest_share"] == {"real": pytest.approx(2 / 3), "synthetic": pytest.approx(35 / 36)}
    figure = by_name(skewed)["bias_class"]
    assert figure.value == pytest.approx(35 / 36 - 2 / 3)
    assert figure.worse
    assert by_name(skewed)["skew_class"].value == pytest.approx(
        entropy(np.array([2, 1]) / 3) - entropy(np.array([35, 1]) / 36)
    )
    assert "plane" not in skewed.bias  # the real images say nothing of it
    assert list(even.by_class) == ["common", "rare"]
    assert list(skewed.by_class) == ["common"]
    assert "rare (24 real, 1 synthetic)" in skewed.notes[0]
    names = [figure.name for figure in even.by_class["rare"]]
    assert names == ["frechet_random", "kid_random", "precision", "recall"]
    assert even.by_class["rare"][0].equal_n.n == 12
    assert even.to_json()["by_class"]["rare"]["recall"]["n_real"] == 24


def test_brightness(tmp_path):
    real = write(tmp_path / "real", classes({"a": 40}))
    same = scored(tmp_path, real, write(tmp_path / "same", [f"{i}.png" for i in range(20)], seed=1))
    bright = scored(tmp_path, real, write(tmp_path / "bright", [f"{i}.png" for i in range(20)], seed=1, brightness=150))
    assert by_name(bright)["bias_intensity"].value == 1
    assert by_name(bright)["bias_intensity"].worse
    assert by_name(same)["bias_intensity"].value < 0.5
    assert same.by_class == same.bias == {}


def test_boxes_of_both_sides(tmp_path):
    names = [f"{i:03d}.png" for i in range(30)]
    real, synthetic = write(tmp_path / "real", names), write(tmp_path / "synthetic", names, seed=1)
    few, many = [(4, 4, 8, 8, 1)], [(4, 4, 8, 8, 1), (2, 2, 16, 16, 2)]
    given = coco(tmp_path / "real.json", [few] * 15 + [many] * 15)
    coco(synthetic / "annotations.json", [many] * 30)
    scores = scored(tmp_path, real, synthetic, f"real_annotations={given}")
    figures = by_name(scores)
    assert figures["bias_box_count"].value == pytest.approx(0.5)
    assert figures["bias_box_size"].value == pytest.approx(30 / 45 - 1 / 2)
    assert scores.bias["box_category"]["real"] == {"barge": pytest.approx(1 / 3), "ship": pytest.approx(2 / 3)}
    assert scores.bias["box_category"]["amplifies_skew"] == "no"


def test_annotations_without_effect_are_refused(tmp_path):
    for name in ("real", "synthetic"):
        write(tmp_path / name, [f"{i}.png" for i in range(6)])
    args = [f"real={tmp_path / 'real'}", f"synthetic={tmp_path / 'synthetic'}", "out=out"]
    with pytest.raises(ValueError, match="holds no annotations.json"):
        config_from_args([*args, f"real_annotations={coco(tmp_path / 'a.json', [[]])}"])
    with pytest.raises(ValueError, match="real_annotations=x.json: no such file"):
        config_from_args([*args, "real_annotations=x.json"])


def test_options_are_checked():
    paths = {"real": "a", "synthetic": "b", "out": "c"}
    with pytest.raises(ValueError, match="domain=ct: must be one of sar, mri"):
        EvalConfig(**paths, domain="ct")
    with pytest.raises(ValueError, match="dinov2_weights has no effect with features=domain"):
        EvalConfig(**paths, features="domain", dinov2_weights="x")
