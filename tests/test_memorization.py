"""What is watched for memorisation during training, and a run that stops for it."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, write_images
from test_train import read_rows, tensors

from data.augment import views
from data.image_copies import CopyRate
from training.checkpoint import load_checkpoint
from training.memorization import MemorizationGuard


class Stored:
    """Images in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def integers(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


class Sets:
    """The two sets of a run."""

    def __init__(self, held_out: int = 4) -> None:
        self.train, self.val = Stored(random_images(12)), Stored(random_images(held_out))


def random_images(count: int, seed: int = 0, dtype: type = np.uint8, size: tuple[int, int] = (40, 64)) -> np.ndarray:
    largest = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, largest, (count, 1, *size), endpoint=True).astype(dtype)


def observed(*losses: tuple[float, float], patience: int = 2) -> MemorizationGuard:
    guard = MemorizationGuard(Sets(), True, patience)
    for step, pair in enumerate(losses, 1):
        guard.observe(step, *pair)
    return guard


def test_the_rule() -> None:
    falling = [(1.0, 1.0), (0.9, 0.8)]
    assert observed(*falling).reason is None
    assert observed(*falling, (0.91, 0.7)).reason is None, "one validation is not enough"
    stopped = observed(*falling, (0.91, 0.7), (0.95, 0.6))
    assert stopped.reason is not None
    assert "lowest at step 2 (0.9000)" in stopped.reason
    assert "from 0.8000 to 0.6000" in stopped.reason
    assert observed(*falling, (0.91, 0.7), (0.89, 0.6), (0.9, 0.5)).reason is None, "a new best starts anew"
    assert observed(*falling, (0.91, 0.8), (0.95, 0.85), (0.95, 0.8)).reason is None, "both stand still"
    assert observed(*falling, (0.91, 0.7), (0.95, 0.6), patience=3).reason is None
    assert observed((float("nan"), 1.0), (float("nan"), 0.5), (float("nan"), 0.4)).reason is None, "nothing was best"


def test_a_restored_guard_is_the_same_guard() -> None:
    guard, again = observed((0.9, 0.8), (0.91, 0.7)), MemorizationGuard(Sets(), True, 2)
    again.restore(guard.state())
    for one in (guard, again):
        assert not one.observe(3, 0.95, 0.6)
    assert guard.reason == again.reason is not None
    old = MemorizationGuard(Sets(), True, 1)
    old.restore({"best": 0.5})
    assert not old.observe(1, 0.6, 0.1)
    assert old.reason is None, "what the training loss was at that best is not known"
    assert old.observe(2, 0.4, 0.1)


def test_a_rule_without_held_out_images_is_refused() -> None:
    with pytest.raises(ValueError, match="needs held-out images"):
        MemorizationGuard(Sets(held_out=0), True, 2)
    MemorizationGuard(Sets(held_out=0), False, 2)


FLIPS = {"hflip": False, "vflip": False, "rot90": False}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_copy_rate(dtype: type) -> None:
    real, new = random_images(60, dtype=dtype), random_images(20, seed=1, dtype=dtype)
    as_float = [torch.from_numpy(pixels / np.iinfo(dtype).max * 2 - 1).float() for pixels in (real, new)]
    copies = CopyRate(Stored(real), FLIPS | {"hflip": True})
    assert copies.share(as_float[1]) <= 0.1
    mixed = torch.cat([as_float[1][:10], as_float[0][:10]])
    assert 0.5 <= copies.share(mixed) <= 0.6
    assert copies.share(mixed.flip(3)) == copies.share(mixed)
    assert copies.share(mixed.flip(2)) <= 0.1, "training shows no image so"
    assert np.isnan(CopyRate(Stored(real[:1]), FLIPS).share(mixed))


@pytest.mark.parametrize("size", [(24, 24), (70, 70)])
def test_copies_are_seen_however_training_may_turn_an_image(size: tuple[int, int]) -> None:
    real = random_images(60, size=size)
    x_0 = torch.from_numpy(real / 255 * 2 - 1).float()
    for flips in product((False, True), repeat=3):
        options = dict(zip(FLIPS, flips, strict=True))
        copies = CopyRate(Stored(real), options)
        for turns, mirrored in product(range(4), (False, True)):
            seen = torch.rot90(x_0.flip(3) if mirrored else x_0, turns, (2, 3))
            shown = any((view == seen.numpy()).all() for view in views(x_0.numpy(), **options))
            assert copies.share(seen) == 1.0 if shown else copies.share(seen) <= 0.2


def test_training_is_the_same_with_and_without_the_rule(train_tiny) -> None:
    """... where it does not come into force; and the curves are there."""
    options = ["train.validate_every=2", "train.sample_every=5"]
    runs = [train_tiny(f"stop{stop}", *options, f"train.stop_on_memorization={stop}") for stop in ("false", "true")]
    one, other = (load_checkpoint(run) for run in runs)
    assert one["best"] == other["best"]
    first, second = tensors(one), tensors(other)
    assert len(first) > 50
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    rows = read_rows(runs[0])
    assert [row["step"] for row in rows if "validation/train_loss" in row] == [2, 4, 6, 8, 10]
    assert [row["step"] for row in rows if "samples/copy_rate" in row] == [5, 10]
    assert "stopped" not in json.loads((runs[1] / "summary.json").read_text())


@pytest.fixture
def memorizer(train_tiny, tmp_path: Path):
    """`memorizer("out", ...)`: a network soon learns 2 training images by heart; its run folder."""
    train, val = write_images(tmp_path / "two", 2), tmp_path / "noise"
    val.mkdir()
    from PIL import Image

    for i, pixels in enumerate(random_images(4, size=(16, 16))):
        Image.fromarray(pixels[0]).save(val / f"{i}.png")
    options = [f"data.val_path={val}", "train.steps=60", "train.validate_every=5", "optim.lr=3e-3"]
    options += ["train.stop_on_memorization=true", "train.memorization_patience=3", "optim.warmup_steps=0"]

    def run(name: str, *more: str) -> Path:
        return train_tiny(name, *options, *more, data=train)

    return run


def test_a_memoriser_stops_keeps_the_best_and_goes_on_only_if_told(memorizer, command, capsys) -> None:
    run = memorizer("run")
    summary, last = json.loads((run / "summary.json").read_text()), load_checkpoint(run)
    assert summary["step"] == last["step"] < 60
    assert summary["stopped"].startswith("memorisation: the validation loss was lowest at step")
    best = load_checkpoint(run / "checkpoints" / "best.pt")
    assert best["step"] <= last["step"] - 15
    rows = [row for row in read_rows(run) if "validation/loss" in row]
    assert min(rows, key=lambda row: row["validation/loss"])["step"] == best["step"]
    said = capsys.readouterr().out
    assert "stopped by memorisation" in said
    assert "best.pt" in said

    assert command("train", f"resume={run}") == 0
    assert load_checkpoint(run)["step"] == last["step"]
    assert "stopped by memorisation" in capsys.readouterr().out
    assert command("train", f"resume={run}", "train.stop_on_memorization=false") == 0
    assert load_checkpoint(run)["step"] == 60
    assert "stopped" not in json.loads((run / "summary.json").read_text())


def test_an_interrupted_run_stops_where_the_whole_one_does(memorizer, command) -> None:
    whole = memorizer("whole")
    halves = memorizer("halves", f"train.stop_at={load_checkpoint(whole)['step'] - 7}")
    assert not (halves / "summary.json").exists()
    assert command("train", f"resume={halves}") == 0
    assert (halves / "summary.json").read_text() == (whole / "summary.json").read_text()
    one, other = (tensors(load_checkpoint(run)) for run in (whole, halves))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_options_that_cannot_be(command, images: Path, tmp_path: Path, capsys) -> None:
    arguments = [
        *TINY,
        "data=folder",
        f"data.path={images}",
        f"run_dir={tmp_path}/run",
        "train.stop_on_memorization=true",
    ]
    for option, message in (
        ("data.val_fraction=0.0", "needs held-out images"),
        ("train.validate_every=0", "needs train.validate_every above 0"),
        ("train.memorization_patience=0", "train.memorization_patience=0 must be at least 1"),
    ):
        assert command("train", *arguments, option) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
