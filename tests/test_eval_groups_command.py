"""`python -m eval group=`: where groups are read from, what is refused, and what the files say of them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.__main__ import main
from eval.by_class import split_classes
from eval.comparison import Comparison, open_comparison
from eval.config import config_from_args
from eval.domain import split_rows
from eval.labels import Labels

SCENES = {"real": "aaabbccddeeefghi", "holdout": "uuvvwwxyyz"}


def write(folder: Path, count: int, seed: int, names: list[str] | None = None) -> Path:
    """Noise in 16 x 16 pixels."""
    random = np.random.default_rng(seed)
    for i in range(count):
        path = folder / (f"{i:02d}.png" if names is None else names[i])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def arguments(tmp_path):
    """16 real images of 9 scenes, 10 of a holdout of 6, 12 synthetic ones; a COCO file and a table say the scenes."""
    folders = {"real": 16, "holdout": 10, "synthetic": 12}
    for seed, (name, count) in enumerate(folders.items()):
        names = [f"{'h' if name == 'holdout' else 'r'}{i:02d}.png" for i in range(count)]
        write(tmp_path / name, count, seed, names)
    scenes = [*zip(sorted(p.name for p in (tmp_path / "real").iterdir()), SCENES["real"], strict=True)]
    scenes += zip(sorted(p.name for p in (tmp_path / "holdout").iterdir()), SCENES["holdout"], strict=True)
    images = [{"id": i, "file_name": name, "attributes": {"scene": scene}} for i, (name, scene) in enumerate(scenes)]
    (tmp_path / "coco.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "scene"), *((name[:-4], scene) for name, scene in scenes)])
    paths = [f"{name}={tmp_path / name}" for name in folders]
    return [*paths, f"out={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}", "floor_repeats=5"]


def opened(arguments: list[str], *more: str) -> Comparison:
    """With an option given twice, the last one counts."""
    given = dict(argument.split("=", 1) for argument in [*arguments, *more])
    return open_comparison(config_from_args([f"{key}={value}" for key, value in given.items()]))


def test_a_field_of_the_records_and_a_column_are_the_same_groups(arguments, tmp_path):
    for source in (f"real_annotations={tmp_path / 'coco.json'}", f"attributes={tmp_path / 'table.csv'}"):
        comparison = opened(arguments, "group=scene", source)
        assert comparison.groups == {"by": "scene", "real": 9, "holdout": 6}
        groups = comparison.real.groups_of()
        assert groups is not None
        assert groups.tolist() == [ord(scene) - ord("a") for scene in SCENES["real"]]
        assert comparison.real.groups is not None
        assert comparison.real.groups.of([3, 4, 15]).tolist() == [0, 0, 1]
        assert comparison.synthetic.groups is None
    (tmp_path / "coco.json").rename(tmp_path / "real" / "annotations.json")
    assert opened(arguments, "holdout=null", "group=scene").groups == {"by": "scene", "real": 9}
    assert opened(arguments).groups is None


def test_records_beside_the_holdout_go_before_those_of_the_real_images(arguments, tmp_path):
    own = {"images": [{"id": i, "file_name": f"h{i:02d}.png", "scene": f"new{i // 5}"} for i in range(10)]}
    (tmp_path / "holdout" / "annotations.json").write_text(json.dumps(own))
    comparison = opened(arguments, "group=scene", f"real_annotations={tmp_path / 'coco.json'}")
    assert comparison.groups == {"by": "scene", "real": 9, "holdout": 2}
    (tmp_path / "holdout" / "annotations.json").write_text("[]")
    with pytest.raises(ValueError, match=r"annotations\.json: cannot be read as COCO annotations"):
        opened(arguments, "group=scene", f"real_annotations={tmp_path / 'coco.json'}")


def test_folders_as_groups(arguments, tmp_path):
    names = [f"{scene}/{i}.png" for i, scene in enumerate("aabbcdddef")]
    for seed, name in enumerate(("nested", "kept")):
        write(tmp_path / name, 10, 7 + seed, names)
    comparison = opened(arguments, f"real={tmp_path / 'nested'}", f"holdout={tmp_path / 'kept'}", "group=folder")
    assert comparison.groups == {"by": "folder", "real": 6, "holdout": 6}
    write(tmp_path / "drawn", 8, 9, [f"{'ab'[i % 2]}/{i}.png" for i in range(8)])
    with pytest.raises(ValueError, match=r"group=folder: a/0\.png \(real\) lies in the folder of its class"):
        opened(arguments, f"real={tmp_path / 'nested'}", f"synthetic={tmp_path / 'drawn'}", "group=folder")


MISTAKES = {
    "group=scene: r00.png has no scene (real): give a table that says so": ["group=scene"],
    "attributes=TMP/table.csv has no effect without group=COLUMN": ["attributes=TMP/table.csv"],
    "attributes=TMP/no.csv: no such file": ["group=scene", "attributes=TMP/no.csv"],
    "group=seen: no column of attributes=TMP/table.csv (scene)": ["group=seen", "attributes=TMP/table.csv"],
    "group=folder: r00.png has no folder (real)": ["group=folder"],
    "real_annotations has no effect": ["group=folder", "real_annotations=TMP/coco.json"],
    "real and holdout share 1 values of scene, the first c: a holdout must be of other scenes or patients":
        ["group=scene", "attributes=TMP/both.csv"],
    "group=scene: 2 groups among the 16 images of real, 3 or more are needed": ["group=scene", "attributes=TMP/two.csv"],
    "group=scene: 1 groups among the 10 images of holdout, 2 or more": ["group=scene", "attributes=TMP/one.csv"],
    "a split of the 16 real images that divides no scene leaves 2 on one side": ["group=scene", "attributes=TMP/huge.csv"],
}  # fmt: skip
CHANGED = {
    "both": lambda name, scene: "c" if name == "h03" else scene,
    "two": lambda name, scene: scene if name[0] == "h" else "ab"[name < "r08"],
    "one": lambda name, scene: "z" if name[0] == "h" else scene,
    "huge": lambda name, scene: scene if name[0] == "h" or name > "r13" else "a",
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_end_in_one_line(arguments, tmp_path, capsys, message):
    rows = [line.split(",") for line in (tmp_path / "table.csv").read_text().split()[1:]]
    for table, change in CHANGED.items():
        lines = [f"{name},{change(name, scene)}" for name, scene in rows]
        (tmp_path / f"{table}.csv").write_text("\n".join(["file,scene", *lines]))
    assert main([*arguments, *(option.replace("TMP", str(tmp_path)) for option in MISTAKES[message])]) == 2
    error = capsys.readouterr().err.rpartition("\r")[2]
    assert error.count("\n") == 1
    assert message.replace("TMP", str(tmp_path)) in error


def test_the_report_names_the_groups(arguments, tmp_path, capsys):
    assert main([*arguments, "group=scene", f"attributes={tmp_path / 'table.csv'}"]) == 0
    counts = {"by": "scene", "real": 9, "holdout": 6}
    metrics, card = (json.loads((tmp_path / "out" / name).read_text()) for name in ("metrics.json", "card.json"))
    assert metrics["groups"] == card["provenance"]["groups"] == counts
    assert metrics["config"]["group"] == card["provenance"]["config"]["group"] == "scene"
    note = "Images of one scene are kept together: 9 groups among the 16 real images, 6 among the 10 of the holdout. "
    assert card["notes"][0].startswith(f"{note}The floors stand at n = 8, with no group on both sides.")
    assert "9 groups are few" in card["notes"][0]
    assert {figure["n"] for figure in card["figures"]} == {8}
    for evidence in metrics["privacy"]["evidence"]:
        assert evidence["groups"] == {"by": "scene", "train": 9, "holdout": 6}
    page, said = (tmp_path / "out" / "report.html").read_text(), capsys.readouterr().out
    for text in (page, said):
        assert "whole groups by scene dealt out, not images; one image of each of the holdout" in text
        assert note.strip() in text
    assert '<th scope="row">Groups by scene</th><td>9 in real, 6 in holdout</td>' in page
    assert "bootstrap over groups of real images and over synthetic ones" in metrics["bias_intensity"]["method"]


def test_without_groups_nothing_is_said_of_them(arguments, tmp_path, capsys):
    assert main(arguments) == 0
    metrics, card = (json.loads((tmp_path / "out" / name).read_text()) for name in ("metrics.json", "card.json"))
    assert "groups" not in metrics
    assert "groups" not in card["provenance"]
    assert all("groups" not in evidence for evidence in metrics["privacy"]["evidence"])
    assert "dealt out" not in capsys.readouterr().out


def test_the_domain_encoder_and_the_figures_share_no_group():
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(30), 4))
    training, rest = split_rows(120, 3, groups, 5)
    assert (len(training), len(rest)) == (60, 60)
    assert sorted([*training, *rest]) == list(range(120))
    assert {*groups[training]}.isdisjoint(groups[rest])
    for sizes in ([100, 10, 10], [55, 50, 5, 10]):  # what is left has one group, or no two halves
        training, rest = split_rows(120, 3, np.repeat(np.arange(len(sizes)), sizes), 5)
        assert training.tolist() == rest.tolist() == list(range(120))


def test_a_class_needs_images_on_both_sides_of_its_splits():
    labels = Labels({"class": [*["one"] * 14, *["other"] * 14]})
    found, notes = split_classes(labels, labels, np.arange(28), lambda rows: 6 if rows[0] == 0 else 5)
    assert [c.name for c in found] == ["one"]
    assert notes[0].startswith("No figures by class for other (14 real, 14 synthetic)")
    assert notes[0].endswith("Of the real ones 6 must be on either side of a split that divides no group.")
