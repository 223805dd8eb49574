"""Curves: Weights & Biases (offline unless told otherwise), and always metrics.jsonl and curves.png."""

import json
import math
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.curves import draw_curves

MODES = ("offline", "online", "disabled")


@dataclass
class WandbConfig:
    """mode: offline (no account, no network; `wandb sync` sends it later) | online | disabled."""

    mode: str = "offline"
    project: str = "speckle"
    entity: str | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown mode with a ValueError."""
        if self.mode not in MODES:
            raise ValueError(f"wandb.mode={self.mode} is not one of {', '.join(MODES)}")
        if not self.project or any(letter in self.project for letter in "/\\#?%:"):
            raise ValueError(f"wandb.project={self.project!r} must be a plain name")


class Tracker:
    """Writes what a run measures into its folder; `with Tracker(...) as tracker:` so that no two runs ever merge.

    A resumed run (`from_step` > 0) first drops the lines of steps that will be done again.
    """

    def __init__(self, run_dir: Path, config: WandbConfig, *, run_config: dict[str, Any], from_step: int) -> None:
        self.path = run_dir / "metrics.jsonl"
        self.curves_path = run_dir / "curves.png"
        self.config, self.run_config, self.run_dir = config, run_config, run_dir
        keep_until(self.path, from_step)
        self.run = None

    def __enter__(self) -> "Tracker":
        """Open metrics.jsonl and, unless disabled, a W&B run of its own; a resumed run keeps its W&B id."""
        self.file = self.path.open("a", encoding="utf-8")
        if self.config.mode != "disabled":
            self.run = self._start_wandb()
        return self

    def __exit__(self, *error: object) -> None:
        """Draw the curves a last time and close the W&B run, also after an error."""
        self.file.close()
        self.draw()
        if self.run is not None:
            self.run.finish(exit_code=0 if error[0] is None else 1)

    def _start_wandb(self) -> Any:
        import wandb  # takes a second to import, so only a run that uses it pays
        from wandb.errors import Error

        id_file = self.run_dir / "wandb_id.txt"
        if not id_file.exists():
            id_file.write_text(secrets.token_hex(4))
        os.environ.setdefault("WANDB_SILENT", "true")
        settings = wandb.Settings(console="off", save_code=False, disable_git=True)
        try:
            return self._init(wandb, settings, id_file.read_text().strip())
        except Error as error:
            raise ValueError(f"W&B: {error}; mend it, or go without: wandb.mode=offline") from error

    def _init(self, wandb: Any, settings: Any, run_id: str) -> Any:
        return wandb.init(
            project=self.config.project,
            entity=self.config.entity,
            mode="online" if self.config.mode == "online" else "offline",
            id=run_id,
            name=self.run_dir.name,
            resume="allow" if self.config.mode == "online" else None,
            dir=str(self.run_dir),
            config=self.run_config,
            settings=settings,
        )

    def log(self, step: int, **metrics: float) -> None:
        """One line of metrics.jsonl (NaN and infinity become null: JSON has neither) and one W&B point."""
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self.file.write(json.dumps({"step": step, **finite}) + "\n")
        self.file.flush()
        if self.run is not None:
            self.run.log(metrics, step=step)

    def log_image(self, step: int, name: str, path: Path) -> None:
        """Show a picture file in W&B; the file itself stays in the run folder."""
        if self.run is not None:
            import wandb

            self.run.log({name: wandb.Image(str(path))}, step=step)

    def log_checkpoint(self, path: Path) -> None:
        """Send a checkpoint as an artifact; only when online, since offline it would be stored twice."""
        if self.run is not None and self.config.mode == "online":
            self.run.log_artifact(str(path), name=f"{self.run.id}-{path.stem}", type="model")

    def draw(self) -> None:
        """Draw curves.png from metrics.jsonl."""
        draw_curves(read_metrics(self.path), self.curves_path)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; a last line torn by a crash is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def keep_until(path: Path, step: int) -> None:
    """Drop the lines of metrics.jsonl beyond `step`: they will be written again."""
    if path.exists():
        kept = [json.dumps(row) + "\n" for row in read_metrics(path) if row["step"] <= step]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(kept), encoding="utf-8")
        os.replace(temporary, path)


class WindowMean:
    """Means of what was measured since the last report: the loss, and the MSE in each quartile of the timesteps.

    An MSE of NaN stands for what was not asked for, and does not count.

    The quartiles are guided-diffusion's way to see which noise levels are learned.
    """

    def __init__(self, num_train_timesteps: int) -> None:
        self.num_train_timesteps = num_train_timesteps
        self.scalars: dict[str, list[float]] = {}
        self.quartiles: list[list[float]] = [[], [], [], []]

    def add(self, *, t: np.ndarray, mse: np.ndarray, **scalars: float) -> None:
        """Take in one step: t is (b,), or (b, 2) of image and label; mse (b,), the scalars are the step's own."""
        for name, value in scalars.items():
            self.scalars.setdefault(name, []).append(value)
        t_image = t.reshape(len(t), -1)[:, 0]
        for quartile, value in zip(4 * t_image // self.num_train_timesteps, mse, strict=True):
            if not np.isnan(value):
                self.quartiles[int(quartile)].append(float(value))

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold for a resumed run to report the same means."""
        return {"scalars": self.scalars, "quartiles": self.quartiles}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.scalars, self.quartiles = state["scalars"], state["quartiles"]

    def report(self) -> dict[str, float]:
        """The means (train/loss, train/mse_q0 ... for the least noise ... most noise), and start anew."""
        means = {f"train/{name}": float(np.mean(values)) for name, values in self.scalars.items()}
        means |= {f"train/mse_q{i}": float(np.mean(values)) for i, values in enumerate(self.quartiles) if values}
        self.scalars, self.quartiles = {}, [[], [], [], []]
        return means
