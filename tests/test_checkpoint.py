"""Checkpoints: whole or not at all, and never executed."""

import multiprocessing
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.checkpoint import (
    FORMAT_VERSION,
    KEYS,
    find_checkpoint,
    keep_numbered,
    load_checkpoint,
    network_shape,
    save_checkpoint,
    start_from,
)

STATE = {key: {} for key in KEYS} | {"step": 3}


def save_without_end(path: Path, ready: Path) -> None:
    """What the process that gets killed does."""
    torch.set_num_threads(1)
    step = 0
    while True:
        step += 1
        save_checkpoint(path, {**STATE, "step": step, "model": {"weights": torch.full((1_000_000,), float(step))}})
        ready.touch()


def test_kill_in_the_middle_of_a_save_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """20 times: a process saves without end, is killed -9 at a random moment, and last.pt must be one of its saves."""
    context = multiprocessing.get_context("forkserver")  # imports torch once, not 20 times
    context.set_forkserver_preload(["training.checkpoint"])
    rng, torn = np.random.default_rng(0), 0
    for k in range(20):
        path, ready = tmp_path / str(k) / "last.pt", tmp_path / f"ready{k}"
        process = context.Process(target=save_without_end, args=(path, ready), daemon=True)
        process.start()
        while not ready.exists():
            assert process.is_alive()
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.05)))
        process.kill()
        process.join()
        state = load_checkpoint(path)
        assert (state["model"]["weights"] == state["step"]).all()
        torn += len(list(path.parent.glob(".*.tmp")))
    assert torn > 0, "no kill hit the middle of a save: the test would not notice a save that is not atomic"


@pytest.mark.parametrize(
    ("images", "num_classes", "channels", "label_time"),
    [
        ({"channels": 1, "classes": []}, [], 1, False),  # of the first release
        ({"channels": 3, "classes": ["cat", "dog"]}, [2], 3, False),
        ({"channels": 1, "attributes": {}}, [], 1, False),
        ({"channels": 1, "attributes": {"class": ["a", "b"], "plane": ["x", "y", "z"]}}, [2, 3], 1, False),
        ({"channels": 1, "attributes": {}, "label_channels": 2}, [], 3, True),
    ],
)
def test_network_shape_of_old_and_new_checkpoints(images, num_classes, channels, label_time) -> None:
    shape = {"in_channels": channels, "num_classes": num_classes, "label_time": label_time}
    assert network_shape(images, learned_variance=False) == shape | {"out_channels": channels}
    assert network_shape(images, learned_variance=True) == shape | {"out_channels": 2 * channels}


def test_network_shape_of_a_table() -> None:
    """3 numbers and blocks of 2 + 4 places; 5 columns are given or not."""
    table = {"numbers": 3, "category_sizes": [2, 4], "attributes": {"income": ["low", "high"]}}
    shape = {"in_channels": 14, "out_channels": 9, "num_classes": [2], "label_time": False}
    assert network_shape(table, learned_variance=False) == shape


class Evil:
    """Unpickled, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_checkpoint_never_runs_code(tmp_path: Path, how: str) -> None:
    trap, file = tmp_path / "executed", tmp_path / "evil.pt"
    if how == "pickle":
        file.write_bytes(pickle.dumps({"format_version": 1, "model": Evil(trap)}))
    else:
        torch.save({"format_version": 1, "model": Evil(trap)}, file)
    with pytest.raises(ValueError, match="not loaded|cannot be read"):
        load_checkpoint(file)
    assert not trap.exists()


def test_damaged_foreign_and_newer_files_are_named(tmp_path: Path) -> None:
    good = tmp_path / "good.pt"
    save_checkpoint(good, STATE)
    assert load_checkpoint(good)["step"] == 3
    cut = tmp_path / "cut.pt"
    cut.write_bytes(good.read_bytes()[:-200])
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "empty.pt").touch()
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    torch.save({**STATE, "format_version": FORMAT_VERSION + 1}, tmp_path / "newer.pt")
    torch.save({"format_version": 1, "step": 1}, tmp_path / "partial.pt")
    for byte in range(256):
        (tmp_path / "bytes.pt").write_bytes(bytes([byte]) + b"old news")
        with pytest.raises(ValueError, match="bytes.pt"):
            load_checkpoint(tmp_path / "bytes.pt")
    for name in ("cut", "text", "empty", "foreign", "newer", "partial"):
        with pytest.raises(ValueError, match=f"{name}.pt") as error:
            load_checkpoint(tmp_path / f"{name}.pt")
        assert "\n" not in str(error.value)


def test_find_checkpoint_takes_a_run_folder_or_a_file(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoints" / "last.pt", STATE)
    assert find_checkpoint(tmp_path) == find_checkpoint(tmp_path / "checkpoints" / "last.pt")
    with pytest.raises(ValueError, match="does not exist"):
        find_checkpoint(tmp_path / "nowhere")
    (tmp_path / "checkpoints" / "deeper").mkdir()
    with pytest.raises(ValueError, match="holds no checkpoints"):
        find_checkpoint(tmp_path / "checkpoints" / "deeper")


def test_keep_numbered_keeps_the_newest(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save_checkpoint(tmp_path / "last.pt", {**STATE, "step": step})
        keep_numbered(tmp_path / "last.pt", step, keep_last=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt", "step_000010.pt", "step_000015.pt"]
    assert load_checkpoint(tmp_path / "step_000010.pt")["step"] == 10


def test_matching_weights_are_loaded_and_the_rest_listed() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    weights = {"0.weight": torch.ones(2, 2), "1.weight": torch.ones(3, 2), "other": torch.ones(1)}
    process = {"diffusion": {"prediction_type": "v"}, "schedule": {"name": "cosine", "zero_terminal_snr": False}}
    left = start_from(network, {"ema": weights, "config": process}, process)
    assert (network[0].weight == 1).all()
    assert [line.split(":")[0] for line in left] == ["0.bias", "1.weight", "1.bias", "other"]
    with pytest.raises(ValueError, match="not one weight"):
        start_from(network, {"ema": {"x": torch.ones(1)}, "config": process}, process)
