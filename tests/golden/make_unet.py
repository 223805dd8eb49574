"""Outputs of diffusers' UNet2DModel on two tiny configurations: python tests/golden/make_unet.py

The weights are a formula of their names (see `fill`), so that the file holds names and outputs only.
"""

import json
import math
import zlib
from pathlib import Path

import torch

SHAPE = {
    "in_channels": 2,
    "out_channels": 3,
    "layers_per_block": 1,
    "block_out_channels": [16, 32, 32],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "norm_num_groups": 8,
}
CASES = {
    "library defaults": {"attention_head_dim": 8},
    "DDPM release": {
        "attention_head_dim": None,
        "downsample_padding": 0,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "norm_eps": 1e-6,
    },
    "scale and shift, classes": {
        "attention_head_dim": 16,
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 8,
        "num_class_embeds": 5,
    },
}


def fill(name: str, shape: torch.Size) -> torch.Tensor:
    """Float64 values that look random, differ from name to name, and keep activations near 1."""
    count = math.prod(shape)
    wave = torch.sin(torch.arange(count, dtype=torch.float64) * 12.9898 + zlib.crc32(name.encode()) % 1000)
    is_norm_weight = len(shape) == 1 and name.endswith("weight")
    scale = 0.1 if len(shape) == 1 else (2 / math.prod(shape[1:])) ** 0.5
    return (scale * wave + is_norm_weight).reshape(shape)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x_t (2, 2, 8, 12), t (2,), class labels (2,)."""
    return fill("x_t", torch.Size([2, 2, 8, 12])) * 5, torch.tensor([3, 750]), torch.tensor([4, 1])


def main() -> None:
    import diffusers

    cases = {}
    for name, options in CASES.items():
        network = diffusers.UNet2DModel(**SHAPE, **options).double()  # so that rounding does not hide a difference
        network.load_state_dict({key: fill(key, value.shape) for key, value in network.state_dict().items()})
        x_t, t, class_label = inputs()
        with torch.no_grad():
            output = network(x_t, t, class_labels=class_label if "num_class_embeds" in options else None).sample
        shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
        cases[name] = {"shapes": shapes, "output": [round(value, 7) for value in output.flatten().tolist()]}
    report = {"package": "diffusers", "version": diffusers.__version__, "torch": torch.__version__, "cases": cases}
    Path(__file__).with_name("unet.json").write_text(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
