"""Sampling needs the checkpoint alone, and sample i is the same however it is drawn."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import write_images
from PIL import Image

from training.checkpoint import load_checkpoint, save_checkpoint


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def pictures(out: Path) -> dict[int, np.ndarray]:
    found = {}
    for row in rows(out):
        with Image.open(out / row["file"]) as image:
            found[row["index"]] = np.asarray(image)
    return found


def assert_alike(a: dict[int, np.ndarray], b: dict[int, np.ndarray]) -> None:
    """Equal to rounding: the same numbers, and no pixel more than one grey level apart."""
    assert a.keys() == b.keys()
    for i in a:
        assert np.abs(a[i].astype(int) - b[i].astype(int)).max() <= 1


@pytest.fixture
def run(train_tiny) -> Path:
    return train_tiny("run", "train.steps=30", "train.validate_every=0")


OPTIONS = ["sampler.num_inference_steps=4", "precision=fp32"]


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "heun", "dpmpp_2m"])
def test_sample_i_depends_on_seed_and_i_alone(run: Path, command, tmp_path: Path, sampler: str) -> None:
    for name, batch, count in (("a", 5, 5), ("b", 2, 5), ("c", 3, 4)):
        options = [
            f"out={tmp_path / name}",
            f"batch_size={batch}",
            f"num_samples={count}",
            f"sampler={sampler}",
            *OPTIONS,
        ]
        assert command("sample", f"ckpt={run}", *options) == 0
    a, b, c = (pictures(tmp_path / name) for name in "abc")
    assert_alike(a, b)
    assert_alike({i: a[i] for i in c}, c)
    assert not np.array_equal(a[0], a[1])
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'd'}", "num_samples=5", "seed=1", *OPTIONS) == 0
    assert not np.array_equal(a[0], pictures(tmp_path / "d")[0])


def test_the_checkpoint_alone_is_enough(run: Path, command, images: Path, tmp_path: Path) -> None:
    """Neither the images, nor their cache, nor the rest of the run folder are needed."""
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'before'}", "num_samples=2", *OPTIONS) == 0
    lonely = tmp_path / "lonely.pt"
    shutil.copy(run / "checkpoints" / "last.pt", lonely)
    for gone in (images, run, tmp_path / "cache"):
        shutil.rmtree(gone)
    assert command("sample", f"ckpt={lonely}", f"out={tmp_path / 'after'}", "num_samples=2", *OPTIONS) == 0
    assert_alike(pictures(tmp_path / "before"), pictures(tmp_path / "after"))


def test_an_interrupted_call_goes_on(run: Path, command, tmp_path: Path, capsys) -> None:
    out, call = tmp_path / "out", ["num_samples=6", "batch_size=2", *OPTIONS]
    assert command("sample", f"ckpt={run}", f"out={out}", *call) == 0
    whole = pictures(out)
    lines = (out / "manifest.jsonl").read_text().splitlines()
    (out / "manifest.jsonl").write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # torn in the fourth line
    kept = out / rows_file(lines[0])
    stamp = kept.stat().st_mtime_ns
    (out / rows_file(lines[5])).unlink()
    assert command("sample", f"ckpt={run}", f"out={out}", *call) == 0
    assert kept.stat().st_mtime_ns == stamp, "what was there already must not be drawn again"
    assert sorted(row["index"] for row in rows(out)) == list(range(6))
    assert_alike(whole, pictures(out))
    capsys.readouterr()
    assert command("sample", f"ckpt={run}", f"out={out}", *call) == 0
    printed = capsys.readouterr()
    assert "nothing to draw: all 6 samples are there already\n" in printed.out
    assert printed.err == ""


def rows_file(line: str) -> str:
    return json.loads(line)["file"]


def test_other_settings_do_not_mix_into_a_folder(run: Path, command, tmp_path: Path, capsys) -> None:
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'out'}", "num_samples=2", *OPTIONS) == 0
    before = pictures(tmp_path / "out")
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'out'}", "num_samples=2", "seed=9", *OPTIONS) == 2
    assert "another seed" in capsys.readouterr().err
    assert_alike(before, pictures(tmp_path / "out"))


def test_more_samples_are_added_to_those_there(run: Path, command, tmp_path: Path) -> None:
    for count in (2, 5):
        assert command("sample", f"ckpt={run}", f"out={tmp_path / 'out'}", f"num_samples={count}", *OPTIONS) == 0
    assert len(pictures(tmp_path / "out")) == 5


def test_classes_take_turns_or_are_chosen(train_tiny, classes: Path, command, tmp_path: Path, capsys) -> None:
    run = train_tiny("run", data=classes)
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'all'}", "num_samples=4", *OPTIONS) == 0
    assert [row["class"] for row in rows(tmp_path / "all")] == ["cat", "dog", "cat", "dog"]
    assert rows(tmp_path / "all")[1]["file"] == "images/dog/000001.png"
    assert (
        command("sample", f"ckpt={run}", f"out={tmp_path / 'dogs'}", "num_samples=2", "class_label=dog", *OPTIONS) == 0
    )
    assert [row["class"] for row in rows(tmp_path / "dogs")] == ["dog", "dog"]
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'x'}", "class_label=cow", *OPTIONS) == 2
    assert "cat, dog" in capsys.readouterr().err


def test_twelve_bit_data_give_twelve_bit_samples(train_tiny, command, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "deep", 8, dtype=np.uint16)
    for file in folder.iterdir():
        Image.fromarray((np.asarray(Image.open(file)) // 16).astype(np.uint16)).save(file)
    run = train_tiny("run", "train.steps=2", data=folder)
    assert command("sample", f"ckpt={run}", f"out={tmp_path / 'out'}", "num_samples=2", *OPTIONS) == 0
    for picture in pictures(tmp_path / "out").values():
        assert picture.dtype == np.uint16
        assert 255 < picture.max() <= 4095


def test_ema_weights_are_what_sampling_uses(run: Path, command, tmp_path: Path) -> None:
    """Zeroing the raw weights changes nothing; zeroing the averaged ones does."""
    for name, spoiled in (("raw", "model"), ("averaged", "ema")):
        state = load_checkpoint(run)
        state[spoiled] = {key: value * 0 for key, value in state[spoiled].items()}
        save_checkpoint(
            tmp_path / f"{name}.pt", {key: value for key, value in state.items() if key != "format_version"}
        )
    for name, ckpt in (("plain", run), ("raw", tmp_path / "raw.pt"), ("averaged", tmp_path / "averaged.pt")):
        assert command("sample", f"ckpt={ckpt}", f"out={tmp_path / name}-out", "num_samples=2", *OPTIONS) == 0
    plain, raw, averaged = (pictures(tmp_path / f"{name}-out") for name in ("plain", "raw", "averaged"))
    assert_alike(plain, raw)
    assert not np.array_equal(plain[0], averaged[0])


def test_a_checkpoint_cannot_write_outside_the_folder(run: Path, command, tmp_path: Path, capsys) -> None:
    state = load_checkpoint(run)
    for name in ("../../escaped", "/tmp/escaped", ".."):
        state["images"]["classes"] = [name]
        save_checkpoint(tmp_path / "evil.pt", state)
        assert command("sample", f"ckpt={tmp_path / 'evil.pt'}", f"out={tmp_path / 'out'}", *OPTIONS) == 2
        assert "plain name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_mistake_does_not_spoil_the_folder(run: Path, command, tmp_path: Path) -> None:
    call = [f"ckpt={run}", f"out={tmp_path / 'out'}", "num_samples=2", "precision=fp32"]
    assert command("sample", *call, "sampler.num_inference_steps=5000") == 2
    assert command("sample", *call, "sampler.num_inference_steps=4") == 0


def test_trajectory_and_grid_are_written(run: Path, command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert command("sample", f"ckpt={run}", f"out={out}", "num_samples=4", "trajectory=true", *OPTIONS) == 0
    with Image.open(out / "trajectory.gif") as movie:
        assert movie.n_frames == 4
    with Image.open(out / "grid.png") as grid:
        assert grid.size == (2 * 128 + 2, 2 * 128 + 2)  # eight times as large as the images
