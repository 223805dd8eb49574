"""Do image and label of a joint checkpoint belong together? On simulated SAR scenes, whose truth is exact.

    python train.py experiment=sar_joint run_dir=RUN_DIR
    python benchmarks/joint_sar.py ckpt=RUN_DIR [n=300] [steps=50] [draws=5] [label_steps=2] [seed=1]
        [min_label_iou=0] [label_scale=1] [minutes=0] [supervised=FILE.npz] [folder=DIR] [out=FILE.json]

Of one checkpoint, each with n images and DDIM of `steps` steps, of `label_steps` for a label alone:

- joint: new labelled images; the boxes of their label maps against those of a detector that sees the image alone
  (ship_detector.py: threshold and components). `min_label_iou` above 0 draws again what the model itself labels otherwise.
- from_labels: images for the label maps of unseen simulated scenes, guided to them by `label_scale`; the boxes given
  against the same detector's.
- annotate: label maps for the images of those scenes, whose class is not told; against the truth. IoU of ship pixels,
  all images as one and the mean over images with ships; and F1 of the boxes. Of `draws` maps the first counts, and as a
  row of its own the vote of all.
- supervised, where `minutes` is above 0: the same network, trained to segment for so long (supervised.py), on the same
  scenes; `supervised` keeps its maps. What annotation could reach.

"simulated" is the detector on the unseen scenes themselves, against the truth: its ceiling. It has false alarms on
coasts and misses ships that lie at a quay, so each landscape has its own column, and its own settings, tuned for F1 at
IoU 0.5 on n other simulated scenes of that landscape. No set shares a scene with another, or with the training set.
Boxes of label maps are 8-connected components of at least 4 pixels. Prints F1 = 2 TP / (2 TP + FP + FN) over all boxes with 95 %
bootstrap intervals over images. `folder` keeps all files.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from annotation import annotate, draw, interval, new_folder, write_record
from ship_detector import counts, detect, tune
from supervised import by_supervised

from conf.schema import train_config_from_dict
from data import data_config_from_dict, load_images
from data.__main__ import export
from data.components import f1, instances, majority
from data.image_set import ImageSpec
from data.sample_files import SampleFiles, read_label_map, sample_files
from data.sar import CLASSES
from data.writers import read_pixels
from diffusion.guidance import GuidanceConfig
from training.checkpoint import load_checkpoint

MIN_AREA = 4  # pixels of a box of a label map
IOUS = (0.5, 0.3)


@dataclass
class Labelled:
    """Images in dB, their label maps and classes; all lists are as long."""

    decibels: list
    maps: list
    classes: list

    @property
    def boxes(self):
        return boxes_of(self.maps)


def main(
    ckpt,
    n=300,
    steps=50,
    draws=5,
    label_steps=2,
    seed=1,
    batch_size=50,
    min_label_iou=0.0,
    label_scale=1.0,
    minutes=0.0,
    supervised=None,
    folder=None,
    out=None,
):
    settings = {"ckpt": ckpt, "n": int(n), "steps": int(steps), "draws": int(draws), "seed": int(seed)}
    settings["label_steps"] = int(label_steps)
    settings |= {
        "batch_size": int(batch_size),
        "min_label_iou": float(min_label_iou),
        "label_scale": float(label_scale),
        "minutes": float(minutes),
        "supervised": supervised,
    }
    start = time.perf_counter()
    with new_folder(folder) as place:
        result = measure(place, **settings)
    print(markdown(result))
    write_record(out, settings, time.perf_counter() - start, result)


def measure(
    folder, ckpt, n, steps, draws, label_steps, seed, batch_size, min_label_iou, label_scale, minutes=0, supervised=None
):
    state = load_checkpoint(ckpt)
    spec, data = ImageSpec.from_dict(state["images"]), data_config_from_dict(state["config"]["data"])
    if data.name != "sar_sim" or not data.labels:
        raise SystemExit(f"error: {ckpt} was trained on {data.name} with labels={getattr(data, 'labels', False)}")
    first = data.seed + 1000 * seed  # of the training set's seed and each other's none is one
    detectors, of_tuning = tuned(folder, replace(data, seed=first + 1, num_images=n, val_fraction=0.0), spec)
    unseen = simulated(folder / "unseen", replace(data, seed=first + 2, num_images=n, val_fraction=0.0), spec)
    options = {"seed": seed, "batch_size": batch_size, "label_steps": label_steps}
    with_steps = {"steps": steps, **options}
    result = {"detectors": {name: vars(detector) for name, detector in detectors.items()}}
    result |= {"f1_of_tuning": of_tuning, "seeds": {"training": data.seed, "tuning": first + 1, "unseen": first + 2}}
    result["simulated"] = compare(unseen, found(unseen, detectors))
    rows = draw(
        ckpt, folder / "joint", mode="joint", num_samples=n, balance="real", min_label_iou=min_label_iou, **with_steps
    )
    joint = read([(sample_files(folder / "joint", row), row["class"]) for row in rows], spec)
    result["joint"] = compare(joint, found(joint, detectors))
    guidance = GuidanceConfig(label_scale=label_scale)
    drawn = from_labels(ckpt, folder, unseen, spec, {"guidance": guidance, **with_steps})
    result["from_labels"] = compare(drawn, found(drawn, detectors))
    first_map, voted = annotations(ckpt, folder, unseen, draws, options)
    result["annotate"] = compare(unseen, boxes_of(first_map)) | mask_iou(unseen.maps, first_map)
    if draws > 1:
        result[f"annotate, vote of {draws}"] = compare(unseen, boxes_of(voted)) | mask_iou(unseen.maps, voted)
    if minutes:
        scenes = {"seed": first + 2, "num_images": n, "val_fraction": 0.0}
        result["supervised"] = segmented(state, folder / "cache", scenes, minutes, seed, batch_size, supervised)
    return result


def tuned(folder, config, spec):
    """The best detector for each landscape, and its F1 on the scenes that say so."""
    detectors, scores = {}, {}
    for k, name in enumerate(CLASSES):
        one = replace(config, class_probabilities=np.eye(len(CLASSES))[k].tolist())
        scenes = simulated(folder / "tuning" / name, one, spec)
        detectors[name], scores[name] = tune(scenes.decibels, scenes.boxes)
    return detectors, scores


def simulated(folder, config, spec):
    """Scenes of a set, from files, as samples are."""
    export(config, folder, cache_dir=folder.parent / "cache")
    files = [(path, path.relative_to(folder / "images")) for path in sorted((folder / "images").glob("*/*.png"))]
    return read([(SampleFiles(str(name), path, folder / "labels" / name), name.parts[0]) for path, name in files], spec)


def read(pairs, spec):
    """`pairs` of sample files and class; the images' 8 bits are steps of 0.14 dB."""
    assert (spec.intensity.name, spec.dtype) == ("db", "uint8")
    low, high = spec.intensity.low, spec.intensity.high
    decibels = [low + (high - low) / 255 * read_pixels(sample.image, spec)[0].astype(float) for sample, _ in pairs]
    return Labelled(decibels, [read_label_map(sample) for sample, _ in pairs], [name for _, name in pairs])


def boxes_of(maps):
    return [[instance.box for instance in instances(m, min_area=MIN_AREA)] for m in maps]


def found(images, detectors):
    """Boxes by the detector of each image's class."""
    return [detect(image, detectors[own]) for image, own in zip(images.decibels, images.classes, strict=True)]


def from_labels(ckpt, folder, unseen, spec, options):
    """An image for each label map of the unseen scenes, told its class as well; the maps in the order of `unseen`."""
    pairs = []
    for name in sorted(set(unseen.classes)):  # the order of the folders of `unseen`
        out, labels = folder / "from_labels" / name, folder / "unseen" / "labels" / name
        rows = draw(ckpt, out, mode="from_labels", labels=str(labels), class_label=name, **options)
        pairs += [(sample_files(out, row), name) for row in rows]
    return replace(read(pairs, spec), maps=unseen.maps)


def annotations(ckpt, folder, unseen, draws, options):
    """For each unseen scene the first label map drawn and the vote of all."""
    maps = []
    for name in sorted(set(unseen.classes)):
        images, out = folder / "unseen" / "images" / name, folder / "annotate" / name
        maps += [m for _, m in sorted(annotate(ckpt, images, out, draws=draws, **options).items())]
    return [m[0] for m in maps], [majority(m, 2) for m in maps]


def segmented(state, cache, scenes, minutes, seed, batch_size, path):
    """The scores of a network that is trained to segment the run's training set, on the unseen scenes."""
    config = train_config_from_dict(state["config"])
    known = load_images(config.data, cache_dir=Path(config.cache_dir).expanduser())
    unseen = load_images(replace(config.data, **scenes), cache_dir=cache)
    assert known.train.spec.intensity == unseen.train.spec.intensity
    key = f"{known.key} {unseen.key}"
    maps, done = by_supervised(path, config, known.train, unseen.train, key, 60 * minutes, seed, batch_size)
    classes = [unseen.train.spec.classes[k] for k in unseen.train.class_labels[:, 0]]
    true = Labelled([], list(unseen.train.label_maps(range(len(unseen.train)))), classes)
    return compare(true, boxes_of(maps)) | mask_iou(true.maps, maps) | {"steps": done}


def compare(images, boxes):
    """F1 of `boxes` against those of the images' own label maps, by landscape and at each IoU."""
    true, rows = images.boxes, {}
    for name in (*CLASSES, "all"):
        chosen = [i for i, own in enumerate(images.classes) if name in (own, "all")]
        mine, theirs = [boxes[i] for i in chosen], [true[i] for i in chosen]
        rows[name] = {"images": len(chosen), "ships": sum(map(len, theirs))}
        for iou in IOUS if chosen else ():
            each = counts(mine, theirs, iou)
            tp, fp, fn = each.sum(axis=0).tolist()
            rows[name][f"iou {iou}"] = {"f1": f1(tp, fp, fn), "tp": tp, "fp": fp, "fn": fn}
            rows[name][f"iou {iou}"]["interval"] = interval(each, lambda c: f1(*c.sum(axis=0).tolist()))
    return {"boxes": rows}


def mask_iou(true, drawn):
    """IoU of the ship pixels: over all images as one, and the mean over images that have ships."""
    pairs = [((a & b).sum(), (a | b).sum(), a.any()) for a, b in zip(true, drawn, strict=True)]
    shared, union, has_ships = np.array(pairs).T
    each = (shared / np.maximum(union, 1))[has_ships > 0]
    both = np.stack([shared, union], axis=1)
    return {
        "mask_iou": {
            "pooled": float(shared.sum() / max(union.sum(), 1)),
            "pooled_interval": interval(both, lambda rows: rows[:, 0].sum() / max(rows[:, 1].sum(), 1)),
            "mean": float(each.mean()),
            "mean_interval": interval(each, np.mean),
            "images_with_ships": len(each),
        }
    }


def markdown(result):
    lines = ["| boxes, F1 | IoU at least | " + " | ".join((*CLASSES, "all")) + " |", "|---" * (len(CLASSES) + 3) + "|"]
    for name, row in result.items():
        for iou in IOUS if "boxes" in row else ():
            cells = [score(row["boxes"][column].get(f"iou {iou}")) for column in (*CLASSES, "all")]
            lines.append(f"| {name} | {iou} | {' | '.join(cells)} |")
    lines += ["", "| ship pixels | IoU of all images as one | mean over images with ships |", "|---|---|---|"]
    for name, row in result.items():
        if iou := row.get("mask_iou"):
            pooled, mean = (with_interval(iou[key], iou[f"{key}_interval"]) for key in ("pooled", "mean"))
            lines.append(f"| {name} | {pooled} | {mean} |")
    images = {name: row["boxes"]["all"] for name, row in result.items() if "boxes" in row}
    numbers = ", ".join(f"{name} {row['images']} ({row['ships']} ships)" for name, row in images.items())
    tuning = ", ".join(f"{name} {value:.3f}" for name, value in result["f1_of_tuning"].items())
    return "\n".join([*lines, "", f"Images: {numbers}. F1 on the scenes of tuning: {tuning}."])


def score(cell):
    return "-" if cell is None else with_interval(cell["f1"], cell["interval"])


def with_interval(value, bounds):
    return f"{value:.3f} ({bounds[0]:.2f} to {bounds[1]:.2f})"


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
