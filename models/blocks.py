"""The four pieces a UNet is made of: residual block, attention, downsampling, upsampling."""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from models.norm import GroupNorm


def zero_init(layer: nn.Module) -> nn.Module:
    """Set the layer's parameters to zero: a residual branch then starts as the identity (Ho et al. 2020, app. B)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResidualBlock(nn.Module):
    """norm - SiLU - conv, twice, around a skip; the embedding enters between the two.

    `scale_shift` modulates the second norm, `norm(h) * (1 + scale) + shift` (Dhariwal & Nichol 2021, section 3: AdaGN,
    after FiLM); without it the embedding is added before the norm (Ho et al. 2020).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        emb_channels: int,
        *,
        dropout: float,
        norm_groups: int,
        norm_eps: float,
        scale_shift: bool,
    ):
        super().__init__()
        self.scale_shift = scale_shift
        self.norm1 = GroupNorm(norm_groups, in_channels, norm_eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_proj = nn.Linear(emb_channels, 2 * out_channels if scale_shift else out_channels)
        self.norm2 = GroupNorm(norm_groups, out_channels, norm_eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zero_init(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"]) -> Float[Tensor, "b d h w"]:
        """`emb` is the condition embedding after its SiLU, which all blocks share."""
        h = self.conv1(F.silu(self.norm1(x)))  # (b, d, h, w)
        if self.scale_shift:
            scale, shift = self.emb_proj(emb).chunk(2, dim=1)  # (b, d) each
            h = self.norm2(h, scale, shift)
        else:
            h = self.norm2(h + rearrange(self.emb_proj(emb), "b d -> b d 1 1"))
        h = self.conv2(self.dropout(F.silu(h)))
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Self-attention over all positions, around a skip (Vaswani et al. 2017; in a UNet: Ho et al. 2020, app. B)."""

    def __init__(self, channels: int, head_channels: int | None, *, norm_groups: int, norm_eps: float):
        super().__init__()
        self.heads = channels // (head_channels or channels)
        self.norm = GroupNorm(norm_groups, channels, norm_eps)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Every position looks at every other: cost grows with (h w)^2, so use it at coarse levels."""
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        q, k, v = rearrange(self.qkv(tokens), "b n (three heads d) -> three b heads n d", three=3, heads=self.heads)
        h = rearrange(F.scaled_dot_product_attention(q, k, v), "b heads n d -> b n (heads d)")
        return x + rearrange(self.out(h), "b (h w) c -> b c h w", h=x.shape[2])


class Downsample(nn.Module):
    """Halve height and width with a strided convolution.

    `padding=1` pads all sides; `padding=0` pads right and bottom only, as TensorFlow's SAME did in the DDPM release.
    """

    def __init__(self, channels: int, *, padding: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h/2 w/2"]:
        """Height and width must be even."""
        return self.conv(x if self.conv.padding != (0, 0) else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double height and width: repeat every pixel 2x2 (nearest neighbour), then smooth with a 3x3 convolution.

    Nine taps on repeated pixels see at most four different ones, so this is computed as what it equals: a transposed
    convolution whose kernel is the 3x3 one spread by the 2x2 box of the repetition: 4/9 of the multiplications.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
        """The result, and the weights' names, are those of the 3x3 convolution."""
        kernel = self.conv.weight  # (out, in, 3, 3)
        kernel = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))  # (out, in, 4, 3): sums of neighbouring rows
        kernel = F.pad(kernel, (0, 1)) + F.pad(kernel, (1, 0))  # (out, in, 4, 4)
        kernel = kernel.flip(2, 3).transpose(0, 1)  # a transposed convolution reads its kernel backwards
        return F.conv_transpose2d(x, kernel, self.conv.bias, stride=2, padding=1)
