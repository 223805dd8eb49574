"""A residual MLP for rows: pre-norm blocks, and time and class enter every one of them, not the first layer alone.

The blocks are those of Gorishniy et al. 2021 ("ResNet", section 3.2) with the norm made adaptive as in DiT (Peebles & Xie
2023, section 3.2, "adaLN-Zero"): each starts as the identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.blocks import zero_init
from models.embeddings import ConditionEmbedding


@dataclass
class TabularResNetConfig:
    """Shape of a `TabularResNet`.

    Attributes:
        width: of the path that the blocks add to, and of the embedding of time and class.
        blocks: their number.
        expansion: width inside a block, as a multiple of `width`.
        dropout: inside every block.
    """

    name: str = "tabular_resnet"
    width: int = 256
    blocks: int = 4
    expansion: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.name != "tabular_resnet":
            raise ValueError(f"model.name={self.name!r}: this config is for 'tabular_resnet'")
        if self.width < 2 or self.width % 2:
            raise ValueError(f"model.width={self.width}: must be even and positive")
        for name in ("blocks", "expansion"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name}={getattr(self, name)}: must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"model.dropout={self.dropout}: must be in [0, 1)")


class ModulatedBlock(nn.Module):
    """h + gate Linear(Dropout(SiLU(Linear((1 + scale) norm(h) + shift)))), the three being functions of the embedding."""

    def __init__(self, width: int, hidden: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = zero_init(nn.Linear(width, 3 * width))
        self.linear_in, self.dropout = nn.Linear(width, hidden), nn.Dropout(dropout)
        self.linear_out = nn.Linear(hidden, width)

    def forward(self, h: Float[Tensor, "b d"], emb: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """One step along the path."""
        scale, shift, gate = self.modulation(emb).chunk(3, dim=1)  # (b, d) each
        hidden = F.silu(self.linear_in((1 + scale) * self.norm(h) + shift))
        return h + gate * self.linear_out(self.dropout(hidden))


class TabularResNet(nn.Module):
    """`network(x_t, t, cond)`: what the process wants predicted of a row, a number a place.

    The last layer starts at zero: an untrained network predicts numbers of 0 and all categories equally likely. It has the
    arguments of `UNet`, a row being an item of `in_channels` channels and no extent.
    """

    def __init__(
        self,
        config: TabularResNetConfig,
        *,
        in_channels: int,
        out_channels: int,
        num_classes: Sequence[int] = (),
        label_time: bool = False,
    ):
        super().__init__()
        assert not label_time, "a row has one time"
        self.config = config
        width = config.width
        self.embedding = ConditionEmbedding(width, width, num_classes=num_classes)
        self.linear_in = nn.Linear(in_channels, width)
        self.blocks = nn.ModuleList(
            [ModulatedBlock(width, config.expansion * width, config.dropout) for _ in range(config.blocks)]
        )
        self.norm_out = nn.LayerNorm(width)
        self.linear_out = zero_init(nn.Linear(width, out_channels))

    def forward(
        self, x_t: Float[Tensor, "b w"], t: Int[Tensor, " b"], cond: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "b out"]:
        """Predict from `x_t` at the integer timesteps `t`; `cond` may hold "class_label" (b, a), else all are null."""
        emb = F.silu(self.embedding(t, (cond or {}).get("class_label")))  # (b, d)
        # Both ends in float32 whatever is around: the 8 bits of bfloat16 are too few for the numbers of a row.
        with torch.autocast(x_t.device.type, enabled=False):
            h = self.linear_in(x_t.float())  # (b, d)
        for block in self.blocks:
            h = block(h, emb)
        with torch.autocast(x_t.device.type, enabled=False):
            return self.linear_out(self.norm_out(h.float()))
