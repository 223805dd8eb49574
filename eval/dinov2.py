"""DINOv2's vision transformer (Oquab et al. 2023, arXiv:2304.07193; Dosovitskiy et al. 2020, arXiv:2010.11929, eq. 1-4).

Patches of 14 pixels become tokens, a class token goes before them, and what it says after the last layer norm is the
feature. Each block is pre-norm attention and an MLP, both scaled by channel (LayerScale, Touvron et al. 2021). Width and
depth follow from the weights' shapes: S/14 (384 features), B/14 (768), L/14 (1024). Modules carry the published keys.
"""

import math
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

PATCH, HEAD_WIDTH, NORM_EPS = 14, 64, 1e-6
SIDE = 224  # of the image that the network sees: 16 patches
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels
GRID_OFFSET = 0.1  # the published network stretches positions by (16 + 0.1) / 37, not 16 / 37, and so do we
StateDict = dict[str, Tensor]


class Attention(nn.Module):
    """Attention among all tokens, in heads of 64 channels (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        q, k, v = rearrange(self.qkv(x), "b n (three head c) -> three b head n c", three=3, c=HEAD_WIDTH)
        x = F.scaled_dot_product_attention(q, k, v)  # (b, head, n, c)
        return self.proj(rearrange(x, "b head n c -> b n (head c)"))


class MLP(nn.Module):
    """Four times as wide inside, with GELU."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dims, 4 * dims)
        self.fc2 = nn.Linear(4 * dims, dims)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A factor for each channel of a residual branch."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dims))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """x + attention, then + MLP."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dims, NORM_EPS), nn.LayerNorm(dims, NORM_EPS)
        self.attn, self.mlp = Attention(dims), MLP(dims)
        self.ls1, self.ls2 = LayerScale(dims), LayerScale(dims)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbedding(nn.Module):
    """Each patch by one linear map, as a convolution with the patch as its stride."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dims, PATCH, PATCH)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n d"]:
        return rearrange(self.proj(x), "b d h w -> b (h w) d")


class DinoV2(nn.Module):
    """From images in [0, 1] to the class token's features; `grid` patches a side have learned positions."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, dims: int, depth: int, grid: int, side: int = SIDE) -> None:
        super().__init__()
        self.dims, self.side = dims, side
        self.patch_embed = PatchEmbedding(dims)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, dims))
        self.blocks = nn.Sequential(*(Block(dims) for _ in range(depth)))
        self.norm = nn.LayerNorm(dims, NORM_EPS)
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, rearrange(torch.tensor(values), "c -> c 1 1"), persistent=False)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features (b, d) of images of any size, which are brought to 224x224."""
        if x.shape[2:] != (self.side, self.side):
            x = F.interpolate(x, (self.side, self.side), mode="bicubic", align_corners=False, antialias=True).clamp(
                0, 1
            )
        patches = self.patch_embed((x - self.mean) / self.deviation)  # (b, n, d)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1)  # (b, 1 + n, d)
        x = self.blocks(tokens + positions(self.pos_embed, self.side // PATCH))
        return self.norm(x)[:, 0]  # (b, d)


def positions(learned: Float[Tensor, "1 n d"], grid: int) -> Float[Tensor, "1 m d"]:
    """The class token's position and those of grid x grid patches, bicubic between the learned ones."""
    own = math.isqrt(learned.shape[1] - 1)
    if own == grid:
        return learned
    patches = rearrange(learned[:, 1:], "1 (h w) d -> 1 d h w", h=own)
    patches = F.interpolate(patches, scale_factor=(grid + GRID_OFFSET) / own, mode="bicubic")  # (1, d, grid, grid)
    return torch.cat([learned[:, :1], rearrange(patches, "1 d h w -> 1 (h w) d")], dim=1)


def load_dinov2(path: Path) -> DinoV2:
    """The network with the weights of a .safetensors file, or of a .pth file read without executing anything in it.

    ValueError, one line, if the file cannot be read or holds another network's weights.
    """
    state = _read(path)
    state.pop("mask_token", None)  # for training alone
    try:
        network = _empty(state)
        network.load_state_dict(state)
    except (KeyError, AttributeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ValueError(
            f"{path}: not the weights of DINOv2 S/14, B/14 or L/14 without registers ({reason})"
        ) from error
    return network.eval().requires_grad_(False)


def _empty(state: StateDict) -> DinoV2:
    """The network of these shapes."""
    _, tokens, dims = state["pos_embed"].shape
    depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    if dims % HEAD_WIDTH or math.isqrt(tokens - 1) ** 2 != tokens - 1:
        raise ValueError(f"pos_embed is {tuple(state['pos_embed'].shape)}")
    return DinoV2(dims, depth, math.isqrt(tokens - 1))


def _read(path: Path) -> StateDict:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file  # only here: few have weights in this format

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for files that are not their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: cannot be read as weights ({reason[:80]})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path}: holds no state dict, a table of tensors by name")
    return dict(state)
