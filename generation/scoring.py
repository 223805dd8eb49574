"""The denoising loss of each image of a folder under a checkpoint: what a membership attack looks at (eval/membership.py)."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor
from tqdm import tqdm

from conf.command_line import all_keys, first_line, suggestion, to_dataclass
from data.given import GivenImages, load_given_images, stated_classes
from data.image_set import ImageSpec, to_floats
from diffusion.gaussian import Cond, DiffusionConfig, Network, make_denoiser
from diffusion.losses import bits_per_dim, training_losses
from diffusion.parts import Parts
from diffusion.schedules import Schedule, build_schedule
from generation.rebuilt import reading, rebuild
from training.checkpoint import file_sha256, find_checkpoint, load_checkpoint
from training.console import bar_interval, show_progress
from training.device import autocast_network, choose_device
from training.files import write_text
from training.precision import choose_precision, describe_precision, keep_heap

FORMAT_VERSION = 1


@dataclass
class FolderToScore:
    """path: what sample.py's images= may be: image files, or what the checkpoint's own reader reads."""

    path: str = MISSING


@dataclass
class ScoreConfig:
    """Whose losses to write where.

    num_timesteps: how many timesteps, evenly spaced over the schedule, an image is noised at, each with a noise of its own.
    bits_per_dim: also the bound on the likelihood, over a chain of bits_per_dim_steps steps, one pass of the network each.
    weights: ema | model. precision: as in training; fp32 measures finest.
    """

    ckpt: str = MISSING
    data: FolderToScore = field(default_factory=FolderToScore)
    out: str = MISSING
    seed: int = 0
    num_timesteps: int = 10
    batch_size: int = 16
    bits_per_dim: bool = False
    bits_per_dim_steps: int = 100
    weights: str = "ema"
    precision: str = "fp32"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values outside their range with a ValueError that names the field."""
        if self.weights not in ("ema", "model"):
            raise ValueError(f"weights={self.weights} is not one of ema, model")
        for name, least in (("seed", 0), ("num_timesteps", 1), ("batch_size", 1), ("bits_per_dim_steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.bits_per_dim_steps != 100 and not self.bits_per_dim:
            raise ValueError("bits_per_dim_steps has no effect without bits_per_dim=true")


def config_from_args(arguments: list[str]) -> ScoreConfig:
    """`key=value` arguments as a checked config; ValueError, one line, for a key or a value that cannot be."""
    config = OmegaConf.structured(ScoreConfig)
    keys = [key for key in all_keys(config) if key != "data"]
    for text in arguments:
        key, _, value = text.partition("=")
        if key not in keys:
            raise ValueError(f"there is no option {key}{suggestion(key, keys)}")
        try:
            OmegaConf.update(config, key, os.path.expanduser(value))
        except OmegaConfBaseException as error:
            raise ValueError(f"{text}: {first_line(error)}") from error
    return to_dataclass(config)


@dataclass(frozen=True)
class Scorer:
    """A checkpoint's network and the noise levels at which it is asked."""

    predict: Network
    schedule: Schedule
    diffusion: DiffusionConfig
    parts: Parts
    seed: int
    timesteps: list[int]
    device: torch.device

    def losses(
        self, image: Float[Tensor, "b c h w"], digests: list[str], cond: Cond, at: int
    ) -> Float[np.ndarray, " b"]:
        """The unweighted error of each image at the timestep number `at`.

        The noise depends on (seed, image, at) alone. Where the model knows labels, the label is all noise, so that the image
        is judged by itself.
        """
        x_0 = self._with_label(image)
        eps = torch.stack([torch.randn(x_0.shape[1:], generator=_generator(self.seed, it, at)) for it in digests])
        t = torch.full((len(x_0),), self.timesteps[at])
        if self.parts.label:
            t = torch.stack([t, torch.full_like(t, self.schedule.num_train_timesteps - 1)], dim=1)
        x_0, t, eps = (value.to(self.device) for value in (x_0, t, eps))
        process = {"schedule": self.schedule, "config": self.diffusion, "parts": self.parts}
        return training_losses(self.predict, x_0, t, eps, cond, **process).mse.double().cpu().numpy()

    def bits_per_dim(
        self, image: Float[Tensor, "b c h w"], digests: list[str], cond: Cond, steps: int, num_levels: int
    ) -> Float[np.ndarray, " b"]:
        """The bound of each image, with noise that depends on (seed, image) alone."""
        denoiser = make_denoiser(self.predict, self.schedule, self.diffusion, self.parts)
        options = {"num_inference_steps": steps, "num_levels": num_levels, "schedule": self.schedule}
        rngs = [_generator(self.seed, it, -1) for it in digests]
        return bits_per_dim(denoiser, image.to(self.device), cond, generators=rngs, **options).double().cpu().numpy()

    def _with_label(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        b, _, h, w = image.shape
        return torch.cat([image, torch.zeros(b, self.parts.label, h, w)], dim=1)


def score(config: ScoreConfig) -> Path:
    """Write the losses of every image at `config.data.path` to `config.out`, a JSON file, whole or not at all.

    ValueError for what a user can mend.
    """
    out = Path(config.out)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ValueError(f"out={out}: must be a file in a folder that is there")
    checkpoint = find_checkpoint(config.ckpt)
    state = load_checkpoint(checkpoint)
    run_config, spec, network = rebuild(checkpoint, state, config.weights)
    schedule = build_schedule(run_config.schedule)
    check_abilities(config, spec, schedule)
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    keep_heap()
    how = reading(run_config, spec)
    given = load_given_images("data.path", config.data.path, spec, how, every_slice=False, progress=show_progress)
    print(describe_precision(dtype, device), flush=True)
    scorer = Scorer(
        autocast_network(network.to(device), device, dtype),
        schedule,
        replace(run_config.diffusion, label_balance=0.0, clean_fraction=0.0),  # which are of training alone
        Parts(spec.channels, spec.label_channels),
        config.seed,
        spread_timesteps(schedule.num_train_timesteps, config.num_timesteps),
        device,
    )
    labels = known_labels(given, spec)
    rows = score_all(config, scorer, given, labels, num_levels=int(np.iinfo(spec.dtype).max) + 1)
    plain = asdict(config)
    settings = {name: plain[name] for name in ("seed", "weights", "precision")} | {
        "timesteps": scorer.timesteps,
        "classes": "unknown" if labels is None or (labels == spec.null_label).all() else "as their folders",
    }
    file = {"format_version": FORMAT_VERSION, "checkpoint": file_sha256(checkpoint), "settings": settings}
    write_text(out, json.dumps({**file, "data": config.data.path, "images": rows}, indent=1) + "\n")
    return out


def check_abilities(config: ScoreConfig, spec: ImageSpec, schedule: Schedule) -> None:
    """ValueError where something is asked for that the checkpoint cannot tell."""
    if config.bits_per_dim and spec.label_names:
        raise ValueError(
            "bits_per_dim=true: this checkpoint knows label maps, so there is no likelihood of images alone"
        )
    for name in ("num_timesteps", "bits_per_dim_steps"):
        if getattr(config, name) > schedule.num_train_timesteps:
            raise ValueError(
                f"{name}={getattr(config, name)}: the schedule has {schedule.num_train_timesteps} timesteps"
            )


def spread_timesteps(num_train_timesteps: int, count: int) -> list[int]:
    """The middle of each of `count` equal parts of {0 .. T - 1}."""
    return [int((i + 0.5) * num_train_timesteps / count) for i in range(count)]


def known_labels(given: GivenImages, spec: ImageSpec) -> Int64[np.ndarray, "n a"] | None:
    """The class of each image where folders say it, all else left open; None where the model knows no attributes."""
    if not spec.attributes:
        return None
    labels = np.tile(np.asarray(spec.null_label, np.int64), (len(given.found), 1))
    if "class" in spec.attributes:
        labels[:, list(spec.attributes).index("class")] = stated_classes("data.path", given.found, spec)
    return labels


def score_all(
    config: ScoreConfig, scorer: Scorer, given: GivenImages, labels: Int64[np.ndarray, "n a"] | None, num_levels: int
) -> list[dict[str, Any]]:
    """A row for each image: file, sha256 of its pixels at the model's size, losses by timestep, and bits_per_dim if asked."""
    rows: list[dict[str, Any]] = []
    digests = [pixel_sha256(pixels) for pixels in given.pixels]
    with tqdm(total=len(digests), unit="image", mininterval=bar_interval()) as bar, torch.no_grad():
        for part in np.array_split(np.arange(len(digests)), -(-len(digests) // config.batch_size)):
            image, own = to_floats(given.pixels[part]), [digests[i] for i in part]
            cond = None if labels is None else {"class_label": torch.from_numpy(labels[part]).to(scorer.device)}
            losses = np.stack([scorer.losses(image, own, cond, at) for at in range(len(scorer.timesteps))], axis=1)
            if not np.isfinite(losses).all():
                raise ValueError(f"ckpt={config.ckpt}: the losses are not finite: its training has diverged")
            for i, row in zip(part, losses, strict=True):
                rows.append({"file": given.names[i], "sha256": digests[i], "losses": row.tolist()})
            if config.bits_per_dim:
                bits = scorer.bits_per_dim(image, own, cond, config.bits_per_dim_steps, num_levels)
                for i, value in zip(part, bits, strict=True):
                    rows[i]["bits_per_dim"] = float(value)
            bar.update(len(part))
    return rows


def pixel_sha256(pixels: UInt[np.ndarray, "c h w"]) -> str:
    """SHA-256 of an image as the model's set stores it: the same for the same image in another file format."""
    return hashlib.sha256(
        f"{pixels.dtype} {pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()


def _generator(seed: int, digest: str, number: int) -> torch.Generator:
    mixed = hashlib.sha256(f"{seed} {digest} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(mixed[:4], "little"))  # all that the generator takes in
