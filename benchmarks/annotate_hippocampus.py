"""Annotation by a joint checkpoint against a segmentation network of the same size and training time.

    python train.py experiment=hippocampus data.path=DIR/images data.labels=DIR/labels run_dir=RUN_DIR
    python benchmarks/annotate_hippocampus.py ckpt=RUN_DIR minutes=60 [draws=5] [steps=2] [seed=0]
        [supervised=FILE.npz] [folder=DIR] [out=FILE.json]

Both learn from the volumes that the run trained on and are judged on those that it held out, on the same slices: the
run's own data config reads them, and their content is compared with the checkpoint's. Slices that the config leaves out
(empty ones) are no part of a score.

- annotate: `mode=annotate` of the checkpoint, `label_steps=steps`; one map drawn, and the vote of `draws` maps.
- supervised: the run's network with the image's channels in and a class's logit out, always at t = 0; cross-entropy plus
  soft Dice (Milletari et al. 2016), AdamW, weight average, batches, flips and precision of the run, learning rate along its
  course, for `minutes` of wall-clock time: give what the run took, on the same machine.

Prints the Dice of each class, over a volume's slices as one, its mean over volumes with its standard error, and the
difference from the supervised network with a paired 95 % bootstrap interval over volumes. `folder` keeps all files;
`supervised` keeps that network's label maps, and where the file is there already no network is trained.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from annotation import annotate, interval, new_folder, write_record

from conf.schema import train_config_from_dict
from data import load_images
from data.augment import augment
from data.components import dice, majority
from data.image_set import to_floats
from data.writers import write_image
from models import build_model
from training.checkpoint import load_checkpoint
from training.device import autocast_network, choose_device
from training.ema import EMA
from training.optimizer import build_optimizer, set_learning_rate
from training.precision import choose_precision, keep_heap
from training.seeding import batch_indices, derived_seed, generator

COURSE = 10_000  # steps of the learning rate's course, which follows the clock


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
    maps, done = by_supervised(supervised, config, images, 60 * minutes, seed, batch_size)
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


def by_supervised(path, config, images, seconds, seed, batch_size):
    """Label maps (n, h, w) of the held-out slices and the steps of the network that made them; from the file if it is there."""
    if path is not None and (Path(path).suffix != ".npz" or not Path(path).absolute().parent.is_dir()):
        raise SystemExit(f"error: supervised={path}: give a file NAME.npz in a folder that exists")
    of_this = {"seconds": seconds, "seed": seed, "data_key": images.key, "network": settings_of(config)}
    if path is None or not Path(path).exists():
        network, done = train_supervised(config, images.train, seconds, seed)
        maps = segment(network, images.val, batch_size, config.train)
        if path is None:
            return maps, done
        np.savez_compressed(path, maps=maps, steps=done, **of_this)
    with np.load(path, allow_pickle=False) as kept:
        if any(kept[name].item() != value for name, value in of_this.items()):
            raise SystemExit(
                f"error: {path} is of another network, minutes=, seed= or images; delete it or name another"
            )
        print(f"supervised: from {path}")
        return kept["maps"], kept["steps"].item()


def settings_of(config):
    """What the supervised network depends on, beside its data, as text."""
    of_loop = ("batch_size", "ema_width", "ema_max_decay", "precision")
    of_data = ("hflip", "vflip", "rot90")
    parts = [
        asdict(config.model),
        asdict(config.optim),
        *({n: getattr(s, n) for n in names} for s, names in ((config.train, of_loop), (config.data, of_data))),
    ]
    return json.dumps(parts)


class Supervised(nn.Module):
    """The run's network as a segmentation network: logits (b, k, h, w) of an image (b, c, h, w)."""

    def __init__(self, config, spec):
        super().__init__()
        self.unet = build_model(config.model, in_channels=spec.channels, out_channels=len(spec.label_names))

    def forward(self, image, t, cond):
        return self.unet(image, t, None)


def train_supervised(config, images, seconds, seed):
    """The averaged weights after `seconds`, and how many steps these were."""
    keep_heap()
    torch.manual_seed(derived_seed(seed, "initial_weights"))
    device = choose_device(config.train.device)
    network, averaged = (Supervised(config, images.spec).to(device) for _ in range(2))
    ema = EMA(network, averaged, relative_width=config.train.ema_width, max_decay=config.train.ema_max_decay)
    optimizer = build_optimizer(config.optim, network.parameters())
    predict = autocast_network(network, device, choose_precision(config.train.precision, device))
    start, step = time.perf_counter(), 0
    while (share := (time.perf_counter() - start) / seconds) < 1:
        image, label = batch(config, images, step, seed)
        set_learning_rate(optimizer, config.optim, max(1, round(share * COURSE)), COURSE)
        logits = predict(image.to(device), at_zero(image, device), None)
        segmentation_loss(logits, label.to(device)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.optim.grad_clip or float("inf"))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        ema.update(step)
    return averaged, step


def at_zero(image, device):
    """The time of a clean image: (b,)."""
    return torch.zeros(len(image), dtype=torch.long, device=device)


def batch(config, images, step, seed):
    """Image (b, c, h, w) and labels (b, h, w) of a step, flipped together as training flips them."""
    size, rng = config.train.batch_size, generator(seed, "step", step)
    indices = batch_indices(seed, step, batch_size=size, num_images=len(images))
    both = torch.cat(
        [to_floats(images.integers(indices)), torch.from_numpy(images.label_maps(indices))[:, None].float()], dim=1
    )
    both = augment(both, rng, hflip=config.data.hflip, vflip=config.data.vflip, rot90=config.data.rot90)
    return both[:, :-1], both[:, -1].long()


def segmentation_loss(logits, label):
    """Cross-entropy plus 1 - soft Dice, the mean over the foreground classes, each over the whole batch."""
    probability, wanted = logits.softmax(dim=1)[:, 1:], F.one_hot(label, logits.shape[1]).movedim(-1, 1)[:, 1:].float()
    shared, total = (x.sum(dim=(0, 2, 3)) for x in (probability * wanted, probability + wanted))
    return F.cross_entropy(logits, label) + 1 - ((2 * shared + 1) / (total + 1)).mean()


@torch.no_grad()
def segment(network, images, batch_size, loop):
    """The likeliest label of each pixel: (n, h, w)."""
    device = choose_device(loop.device)
    predict = autocast_network(network, device, choose_precision(loop.precision, device))
    maps = []
    for part in np.array_split(np.arange(len(images)), -(-len(images) // batch_size)):
        image = to_floats(images.integers(part)).to(device)
        maps.append(predict(image, at_zero(image, device), None).argmax(dim=1))
    return torch.cat(maps).cpu().numpy().astype(np.uint8)


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
