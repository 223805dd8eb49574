"""Train on your own images or table: `python train.py data=folder data.path=DIR`. What `train` calls stands below, in order."""

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from conf.command_line import run_command
from conf.schema import RESUMABLE, TrainConfig, check_same_run, register_configs, resumed_config, to_plain
from data import Loaded, load_data
from data.kinds import Copies, Kind, kind_of
from diffusion.balance import label_frequencies
from diffusion.guidance import drop_classes
from diffusion.losses import Losses, concatenate
from diffusion.process import Process, build_process
from diffusion.sampling import sample
from diffusion.schedules import build_schedule
from models import build_model
from training.checkpoint import keep_numbered, load_checkpoint, network_shape, save_checkpoint, start_from
from training.console import bar_interval, brief_bar, count_parameters, due, show_progress
from training.device import autocast_network, choose_device
from training.ema import EMA
from training.endings import FiniteGuard, Interrupted, InterruptGuard
from training.memorization import MemorizationGuard
from training.optimizer import build_optimizer, set_learning_rate
from training.precision import choose_precision, describe_precision, keep_heap
from training.run_folder import create_run_folder, describe_run, find_unfinished_run, how_it_ended, write_summary
from training.seeding import batch_indices, derived_seed, generator
from training.tracking import Tracker, WindowMean


@dataclass
class Run:
    """What the steps of a run work on. `checkpoint` says which part of it a checkpoint holds."""

    config: TrainConfig
    folder: Path
    data: Loaded
    kind: Kind  # images or rows
    process: Process  # what is noised and how: the times, the losses and the denoiser of items of this kind
    network: nn.Module
    ema: EMA
    optimizer: torch.optim.Optimizer
    device: torch.device
    dtype: torch.dtype | None  # of autocast; None computes in float32
    finite: FiniteGuard
    memory: MemorizationGuard  # the best validation loss so far, and whether to stop there
    copies: Copies  # tells which samples are copies
    window: WindowMean  # what was measured since the last line of metrics.jsonl
    step: int = 0  # optimizer steps done


def train(config: TrainConfig) -> Path:
    """Train as `config` says and return the run folder. Resumes bit for bit when `config.resume` names a run folder.

    ValueError for what a user can mend; Interrupted after a signal, Diverged when the loss is gone: both have saved.
    """
    run, loop = prepare(config), config.train
    rate = f"{run.kind.items}_per_s"
    last_step = min(loop.steps, loop.stop_at or loop.steps)
    if (run.step >= last_step or run.memory.reason) and (run.folder / "summary.json").exists():
        return run.folder  # nothing left to do
    (run.folder / "summary.json").unlink(missing_ok=True)
    if run.step == 0:
        save(run)  # from now on there is something to resume
    bar = tqdm(total=last_step, initial=run.step, unit="step", mininterval=bar_interval())
    tracker = Tracker(run.folder, config.wandb, run_config=to_plain(config), from_step=run.step)
    with tracker, bar, InterruptGuard() as guard:
        while run.step < last_step and guard.received is None and run.memory.reason is None:
            start = time.perf_counter()
            measured = train_step(run)
            run.step += 1
            measured[rate] = loop.batch_size / (time.perf_counter() - start)
            run.window.add(**measured)
            bar.update()
            if due(run.step, loop.log_every, loop.steps):
                report = run.window.report()
                tracker.log(run.step, **report)
                bar.set_postfix_str(
                    f"{report[f'train/{rate}']:.0f} {run.kind.items}/s, loss {report['train/loss']:.4f}"
                )
            if due(run.step, loop.validate_every, loop.steps) and len(run.data.val):
                validate(run, tracker)
            if due(run.step, loop.sample_every, loop.steps):
                sample_grid(run, tracker)
            if loop.save_every and run.step % loop.save_every == 0:
                save(run)
        save(run)  # whatever ended the loop
        if run.step == loop.steps or run.memory.reason:
            write_summary(run.folder, run.step, run.memory.best, run.memory.reason)
            tracker.log_checkpoint(run.folder / "checkpoints" / "last.pt")
    if run.step < last_step and guard.received is not None:
        raise Interrupted(f"stopped at step {run.step}; carry on: python train.py resume={run.folder}", guard.received)
    return run.folder


def train_step(run: Run) -> dict[str, Any]:
    """One optimizer step on one batch: draw (x_0, t, eps) from (seed, step) alone, descend, average the weights."""
    config, loop = run.config, run.config.train
    rng = generator(config.seed, "step", run.step)
    torch.manual_seed(derived_seed(config.seed, "dropout", run.step))
    indices = batch_indices(config.seed, run.step, batch_size=loop.batch_size, num_items=len(run.data.train))
    x_0, class_label = run.data.train.batch(indices)
    x_0 = run.kind.augment(x_0, config.data, rng)
    t = run.process.timesteps(loop.batch_size, rng)
    batch = [x_0, t, torch.randn(x_0.shape, generator=rng)]  # the last is eps
    if class_label is not None:
        share, null_label = config.diffusion.class_dropout, run.data.train.spec.null_label
        batch.append(drop_classes(class_label, share, null_label=null_label, generator=rng))
    lr = set_learning_rate(run.optimizer, config.optim, run.step + 1, loop.steps)
    terms = []
    for part in np.array_split(np.arange(loop.batch_size), loop.accumulate):
        terms.append(compute_losses(run, run.network, part, *batch))
        (terms[-1].loss.sum() / loop.batch_size).backward()
    losses = concatenate(terms)
    loss, limit = losses.loss.mean().item(), config.optim.grad_clip or float("inf")
    grad_norm = nn.utils.clip_grad_norm_(run.network.parameters(), limit, foreach=True).item()
    if run.finite.accepts(run.step, loss, grad_norm, [run.data.train.names[i] for i in indices]):
        run.optimizer.step()
        run.ema.update(run.step + 1)
    run.optimizer.zero_grad(set_to_none=True)
    extra = {name: mean for name, value in losses.extra.items() if not np.isnan(mean := value.nanmean().item())}
    return {"t": t.numpy(), "mse": losses.mse.numpy(), "loss": loss, "grad_norm": grad_norm, "lr": lr, **extra}


def compute_losses(run: Run, network: nn.Module, part: np.ndarray, *batch: Tensor) -> Losses:
    """The losses of the items `part` of a batch: x_0, t, eps and, where there is one, the class label."""
    x_0, t, eps, *class_label = (value[part].to(run.device, non_blocking=True) for value in batch)
    cond = {"class_label": class_label[0]} if class_label else None
    predict = autocast_network(network, run.device, run.dtype)  # autocast surrounds the network alone
    return run.process.losses(predict, x_0, t, eps, cond)


@torch.no_grad()
def validate(run: Run, tracker: Tracker) -> None:
    """The averaged weights' loss on held-out and training items, always at the same times with the same noise; keep the best."""
    rng, losses = generator(run.config.seed, "validation"), []
    count = min(len(run.data.val), run.config.train.validation_images)
    t = run.process.timesteps(count, rng, training=False)
    t = t[torch.randperm(count, generator=rng)]
    eps = torch.randn((count, *run.data.val.spec.item_shape), generator=rng)
    for items in (run.data.val, run.data.train):
        x_0, class_label = items.batch(np.arange(count) * len(items) // count)  # evenly: names are sorted by class
        batch = [x_0, t, eps] if class_label is None else [x_0, t, eps, class_label]
        parts = brief_bar("validating", np.array_split(np.arange(count), -(-count // run.config.train.batch_size)))
        found = concatenate([compute_losses(run, run.ema.averaged, part, *batch) for part in parts])
        losses.append(found.loss.mean().item())
    tracker.log(run.step, **dict(zip(("validation/loss", "validation/train_loss"), losses, strict=True)))
    if run.memory.observe(run.step, *losses):
        save_checkpoint(run.folder / "checkpoints" / "best.pt", checkpoint(run))


def sample_grid(run: Run, tracker: Tracker) -> None:
    """Draw the same noise through the averaged weights as they are now: samples/step_000000.png; and the curves."""
    spec, count, process = run.data.train.spec, run.config.train.grid_images, run.process
    cond = {"class_label": run.kind.shown(spec, count).to(run.device)} if spec.attributes else None
    denoiser = process.denoiser(autocast_network(run.ema.averaged, run.device, run.dtype))
    noise = process.noise(range(count), partial(generator, run.config.seed, "sample"))
    shape, options = (count, *spec.item_shape), {"cond": cond, "device": run.device, "kernel": process.kernel}
    with brief_bar("sampling", range(run.config.sampler.num_inference_steps)) as bar:
        options |= {"generators": noise, "callback": lambda *_: bar.update()}
        x_0 = sample(denoiser, process.schedule, run.config.sampler, shape, **options).nan_to_num()
    path = run.folder / "samples" / f"step_{run.step:06d}.png"
    run.kind.write_picture(path, x_0, run.data.train)
    tracker.log(run.step, **{"samples/copy_rate": run.copies.share(x_0)})
    tracker.log_image(run.step, "samples", path)
    tracker.draw()


def checkpoint(run: Run) -> dict[str, Any]:
    """Everything that sampling or resuming needs, as plain values; no item of the training set."""
    progress = {"step": run.step, "window": run.window.state(), "bad_in_a_row": run.finite.in_a_row}
    origin = {"config": to_plain(run.config), "images": run.data.train.spec.to_dict(), "data_key": run.data.key}
    weights = {"model": run.network, "ema": run.ema.averaged, "optimizer": run.optimizer}
    return {**progress, **run.memory.state(), **origin, **{name: owner.state_dict() for name, owner in weights.items()}}


def save(run: Run) -> None:
    """Write checkpoints/last.pt, keeping the last few as step_000000.pt too."""
    path = run.folder / "checkpoints" / "last.pt"
    save_checkpoint(path, checkpoint(run))
    keep_numbered(path, run.step, keep_last=run.config.train.keep_last)


def prepare(config: TrainConfig) -> Run:
    """Load the data, build or restore everything, and make the run's folder last, when all else has worked."""
    state = load_checkpoint(config.resume) if config.resume else None
    check_same_run(config, state)
    initial = load_checkpoint(config.init_from) if config.init_from and state is None else None
    device = choose_device(config.train.device)
    keep_heap()
    data = load_data(config.data, cache_dir=Path(config.cache_dir).expanduser(), progress=show_progress)
    kind, spec = kind_of(data.train.spec), data.train.spec.to_dict()
    if state is not None and state["data_key"] != data.key:
        raise ValueError(f"resume={config.resume}: the {kind.items}, or how they are read, have changed: start anew")
    if config.train.first_images:
        data.keep_first(config.train.first_images)
    process = build_process(spec, build_schedule(config.schedule), config.diffusion, new_run=state is None)
    process.require_sampler(config.sampler)
    if config.diffusion.label_balance:
        process = replace(process, label_frequencies=label_frequencies(kind.encoded_labels(data.train)))
    torch.manual_seed(derived_seed(config.seed, "initial_weights"))
    shape = network_shape(spec, learned_variance=config.diffusion.learned_variance)
    network, averaged = (build_model(config.model, **shape).to(device) for _ in range(2))
    unused = start_from(network, initial, to_plain(config)) if initial else []
    ema = EMA(network, averaged, relative_width=config.train.ema_width, max_decay=config.train.ema_max_decay)
    optimizer = build_optimizer(config.optim, network.parameters())
    dtype = choose_precision(config.train.precision, device)
    rule = config.train.stop_on_memorization, config.train.memorization_patience
    memory = MemorizationGuard(data, *rule, items=kind.items)
    folder = Path(config.resume) if config.resume else create_run_folder(config.run_dir, config.name)
    watched = FiniteGuard(folder, config.train.max_bad_steps), memory, kind.copies(data.train, config.data)
    window = WindowMean(config.schedule.num_train_timesteps)
    run = Run(config, folder, data, kind, process, network, ema, optimizer, device, dtype, *watched, window)
    if state is not None:
        for name, owner in {"model": network, "ema": averaged, "optimizer": optimizer}.items():
            owner.load_state_dict(state[name])
        run.step, run.finite.in_a_row = state["step"], state["bad_in_a_row"]
        run.memory.restore(state)
        run.window.restore(state["window"])
    describe_run(folder, to_plain(config), data.skipped, unused)
    counts = f"{len(data.train)} {kind.items} to train on, {len(data.val)} held out; {count_parameters(network)}"
    origin = f"run folder: {folder}" + (f", carried on from step {run.step}" if run.step else "")
    print(data.report, counts, describe_precision(dtype, device), origin, sep="\n", flush=True)
    if config.train.compile:
        network.compile()
    return run


def main(config: TrainConfig, given: list[str]) -> int:
    """Train as the composed config says; with resume=, as that run's own config says."""
    if config.resume:
        config = resumed_config(config, load_checkpoint(config.resume)["config"], given)
    elif not config.run_dir and (unfinished := find_unfinished_run(to_plain(config), config.name, ignore=RESUMABLE)):
        print(f"note: {unfinished} has the same config and was not finished; to carry it on: resume={unfinished}")
    folder = train(config)
    print(f"done: {folder} (samples/, curves.png, checkpoints/); {how_it_ended(folder)}")
    return 0


if __name__ == "__main__":
    register_configs()
    sys.exit(run_command(main, config_name="train", argv=sys.argv[1:]))
