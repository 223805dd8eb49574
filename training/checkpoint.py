"""A checkpoint: one plain dict of tensors, numbers, strings, lists and dicts. Loading one never executes code."""

import hashlib
import os
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import build_model, model_config_from_dict

FORMAT_VERSION = 1
KEYS = ("step", "best", "window", "bad_in_a_row", "config", "images", "data_key", "model", "ema", "optimizer")
MEANING = (("diffusion", "prediction_type"), ("schedule", "name"), ("schedule", "zero_terminal_snr"))  # of an output


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (see KEYS) to `path` so that a crash at any moment leaves the old file or the new one, whole."""
    missing = [key for key in KEYS if key not in state]
    assert not missing, f"checkpoint without {missing}"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        torch.save({"format_version": FORMAT_VERSION, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    for stale in path.parent.glob(f".{path.name}.*.tmp"):  # of saves that were killed
        stale.unlink(missing_ok=True)


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file that `path` names: the file itself, or a run folder's `checkpoints/last.pt`.

    ValueError when there is none, naming what is there instead.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return path
    if not path.exists():
        raise ValueError(f"{path} does not exist: name a run folder or a checkpoint file")
    if (path / "checkpoints" / "last.pt").is_file():
        return path / "checkpoints" / "last.pt"
    raise ValueError(f"{path} holds no checkpoints/last.pt: the run saved nothing yet, or this is not a run folder")


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only; ValueError with one line for anything else."""
    file = find_checkpoint(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns of foreign pickles, which are refused below
            state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{file} is not a speckle checkpoint: not plain tensors and values alone, so it was not loaded"
        ) from error
    except Exception as error:  # torch's reader fails in many ways on bytes that are no checkpoint
        others = sorted(other.name for other in file.parent.glob("*.pt") if other != file)
        mend = f"; beside it lie {', '.join(others)}: copy one over it" if others else ""
        raise ValueError(f"{file} cannot be read as a checkpoint: it is damaged or of another kind{mend}") from error
    if not isinstance(state, dict) or "format_version" not in state:
        raise ValueError(f"{file} is not a speckle checkpoint: it has no format_version")
    if not isinstance(state["format_version"], int) or state["format_version"] > FORMAT_VERSION:
        raise ValueError(
            f"{file} has format_version {state['format_version']}, this speckle reads up to {FORMAT_VERSION}: upgrade it"
        )
    missing = [key for key in KEYS if key not in state]
    if missing:
        raise ValueError(f"{file} is not a whole checkpoint of this version: it lacks {', '.join(missing)}")
    return state


def network_shape(images: dict[str, Any], *, learned_variance: bool) -> dict[str, Any]:
    """What `build_model` needs to know beside its config; `images` is an ImageSpec or a TableSpec as a plain dict.

    A row goes in with a number for each column, whether it is given (`diffusion.mixed`). Checkpoints of speckle 0.1 hold
    `classes`, a list, where later ones hold `attributes`, {name: values}; they have no `label_channels`.
    """
    attributes = images["attributes"].values() if "attributes" in images else filter(None, [images["classes"]])
    label_channels, flags = images.get("label_channels", 0), 0
    if "category_sizes" in images:
        channels = images["numbers"] + sum(images["category_sizes"])
        flags = images["numbers"] + len(images["category_sizes"])
    else:
        channels = images["channels"] + label_channels
    return {
        "in_channels": channels + flags,
        "out_channels": channels * (2 if learned_variance else 1),
        "num_classes": [len(values) for values in attributes],
        "label_time": label_channels > 0,
    }


def rebuild_network(state: dict[str, Any], *, weights: str = "ema") -> nn.Module:
    """The network of a checkpoint, in eval mode, from its plain config and the `ema` (or raw `model`) weights."""
    shape = network_shape(state["images"], learned_variance=state["config"]["diffusion"]["learned_variance"])
    network = build_model(model_config_from_dict(state["config"]["model"]), **shape)
    network.load_state_dict(state[weights])
    return network.eval().requires_grad_(False)


def start_from(network: nn.Module, state: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Start `network`, of a run with the plain `config`, from the averaged weights of the checkpoint `state`.

    Every tensor that has a place of the same shape is loaded. Returns a line for each setting under which the weights
    meant something else, and for each parameter that could not be filled or placed. ValueError when nothing fits at all.
    """
    own, weights = network.state_dict(), state["ema"]
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise ValueError("init_from: not one weight of that checkpoint fits this model: choose the same model=...")
    network.load_state_dict({**own, **fitting})
    left = [
        f"{section}.{name}: {state['config'][section][name]} there, {config[section][name]} here"
        for section, name in MEANING
        if state["config"][section][name] != config[section][name]
    ]
    left += [f"{name}: kept its random start, shape {tuple(own[name].shape)}" for name in own if name not in fitting]
    return left + [f"{name}: not used, no place of that name" for name in weights if name not in own]


def keep_numbered(path: Path, step: int, *, keep_last: int) -> None:
    """Keep the checkpoint at `path` as step_000000.pt beside it, and the newest `keep_last` of those in all."""
    numbered = path.with_name(f"step_{step:06d}.pt")
    if keep_last > 0:
        numbered.unlink(missing_ok=True)
        try:
            os.link(path, numbered)  # costs no disk; `path` itself is replaced, never written into
        except OSError:
            shutil.copyfile(path, numbered)
    others = sorted(path.parent.glob("step_*.pt"), key=lambda other: int(other.stem.removeprefix("step_")))
    for old in others[: max(0, len(others) - keep_last)]:
        old.unlink()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
