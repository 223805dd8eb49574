"""What benchmarks of joint checkpoints share: label maps that `mode=annotate` draws, a vote over them, records of results."""

import json
import sys
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
from step_time import machine

from conf.sample_schema import SampleConfig
from data.sample_files import read_label_map, sample_files
from data.sample_folder import read_manifest
from diffusion.samplers import DDIMConfig
from sample import sample
from training.run_folder import environment


def draw(checkpoint, out, **options):
    """The lines of the manifest of a call of sample.py, by number, with DDIM."""
    sampler = DDIMConfig(num_inference_steps=options.pop("steps", 50))
    sample(SampleConfig(ckpt=str(checkpoint), sampler=sampler, out=str(out), **options))
    return sorted(read_manifest(out), key=lambda row: row["index"])


def annotate(checkpoint, images, out, *, draws, label_steps, **options):
    """{name of the image: label maps (draws, h, w)} for the images in a flat folder, which says nothing of a class."""
    several = {"num_per_image": draws, "votes": 1, "label_steps": label_steps}
    rows = draw(checkpoint, out, mode="annotate", images=str(images), **several, **options)
    maps = {}
    for row in rows:
        maps.setdefault(row["source"], []).append(read_label_map(sample_files(out, row)))
    return {name: np.stack(drawn) for name, drawn in maps.items()}


@contextmanager
def new_folder(path):
    """The folder `path`, which must not exist, or without one a temporary folder."""
    if path is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
    else:
        Path(path).mkdir(parents=True)
        yield Path(path)


def write_record(out, settings, seconds, result):
    """Write `result` as JSON with all that it depends on; `out` may be None."""
    if out is None:
        return
    record = {
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now().isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "settings": settings,
        "hardware": {**environment(), **machine()},
        "result": result,
    }
    Path(out).write_text(json.dumps(record, indent=2) + "\n")


def interval(values, statistic, *, seed=0, repeats=2000):
    """95 % bootstrap interval of a statistic of the rows of `values` (n, ...)."""
    rng = np.random.default_rng(seed)
    values = np.asarray(values)
    drawn = [statistic(values[rng.integers(len(values), size=len(values))]) for _ in range(repeats)]
    return [float(v) for v in np.quantile(drawn, [0.025, 0.975])]
