"""A run's folder: made, refused, recognised, described."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from training.files import without, write_text


def create_run_folder(run_dir: str | None, name: str) -> Path:
    """Make the folder of a new run: `run_dir`, or runs/<name>/<time with microseconds>.

    ValueError when the folder already holds something: a run is never overwritten, nor silently started anew.
    """
    path = Path(run_dir).expanduser() if run_dir else Path("runs") / name / f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    if path.is_file():
        raise ValueError(f"run_dir={path} is a file: name a folder")
    if path.exists() and any(path.iterdir()):
        if (path / "checkpoints" / "last.pt").is_file():
            raise ValueError(
                f"run_dir={path} holds a run already: carry it on with resume={path}, or name another folder"
            )
        raise ValueError(
            f"run_dir={path} is not empty and has no checkpoint to resume: name another folder or empty it"
        )
    try:
        for part in ("checkpoints", "samples"):
            (path / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"run_dir={path} cannot be made: {error.strerror}") from error
    return path


def find_unfinished_run(config: dict[str, Any], name: str, *, ignore: Sequence[str]) -> Path | None:
    """The run under runs/<name> with the same config that did not finish and went furthest, if any.

    `ignore`: dotted keys or whole sections that do not make it another run.
    """
    found: list[tuple[int, Path]] = []
    for folder in sorted((Path("runs") / name).glob("*/")):
        config_file = folder / "config.yaml"
        if (folder / "summary.json").exists() or not (folder / "checkpoints" / "last.pt").is_file():
            continue
        if config_file.is_file() and without(yaml.safe_load(config_file.read_text()), ignore) == without(
            config, ignore
        ):
            lines = folder / "metrics.jsonl"
            found.append((lines.stat().st_size if lines.exists() else 0, folder))
    return max(found)[1] if found else None


def describe_run(
    path: Path, config: dict[str, Any], items: Mapping[str, Sequence[str]], skipped: Sequence[tuple[str, str]],
    unused: Sequence[str],
) -> None:  # fmt: skip
    """Write what the run is: config.yaml (resolved), env.json (versions, device, git commit).

    Where there are any, also the names of `items`, as {"train": [...], "val": [...]}, in train.txt and val.txt, so that a
    study or another run can keep to the same split; skipped_files.txt; and init_from.txt (where the initial weights' run
    differed).
    """
    write_text(path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    for split, names in items.items():
        write_lines(path / f"{split}.txt", names)
    write_text(path / "env.json", json.dumps(environment(), indent=2) + "\n")
    write_lines(path / "skipped_files.txt", [f"{name}: {reason}" for name, reason in skipped])
    write_lines(path / "init_from.txt", unused)
    if unused:
        print(
            f"note: {len(unused)} things differ from the run of init_from, first {unused[0]}: {path / 'init_from.txt'}"
        )


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a list into the run folder; no file for an empty one."""
    if lines:
        write_text(path, "\n".join(lines) + "\n")


def write_summary(path: Path, step: int, best_validation_loss: float, stopped: str | None) -> None:
    """Write summary.json, whose presence says that the run finished; `stopped`: why before its last step."""
    results: dict[str, Any] = {"step": step, "best_validation_loss": best_validation_loss}
    results |= {"stopped": stopped} if stopped else {}
    write_text(path / "summary.json", json.dumps(results, indent=2) + "\n")


def how_it_ended(path: Path) -> str:
    """What to do next with a run, and why it stopped where it did so before its last step."""
    summary = path / "summary.json"
    if not summary.exists():
        return f"not finished: resume={path}"
    if stopped := json.loads(summary.read_text()).get("stopped"):
        best = path / "checkpoints" / "best.pt"
        going_on = f"to go on all the same: resume={path} train.stop_on_memorization=false"
        return f"stopped by {stopped}; next: python sample.py ckpt={best}; {going_on}"
    return f"next: python sample.py ckpt={path}"


def environment() -> dict[str, Any]:
    """What a result depends on beside its config."""
    packages = ("torch", "numpy", "hydra-core", "wandb")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "device": device,
        "cpu_threads": torch.get_num_threads(),
        "host": platform.platform(),
        "git": git_state(),
    }


def git_state() -> str | None:
    """The commit of the code that runs, with "-dirty" when files were changed; None outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False, env=os.environ
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
