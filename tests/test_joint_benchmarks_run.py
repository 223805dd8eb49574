"""The benchmarks of joint checkpoints from end to end, on checkpoints that learned nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import annotate_hippocampus
import joint_sar
import supervised


def test_joint_sar_measures_every_mode(command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    scenes = ["data=sar_sim", "data.labels=true", "data.num_images=12"]
    assert command("train", *TINY, *scenes, "train.steps=2", f"run_dir={run}") == 0
    options = {"n": 4, "steps": 3, "draws": 3, "label_steps": 2, "seed": 1, "batch_size": 4}
    result = joint_sar.measure(tmp_path / "work", str(run), **options, min_label_iou=0.0, label_scale=2.0, minutes=0.01)
    for mode in ("simulated", "joint", "from_labels", "annotate", "annotate, vote of 3", "supervised"):
        assert result[mode]["boxes"]["all"]["images"] == 4
        assert 0 <= result[mode]["boxes"]["all"]["iou 0.5"]["f1"] <= 1
    assert 0 <= result["annotate"]["mask_iou"]["pooled"] <= 1
    assert result["supervised"]["boxes"]["all"]["ships"] == result["annotate"]["boxes"]["all"]["ships"]
    assert "| from_labels | 0.5 |" in joint_sar.markdown(result)


def test_annotation_is_compared_with_a_supervised_network(command, tmp_path: Path, monkeypatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    rng, volumes = np.random.default_rng(0), tmp_path / "volumes"
    for kind in ("images", "labels"):
        (volumes / kind).mkdir(parents=True)
    for i in range(4):
        mask = np.zeros((16, 16, 3), np.uint8)
        mask[4:9, 5:12], mask[9:12, 5:12] = 1, 2
        image = (60 * mask + rng.integers(0, 50, mask.shape)).astype(np.uint8)
        for kind, values in (("images", image), ("labels", mask)):
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), volumes / kind / f"v{i}.nii.gz")
    run, places = tmp_path / "run", [f"data.path={volumes}/images", f"data.labels={volumes}/labels"]
    cache = f"cache_dir={tmp_path / 'cache'}"
    options = ["data=nifti", *places, "data.val_fraction=0.5", "train.steps=2", f"run_dir={run}", cache]
    assert command("train", *TINY, *options) == 0
    (tmp_path / "work").mkdir()
    result = annotate_hippocampus.measure(
        tmp_path / "work", str(run), minutes=0.01, draws=3, steps=2, seed=0, batch_size=8, supervised=None
    )
    assert result["volumes"] == {"trained on": 2, "held out": 2}
    assert set(result["methods"]) == {"supervised", "annotate", "annotate, vote of 3"}
    assert result["steps"]["joint"] == 2
    assert result["steps"]["supervised"] >= 1
    assert "| supervised |" in annotate_hippocampus.markdown(result)

    # the network's maps are kept, and taken only for the same settings
    maps = tmp_path / "maps.npz"
    options = {"draws": 1, "steps": 2, "batch_size": 8, "supervised": str(maps)}

    def measured(name, **more):
        (tmp_path / name).mkdir()
        return annotate_hippocampus.measure(tmp_path / name, str(run), minutes=0.01, **options, **more)

    first = measured("first", seed=0)
    assert maps.exists()
    monkeypatch.setattr(supervised, "train_supervised", lambda *_: pytest.fail("trained again"))
    assert measured("again", seed=0)["dice"]["supervised"] == first["dice"]["supervised"]
    with pytest.raises(SystemExit, match="is of another network, minutes=, seed= or images"):
        measured("other", seed=1)
    with pytest.raises(SystemExit, match=r"give a file NAME\.npz in a folder that exists"):
        supervised.by_supervised(str(tmp_path / "maps"), *[None] * 7)
