"""Arms times seeds: what a task must offer, and the loop that goes on where it was interrupted."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from eval.groups import Groups
from eval.utility.claim import claim

BASELINE = "real"
Scorer = Callable[[np.ndarray], np.ndarray]
"""How often each test image counts (images,) -> the metrics (m,) of one run."""


@dataclass(frozen=True)
class Arm:
    """One way to make a training set."""

    kind: str
    """baseline, control (knows no synthetic image) or synthetic."""
    note: str
    counts: dict[str, int]
    """Images for training and for validation."""
    ratio: int | None = None
    """Synthetic images per real one, of the arms that `ratios` asks for."""
    control: str | None = None
    """The arm that this one must beat, where that is not simply the best control."""


@dataclass(frozen=True)
class Run:
    """What one training came to; all of it is JSON."""

    scores: dict[str, float]
    records: Any
    """What the network said of each test image, from which its scores on resampled test sets follow."""
    details: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Task(Protocol):
    """What the study has to know of classification, detection or segmentation."""

    metrics: tuple[str, ...]
    """Names of the scores, higher being better; the first decides."""
    arms: dict[str, Arm]
    test_images: int
    test_groups: Groups | None
    """Which of them belong together; None: each stands alone."""

    def identity(self, arm: str) -> dict[str, Any]:
        """Settings and data that the arm's runs depend on, but for the seed."""
        ...

    def train_and_score(self, arm: str, seed: int) -> Run:
        """Train on the arm's images and score on the test images."""
        ...

    def scorer(self, records: Any) -> Scorer:
        """The run's scores on any resampling of the test images."""
        ...


def run_study(
    task: Task, seeds: int, out: Path, say: Callable[[str], None] = print, *, wait: float = 5.0
) -> dict[str, list[Run]]:
    """The runs of each arm, by seed; those in `out`/runs are taken from there, each new one is written at once.

    Processes with one `out` share the runs: each takes one that nobody is at, and looks every `wait` seconds for those
    of the others, so that all of them end with the whole study.
    Raises ValueError before anything is trained if a run in `out` was made with other settings or data.
    """
    planned = [(arm, seed) for seed in range(seeds) for arm in task.arms]
    runs: dict[tuple[str, int], Run] = {}

    def look() -> list[tuple[str, int]]:
        missing = [key for key in planned if key not in runs]
        runs.update({key: run for key in missing if (run := _load(out, *key, task.identity(key[0]))) is not None})
        return [key for key in missing if key not in runs]

    todo, told = look(), False
    if runs:
        say(f"{len(runs)} of {len(planned)} runs are in {out} already")
    while todo:
        if (key := _make_one(task, todo, out, runs)) is not None:
            say(f"[{len(runs)}/{len(planned)}] {_line(task, *key, runs[key])}")
        else:
            if not told:
                say(f"waiting for other processes: {len(todo)} of {len(planned)} runs")
                told = True
            time.sleep(wait)
        todo = look()
    return {arm: [runs[arm, seed] for seed in range(seeds)] for arm in task.arms}


def _make_one(
    task: Task, todo: list[tuple[str, int]], out: Path, runs: dict[tuple[str, int], Run]
) -> tuple[str, int] | None:
    """Make the first run that nobody is at, put it into `runs` and say which; None where others are at all of them."""
    for arm, seed in todo:
        with claim(_path(out, arm, seed).with_suffix(".lock")) as mine:
            if mine and not _path(out, arm, seed).is_file():  # it may have been written since `todo` was found
                runs[arm, seed] = _make(task, arm, seed, out)
                return arm, seed
    return None


def _make(task: Task, arm: str, seed: int, out: Path) -> Run:
    start = time.perf_counter()
    run = task.train_and_score(arm, seed)
    run = Run(run.scores, run.records, {**run.details, "seconds": round(time.perf_counter() - start, 1)})
    _save(out, arm, seed, task.identity(arm), run)
    return run


def _line(task: Task, arm: str, seed: int, run: Run) -> str:
    scores = ", ".join(f"{name} {run.scores[name]:.3f}" for name in task.metrics)
    return f"{arm}, seed {seed}: {scores} in {run.details['seconds']:.0f} s"


def _path(out: Path, arm: str, seed: int) -> Path:
    return out / "runs" / f"{arm}_{seed}.json"


def _save(out: Path, arm: str, seed: int, identity: dict[str, Any], run: Run) -> None:
    write_json(
        _path(out, arm, seed),
        {"arm": arm, "seed": seed, "scores": run.scores, **run.details, "identity": identity, "records": run.records},
    )


def _load(out: Path, arm: str, seed: int, identity: dict[str, Any]) -> Run | None:
    path = _path(out, arm, seed)
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_bytes())
        scores, records, before = stored.pop("scores"), stored.pop("records"), stored.pop("identity")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: is not a run's file ({type(error).__name__}: {error}); delete it") from error
    now = json.loads(json.dumps(identity))
    for key in {**before, **now}:
        if before.get(key) != now.get(key):
            raise ValueError(
                f"out={out}: {path.name} was made with {key}={before.get(key)}, now {key}={now.get(key)}: choose another out, "
                "or delete that file to make it anew"
            )
    return Run(scores, records, {key: value for key, value in stored.items() if key not in ("arm", "seed")})


def write_json(path: Path, content: Any) -> None:
    """Write under another name and rename, so that an interruption leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")  # processes that share a study may end at the same time
    partial.write_text(json.dumps(content, indent=1 if path.name == "utility.json" else None), encoding="utf-8")
    os.replace(partial, path)
