"""Checkpoints of tiny networks that nobody trained, for any kind of images: quick, and far from constant."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from conf.schema import TrainConfig, to_plain
from data.image_set import ImageSpec
from data.readers import READERS
from data.writers import write_image
from diffusion.samplers.ddim import DDIMConfig
from diffusion.schedules import ScheduleConfig
from models import build_model
from models.unet import UNetConfig
from training.checkpoint import network_shape, save_checkpoint

MODEL = {"base_channels": 8, "norm_groups": 4, "channel_multipliers": [1, 2], "blocks_per_level": 1}
MODEL |= {"attention_levels": [1], "head_channels": 8}


def write_checkpoint(path: Path, spec: ImageSpec, name: str = "folder", **data: Any) -> Path:
    """A checkpoint for images like `spec`, trained with the options `data` of data=`name`."""
    config = TrainConfig(
        data=READERS[name][0](path="gone", image_size=[spec.height, spec.width], **data),
        model=UNetConfig(**MODEL),
        schedule=ScheduleConfig(name="cosine"),
        sampler=DDIMConfig(num_inference_steps=3),
    )
    torch.manual_seed(0)
    network = build_model(config.model, **network_shape(spec.to_dict(), learned_variance=False))
    with torch.no_grad():
        for parameter in network.parameters():  # some start at zero
            parameter.normal_(std=0.2)
    weights = network.state_dict()
    state = {"step": 1, "best": 1.0, "window": {}, "bad_in_a_row": 0, "data_key": "", "optimizer": {}}
    state |= {"config": to_plain(config), "images": spec.to_dict(), "model": weights, "ema": weights}
    save_checkpoint(path, state)
    return path


def write_stored(folder: Path, spec: ImageSpec, count: int, seed: int = 0) -> list[Path]:
    """Images of a set like `spec`, of random stored pixels, as its own writer writes them."""
    rng = np.random.default_rng(seed)
    shape = (spec.channels, spec.height, spec.width)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_image(
            folder / f"{i:03d}.png", rng.integers(0, np.iinfo(spec.dtype).max + 1, shape).astype(spec.dtype), spec
        )
        for i in range(count)
    ]
