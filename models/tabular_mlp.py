"""The MLP of TabDDPM (Kotelnikov et al. 2023, section 4, "Denoising process"): a row of w places in, w out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.embeddings import ConditionEmbedding


@dataclass
class TabularMLPConfig:
    """Shape of a `TabularMLP`.

    Attributes:
        widths: of the hidden layers, one number a layer.
        embedding_width: of the vector in which row, time and class meet, before the first layer.
        dropout: after every hidden layer.
    """

    name: str = "tabular_mlp"
    widths: list[int] = field(default_factory=lambda: [256, 512, 512, 256])
    embedding_width: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        self.widths = list(self.widths)
        if self.name != "tabular_mlp":
            raise ValueError(f"model.name={self.name!r}: this config is for 'tabular_mlp'")
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"model.widths={self.widths}: needs one positive number per hidden layer")
        if self.embedding_width < 2 or self.embedding_width % 2:
            raise ValueError(f"model.embedding_width={self.embedding_width}: must be even and positive")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"model.dropout={self.dropout}: must be in [0, 1)")


class TabularMLP(nn.Module):
    """`network(x_t, t, cond)`: what the process wants predicted of a row, a number a place.

    x = Linear(x_t) + embedding of time and class, then layers of Dropout(ReLU(Linear(x))) and a last Linear. It has the
    arguments of `UNet`, a row being an item of `in_channels` channels and no extent.
    """

    def __init__(
        self,
        config: TabularMLPConfig,
        *,
        in_channels: int,
        out_channels: int,
        num_classes: Sequence[int] = (),
        label_time: bool = False,
    ):
        super().__init__()
        assert not label_time, "a row has one time"
        self.config = config
        width = config.embedding_width
        self.embedding = ConditionEmbedding(width, width, num_classes=num_classes)
        self.linear_in = nn.Linear(in_channels, width)
        layers: list[nn.Module] = []
        for channels_in, channels_out in zip([width, *config.widths[:-1]], config.widths, strict=True):
            layers += [nn.Linear(channels_in, channels_out), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers)
        self.linear_out = nn.Linear(config.widths[-1], out_channels)

    def forward(
        self, x_t: Float[Tensor, "b w"], t: Int[Tensor, " b"], cond: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "b out"]:
        """Predict from `x_t` at the integer timesteps `t`; `cond` may hold "class_label" (b, a), else all are null."""
        emb = self.embedding(t, (cond or {}).get("class_label"))  # (b, e)
        # Both ends in float32 whatever is around: the 8 bits of bfloat16 are too few for the numbers of a row.
        with torch.autocast(x_t.device.type, enabled=False):
            h = self.linear_in(x_t.float()) + emb
        h = self.layers(h)
        with torch.autocast(x_t.device.type, enabled=False):
            return self.linear_out(h.float())
