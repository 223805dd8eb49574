"""Labelled sets through the two commands: a set with label maps and attributes trains, resumes and samples."""

from pathlib import Path

import torch
from conftest import TINY
from label_files import coco_file, write_coco_set

from data.image_set import ImageSpec
from training.checkpoint import load_checkpoint


def test_a_labelled_set_with_an_unknown_attribute_trains_resumes_and_samples(command, tmp_path: Path) -> None:
    images = write_coco_set(tmp_path / "set", coco_file())
    (tmp_path / "table.csv").write_text("file,class,sensor\na.png,harbour,X\nb.png,sea,Y\nc.png,,X\n")
    data = ["data=coco", f"data.path={images}", f"data.annotations={tmp_path / 'set' / 'annotations.json'}"]
    data += [f"data.attributes={tmp_path / 'table.csv'}", "data.channels=1", "data.hflip=true", "data.rot90=true"]
    runs = {}
    for name, more in (("whole", []), ("parts", ["train.stop_at=3"])):
        runs[name] = tmp_path / name
        assert command("train", *TINY, *data, f"run_dir={runs[name]}", "train.steps=6", *more) == 0
    assert command("train", f"resume={runs['parts']}", "train.stop_at=null") == 0
    whole, parts = (load_checkpoint(run) for run in runs.values())
    assert all(torch.equal(tensor, parts["model"][key]) for key, tensor in whole["model"].items())
    spec = ImageSpec.from_dict(whole["images"])
    assert spec.attributes == {"class": ["harbour", "sea"], "sensor": ["X", "Y"]}
    assert spec.label_names == ["background", "buoy", "ship"]
    out = tmp_path / "out"
    options = ["num_samples=2", "precision=fp32", "sampler.num_inference_steps=3"]
    assert command("sample", f"ckpt={runs['whole']}", f"out={out}", *options) == 0
    assert sorted(path.parent.name for path in (out / "images").rglob("*.png")) == ["harbour", "sea"]
