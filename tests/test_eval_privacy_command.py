"""The privacy audit by `python -m eval`: a memoriser wins every distance and fails it, an honest sampler passes."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from test_eval_membership import write as write_losses

from eval.__main__ import main
from eval.comparison import open_comparison
from eval.config import config_from_args
from eval.privacy_audit import holdout_note, membership_of


def write_fields(folder, count, seed):
    """Speckled smooth fields with a bright spot, 32 x 32."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    for i in range(count):
        field = gaussian_filter(random.standard_normal((32, 32)), 3, mode="wrap")
        image = np.exp(field / field.std() / 2) * random.gamma(4, 1 / 4, (32, 32))
        image[tuple(random.integers(0, 29, 2)[:, None] + np.arange(3))] += 2
        Image.fromarray((60 * image).clip(0, 255).astype(np.uint8)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Training images, a holdout and an honest sampler's images, all of one distribution."""
    root = tmp_path_factory.mktemp("sets")
    counts = {"train": 90, "holdout": 90, "honest": 160}
    return {name: write_fields(root / name, count, seed) for seed, (name, count) in enumerate(counts.items())}


def evaluate(tmp_path, sets, synthetic, *options):
    arguments = [f"real={sets['train']}", f"synthetic={synthetic}", f"out={tmp_path / 'out'}", "floor_repeats=5"]
    assert main([*arguments, f"cache_dir={tmp_path / 'cache'}", *options]) == 0
    return json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_replaying_the_training_set_wins_every_distance_and_fails(tmp_path, sets, capsys):
    holdout = f"holdout={sets['holdout']}"
    honest = evaluate(tmp_path, sets, sets["honest"], holdout)
    replay = evaluate(tmp_path, sets, shutil.copytree(sets["train"], tmp_path / "replay"), holdout)
    assert replay["frechet_random"]["value"] < 1e-3 < 0.05 * honest["frechet_random"]["value"]
    assert replay["kid_random"]["value"] < honest["kid_random"]["value"]
    assert honest["privacy"]["verdict"] == "passes", honest["privacy"]["words"]
    assert replay["privacy"]["verdict"] == "fails"
    for evidence in replay["privacy"]["evidence"]:
        assert evidence["verdict"] == "fails"
        assert evidence["copies"]["value"] == evidence["dcr"]["value"] == 1.0
        assert evidence["calibration"] == "holdout"
    assert "privacy    fails" in capsys.readouterr().out
    assert "Privacy audit: fails" in (tmp_path / "out" / "report.html").read_text()


def test_mirrored_shifted_and_noisy_replay_fails_and_names_its_source(tmp_path, sets):
    (tmp_path / "replay").mkdir()
    random = np.random.default_rng(5)
    for path in sorted(sets["train"].iterdir())[:60]:
        image = np.roll(np.asarray(Image.open(path))[::-1], (1, -2), axis=(0, 1)) + random.normal(0, 6, (32, 32))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(tmp_path / "replay" / path.name)
    metrics = evaluate(tmp_path, sets, tmp_path / "replay", f"holdout={sets['holdout']}")
    assert metrics["share_near_real"]["value"] < 0.1, "plain pixel distances do not see them"
    pixels, _ = metrics["privacy"]["evidence"]
    assert pixels["verdict"] == metrics["privacy"]["verdict"] == "fails"
    for pair in metrics["privacy"]["closest"]:
        assert pair["synthetic"][-7:] == pair["real"][-7:]


def test_without_a_holdout_it_is_calibrated_among_the_training_images(tmp_path, sets):
    metrics = evaluate(tmp_path, sets, shutil.copytree(sets["train"], tmp_path / "replay"))
    assert metrics["privacy"]["verdict"] == "fails"
    assert metrics["privacy"]["evidence"][0]["dcr"] is None
    assert "give holdout=DIR" in metrics["privacy"]["words"][-1]


def test_membership_joins_the_verdict(tmp_path, sets):
    random = np.random.default_rng(0)
    losses = random.standard_normal((2, 100, 3))
    files = [write_losses(tmp_path / "t", losses[0] - 1), write_losses(tmp_path / "h", losses[1], first=500)]
    options = [f"membership_train={files[0]}", f"membership_holdout={files[1]}", f"holdout={sets['holdout']}"]
    privacy = evaluate(tmp_path, sets, sets["honest"], *options)["privacy"]
    assert privacy["verdict"] == privacy["membership"]["verdict"] == "fails"
    assert privacy["membership"]["auc"]["low"] > 0.5
    assert {evidence["verdict"] for evidence in privacy["evidence"]} == {"passes"}


def opened(tmp_path, sets, synthetic, *options):
    paths = [f"real={sets['train']}", f"synthetic={synthetic}", f"out={tmp_path / 'out'}", f"cache_dir={tmp_path}"]
    return open_comparison(config_from_args([*paths, *options]))


def test_losses_of_another_checkpoint_than_the_samples_are_refused(tmp_path, sets):
    samples = shutil.copytree(sets["honest"], tmp_path / "samples")
    losses = np.random.default_rng(0).standard_normal((10, 3))
    files = write_losses(tmp_path / "t", losses), write_losses(tmp_path / "h", losses, first=500)
    options = [f"membership_train={files[0]}", f"membership_holdout={files[1]}"]
    for checkpoint, refused in (("c", False), ("another", True)):
        rows = [{"file": path.name, "checkpoint": checkpoint} for path in sorted(sets["honest"].iterdir())]
        (samples / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        comparison = opened(tmp_path, sets, samples, *options)
        if refused:
            with pytest.raises(
                ValueError, match="under the checkpoint c, but the samples in .* were drawn from another"
            ):
                membership_of(comparison)
        else:
            assert membership_of(comparison) is not None


def test_the_attack_takes_images_of_one_scene_together(tmp_path, sets):
    """By their names below real= and holdout=; scores that differ from scene to scene tell members only image by image."""
    losses = np.linspace(-1, 1, 9).repeat(10)[:, None]
    files = [write_losses(tmp_path / "t", losses - 0.5), write_losses(tmp_path / "h", losses, first=500)]
    rows = [f"{side}/{i:03d},{side}{i // 10}" for side in ("train", "holdout") for i in range(90)]
    (tmp_path / "scenes.csv").write_text("\n".join(["file,scene", *rows]))
    options = [f"membership_train={files[0]}", f"membership_holdout={files[1]}"]
    alone = membership_of(opened(tmp_path, sets, sets["honest"], *options))
    options += ["group=scene", f"attributes={tmp_path / 'scenes.csv'}"]
    with pytest.raises(ValueError, match="needs the groups of the images of .*: add holdout=DIR"):
        membership_of(opened(tmp_path, sets, sets["honest"], *options))
    grouped = membership_of(opened(tmp_path, sets, sets["honest"], *options, f"holdout={sets['holdout']}"))
    assert alone is not None
    assert grouped is not None
    assert (alone.verdict, grouped.verdict) == ("fails", "cannot be told")
    assert "90 and 90 images, of 9 and 9 groups by scene, leave" in grouped.words
    assert grouped.to_json()["groups"] == {"by": "scene", "train": 9, "holdout": 9}


def test_scenes_known_by_whole_file_names_are_those_of_the_losses(tmp_path, sets):
    """Losses name images without their suffix; a table or a COCO file may name them with it."""
    losses = np.random.default_rng(0).standard_normal((90, 3))
    files = [write_losses(tmp_path / "t", losses), write_losses(tmp_path / "h", losses, first=500)]
    own = {side: shutil.copytree(sets[side], tmp_path / side) for side in ("train", "holdout")}
    given = [
        f"membership_train={files[0]}",
        f"membership_holdout={files[1]}",
        f"holdout={own['holdout']}",
        "group=scene",
    ]
    rows = [f"{side}/{i:03d}.png,{side}{i // 10}" for side in own for i in range(90)]
    (tmp_path / "scenes.csv").write_text("\n".join(["file,scene", *rows]))
    for side, folder in own.items():
        records = [{"id": i, "file_name": f"{i:03d}.png", "scene": f"{side}{i // 10}"} for i in range(90)]
        coco = {"images": records, "annotations": [], "categories": []}
        (folder / "annotations.json").write_text(json.dumps(coco))
    for options in ([f"attributes={tmp_path / 'scenes.csv'}"], []):
        found = membership_of(opened(tmp_path, {"train": own["train"]}, sets["honest"], *given, *options, "num=30"))
        assert found is not None
        assert found.to_json()["groups"] == {"by": "scene", "train": 9, "holdout": 9}


def test_a_holdout_with_training_images_in_other_files_is_noted(tmp_path, sets):
    holdout = shutil.copytree(sets["holdout"], tmp_path / "holdout")
    assert holdout_note(opened(tmp_path, sets, sets["honest"], f"holdout={holdout}")) == []
    for name in ("003", "004"):
        Image.open(sets["train"] / f"{name}.png").save(holdout / f"{name}_again.bmp")
    [note] = holdout_note(opened(tmp_path, sets, sets["honest"], f"holdout={holdout}"))
    assert note.startswith("2 of the 92 images of the holdout look exactly like real ones")


def test_what_a_part_of_the_training_images_cannot_show_is_said(tmp_path, sets):
    metrics = evaluate(tmp_path, sets, sets["honest"], f"holdout={sets['holdout']}", "num=60")
    assert [evidence["covered"] for evidence in metrics["privacy"]["evidence"]] == [60 / 90] * 2
