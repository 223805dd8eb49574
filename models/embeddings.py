"""What the network is told beside the image: the timestep, and the class where there is one."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def timestep_embedding(
    t: Int[Tensor, " b"], dim: int, *, flip_sin_to_cos: bool = True, freq_shift: int = 0
) -> Float[Tensor, "b dim"]:
    """Sines and cosines of `t` at `dim / 2` geometric frequencies from 1 to 1/10000 (Vaswani et al. 2017, section 3.5).

    `flip_sin_to_cos` puts the cosines first. `freq_shift=1` makes the last frequency exactly 1/10000 (DDPM);
    0 stops one ratio short of it (the Transformer paper).
    """
    half = dim // 2
    exponents = -math.log(10_000) * torch.arange(half, dtype=torch.float32, device=t.device) / (half - freq_shift)
    angles = t.float()[:, None] * exponents.exp()  # (b, dim / 2)
    sin, cos = angles.sin(), angles.cos()
    return torch.cat([cos, sin] if flip_sin_to_cos else [sin, cos], dim=1)  # (b, dim)


class ConditionEmbedding(nn.Module):
    """Timestep and class label as one vector, which every residual block receives.

    Label `num_classes` is the null class: "no label given". It is what guidance's unconditional half asks for.
    """

    def __init__(self, time_dim: int, dim: int, *, num_classes: int, flip_sin_to_cos: bool, freq_shift: int):
        super().__init__()
        self.time_dim, self.num_classes = time_dim, num_classes
        self.flip_sin_to_cos, self.freq_shift = flip_sin_to_cos, freq_shift
        self.time_mlp = nn.Sequential(nn.Linear(time_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.class_table = nn.Embedding(num_classes + 1, dim) if num_classes else None

    def forward(self, t: Int[Tensor, " b"], class_label: Int[Tensor, " b"] | None) -> Float[Tensor, "b dim"]:
        """`class_label` None means the null class; a label given to a network without classes is a ValueError."""
        waves = timestep_embedding(t, self.time_dim, flip_sin_to_cos=self.flip_sin_to_cos, freq_shift=self.freq_shift)
        with torch.autocast(t.device.type, enabled=False):  # neighbouring timesteps would be one in bfloat16
            emb = self.time_mlp(waves.to(next(self.time_mlp.parameters()).dtype))  # (b, dim)
        if self.class_table is None:
            if class_label is not None:
                raise ValueError("cond['class_label'] was given, but this network was built with num_classes=0")
            return emb
        if class_label is None:
            class_label = torch.full_like(t, self.num_classes)
        return emb + self.class_table(class_label)
