"""`features=domain`: the encoder of a real folder, trained once, and which of its images are left for the figures.

An encoder knows the images that it was trained on: their features are not spread as those of new ones are. So it is
trained on a random half of the real images, and every figure in its features, floor included, is measured with the
other half, which is as new to it as the synthetic images are. No group of images (a scene, a patient) is in both
halves. Where that half would be too small, it is trained on all and the report says so: then real images have been
seen and synthetic ones not, and the floor may be lower than it ought to be. To such an encoder new images lie nearer
to those of a holdout than to its own, copied or not: no privacy audit is made with it.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int

from eval.cache import cached
from eval.comparison import Side
from eval.config import EvalConfig
from eval.domain_encoder import DomainConv, Settings, train_encoder
from eval.features import Extractor
from eval.floor import smaller_half
from eval.group_draws import fill
from eval.groups import renumbered
from eval.image_groups import LEAST

SETTINGS = Settings()
MIN_HALVES = 48  # real images, of which 24 measure: floors at n = 12
MIN_HALF = 6  # images on either side of the splits of the half that measures, where groups are not divided
MOST_TRAINING = 1024  # images; beyond them the encoder gains little and all have to be in memory


class Domain(NamedTuple):
    """The extractor, the rows of the real folder that figures may use, and what the report must say of it.

    `fresh`: whether those rows are new to the encoder.
    """

    extractor: Extractor
    rows: Int[np.ndarray, " n"]
    fresh: bool
    notes: list[str]


def split_rows(
    n: int, seed: int, groups: Int[np.ndarray, " n"] | None = None, repeats: int = 10
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " m"]]:
    """Rows to train on and rows to measure with: disjoint halves, or all rows twice where there are fewer than 48.

    `groups`: the number of each image's group, from 0; no group is then in both halves. All rows twice also where the other
    half would have fewer than 3 groups, or fewer than 6 images on a side of the `repeats` splits of its floors.
    """
    whole = np.arange(n)
    if n < MIN_HALVES:
        return whole, whole
    random, training = np.random.default_rng(seed), min(n // 2, MOST_TRAINING)
    if groups is None:
        order = random.permutation(n)
        return np.sort(order[:training]), np.sort(order[training:])
    chosen = fill(groups, training, random)
    left = renumbered(groups[~chosen])
    few = left.max(initial=-1) + 1 < LEAST["real"] or chosen.sum() < MIN_HALF
    if few or smaller_half(len(left), left, repeats=repeats, seed=seed) < MIN_HALF:
        return whole, whole
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def fit_domain(real: Side, config: EvalConfig) -> Domain:
    """Train the encoder, or find it in the cache by the training images, their preparation, the settings and the seed."""
    training, rows = split_rows(len(real), config.seed, real.groups_of(), config.floor_repeats)
    fresh = len(training) < len(real)
    key = _key(real, training, config.seed)

    def train() -> np.ndarray:
        images = np.stack([real.preparation.load(real.folder.paths[i]) for i in training])
        return _to_row(train_encoder(images, config.seed, SETTINGS))

    row, _ = cached(Path(config.cache_dir).expanduser(), key, train)
    network = _from_row(row)
    digest = hashlib.sha256(key.encode() + row.tobytes()).hexdigest()
    dims = SETTINGS.dims
    description = f"domain: {dims} features of a network trained on {len(training)} of the real images, {digest[:8]}"
    extractor = Extractor(network, dims, f"domain {digest}", description, "frechet_domain", "kid_domain")
    return Domain(extractor, rows, fresh, [_note(len(real), len(training), len(rows))])


def _note(n: int, training: int, unseen: int) -> str:
    if training == n:
        why = f"there are fewer than {MIN_HALVES}" if n < MIN_HALVES else "their groups allow no two halves"
        return (
            f"The domain encoder was trained on all {n} real images, as {why}: it has seen "
            "them and not the synthetic ones, so that its figures may be above the floor for that reason alone. The privacy "
            "audit is made in pixels alone."
        )
    return (
        f"The domain encoder was trained on {training} real images; its figures and their floors use the other {unseen}, "
        "which are as new to it as the synthetic ones."
    )


def _key(real: Side, training: np.ndarray, seed: int) -> str:
    parts = {
        "files": [real.folder.images[i].sha256 for i in training],
        "preparation": asdict(real.preparation),
        "settings": asdict(SETTINGS),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _to_row(network: DomainConv) -> np.ndarray:
    """All numbers of the network (1, p), a form that the cache of features keeps and that cannot hold code."""
    return torch.cat([value.flatten() for value in _numbers(network).values()]).numpy()[None]


def _from_row(row: np.ndarray) -> DomainConv:
    network = DomainConv(SETTINGS.dims).eval().requires_grad_(False)
    numbers = _numbers(network)
    parts = torch.from_numpy(row[0]).split([value.numel() for value in numbers.values()])
    for value, part in zip(numbers.values(), parts, strict=True):
        value.copy_(part.reshape(value.shape))
    return network


def _numbers(network: DomainConv) -> dict[str, torch.Tensor]:
    """Weights and running means; not batch norm's counters, which nothing reads."""
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
