"""Labelled samples beside the images that a joint model was trained on: a sheet with boxes, and how their objects differ.

    python benchmarks/labelled_results.py ckpt=RUN samples=DIR out=DIR [min_area=4] [seed=0]

`samples` is a folder of sample.py, `mode=joint`. Writes sheet.png (real images drawn at random on the left, the first
samples on the right), objects.png and table.md: objects an image and their area, of both, at the model's size. An object
is an 8-connected component of at least `min_area` pixels. The distance between two distributions is the greatest
difference of their cumulative shares (Kolmogorov and Smirnov's); beside it stands its floor, the 95 % quantile over
resamplings of whole images from both together: what two samples of one distribution of these sizes differ by.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ks_2samp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from annotation import interval

from conf.schema import train_config_from_dict
from data import load_images
from data.components import instances
from data.sample_files import read_label_map, sample_files
from data.sample_folder import read_manifest
from data.sheet import Panel, sheet
from data.writers import file_values, read_pixels, write_png
from training.checkpoint import find_checkpoint, load_checkpoint

ROWS, COLUMNS = 5, 4
RESAMPLINGS = 500
HEAD = ["| | real | generated | KS distance | its floor |", "|---|---|---|---|---|"]


def main(ckpt, samples, out, min_area=4, seed=0):
    place, rng = Path(out), np.random.default_rng(int(seed))
    place.mkdir(parents=True, exist_ok=True)
    config = train_config_from_dict(load_checkpoint(find_checkpoint(ckpt))["config"])
    real = load_images(config.data, cache_dir=Path(config.cache_dir).expanduser()).train
    rows = sorted(read_manifest(Path(samples)), key=lambda row: row["index"])
    drawn = [sample_files(Path(samples), row) for row in rows]
    write_png(place / "sheet.png", real_beside_drawn(real, drawn, rng))
    real_areas = areas(real.label_maps(range(len(real))), int(min_area))
    drawn_areas = areas([read_label_map(sample) for sample in drawn], int(min_area))
    histograms(place / "objects.png", real_areas, drawn_areas)
    objects = {"objects an image": counts, "pixels of an object": flat}
    lines = [*HEAD, f"| images | {len(real)} | {len(drawn)} | | |", *table(objects, real_areas, drawn_areas, rng)]
    lines += table({"brightness of an image": flat}, *brightness(real, drawn), rng)
    text = "\n".join([*lines, "", *agreement(rows)])
    (place / "table.md").write_text(text + "\n")
    print(text)


def real_beside_drawn(real, drawn, rng):
    """(3, H, W): ROWS of COLUMNS real images and beside them as many samples, with regions and boxes."""
    count = ROWS * COLUMNS
    chosen = np.sort(rng.choice(len(real), min(count, len(real)), replace=False))
    assert len(chosen) == len(drawn[:count]) == count, f"{len(chosen)} real images and {len(drawn)} samples: too few"
    left = [Panel(real.integers([i])[0], real.label_maps([i])[0], "real") for i in chosen]
    right = [Panel(read_pixels(one.image, real.spec), read_label_map(one), "generated") for one in drawn[:count]]
    rows = [left[i : i + COLUMNS] + right[i : i + COLUMNS] for i in range(0, count, COLUMNS)]
    return sheet(rows, real.spec.label_names)


def areas(maps, min_area):
    """The areas in pixels of each image's objects."""
    return [np.array([instance.area for instance in instances(m, min_area=min_area)], float) for m in maps]


def brightness(real, drawn):
    """The median of each image, in the units of its file: of real ones and of samples, an array of one value an image."""
    drawn = (read_pixels(sample.image, real.spec) for sample in drawn)
    sides = ((real.integers([i])[0] for i in range(len(real))), drawn)
    return [[np.median(file_values(pixels, real.spec), keepdims=True).ravel() for pixels in side] for side in sides]


def table(measures, real, drawn, rng):
    lines = []
    for name, values in measures.items():
        cells = [f"{summary(values(side))}, mean {mean(side, values)}" for side in (real, drawn)]
        distance = ks_2samp(values(real), values(drawn)).statistic
        lines.append(f"| {name} | {' | '.join(cells)} | {distance:.3f} | {floor(real, drawn, values, rng):.3f} |")
    return lines


def counts(side):
    return np.array([len(own) for own in side], float)


def flat(side):
    return np.concatenate(side)


def summary(values):
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"median {middle:g} (10 to 90 %: {low:g} to {high:g})"


def mean(side, values):
    """With its 95 % bootstrap interval over images."""
    numbered = np.arange(len(side))
    low, high = interval(numbered, lambda chosen: values([side[i] for i in chosen]).mean())
    return f"{values(side).mean():.2f} [{low:.2f}, {high:.2f}]"


def floor(real, drawn, values, rng):
    both, distances = [*real, *drawn], []
    for _ in range(RESAMPLINGS):
        order = rng.permutation(len(both))
        mixed = [both[i] for i in order]
        distances.append(ks_2samp(values(mixed[: len(real)]), values(mixed[len(real) :])).statistic)
    return float(np.quantile(distances, 0.95))


def agreement(rows):
    """How well the model finds its own labels again, as sample.py measured it."""
    ious = [row["label_iou"] for row in rows if "label_iou" in row]
    if not ious:
        return []
    low, middle, high = np.quantile(ious, [0.1, 0.5, 0.9])
    spread = f"median {middle:.3f}, 10 to 90 %: {low:.3f} to {high:.3f}"
    return [
        f"Label agreement (IoU of the drawn label map and the one found in the image): mean {np.mean(ious):.3f}, {spread}."
    ]


def histograms(path, real, drawn):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    most = int(max(counts(real).max(), counts(drawn).max()))
    largest = max(flat(real).max(), flat(drawn).max())
    both = {
        "objects an image": (counts, np.arange(-0.5, min(most, 20) + 1)),
        "pixels of an object": (flat, np.geomspace(min(flat(real).min(), flat(drawn).min()), largest, 24)),
    }
    for axis, (name, (values, edges)) in zip(axes, both.items(), strict=True):
        for label, side in (("real", real), ("generated", drawn)):
            own = values(side)
            axis.hist(own, edges, weights=np.full(len(own), 1 / len(own)), alpha=0.55, label=label)
        axis.set(xlabel=name, ylabel="share")
        axis.legend()
    axes[1].set_xscale("log")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
