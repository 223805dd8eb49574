"""What the network is told beside x_t: how noisy its parts are, and the values of the attributes that are known."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
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
    """Timesteps and attributes as one vector, which every residual block receives.

    Attribute i has the values 0 to num_classes[i] - 1, and num_classes[i] is its null value: "not said". Each value has
    a vector of its own and the vectors are added, so that a combination no training image had can be asked for.
    All lie in one table, attribute after attribute, each with its null row last.
    """

    def __init__(
        self,
        time_dim: int,
        dim: int,
        *,
        num_classes: Sequence[int],
        label_time: bool = False,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
    ):
        super().__init__()
        self.time_dim, self.num_classes = time_dim, list(num_classes)
        self.flip_sin_to_cos, self.freq_shift = flip_sin_to_cos, freq_shift
        self.time_mlp = nn.Sequential(nn.Linear(time_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.class_table = nn.Embedding(sum(n + 1 for n in num_classes), dim) if self.num_classes else None
        # Made last: the random start of a network without label channels does not depend on it.
        self.label_time_mlp = (
            nn.Sequential(nn.Linear(time_dim, dim), nn.SiLU(), nn.Linear(dim, dim)) if label_time else None
        )

    def forward(self, t: Int[Tensor, "b *parts"], class_label: Int[Tensor, "b a"] | None) -> Float[Tensor, "b dim"]:
        """`t` is (b,), with `label_time` (b, 2): of the image and of the label. `class_label` None is null throughout.

        ValueError for a `class_label` with another number of attributes than the network was built with.
        """
        if self.label_time_mlp is None:
            assert t.ndim == 1, f"t {tuple(t.shape)} has a time of labels, the network has none"
            emb = self._embed_time(self.time_mlp, t)  # (b, dim)
        else:
            assert t.shape[1:] == (2,), f"t {tuple(t.shape)}: needs the times of image and label"
            emb = self._embed_time(self.time_mlp, t[:, 0]) + self._embed_time(self.label_time_mlp, t[:, 1])
        if class_label is None:
            class_label = torch.tensor(self.num_classes, dtype=torch.int64, device=t.device).expand(len(t), -1)
        if class_label.shape[1] != len(self.num_classes):
            raise ValueError(
                f"cond['class_label'] has {class_label.shape[1]} attributes, but this network was built with "
                f"num_classes={self.num_classes}"
            )
        if self.class_table is None:
            return emb
        tables = self.class_table.weight.split([n + 1 for n in self.num_classes])  # (n + 1, dim) each
        for value, table in zip(class_label.unbind(dim=1), tables, strict=True):
            emb = emb + F.embedding(value, table)
        return emb

    def _embed_time(self, mlp: nn.Sequential, t: Int[Tensor, " b"]) -> Float[Tensor, "b dim"]:
        waves = timestep_embedding(t, self.time_dim, flip_sin_to_cos=self.flip_sin_to_cos, freq_shift=self.freq_shift)
        with torch.autocast(t.device.type, enabled=False):  # neighbouring timesteps would be one in bfloat16
            return mlp(waves.to(next(mlp.parameters()).dtype))
