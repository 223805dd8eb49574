"""The whole way: simulated scenes with their masks train, resume, give labelled sets, and are worked on again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from label_files import load, save
from mode_files import label_maps
from test_sample import pictures, rows

from data.decode import decode
from generation.output import MADE
from training.checkpoint import load_checkpoint

DATA = ["data=sar_sim", "data.labels=true", "data.num_images=8", "diffusion.label_balance=0.5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sar")


@pytest.fixture
def run(folder: Path, command) -> Path:
    """Four steps, interrupted after two; trained once for the file."""
    if not (folder / "run" / "summary.json").exists():
        steps = ["train.steps=4", "train.validate_every=2", "train.sample_every=4", f"cache_dir={folder / 'cache'}"]
        assert command("train", *TINY, *DATA, *steps, f"run_dir={folder / 'whole'}") == 0
        assert command("train", *TINY, *DATA, *steps, f"run_dir={folder / 'run'}", "train.stop_at=2") == 0
        assert command("train", f"resume={folder / 'run'}", "train.stop_at=null") == 0
    return folder / "run"


@pytest.fixture
def samples(folder: Path, run: Path, command) -> Path:
    """Six labelled samples, in every format one after the other: they are drawn once."""
    out = folder / "samples"
    call = [f"ckpt={run}", f"out={out}", "num_samples=6", "sampler.num_inference_steps=3", "precision=fp32"]
    if not out.exists():
        for name in ("coco", "masks", "npz", "yolo"):
            more = ["eight_bit_copies=true"] if name == "coco" else []
            assert command("sample", *call, f"format={name}", *more) == 0
            for file in MADE[name] if name != "yolo" else []:
                (out / file).rename(folder / file)
    return out


def test_a_resumed_run_is_the_same_run(run: Path, folder: Path) -> None:
    whole, parts = load_checkpoint(folder / "whole"), load_checkpoint(run)
    for weights in ("model", "ema"):
        assert all(torch.equal(tensor, parts[weights][key]) for key, tensor in whole[weights].items())
    assert whole["images"]["label_names"] == ["background", "ship"]
    assert sum(whole["images"]["counts"]["class"]) == 6
    _, height, width = decode(run / "samples" / "step_000004.png").shape
    assert width == 2 * 128 + 2, "two by two, enlarged"
    assert height in (2 * (128 + 16) + 2, 16 + 2 * (128 + 16) + 2), (
        "with the classes below, and a legend of what is drawn"
    )


def test_samples_have_a_class_a_label_map_and_its_agreement(samples: Path) -> None:
    assert [row["class"] for row in rows(samples)] == ["open_sea", "coast", "harbour"] * 2
    assert all(0 <= row["label_iou"] <= 1 for row in rows(samples))
    assert len(label_maps(samples)) == 6


@pytest.mark.parametrize("name", ["coco", "yolo", "masks", "npz"])
def test_every_format_is_read_back_as_it_was_drawn(name: str, samples: Path) -> None:
    path, options = {
        "coco": (samples / "images", {"annotations": str(samples.parent / "annotations.json")}),
        "yolo": (samples / "yolo", {}),
        "masks": (samples / "images", {"masks": str(samples.parent / "masks"), "class_folders": True}),
        "npz": (samples.parent / "dataset.npz", {}),
    }[name]
    found = load(name, path, 16, **options).train
    assert len(found) == 6
    by_number = {int(Path(item).stem): i for i, item in enumerate(found.names)}
    drawn, maps = pictures(samples), label_maps(samples)
    for number, i in by_number.items():
        assert (found.integers([i])[0, 0] == drawn[number]).all()
        own = found.label_maps([i])[0]
        if name != "yolo":  # which has boxes alone
            assert (own == maps[number]).all()
        assert (own[maps[number] > 0] == 1).all()


def work(command, run: Path, out: Path, *options: str) -> Path:
    steps = "label_steps" if "mode=annotate" in options else "sampler.num_inference_steps"
    call = [f"ckpt={run}", f"out={out}", f"{steps}=3", "precision=fp32"]
    assert command("sample", *call, *options) == 0
    return out


def by_source(out: Path) -> dict[str, Path]:
    return {row["source"]: out / row["file"] for row in rows(out)}


def names_and_files(samples: Path) -> dict[str, Path]:
    return {f"{row['class']}/{row['index']:06d}": samples / row["file"] for row in rows(samples)}


def test_labels_of_samples_give_new_images(run: Path, samples: Path, command, tmp_path: Path) -> None:
    out = work(command, run, tmp_path / "out", "mode=from_labels", f"labels={samples / 'labels'}", "guidance.scale=2")
    assert {row["source"]: row["class"] for row in rows(out)} == {
        name: name.split("/")[0] for name in names_and_files(samples)
    }
    for row in rows(out):
        assert (decode(out / row["label_map"]) == decode(samples / "labels" / f"{row['source']}.png")).all()


def test_samples_are_annotated_and_varied(run: Path, samples: Path, command, tmp_path: Path, capsys) -> None:
    images = f"images={samples / 'images'}"
    out = work(command, run, tmp_path / "annotated", "mode=annotate", images, "format=coco")
    for name, file in by_source(out).items():
        assert file.read_bytes() == names_and_files(samples)[name].read_bytes()
    assert (out / "annotations.json").is_file()
    assert (
        f"done: {out}/images, {out}/grid.png, {out}/manifest.jsonl, {out}/annotations.json\n" in capsys.readouterr().out
    )
    options = ["mode=vary", images, f"labels={samples / 'labels'}", "strength=[0.3,0.9]", "num_per_image=2"]
    varied = work(command, run, tmp_path / "varied", *options, "format=npz")
    with np.load(varied / "dataset.npz") as archive:
        assert archive["image"].shape == (12, 1, 16, 16)
        assert archive["label_map"].shape == (12, 16, 16)


def test_a_part_of_a_sample_is_filled_in(run: Path, samples: Path, command, tmp_path: Path) -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[4:9, 5:12] = 1
    save(tmp_path / "mask.png", mask)
    options = [f"images={samples / 'images'}", f"mask={tmp_path / 'mask.png'}", "format=masks"]
    out = work(command, run, tmp_path / "out", "mode=inpaint", *options)
    for name, file in by_source(out).items():
        same = decode(file)[0] == decode(names_and_files(samples)[name])[0]
        assert same[mask == 0].all()
        assert not same[mask == 1].all()


def test_samples_may_not_copy_the_ones_before(run: Path, samples: Path, command, tmp_path: Path) -> None:
    """Drawn with the same seed they would all be copies; the simulator's scenes are flipped in training."""
    out = work(
        command, run, tmp_path / "out", "num_samples=2", f"reject_copies={samples / 'images'}", "max_attempts=40"
    )
    assert all(row["discarded"]["copy"] >= 1 for row in rows(out))
