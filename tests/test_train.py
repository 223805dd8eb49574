"""The training loop: the same run whatever interrupts it, and a run that learns."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import TINY, write_images
from label_files import coco_file, write_coco_set

from data.write_nifti import write_nifti_stack
from training.checkpoint import load_checkpoint


def tensors(state: dict) -> dict[str, torch.Tensor]:
    """Every tensor of a checkpoint by its path in the dict."""
    found = {}

    def walk(value: object, path: str) -> None:
        if isinstance(value, torch.Tensor):
            found[path] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}/{key}")

    walk(state, "")
    return found


def assert_same_run(a: Path, b: Path) -> None:
    """Weights, averages, optimizer and metrics of two runs are equal bit for bit."""
    first, second = (load_checkpoint(run) for run in (a, b))
    assert first["step"] == second["step"]
    one, other = tensors(first), tensors(second)
    assert one.keys() == other.keys()
    assert len(one) > 50
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    rows = [
        [{name: value for name, value in row.items() if name != "train/images_per_s"} for row in read_rows(run)]
        for run in (a, b)
    ]
    assert rows[0] == rows[1]
    assert first["best"] == second["best"]
    best = [tensors(load_checkpoint(run / "checkpoints" / "best.pt")) for run in (a, b)]
    assert all(torch.equal(value, best[1][name]) for name, value in best[0].items())


def read_rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_ten_steps_are_five_and_five(train_tiny, command) -> None:
    """... also where a window of the log, and the interval of validation, are cut in two."""
    options = ["model.dropout=0.2", "data.hflip=true", "train.accumulate=2", "diffusion.learned_variance=true"]
    options += ["train.log_every=3", "train.validate_every=4"]
    whole = train_tiny("whole", *options)
    halves = train_tiny("halves", *options, "train.stop_at=5")
    assert load_checkpoint(halves)["step"] == 5
    assert not (halves / "summary.json").exists()
    assert command("train", f"resume={halves}") == 0
    assert_same_run(whole, halves)
    assert (halves / "summary.json").exists()


def test_resume_from_an_older_save_repeats_the_steps_after_it(train_tiny, command) -> None:
    """As after a kill -9: metrics go on to step 9, the checkpoint stands at 5; the resumed run is the same run."""
    whole = train_tiny("whole")
    killed = train_tiny("killed", "train.keep_last=2")
    for gone in ("last.pt", "best.pt", "step_000010.pt"):
        (killed / "checkpoints" / gone).unlink()
    os.replace(killed / "checkpoints" / "step_000005.pt", killed / "checkpoints" / "last.pt")
    (killed / "summary.json").unlink()
    assert command("train", f"resume={killed}") == 0
    assert_same_run(whole, killed)


def test_classes_and_batch_parts(train_tiny, classes: Path) -> None:
    """Gradient accumulation changes nothing but rounding: the same loss and gradient norm at every step."""
    runs = [train_tiny(f"parts{n}", "train.steps=3", f"train.accumulate={n}", data=classes) for n in (1, 2)]
    one, two = (read_rows(run) for run in runs)
    for name in ("train/loss", "train/grad_norm"):
        assert [row[name] for row in one if name in row] == pytest.approx(
            [row[name] for row in two if name in row], rel=1e-5
        )
    assert any("class" in name for name in tensors(load_checkpoint(runs[0])))


def test_a_signal_saves_and_leaves(images: Path, tmp_path: Path) -> None:
    """SIGTERM in the middle of a run: exit code 143, a checkpoint, a line that says how to go on; and it goes on."""
    run = tmp_path / "run"
    arguments = [*TINY, "data=folder", f"data.path={images}", f"run_dir={run}", f"cache_dir={tmp_path}/cache"]
    command = [sys.executable, str(Path(__file__).parents[1] / "train.py")]
    process = subprocess.Popen(
        [*command, *arguments, "train.steps=100000"], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    while not (run / "metrics.jsonl").exists() or len((run / "metrics.jsonl").read_text().splitlines()) < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert f"resume={run}" in stderr
    step = load_checkpoint(run)["step"]
    assert step >= 3
    again = subprocess.run([*command, *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 2, "the same command must not start over"
    assert "resume=" in again.stderr


def test_same_command_without_a_folder_names_the_unfinished_run(train_tiny, command, images: Path, capsys) -> None:
    arguments = [*TINY, "data=folder", f"data.path={images}", "train.steps=4", "train.stop_at=2", "train.save_every=2"]
    assert command("train", *arguments) == 0
    capsys.readouterr()
    assert command("train", *arguments) == 0
    out = capsys.readouterr().out
    assert "was not finished" in out
    assert "resume=runs/train/" in out


def test_steps_that_are_not_finite_are_skipped_and_named(train_tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusion import process

    honest, calls = process.training_losses, []

    def sometimes_nan(*arguments, **options):
        calls.append(1)
        losses = honest(*arguments, **options)
        return losses._replace(loss=losses.loss * (float("nan") if len(calls) in (3, 4) else 1.0))

    monkeypatch.setattr(process, "training_losses", sometimes_nan)
    run = train_tiny("run", "train.validate_every=0")
    lines = (run / "bad_batches.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["step 2", "step 3"]
    assert lines[0].count(".png") == 4
    assert all(torch.isfinite(value).all() for value in tensors(load_checkpoint(run)).values())


def test_too_many_bad_steps_stop_the_run(command, images: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    from diffusion import process

    honest = process.training_losses

    def always_nan(*arguments, **options):
        losses = honest(*arguments, **options)
        return losses._replace(loss=losses.loss * float("nan"))

    monkeypatch.setattr(process, "training_losses", always_nan)
    arguments = [*TINY, "data=folder", f"data.path={images}", f"run_dir={tmp_path}/run", "train.max_bad_steps=3"]
    assert command("train", *arguments, "train.validate_every=0") == 1
    assert "3 steps in a row" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "run")["step"] == 0, "the last good save must stay"


def test_init_from_starts_from_the_averaged_weights(train_tiny, tmp_path: Path) -> None:
    first = train_tiny("first")
    tuned = train_tiny("tuned", f"init_from={first}", "optim.lr=1e-12", "train.steps=1")
    before, after = load_checkpoint(first)["ema"], load_checkpoint(tuned)["model"]
    for name, value in before.items():
        torch.testing.assert_close(value, after[name], rtol=0, atol=1e-9)
    wider = train_tiny("wider", f"init_from={first}", "train.steps=1", "model.channel_multipliers=[1,4]")
    assert "kept its random start" in (wider / "init_from.txt").read_text()
    other = train_tiny("other", f"init_from={first}", "train.steps=1", "diffusion.prediction_type=x_0")
    assert (other / "init_from.txt").read_text() == "diffusion.prediction_type: v there, x_0 here\n"


def test_a_tiny_network_learns_four_images(train_tiny, tmp_path: Path) -> None:
    data = write_images(tmp_path / "four", 4)
    arguments = [
        "train.steps=300",
        "data.val_fraction=0.0",
        "optim.lr=3e-3",
        "optim.course=constant",
        "train.log_every=50",
    ]
    rows = read_rows(train_tiny("overfit", *arguments, "model.base_channels=16", data=data))
    assert rows[0]["train/loss"] > 0.4
    assert rows[-1]["train/loss"] < 0.12


def test_the_run_folder_holds_what_the_design_says(train_tiny) -> None:
    run = train_tiny("run", "train.sample_every=5", "train.keep_last=2")
    held = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert held >= {
        "config.yaml", "env.json", "metrics.jsonl", "curves.png", "summary.json", "checkpoints/last.pt",
        "checkpoints/best.pt", "checkpoints/step_000005.pt", "checkpoints/step_000010.pt", "samples/step_000005.png",
        "samples/step_000010.png",
    }  # fmt: skip
    assert yaml.safe_load((run / "config.yaml").read_text())["train"]["steps"] == 10
    assert {"train/loss", "train/grad_norm", "train/lr", "train/images_per_s"} <= read_rows(run)[0].keys()


PRESETS = sorted(Path(__file__).parents[1].glob("conf/experiment/*.yaml"))
PRESETS = [path for path in PRESETS if "/data: table" not in path.read_text()]  # those: test_train_table.py


def small_set(data: str, folder: Path) -> list[str]:
    """The options of a small set of this format, written into `folder`; of a simulator, a small number."""
    if data == "folder":
        for name in ("cat", "dog"):
            write_images(folder / name, 8, size=(64, 64))
        return [f"data.path={folder}", "data.val_fraction=0.2"]
    if data == "coco":
        return [f"data.path={write_coco_set(folder, coco_file())}", f"data.annotations={folder}/annotations.json"]
    if data == "nifti":
        for name in ("a", "b", "c"):
            voxels = np.random.default_rng(0).integers(0, 900, (12, 14, 3)).astype(np.int16)
            for part in ("images", "labels"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            write_nifti_stack(folder / "images" / f"{name}.nii.gz", voxels)
            write_nifti_stack(folder / "labels" / f"{name}.nii.gz", (voxels % 3).astype(np.uint8))
        return [f"data.path={folder}/images", f"data.labels={folder}/labels"]
    return ["data.num_images=8"]


@pytest.mark.parametrize("preset", [*(path.stem for path in PRESETS), None])
def test_every_experiment_composes_builds_and_trains_two_steps(preset: str | None, command, tmp_path) -> None:
    text = (Path(__file__).parents[1] / "conf" / "experiment" / f"{preset}.yaml").read_text() if preset else ""
    data = re.search(r"override /data: (\w+)", text)
    arguments = small_set(data[1] if data else "sar_sim", tmp_path / "set")
    arguments += ["data.image_size=32", "train.steps=2", "train.batch_size=2", "train.sample_every=2"]
    arguments += ["train.grid_images=2", "sampler.num_inference_steps=2", "wandb.mode=disabled"]
    arguments += [f"experiment={preset}"] if preset else []
    assert command("train", *arguments, f"run_dir={tmp_path}/run") == 0


@pytest.mark.parametrize("debug", ["tiny", "overfit"])
@pytest.mark.parametrize("data", ["sar_sim", "mri_sim"])
def test_debug_presets(debug: str, data: str, command, tmp_path: Path) -> None:
    arguments = [
        f"debug={debug}",
        f"data={data}",
        "data.num_images=10",
        "data.image_size=32",
        f"run_dir={tmp_path}/run",
    ]
    assert command("train", *arguments, "train.steps=2", "sampler.num_inference_steps=2") == 0


def test_multirun_keeps_its_runs_apart(command, images: Path, tmp_path: Path) -> None:
    arguments = [*TINY, "data=folder", f"data.path={images}", "train.steps=2", "name=sweep", "-m", "seed=0,1"]
    assert command("train", *arguments) == 0
    runs = sorted((tmp_path / "runs" / "sweep").iterdir())
    assert [yaml.safe_load((run / "config.yaml").read_text())["seed"] for run in runs] == [0, 1]
    assert all(len(read_rows(run)) >= 2 for run in runs)
