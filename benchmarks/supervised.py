"""A joint checkpoint's network as a segmentation network: what annotation is measured against.

The run's network with the image's channels in and a class's logit out, always at t = 0; cross-entropy plus soft Dice
(Milletari et al. 2016), AdamW, weight average, batches, flips and precision of the run, learning rate along its course,
for a given wall-clock time.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from data.augment import augment
from data.image_set import to_floats
from models import build_model
from training.device import autocast_network, choose_device
from training.ema import EMA
from training.optimizer import build_optimizer, set_learning_rate
from training.precision import choose_precision, keep_heap
from training.seeding import batch_indices, derived_seed, generator

COURSE = 10_000  # steps of the learning rate's course, which follows the clock


def by_supervised(path, config, train, judged, data_key, seconds, seed, batch_size):
    """Label maps (n, h, w) of the images `judged` and the steps of the network that made them; from the file if it is there."""
    if path is not None and (Path(path).suffix != ".npz" or not Path(path).absolute().parent.is_dir()):
        raise SystemExit(f"error: supervised={path}: give a file NAME.npz in a folder that exists")
    of_this = {"seconds": seconds, "seed": seed, "data_key": data_key, "network": settings_of(config)}
    if path is None or not Path(path).exists():
        network, done = train_supervised(config, train, seconds, seed)
        maps = segment(network, judged, batch_size, config.train)
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
    indices = batch_indices(seed, step, batch_size=size, num_items=len(images))
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
