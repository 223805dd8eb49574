"""What a run belongs to: changed data or settings are never taken for the same, on any machine."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from utility_files import write_class_folder, write_detection_set, write_names, write_pairs

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools.cocoeval")
from eval.utility.classification.config import ClassificationConfig
from eval.utility.classification.task import ClassificationTask
from eval.utility.detection.config import DetectionConfig
from eval.utility.detection.task import DetectionTask
from eval.utility.segmentation.config import SegmentationConfig
from eval.utility.segmentation.task import SegmentationTask
from eval.utility.study import Run, _save, run_study
from eval.utility.training import has_fast_bf16, precision_of
from training.precision import choose_precision
from training.precision import has_fast_bf16 as has_fast_bf16_in_training

ARMS = ["real", "+1", "synthetic_only"]


def folders(root):
    return {key: str(root / key) for key in ("train", "val", "test", "synthetic")}


def classification(root):
    for i, (key, count) in enumerate({"train": 2, "val": 1, "test": 1, "synthetic": 2}.items()):
        write_class_folder(root / key, {"a": count, "b": count}, seed=i)
    return ClassificationTask, ClassificationConfig, folders(root), root / "train" / "a" / "000.png"


def segmentation(root):
    for i, (key, count) in enumerate({"train": 2, "val": 1, "test": 1, "synthetic": 2}.items()):
        write_pairs(root / key, count, seed=i)
    return SegmentationTask, SegmentationConfig, folders(root), root / "train" / "images" / "000.png"


def detection(root):
    real, made = write_detection_set(root / "real", 4, seed=0), write_detection_set(root / "made", 3, seed=1)
    lists = {"train": range(2), "val": range(2, 3), "test": range(3, 4)}
    options = {key: str(write_names(root / f"{key}.txt", numbers)) for key, numbers in lists.items()}
    options |= {"images": str(real / "images"), "annotations": str(real / "annotations.json"), "synthetic": str(made)}
    return DetectionTask, DetectionConfig, options, real / "images" / "000.png"


@pytest.mark.parametrize("make", [classification, segmentation, detection])
def test_every_arm_is_another_once_the_real_training_images_are_others(make, tmp_path):
    task, config, options, image = make(tmp_path)
    options |= {"task": make.__name__, "out": str(tmp_path / "out"), "arms": ARMS, "ratios": [1], "precision": "fp32"}

    def identities():
        opened = task(config(**options))
        return {arm: json.dumps(opened.identity(arm), sort_keys=True) for arm in ARMS}

    before = identities()
    assert identities() == before
    pixels = np.asarray(Image.open(image)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(image)
    after = identities()
    assert all(after[arm] != before[arm] for arm in ARMS)
    assert ["scale_set" in json.loads(before[arm]) for arm in ARMS] == [False, False, True]


@pytest.mark.parametrize("make", [classification, segmentation, detection])
def test_synthetic_images_are_taken_in_a_random_order_that_stays(make, tmp_path):
    """Of a folder that holds all that was drawn from one image, then all from the next, the first would be of few."""
    task, config, options, _ = make(tmp_path)
    shutil.rmtree(options["synthetic"])
    if make is classification:
        write_class_folder(tmp_path / "synthetic", {"a": 20, "b": 20}, seed=7)
    elif make is segmentation:
        write_pairs(tmp_path / "synthetic", 40, seed=7)
    else:
        write_detection_set(tmp_path / "made", 40, seed=7)
    options |= {"task": make.__name__, "out": str(tmp_path / "out"), "arms": ["real", "+1", "+2"], "ratios": [1, 2]}

    def taken(arm):
        chosen = task(config(**options)).sets[arm]
        return [item.name for item in chosen.train[chosen.real :]]

    names = taken("+2")
    assert names != sorted(names)
    assert max(int(Path(name).stem) for name in names) > 9, "not the first of the folder"
    assert {*taken("+1")} < {*names} == {*taken("+2")}


@pytest.mark.parametrize(("avx512", "amx", "fast"), [(False, False, False), (True, False, True), (False, True, True)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_auto_takes_the_precision_that_training_takes(avx512, amx, fast, device, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast and not including_emulation)
    place = torch.device(device)
    assert has_fast_bf16(place) == has_fast_bf16_in_training(place) == fast
    config = ClassificationConfig(task="", out="", train="", val="")
    for config.precision in ("auto", "fp32", "bf16"):
        wanted = "fp32" if choose_precision(config.precision, place) is None else "bf16"
        assert precision_of(config) == wanted


def test_a_run_belongs_to_the_precision_that_auto_came_to(tmp_path, monkeypatch):
    make, config, options, _ = classification(tmp_path)
    out = tmp_path / "out"
    options |= {"task": "classification", "out": str(out), "arms": ["real"], "ratios": [1]}
    monkeypatch.setattr("eval.utility.training.has_fast_bf16", lambda device: True)
    there = make(config(**options))
    assert there.identity("real")["precision"] == "bf16"
    _save(out, "real", 0, there.identity("real"), Run({"macro-F1": 0.5, "accuracy": 0.5, "recall of a": 0.5}, {}))
    monkeypatch.setattr("eval.utility.training.has_fast_bf16", lambda device: False)
    with pytest.raises(
        ValueError, match=r"real_0.json was made with precision=bf16, now precision=fp32: choose another"
    ):
        run_study(make(config(**options)), 1, out, lambda line: None)
    assert run_study(make(config(**options, precision="bf16")), 1, out, lambda line: None)["real"][0].scores
