"""Which encoding of label maps keeps small ships alive? One small joint model for each, on simulated SAR scenes.

    python benchmarks/label_encodings.py folder=DIR [steps=1200] [n=150] [sampler_steps=25] [seeds=0,1] [size=48] [out=FILE.json]

All models see the same scenes, as many steps, the same noise; only `data.label_encoding` and `data.distance_limit` differ
(with one class, `bits` is `onehot`). Each is judged as joint_sar.py judges. A model that is in `folder` already is carried
on, or taken as it is.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import joint_sar  # which makes the project importable
import numpy as np
from annotation import write_record

ROOT = Path(__file__).resolve().parents[1]

ENCODINGS = {
    "onehot": {"label_encoding": "onehot"},
    "distance, limit 1": {"label_encoding": "distance", "distance_limit": 1.0},
    "distance, limit 2": {"label_encoding": "distance", "distance_limit": 2.0},
    "distance, limit 4": {"label_encoding": "distance", "distance_limit": 4.0},
    "distance, limit 8": {"label_encoding": "distance", "distance_limit": 8.0},
}
SMALL = ["model.channel_multipliers=[1,2,3]", "model.attention_levels=[2]"]
LABEL_STEPS = 2  # with one map each
COLUMNS = ("annotate, mask IoU", "annotate, F1", "from_labels, F1", "joint, F1", "ships an image, joint (simulated)")


def main(folder, steps=1200, n=150, sampler_steps=25, seeds="0,1", size=48, out=None):
    settings = {
        "steps": int(steps),
        "n": int(n),
        "sampler_steps": int(sampler_steps),
        "seeds": seeds,
        "size": int(size),
    }
    start, rows = time.perf_counter(), {}
    for seed in map(int, seeds.split(",")):
        for name, encoding in ENCODINGS.items():
            place = Path(folder) / f"{name.replace(', limit ', '')}_{seed}"
            rows.setdefault(name, []).append(figures(place, encoding, settings, seed))
            print(markdown(rows), flush=True)
    write_record(out, settings, time.perf_counter() - start, rows)


def figures(place, encoding, settings, seed):
    """What one model reaches, from `place`/figures.json where it was measured before with the same settings."""
    file, how = place / "figures.json", {**settings, "label_steps": LABEL_STEPS, "seeds": seed}
    kept = json.loads(file.read_text()) if file.exists() else None
    if kept is not None and kept.pop("settings", None) != how:
        raise SystemExit(f"error: {file} was measured with other settings: delete it, or give another folder=")
    if kept is None:
        learn(place / "run", encoding, settings, seed)
        options = {
            "n": settings["n"],
            "steps": settings["sampler_steps"],
            "draws": 1,
            "label_steps": LABEL_STEPS,
            "seed": 1,
        }
        plain = {"batch_size": 50, "min_label_iou": 0.0, "label_scale": 1.0}
        result = joint_sar.measure(place, str(place / "run"), **options, **plain)
        kept = row_of(result)
        file.write_text(json.dumps({**kept, "settings": how}) + "\n")
    return kept


def learn(run, encoding, settings, seed):
    """Train, or carry on, or do nothing where it is done."""
    place = f"resume={run}" if run.is_dir() and any(run.iterdir()) else f"run_dir={run}"
    options = [
        f"train.steps={settings['steps']}",
        "train.sample_every=0",
        "train.save_every=200",
        "wandb.mode=disabled",
    ]
    data = [
        f"data.image_size={settings['size']}",
        "data.num_images=3000",
        *(f"data.{k}={v}" for k, v in encoding.items()),
    ]
    command = ["train.py", "experiment=sar_joint", f"seed={seed}", *data, *SMALL, *options, place]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)


def row_of(result):
    boxes = {mode: row["boxes"]["all"] for mode, row in result.items() if "boxes" in row}
    f1 = {mode: row["iou 0.5"]["f1"] for mode, row in boxes.items()}
    ships = boxes["joint"]["ships"] / boxes["joint"]["images"]
    simulated = boxes["simulated"]["ships"] / boxes["simulated"]["images"]
    iou = result["annotate"]["mask_iou"]["pooled"]
    return dict(zip(COLUMNS, (iou, f1["annotate"], f1["from_labels"], f1["joint"], [ships, simulated]), strict=True))


def markdown(rows):
    """The mean over seeds and, of several, the least and greatest."""
    lines = [f"| encoding | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, found in rows.items():
        cells = [cell([row[column] for row in found]) for column in COLUMNS[:-1]]
        ships, simulated = np.mean([row[COLUMNS[-1]] for row in found], axis=0)
        lines.append(f"| {name} | {' | '.join(cells)} | {ships:.2f} ({simulated:.2f}) |")
    return "\n".join(lines)


def cell(values):
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
