"""The root config of train.py, and the names that the groups of both programs know (sample.py: sample_schema.py).

A dataclass stands beside the class it configures; this file only puts them together. Below `main` nobody sees anything
but these dataclasses.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from conf.sample_schema import SampleConfig
from data import DATASETS, saved_data_config
from data.folder import FolderConfig
from data.table_config import TableConfig
from diffusion.gaussian import DiffusionConfig
from diffusion.samplers import SAMPLERS, sampler_config_from_dict
from diffusion.schedules import PARAMETERS, ScheduleConfig
from models import MODELS, MODELS_OF, model_config_from_dict
from training.files import without
from training.optimizer import OptimConfig
from training.tracking import WandbConfig


@dataclass
class LoopConfig:
    """The training loop. Intervals are in steps (optimizer updates); 0 switches the thing off.

    batch_size: items (images, rows) per step, however many parts (`accumulate`) it is computed in.
    stop_at: end after this step as an interruption would; the learning rate's course still belongs to `steps`.
    ema_width: width of the weight average as a share of the run so far; ema_max_decay: its bound in long runs.
    keep_last: how many numbered checkpoints stay beside last.pt and best.pt.
    first_images: train on so many items only (debug=overfit). validation_images, grid_images: how many items are validated,
    and drawn for the picture of samples, rows as well as images.
    stop_on_memorization: end the run, best.pt being its best point, once the validation loss has not been lower for
    `memorization_patience` validations while the loss on training items went on falling.
    max_bad_steps: how many steps in a row may be skipped for a loss or gradient that is not finite.
    precision: auto (bf16 where the machine is fast at it) | bf16 | fp32.
    """

    steps: int = 3000
    batch_size: int = 16
    accumulate: int = 1
    stop_at: int | None = None
    log_every: int = 20
    validate_every: int = 250
    validation_images: int = 128
    sample_every: int = 500
    grid_images: int = 16
    save_every: int = 500
    keep_last: int = 2
    first_images: int | None = None
    stop_on_memorization: bool = False
    memorization_patience: int = 4
    max_bad_steps: int = 10
    ema_width: float = 0.1
    ema_max_decay: float = 0.9999
    precision: str = "auto"
    device: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        """Refuse values outside their range with a ValueError that names the field."""
        for name in (
            "steps",
            "batch_size",
            "accumulate",
            "log_every",
            "max_bad_steps",
            "grid_images",
            "validation_images",
            "memorization_patience",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"train.{name}={getattr(self, name)} must be at least 1")
        for name in ("validate_every", "sample_every", "save_every", "keep_last"):
            if getattr(self, name) < 0:
                raise ValueError(f"train.{name}={getattr(self, name)} must not be negative (0 switches it off)")
        if self.stop_on_memorization and not self.validate_every:
            raise ValueError("train.stop_on_memorization=true needs train.validate_every above 0")
        if self.batch_size % self.accumulate:
            raise ValueError(f"train.accumulate={self.accumulate} must divide train.batch_size={self.batch_size}")
        for name in ("stop_at", "first_images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"train.{name}={value} must be at least 1 or null")
        if not 0 < self.ema_width <= 0.28:
            raise ValueError(f"train.ema_width={self.ema_width} must lie in (0, 0.28]")
        if not 0 <= self.ema_max_decay < 1:
            raise ValueError(f"train.ema_max_decay={self.ema_max_decay} must lie in [0, 1)")
        if self.precision not in ("auto", "bf16", "fp32"):
            raise ValueError(f"train.precision={self.precision} is not one of auto, bf16, fp32")


@dataclass
class TrainConfig:
    """Everything a training run depends on.

    run_dir: the run's folder; by default runs/<name>/<time>. resume: a run folder to carry on. init_from: a checkpoint
    whose averaged weights a new run starts from. cache_dir: where decoded images lie memory-mapped.
    """

    data: Any = MISSING
    model: Any = MISSING
    schedule: Any = MISSING
    sampler: Any = MISSING
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: LoopConfig = field(default_factory=LoopConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)
    name: str = "train"
    seed: int = 0
    run_dir: str | None = None
    resume: str | None = None
    init_from: str | None = None
    cache_dir: str = "~/.cache/speckle"

    def __post_init__(self) -> None:
        """Refuse combinations that cannot work with a ValueError."""
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ValueError("WORLD_SIZE is above 1: training on several processes is not there yet; start one")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed} must not be negative")
        if not self.name or "/" in self.name:
            raise ValueError(f"name={self.name!r} must be a plain folder name")
        if isinstance(self.schedule, ScheduleConfig):
            self._check_schedule(self.schedule)
        items, model = getattr(self.data, "ITEMS", None), getattr(self.model, "name", None)
        if items and model and model not in MODELS_OF[items]:
            raise ValueError(f"model={model} is not for {items}: say model={' or '.join(MODELS_OF[items])}")
        if getattr(self.sampler, "variance", None) == "learned" and not self.diffusion.learned_variance:
            raise ValueError("sampler.variance=learned needs diffusion.learned_variance=true")

    def _check_schedule(self, schedule: ScheduleConfig) -> None:
        if schedule.zero_terminal_snr and self.diffusion.prediction_type == "eps":
            raise ValueError(
                "schedule.zero_terminal_snr=true needs diffusion.prediction_type=v or x_0: at alpha = 0 eps says "
                "nothing about the image"
            )
        if schedule.zero_terminal_snr and self.diffusion.loss_weighting != "simple":
            raise ValueError(
                "schedule.zero_terminal_snr=true needs diffusion.loss_weighting=simple: "
                f"{self.diffusion.loss_weighting} gives the last timestep no weight, so it would never be learned"
            )
        steps = getattr(self.sampler, "num_inference_steps", 1)
        if steps > schedule.num_train_timesteps:
            raise ValueError(
                f"sampler.num_inference_steps={steps} exceeds schedule.num_train_timesteps={schedule.num_train_timesteps}"
            )


def train_config_from_dict(values: dict[str, Any]) -> TrainConfig:
    """Rebuild a TrainConfig from the plain dict of a checkpoint or config.yaml, through the registries alone.

    ValueError when it names something this version does not know.
    """
    sections = {
        "data": saved_data_config,
        "model": model_config_from_dict,
        "sampler": sampler_config_from_dict,
        "schedule": lambda section: ScheduleConfig(**section),
        "diffusion": lambda section: DiffusionConfig(**{"clean_fraction": 0.0, **section}),  # as before there was any
        "optim": lambda section: OptimConfig(**section),
        "train": lambda section: LoopConfig(**section),
        "wandb": lambda section: WandbConfig(**section),
    }
    try:
        built = {name: sections[name](value) if name in sections else value for name, value in values.items()}
        return TrainConfig(**built)
    except (TypeError, KeyError) as error:
        raise ValueError(f"the saved config does not fit this version of speckle: {error}") from error


RESUMABLE = ("train.steps", "train.stop_at", "train.log_every", "train.validate_every", "train.sample_every")
RESUMABLE += ("train.save_every", "train.keep_last", "train.device", "wandb", "cache_dir", "resume")
RESUMABLE += ("train.stop_on_memorization", "train.memorization_patience")
# These may change too: the content of images and tables is compared.
PLACES = tuple(f"data.{name}" for name in dict.fromkeys(FolderConfig.PLACES + TableConfig.PLACES))


def resumed_config(config: TrainConfig, saved: dict[str, Any], given: list[str]) -> TrainConfig:
    """The config of a run to carry on: its own, `saved`, with what the command line names beside resume=.

    Only what leaves the run the same run may change; ValueError names the first option that may not.
    """
    if not Path(str(config.resume)).is_dir():
        raise ValueError(
            f"resume={config.resume} is a file: name the run folder (a file can start a new run: init_from=)"
        )
    changes = [key for key in given if key != "data" or config.data.name != saved["data"]["name"]]
    for key in changes:
        if not any(key == name or key.startswith(f"{name}.") for name in RESUMABLE + PLACES):
            raise ValueError(
                f"{key} cannot change while resuming: a resumed run keeps its own config (a new run may start from its "
                f"weights with init_from={config.resume})"
            )
    resumed = train_config_from_dict(saved)
    for key in changes:
        target, source = resumed, config
        *sections, name = key.split(".")
        for section in sections:
            target, source = getattr(target, section), getattr(source, section)
        setattr(target, name, getattr(source, name))
    return resumed


def check_same_run(config: TrainConfig, state: dict[str, Any] | None) -> None:
    """ValueError when `config` would carry on another run than the checkpoint's (see `resumed_config`)."""
    if state is None:
        return
    if config.train.steps < state["step"]:
        raise ValueError(
            f"train.steps={config.train.steps} is below the {state['step']} steps that the run has done already"
        )
    saved = to_plain(train_config_from_dict(state["config"]))  # with the defaults of options that are newer than it
    if without(to_plain(config), RESUMABLE + PLACES) != without(saved, RESUMABLE + PLACES):
        raise ValueError(
            f"resume={config.resume}: that run has another config; take it from conf.schema.resumed_config"
        )


def to_plain(config: Any) -> dict[str, Any]:
    """A config as plain nested dicts, for checkpoints and YAML."""
    plain = asdict(config)
    if isinstance(config, TrainConfig):  # requests, not parts of the run: a resumed run goes on to its end
        plain["resume"] = plain["train"]["stop_at"] = None
    return plain


def register_configs() -> None:
    """Tell Hydra's ConfigStore every group option that is a dataclass; YAML presets hold differences only."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainConfig)
    store.store(name="sample_schema", node=SampleConfig)
    for group, registry in (("data", DATASETS), ("model", MODELS), ("sampler", SAMPLERS)):
        for name, (config_class, _) in registry.items():
            preset = (Path(__file__).parent / group / f"{name}.yaml").exists()  # it names the dataclass as its schema
            store.store(group=f"{group}_schema" if preset else group, name=name, node=config_class)
    for name in PARAMETERS:
        store.store(group="schedule", name=name, node=ScheduleConfig(name=name))
