"""Draw images from a checkpoint: `python sample.py ckpt=RUN_DIR num_samples=64 out=DIR`. Needs nothing but the file."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from conf.command_line import run_command
from conf.schema import SampleConfig, TrainConfig, register_configs, to_plain, train_config_from_dict
from data.image_set import ImageSpec, to_integers
from data.writers import image_grid, read_pixels, write_animation, write_image, write_png
from diffusion.gaussian import Denoiser, make_denoiser
from diffusion.sampling import sample as run_sampler
from diffusion.schedules import Schedule, build_schedule
from diffusion.timesteps import noise_levels
from training.checkpoint import file_sha256, find_checkpoint, load_checkpoint, rebuild_network
from training.console import bar_interval
from training.device import autocast_network, choose_device
from training.endings import Interrupted, InterruptGuard
from training.files import write_text
from training.precision import choose_precision, describe_precision, keep_heap
from training.seeding import generator

GRID_IMAGES = 64
TRAJECTORY_IMAGES = 16


def sample(config: SampleConfig) -> Path:
    """Write `num_samples` images, a grid and manifest.jsonl; return the folder.

    Sample i depends on (checkpoint, sampler, seed, i) alone, so an interrupted call is carried on by the same command.
    ValueError for what a user can mend; Interrupted after a signal.
    """
    checkpoint = find_checkpoint(config.ckpt)
    state = load_checkpoint(checkpoint)
    run_config, spec, network = rebuild(checkpoint, state, config.weights)
    if getattr(config.sampler, "variance", None) == "learned" and not run_config.diffusion.learned_variance:
        raise ValueError("sampler.variance=learned: this checkpoint's network does not predict a variance")
    labels = class_labels(config, spec.classes)
    schedule = build_schedule(run_config.schedule)
    noise_levels(schedule, config.sampler.num_inference_steps, config.sampler.spacing)  # refuses too many steps
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    denoiser = make_denoiser(autocast_network(network.to(device), device, dtype), schedule, run_config.diffusion)
    keep_heap()

    out = Path(config.out).expanduser() if config.out else default_folder(checkpoint)
    origin = {"sampler": config.sampler.name, "checkpoint": file_sha256(checkpoint)}
    done = open_folder(out, {**to_plain(config), "sha256": origin["checkpoint"]})
    print(describe_precision(dtype, device), flush=True)
    missing = [i for i in range(config.num_samples) if i not in done]
    start = time.perf_counter()
    bar = tqdm(total=len(missing), unit="image", mininterval=bar_interval())
    with bar, InterruptGuard() as guard, (out / "manifest.jsonl").open("a", encoding="utf-8") as manifest:
        for begin in range(0, len(missing), config.batch_size):
            if guard.received is not None:
                raise Interrupted(f"stopped; the same command carries on in {out}", guard.received)
            indices = missing[begin : begin + config.batch_size]
            x_0 = draw(denoiser, schedule, config, spec, indices, labels[indices], device)
            write_samples(out, manifest, {**origin, "seed": config.seed}, spec, indices, labels[indices], x_0)
            bar.update(len(indices))
    seconds = time.perf_counter() - start
    if missing:
        print(f"{len(missing)} images in {seconds:.1f} s: {len(missing) / seconds:.2f} images/s")
    write_grid(out, spec)
    if config.trajectory:
        write_trajectory(out, denoiser, schedule, config, spec, labels, device)
    return out


def rebuild(checkpoint: Path, state: dict[str, Any], weights: str) -> tuple[TrainConfig, ImageSpec, nn.Module]:
    """What a checkpoint describes; ValueError naming the file when its parts do not fit each other."""
    try:
        config, spec = train_config_from_dict(state["config"]), ImageSpec.from_dict(state["images"])
        return config, spec, rebuild_network(state, weights=weights)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"{checkpoint} is no whole checkpoint of this version: {str(error).splitlines()[0]}"
        ) from error


def default_folder(checkpoint: Path) -> Path:
    """<run folder>/generated; ValueError for a checkpoint that lies in no run folder."""
    if checkpoint.parent.name != "checkpoints":
        raise ValueError(f"out= is needed: {checkpoint} lies in no run folder to write into")
    return checkpoint.parent.parent / "generated"


def class_labels(config: SampleConfig, classes: Sequence[str]) -> np.ndarray:
    """(num_samples,) int64: the class that was asked for, or the classes in turn; -1 where the model knows none."""
    if config.class_label is None:
        return np.arange(config.num_samples) % len(classes) if classes else np.full(config.num_samples, -1)
    if config.class_label not in classes:
        known = f"it knows {', '.join(classes)}" if classes else "it was trained without classes"
        raise ValueError(f"class_label={config.class_label} is not a class of this checkpoint: {known}")
    return np.full(config.num_samples, list(classes).index(config.class_label))


def open_folder(out: Path, request: dict[str, Any]) -> set[int]:
    """Make `out`, or recognise it as this same request begun earlier: the numbers of the samples it holds.

    `request` says what the samples depend on. ValueError when the folder holds anything else.
    """
    volatile = ("out", "num_samples", "batch_size", "trajectory", "device", "ckpt")
    wanted = {name: value for name, value in request.items() if name not in volatile}
    request_file, manifest = out / "request.json", out / "manifest.jsonl"
    if out.is_file():
        raise ValueError(f"out={out} is a file: name a folder")
    held = read_request(request_file)
    if held is None and out.exists() and any(out.iterdir()):
        raise ValueError(f"out={out} is not empty and was not written by sample.py: name another folder")
    rows = [row for row in read_manifest(manifest) if (out / row["file"]).is_file()]
    different = sorted(name for name in wanted if held is not None and held.get(name) != wanted[name])
    if rows and different:
        raise ValueError(f"out={out} holds samples made with another {different[0]}: name another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_text(request_file, json.dumps(request, indent=2) + "\n")
    write_text(manifest, "".join(json.dumps(row) + "\n" for row in rows))
    return {row["index"] for row in rows}


def read_request(path: Path) -> dict[str, Any] | None:
    """What an earlier call asked for; None when there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """The lines of manifest.jsonl; one torn by a crash is left out, and its sample drawn again."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def draw(
    denoiser: Denoiser,
    schedule: Schedule,
    config: SampleConfig,
    spec: ImageSpec,
    indices: Sequence[int],
    labels: np.ndarray,
    device: torch.device,
    callback: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Samples number `indices`, (b, c, h, w) in [-1, 1]; each from a generator of its own."""
    return run_sampler(
        denoiser,
        schedule,
        config.sampler,
        (len(indices), spec.channels, spec.height, spec.width),
        generators=[generator(config.seed, "sample", i) for i in indices],
        cond={"class_label": torch.from_numpy(labels).to(device)[:, None]} if spec.classes else None,
        device=device,
        callback=callback,
    )


def write_samples(
    out: Path,
    manifest: TextIO,
    origin: dict[str, Any],
    spec: ImageSpec,
    indices: Sequence[int],
    labels: np.ndarray,
    x_0: Tensor,
) -> None:
    """One image file a sample, in a folder a class, in the units and depth of the training files; then its line."""
    for i, label, pixels in zip(indices, labels, to_integers(x_0, spec.dtype), strict=True):
        name = spec.classes[label] if label >= 0 else None
        path = out / "images" / (name or "") / f"{i:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path = write_image(path, pixels, spec)
        manifest.write(json.dumps({"file": str(path.relative_to(out)), "index": i, "class": name, **origin}) + "\n")
    manifest.flush()


def write_grid(out: Path, spec: ImageSpec) -> None:
    """grid.png of the first samples, from their files."""
    rows = sorted(read_manifest(out / "manifest.jsonl"), key=lambda row: row["index"])[:GRID_IMAGES]
    write_png(out / "grid.png", image_grid(np.stack([read_pixels(out / row["file"], spec) for row in rows])))


def write_trajectory(
    out: Path,
    denoiser: Denoiser,
    schedule: Schedule,
    config: SampleConfig,
    spec: ImageSpec,
    labels: np.ndarray,
    device: torch.device,
) -> None:
    """trajectory.gif: x_t on the left and the denoiser's guess of x_0 on the right, step by step."""
    indices = range(min(config.num_samples, TRAJECTORY_IMAGES))
    frames = []

    def record(step: int, x_t: Tensor, x_0: Tensor) -> None:
        sides = [image_grid(to_integers(x.clamp(-1, 1), "uint8")) for x in (x_t, x_0)]
        frames.append(np.concatenate(sides, axis=-1))

    draw(denoiser, schedule, config, spec, indices, labels[list(indices)], device, record)
    write_animation(out / "trajectory.gif", frames)


def main(config: SampleConfig, given: list[str]) -> int:
    """Sample as the composed config says."""
    out = sample(config)
    print(f"done: {out}/images, {out}/grid.png, {out}/manifest.jsonl")
    return 0


if __name__ == "__main__":
    register_configs()
    sys.exit(run_command(main, config_name="sample", argv=sys.argv[1:]))
