"""Annotation by a joint checkpoint against a segmentation network of the same size and training time.

    python train.py experiment=hippocampus data.path=DIR/images data.labels=DIR/labels run_dir=RUN_DIR
    python benchmarks/annotate_hippocampus.py ckpt=RUN_DIR minutes=60 [draws=5] [steps=2] [seed=0]
        [supervised=FILE.npz] [folder=DIR] [out=FILE.json]

Both learn from the volumes that the run trained on and are judged on those that it held out, on the same slices: the
run's own data config reads them, and their content is compared with the checkpoint's. Slices that the config leaves out
(empty ones) are no part of a score.

- annotate: `mode=annotate` of the checkpoint, `label_steps=steps`; one map drawn, and the vote of `draws` maps.
- supervised: the same network as a segmentation network (supervised.py), for `minutes` of wall-clock time: give what
  the run took, on the same machine.

Prints the Dice of each class, over a volume's slices as one, its mean over volumes with its standard error, and the
difference from the supervised network with a paired 95 % bootstrap interval over volumes. `folder` keeps all files;
`supervised` keeps that network's label maps, and where the file is there already no network is trained.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from annotation import annotate, interval, new_folder, write_record
from supervised import by_supervised

from conf.schema import train_config_from_dict
from data import load_images
from data.components import dice, majority
from data.writers import write_image
from training.checkpoint import load_checkpoint


def main(ckpt, minutes, draws=5, steps=2, seed=0, batch_size=64, supervised=None, folder=None, out=None):
    settings = {"ckpt": ckpt, "minutes": float(minutes), "draws": int(draws), "steps": int(steps), "seed": int(seed)}
    settings |= {"batch_size": int(batch_size), "supervised": supervised}
    start = time.perf_counter()
    with new_folder(folder) as place:
        result = measure(place, **settings)
    print(markdown(result))
    write_record(out, settings, time.perf_counter() - start, result)


def measure(folder, ckpt, minutes, draws, steps, seed, batch_size, supervised):
    state = load_checkpoint(ckpt)
    config = train_config_from_dict(state["config"])
    images = load_images(config.data, cache_dir=Path(config.cache_dir).expanduser())
    if images.key != state["data_key"]:
        raise SystemExit("error: data.path does not hold the images that this run was trained on")
    train, held_out = images.train, images.val
    volumes = np.array([volume_of(name) for name in held_out.names])
    shared = set(volumes) & {volume_of(name) for name in train.names}
    if shared or not len(volumes):
        raise SystemExit(f"error: {len(shared)} volumes are on both sides of {len(set(volumes))}: nothing to judge by")
    spec, true = train.spec, held_out.label_maps(range(len(held_out)))
    maps, done = by_supervised(supervised, config, train, held_out, images.key, 60 * minutes, seed, batch_size)
    predicted = {"supervised": maps}
    drawn = annotations(ckpt, folder, held_out, draws=draws, label_steps=steps, seed=seed, batch_size=batch_size)
    predicted["annotate"] = np.stack([maps[0] for maps in drawn])
    if draws > 1:
        predicted[f"annotate, vote of {draws}"] = np.stack([majority(maps, len(spec.label_names)) for maps in drawn])
    scores = {name: dice_of_volumes(maps, true, volumes, len(spec.label_names)) for name, maps in predicted.items()}
    return {
        "classes": spec.label_names[1:],
        "volumes": {"trained on": len({volume_of(name) for name in train.names}), "held out": len(set(volumes))},
        "slices": {"trained on": len(train), "held out": len(held_out)},
        "steps": {"joint": state["step"], "supervised": done},
        "methods": {name: summary(score, scores["supervised"]) for name, score in scores.items()},
        "dice": {name: np.round(score, 5).tolist() for name, score in scores.items()},
        "names": sorted(set(volumes)),
    }


def volume_of(name):
    """Slices are named <volume>/<slice>."""
    return name.rpartition("/")[0]


def annotations(ckpt, folder, images, **options):
    """Label maps (draws, h, w) of each image, which goes to sample.py as a file."""
    (folder / "images").mkdir()
    for i in range(len(images)):
        write_image(folder / "images" / f"{i:06d}.png", images.integers([i])[0], images.spec)
    maps = annotate(ckpt, folder / "images", folder / "annotate", **options)
    return [maps[f"{i:06d}"] for i in range(len(images))]


def dice_of_volumes(predicted, true, volumes, num_labels):
    """A row a volume, in the order of their names, a column a class; NaN where neither has any of it."""
    return np.stack([dice(predicted[volumes == v], true[volumes == v], num_labels) for v in sorted(set(volumes))])


def summary(scores, reference):
    """Mean, standard error and paired difference of each class and of the mean of all classes."""
    scores, reference = (np.column_stack([s, np.nanmean(s, axis=1)]) for s in (scores, reference))
    difference = scores - reference
    low_high = [
        interval(column[~np.isnan(column)], np.mean) if not np.isnan(column).all() else [None, None]
        for column in difference.T
    ]
    return {
        "mean": np.nanmean(scores, axis=0).tolist(),
        "standard_error": (np.nanstd(scores, axis=0, ddof=1) / np.sqrt((~np.isnan(scores)).sum(axis=0))).tolist(),
        "difference": np.nanmean(difference, axis=0).tolist(),
        "interval": low_high,
    }


def markdown(result):
    columns = [*result["classes"], "mean"]
    lines = [
        f"| Dice | {' | '.join(columns)} | difference of means (95 % interval) |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, row in result["methods"].items():
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(row["mean"], row["standard_error"], strict=True)]
        difference = f"{row['difference'][-1]:+.3f} ({row['interval'][-1][0]:+.3f} to {row['interval'][-1][1]:+.3f})"
        lines.append(f"| {name} | {' | '.join(cells)} | {'' if name == 'supervised' else difference} |")
    steps = ", ".join(f"{name} {count} steps" for name, count in result["steps"].items())
    return "\n".join([*lines, "", f"Volumes: {result['volumes']}; slices: {result['slices']}; {steps}."])


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
