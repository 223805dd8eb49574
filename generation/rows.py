"""The road of rows: from a checkpoint of a table to one file of rows, and summary.json, which says where they come from.

Rows are drawn in chunks of 1,024, whole ones whatever is wanted of them: so row i is the same to the bit in every call. A
chunk that is drawn is kept (`generation.row_folder`) until all rows are written.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from tqdm import tqdm

from conf.sample_schema import ONLY_FOR, SampleConfig
from conf.schema import TrainConfig, to_plain
from data.balance import plan_attributes
from data.sample_files import write_whole_text
from data.table_given import place_cells, read_cells
from data.table_real import RealRows, load_real_rows
from data.table_spec import TableSpec, Texts
from data.write_table import write_table
from diffusion.gaussian import DiffusionConfig
from diffusion.inpainting import InpaintConfig
from diffusion.noise import ROWS_PER_CHUNK, RowNoise
from diffusion.parts import Parts
from diffusion.process import build_process
from diffusion.schedules import build_schedule
from diffusion.tasks import Artist
from diffusion.timesteps import noise_levels
from generation.naming import out_folder
from generation.rebuilt import rebuild_table
from generation.row_folder import FILES, RowFolder
from generation.shortfall import Incomplete, mend, require_all
from training.checkpoint import file_sha256
from training.console import bar_interval
from training.device import autocast_network, choose_device
from training.endings import Interrupted, InterruptGuard
from training.precision import choose_precision, describe_precision, keep_heap
from training.seeding import derived_seed, generator

USUAL = 1000  # rows, where nothing says how many


@dataclass(frozen=True)
class RowDrawing:
    """All that a row depends on. `labels` has the class of each row; `cells` what every row is to hold."""

    artist: Artist
    config: SampleConfig
    spec: TableSpec
    labels: Int64[np.ndarray, "n a"]
    cells: dict[str, str | None]

    def draw(
        self, indices: Sequence[int], folder: RowFolder, guard: InterruptGuard, attempt: int = 0
    ) -> Float[Tensor, "b w"]:
        """Rows number `indices`, chunk by chunk, but for the chunks that `folder` has; Interrupted after a signal."""
        numbers = np.asarray(indices, np.int64)
        x_0 = torch.empty(len(numbers), self.spec.width)
        with tqdm(total=len(numbers), unit="row", mininterval=bar_interval()) as bar:
            for chunk in np.unique(numbers // ROWS_PER_CHUNK).tolist():
                if guard.received is not None:
                    raise Interrupted(f"stopped; the same command carries on in {folder.out}", guard.received)
                labels = self._labels(chunk)
                rows = folder.kept(chunk, attempt, labels)
                if rows is None:
                    rows = self._chunk(chunk, attempt, labels)
                    folder.keep(chunk, attempt, labels, rows)
                wanted = np.flatnonzero(numbers // ROWS_PER_CHUNK == chunk)
                x_0[wanted] = rows[numbers[wanted] % ROWS_PER_CHUNK]
                bar.update(len(wanted))
        return x_0

    def texts(self, x_0: Float[Tensor, "b w"], indices: Sequence[int]) -> Texts:
        """The cells of these rows; those that were asked for are what was asked for."""
        found = self.spec.decode_texts(x_0, torch.from_numpy(self.labels[list(indices)]))
        return found | {name: [text] * len(x_0) for name, text in self.cells.items()}

    def _labels(self, chunk: int) -> Int64[np.ndarray, "n a"]:
        """The classes of all rows of a chunk; open for those beyond the last one that is wanted."""
        labels = np.tile(np.asarray(self.spec.null_label, np.int64), (ROWS_PER_CHUNK, 1))
        own = self.labels[chunk * ROWS_PER_CHUNK : (chunk + 1) * ROWS_PER_CHUNK]
        labels[: len(own)] = own
        return labels

    def _chunk(self, chunk: int, attempt: int, labels: Int64[np.ndarray, "n a"]) -> Float[Tensor, "n w"]:
        """All rows of a chunk, also those beyond the last one that is wanted."""
        seed = derived_seed(self.config.seed, "redraw", attempt) if attempt else self.config.seed
        rows = range(chunk * ROWS_PER_CHUNK, (chunk + 1) * ROWS_PER_CHUNK)
        noise = RowNoise(rows, lambda k: generator(seed, "sample", k))
        cond, device = None, self.artist.device
        if labels.shape[1]:
            cond = {"class_label": torch.from_numpy(labels).to(device)}
        if not self.cells:
            return self.artist.draw((), cond, noise).cpu()
        rng = np.random.default_rng(derived_seed(seed, "condition", chunk))
        x_0, known = (value.to(device) for value in place_cells(self.spec, self.cells, len(rows), rng))
        return self.artist.inpaint(x_0, known, cond, noise, InpaintConfig("given")).cpu()


def sample_rows(config: SampleConfig, checkpoint: Path, state: dict[str, Any]) -> Path:
    """Write samples.csv or samples.parquet, with the training file's columns and dtypes, and summary.json; the folder.

    An interrupted call is carried on by the same command. ValueError for what a user can mend; Interrupted after a signal;
    Incomplete, with the file written, where rows were given up.
    """
    run_config, spec, network = rebuild_table(checkpoint, state, config.weights)
    drawing, precision = build_drawing(config, run_config, spec, state["images"], network)
    real = None if config.reject_copies is None else load_real_rows(config.reject_copies, spec)
    out, sha256 = out_folder(config, checkpoint), file_sha256(checkpoint)
    request = {**options_of_rows(config), "sha256": sha256, "reject_copies_sha256": real.digest if real else None}
    usual = "parquet" if spec.delimiter is None else "csv"  # as the training file is
    name = FILES[usual if config.format == "files" else config.format]
    folder = RowFolder.open(out, request, len(drawing.labels), name)
    print(precision, flush=True)
    if held := folder.chunks_held():
        print(f"carrying on: {held} {'chunk' if held == 1 else 'chunks'} of {ROWS_PER_CHUNK} rows lie in {out} already")
    with InterruptGuard() as guard:
        x_0, kept, thrown = draw_until_good(drawing, real, folder, guard)
    if not kept:
        raise Incomplete(
            f"error: not one row was good enough, every one copies a row of reject_copies=: {mend(['copy'])}"
        )
    frame = spec.frame(drawing.texts(x_0[kept], kept))
    file = write_table(out / name, frame, spec)
    summary = {"file": file.name, "rows": len(kept), "columns": [str(name) for name in frame.columns]}
    summary |= {"seed": config.seed, "sampler": config.sampler.name, "checkpoint": sha256, "thrown": thrown}
    summary |= {"given_up": sorted(set(range(len(x_0))) - set(kept)), "request": request}
    write_whole_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    folder.forget_chunks()
    if real is not None:
        print(f"copies drawn again: {thrown}; rows given up: {len(x_0) - len(kept)}")
    require_all(len(kept), len(x_0), ["copy"])
    print(f"done: {len(kept)} rows in {file}, {out / 'summary.json'}")
    return out


def options_of_rows(config: SampleConfig) -> dict[str, Any]:
    """The options that rows can depend on, as plain types."""
    plain = {name: value for name, value in to_plain(config).items() if name not in ONLY_FOR["images"]}
    del plain["guidance"]["label_scale"]  # to a label map, which no row has
    return plain


def build_drawing(
    config: SampleConfig, run_config: TrainConfig, spec: TableSpec, plain: dict[str, Any], network: nn.Module
) -> tuple[RowDrawing, str]:
    """The checkpoint's denoiser with the request, and the precision in words; `plain`: the spec as it stands there.

    ValueError where something is asked for that the checkpoint was not trained for.
    """
    if getattr(config.sampler, "variance", None) == "learned":
        raise ValueError("sampler.variance=learned: this checkpoint's network does not predict a variance")
    schedule = build_schedule(run_config.schedule)
    levels = noise_levels(schedule, config.sampler.num_inference_steps, config.sampler.spacing)
    config.guidance.require_steps(levels.t, schedule.num_train_timesteps)
    process = build_process(plain, schedule, run_config.diffusion)
    process.require_sampler(config.sampler)
    labels = plan_labels(config, spec)
    cells = {} if config.condition is None else read_cells(spec, config.condition)
    if cells and run_config.diffusion.clean_fraction == 0:
        raise ValueError(
            "condition: this checkpoint was trained with diffusion.clean_fraction=0, without given columns: train anew, "
            f"or on with init_from=, under diffusion.clean_fraction={DiffusionConfig.clean_fraction}"
        )
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    keep_heap()
    denoiser = process.denoiser(autocast_network(network.to(device), device, dtype))
    options = {"label_steps": config.label_steps, "kernel": process.kernel}
    artist = Artist(
        denoiser, schedule, Parts(spec.width), config.sampler, config.guidance, spec.null_label, device, **options
    )
    return RowDrawing(artist, config, spec, labels, cells), describe_precision(dtype, device)


def plan_labels(config: SampleConfig, spec: TableSpec) -> Int64[np.ndarray, "n a"]:
    """The class of each row: as often as in training, unless something else is asked for."""
    balance, count = config.balance, config.num_samples
    if balance is None:
        balance = "real" if spec.attributes and config.class_label is None else "equal"
    if count is None and balance in ("real", "equal"):
        count = USUAL
    labels = plan_attributes(spec, config.class_label, balance, count)
    if config.guidance.scale != 1 and (labels == spec.null_label).all():
        mend = "class_label= does" if spec.attributes else "this checkpoint was trained without classes"
        raise ValueError(f"guidance.scale={config.guidance.scale} has no effect: nothing says a class ({mend})")
    return labels


def draw_until_good(
    drawing: RowDrawing, real: RealRows | None, folder: RowFolder, guard: InterruptGuard
) -> tuple[Float[Tensor, "n w"], list[int], int]:
    """All rows, the numbers of those that copy no real row, and how many copies were drawn."""
    x_0, thrown = drawing.draw(range(len(drawing.labels)), folder, guard), 0
    indices = list(range(len(x_0)))
    if real is None:
        return x_0, indices, 0
    for attempt in range(drawing.config.max_attempts):
        if attempt:
            x_0[indices] = drawing.draw(indices, folder, guard, attempt)
        copied = real.copied(x_0[indices], drawing.texts(x_0[indices], indices))
        indices = [i for i, copy in zip(indices, copied.tolist(), strict=True) if copy]
        thrown += len(indices)
        if not indices:
            break
    given_up = set(indices)
    return x_0, [i for i in range(len(x_0)) if i not in given_up], thrown
