"""Draw from a checkpoint: `python sample.py ckpt=RUN_DIR num_samples=64 out=DIR`. Needs nothing but the file."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from conf.command_line import run_command
from conf.sample_schema import SampleConfig, default_options
from conf.schema import TrainConfig, register_configs, to_plain
from data.image_set import ImageSpec
from data.kinds import items_of
from data.libraries import medical
from data.sample_folder import open_folder, read_given_up, write_given_up
from diffusion.gaussian import Network, make_denoiser
from diffusion.inpainting import require_repaint
from diffusion.parts import Parts
from diffusion.schedules import build_schedule
from diffusion.tasks import Artist
from diffusion.timesteps import noise_levels, start_levels
from generation.drawing import Drawing
from generation.judge import Judge, load_real
from generation.naming import out_folder
from generation.output import (
    already_there,
    finish,
    missing_samples,
    reasons_of,
    require_one_format,
    write_samples,
    write_trajectory,
)
from generation.rebuilt import reading, rebuild
from generation.request import digest, make_request
from generation.rows import sample_rows
from generation.shortfall import require_all
from training.checkpoint import file_sha256, find_checkpoint, load_checkpoint
from training.console import bar_interval, show_progress
from training.device import autocast_network, choose_device
from training.endings import Interrupted, InterruptGuard
from training.precision import choose_precision, describe_precision, keep_heap


def sample(config: SampleConfig) -> Path:
    """Write what `config` asks for; return the folder.

    Sample i depends on (checkpoint, what was given, sampler, seed, i) alone. ValueError for what a user can mend;
    Interrupted after a signal; Incomplete, with what was made kept, where no attempt at some of them was good enough.
    """
    checkpoint = find_checkpoint(config.ckpt)
    state = load_checkpoint(checkpoint)
    items = items_of(state["images"])
    return {"images": sample_images, "rows": sample_rows}[items](config.for_items(items), checkpoint, state)


def sample_images(config: SampleConfig, checkpoint: Path, state: dict[str, Any]) -> Path:
    """Images and label maps, a grid and manifest.jsonl; an interrupted call is carried on by the same command.

    The road of rows is `generation.rows.sample_rows`.
    """
    run_config, spec, network = rebuild(checkpoint, state, config.weights)
    check_abilities(config, run_config, spec)
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    artist = build_artist(config, run_config, spec, autocast_network(network.to(device), device, dtype), device)
    keep_heap()
    how = reading(run_config, spec)
    request = make_request(config, spec, how)
    drawing = Drawing(artist, config, request, spec)
    judge = build_judge(config, run_config, spec, drawing)

    out = out_folder(config, checkpoint)
    origin = {"seed": config.seed, "sampler": config.sampler.name, "checkpoint": file_sha256(checkpoint)}
    given = {**request.digests(), "reject_copies_sha256": digest(judge.real.rows) if judge.real else None}
    require_one_format(out, config)
    done = open_folder(out, {**to_plain(config), "sha256": origin["checkpoint"], **given}, default_options())
    done |= {i for i, thrown in read_given_up(out).items() if sum(thrown.values()) >= config.max_attempts}
    print(describe_precision(dtype, device), flush=True)
    if left := [i for i in range(len(request)) if i not in done]:
        draw_all(out, drawing, judge, origin, left)
    else:
        print(already_there(len(request), missing_samples(out, len(request))))
    made = finish(out, config, spec, how, request)
    if config.trajectory:
        made.append(write_trajectory(out, drawing))
    missing = missing_samples(out, len(request))
    require_all(len(request) - len(missing), len(request), reasons_of(missing))
    print(f"done: {', '.join(map(str, made))}")
    return out


def draw_all(out: Path, drawing: Drawing, judge: Judge, origin: dict[str, Any], missing: list[int]) -> None:
    """Draw and write the samples number `missing`, batch by batch; Interrupted after a signal, with what was done kept."""
    config, start = drawing.config, time.perf_counter()
    assert config.batch_size is not None  # images have a default, rows none (conf/sample_schema.py)
    bar = tqdm(total=len(missing), unit="image", mininterval=bar_interval())
    with bar, InterruptGuard() as guard, (out / "manifest.jsonl").open("a", encoding="utf-8") as manifest:
        for begin in range(0, len(missing), config.batch_size):
            if guard.received is not None:
                raise Interrupted(f"stopped; the same command carries on in {out}", guard.received)
            indices = missing[begin : begin + config.batch_size]
            thrown: dict[int, dict[str, int]] = {i: {} for i in indices}
            for x_0, rows in draw_until_good(drawing, judge, thrown):
                write_samples(out, manifest, drawing, x_0, [{**row, **origin} for row in rows])
            write_given_up(out, {i: why for i, why in thrown.items() if sum(why.values()) == config.max_attempts})
            bar.update(len(indices))
    seconds = time.perf_counter() - start
    print(f"{len(missing)} images in {seconds:.1f} s: {len(missing) / seconds:.2f} images/s")


def draw_until_good(
    drawing: Drawing, judge: Judge, thrown: dict[int, dict[str, int]]
) -> Iterator[tuple[Tensor, list[dict[str, Any]]]]:
    """Samples that pass the judge, each with its line of the manifest, until all have or have had their attempts.

    The keys of `thrown` are the samples wanted; it is where the attempts that fail are counted, {why: how many}.
    """
    indices = list(thrown)
    for attempt in range(drawing.config.max_attempts):
        if not indices:
            return
        x_0 = drawing.draw(indices, attempt)
        verdicts = judge.look(x_0, indices)
        good = [k for k, verdict in enumerate(verdicts) if verdict.fault is None]
        rows = [{"index": indices[k], **verdicts[k].facts} for k in good]
        if attempt:
            rows = [{**row, "discarded": thrown[row["index"]]} for row in rows]
        if good:
            yield x_0[good], rows
        for i, verdict in zip(indices, verdicts, strict=True):
            if verdict.fault is not None:
                thrown[i][verdict.fault] = thrown[i].get(verdict.fault, 0) + 1
        indices = [i for i, verdict in zip(indices, verdicts, strict=True) if verdict.fault is not None]


def check_abilities(config: SampleConfig, run_config: TrainConfig, spec: ImageSpec) -> None:
    """ValueError where something is asked for that the checkpoint was not trained for."""
    if getattr(config.sampler, "variance", None) == "learned" and not run_config.diffusion.learned_variance:
        raise ValueError("sampler.variance=learned: this checkpoint's network does not predict a variance")
    require_repaint(config.inpaint, config.sampler)
    if spec.label_names and config.sampler.threshold == "dynamic":
        raise ValueError("sampler.threshold=dynamic scales images as a whole, label maps with them: use static or none")
    if config.format == "nifti":
        medical("nibabel")  # now, rather than when all is drawn
    if not spec.label_names:
        wanted = [
            (config.mode in ("from_labels", "annotate"), f"mode={config.mode}"),
            (config.labels is not None, f"labels={config.labels}"),
            (config.min_label_iou > 0, f"min_label_iou={config.min_label_iou}"),
            (config.min_objects > 0, f"min_objects={config.min_objects}"),
            (config.min_area != 1, f"min_area={config.min_area}"),
            (config.label_steps != SampleConfig.label_steps, f"label_steps={config.label_steps}"),
            (config.format in ("coco", "yolo", "masks"), f"format={config.format}"),
        ]
        for asked, option in wanted:
            if asked:
                raise ValueError(f"{option}: this checkpoint was trained without label maps")


def build_artist(
    config: SampleConfig, run_config: TrainConfig, spec: ImageSpec, predict: Network, device: torch.device
) -> Artist:
    """The checkpoint's denoiser with the sampler that was asked for."""
    schedule, parts = build_schedule(run_config.schedule), Parts(spec.channels, spec.label_channels)
    if config.mode != "annotate":  # which has no guidance, and steps of its own
        levels = noise_levels(schedule, config.sampler.num_inference_steps, config.sampler.spacing)
        walked = start_levels(levels, max(config.strengths())) if config.mode == "vary" else levels
        config.guidance.require_steps(walked.t, schedule.num_train_timesteps)
    if config.label_steps > schedule.num_train_timesteps:
        raise ValueError(f"label_steps={config.label_steps}: the schedule has {schedule.num_train_timesteps} timesteps")
    denoiser = make_denoiser(predict, schedule, run_config.diffusion, parts)
    return Artist(
        denoiser, schedule, parts, config.sampler, config.guidance, spec.null_label, device, config.label_steps
    )


def build_judge(config: SampleConfig, run_config: TrainConfig, spec: ImageSpec, drawing: Drawing) -> Judge:
    """What looks at samples; with the training images where none may be copied."""
    if config.reject_copies is None:
        return Judge(drawing, None)
    how, flips = reading(run_config, spec), run_config.data.flips
    return Judge(drawing, load_real(config.reject_copies, spec, how, flips, progress=show_progress))


def main(config: SampleConfig, given: list[str]) -> int:
    """Sample as the composed config says."""
    sample(config)
    return 0


if __name__ == "__main__":
    register_configs()
    sys.exit(run_command(main, config_name="sample", argv=sys.argv[1:]))
