"""The UNet of DDPM and its successors (Ho et al. 2020; Nichol & Dhariwal 2021; Dhariwal & Nichol 2021)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.blocks import Attention, Downsample, ResidualBlock, Upsample, zero_init
from models.embeddings import ConditionEmbedding
from models.norm import GroupNorm


@dataclass
class UNetConfig:
    """Shape of a `UNet`. Level i works at 1/2^i of the image's height and width with
    `base_channels * channel_multipliers[i]` channels.

    Attributes:
        patch_size: side of the square of pixels that become the channels of one position, so that level 0 works at
            1/patch_size of the image's height and width: 2 is for 128 x 128 what 1 is for 64 x 64, at the same cost.
        attention_levels: the levels with attention: with 64 x 64 images, level 2 is 16 x 16. Counted in levels, not in
            pixels, so that it means the same for every height and width. The middle block always has it.
        head_channels: channels of one attention head; null for a single head.
        time_scale_shift: how the embedding enters a residual block: "scale_shift" or "default" (added).
        downsample_padding: 1 pads all sides, 0 right and bottom only (the DDPM release).
        flip_sin_to_cos, freq_shift: see `timestep_embedding`.
    """

    name: str = "unet"
    patch_size: int = 1
    base_channels: int = 64
    channel_multipliers: list[int] = field(default_factory=lambda: [1, 2, 2, 4])
    blocks_per_level: int = 2
    attention_levels: list[int] = field(default_factory=lambda: [2])
    head_channels: int | None = 64
    dropout: float = 0.0
    norm_groups: int = 32
    norm_eps: float = 1e-5
    time_scale_shift: str = "scale_shift"
    downsample_padding: int = 1
    flip_sin_to_cos: bool = True
    freq_shift: int = 0

    def __post_init__(self) -> None:
        self.channel_multipliers = list(self.channel_multipliers)
        self.attention_levels = list(self.attention_levels)
        levels = len(self.channel_multipliers)
        _require(self.name == "unet", f"model.name={self.name!r}: this config is for 'unet'")
        _require(self.patch_size >= 1, f"model.patch_size={self.patch_size}: must be at least 1")
        _require(self.base_channels >= 2, f"model.base_channels={self.base_channels}: must be at least 2")
        _require(
            levels > 0 and min(self.channel_multipliers) > 0,
            f"model.channel_multipliers={self.channel_multipliers}: needs one positive number per level",
        )
        _require(self.blocks_per_level > 0, f"model.blocks_per_level={self.blocks_per_level}: must be at least 1")
        _require(0 <= self.dropout < 1, f"model.dropout={self.dropout}: must be in [0, 1)")
        _require(self.norm_eps > 0, f"model.norm_eps={self.norm_eps}: must be positive")
        _require(
            self.time_scale_shift in ("scale_shift", "default"),
            f"model.time_scale_shift={self.time_scale_shift!r}: must be 'scale_shift' or 'default'",
        )
        _require(
            self.downsample_padding in (0, 1), f"model.downsample_padding={self.downsample_padding}: must be 0 or 1"
        )
        _require(self.freq_shift in (0, 1), f"model.freq_shift={self.freq_shift}: must be 0 or 1")
        self._check_channels()

    def _check_channels(self) -> None:
        """All that does not fit is named at once, with what does: for another size both often change."""
        widths = [self.base_channels * multiplier for multiplier in self.channel_multipliers]
        _require(self.base_channels % 2 == 0, f"model.base_channels={self.base_channels}: must be even")
        every, levels = [self.base_channels, *widths], self.attention_levels
        wrong, fitting = list[str](), list[str]()
        if not all(0 <= level < len(widths) for level in levels):
            wrong.append(
                f"model.attention_levels={levels}: levels are 0 to {len(widths) - 1} (0 is full resolution, each next one "
                "half of it)"
            )
            levels = [len(widths) - 1]
            fitting.append(f"model.attention_levels={levels}")
        if self.norm_groups < 1 or any(width % self.norm_groups for width in every):
            wrong.append(f"model.norm_groups={self.norm_groups}: must divide the channels of every level, {every}")
            most = min(32, min(every) // 2)  # groups of 2 channels or more
            fitting.append(f"model.norm_groups={_largest_divisor(every, most)}")
        with_attention = [widths[level] for level in levels] + [widths[-1]]
        if self.head_channels is not None and (
            self.head_channels < 1 or any(width % self.head_channels for width in with_attention)
        ):
            where = f"{with_attention} (the last is the middle block)"
            wrong.append(
                f"model.head_channels={self.head_channels}: must divide the channels where attention is, {where}"
            )
            fitting.append(f"model.head_channels={_largest_divisor(with_attention, 64)}")
        _require(not wrong, f"{'; '.join(wrong)}: use {' '.join(fitting)}")


def _largest_divisor(numbers: list[int], most: int) -> int:
    """The largest whole number up to `most` that divides all of them."""
    common = math.gcd(*numbers)
    return next(k for k in range(min(most, common), 0, -1) if common % k == 0)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class Stage(nn.Module):
    """A residual block, followed by attention at the levels that have it."""

    def __init__(self, residual: ResidualBlock, attention: Attention | None):
        super().__init__()
        self.residual, self.attention = residual, attention

    def forward(self, x: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"]) -> Float[Tensor, "b d h w"]:
        """One step along the UNet; only the number of channels may change."""
        h = self.residual(x, emb)
        return h if self.attention is None else self.attention(h)


class DownLevel(nn.Module):
    """The stages at one resolution, then, but at the last level, the way to half of it."""

    def __init__(self, stages: list[Stage], resample: Downsample | None):
        super().__init__()
        self.stages, self.resample = nn.ModuleList(stages), resample

    def forward(self, h: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"]) -> list[Tensor]:
        """Every map on the way, in order: each is kept for the way up."""
        maps = [h]
        for stage in self.stages:
            maps.append(stage(maps[-1], emb))
        if self.resample is not None:
            maps.append(self.resample(maps[-1]))  # (b, c, h / 2, w / 2)
        return maps[1:]


class UpLevel(nn.Module):
    """The stages at one resolution, each seeing a kept map beside its input, then the way to twice the resolution."""

    def __init__(self, stages: list[Stage], resample: Upsample | None):
        super().__init__()
        self.stages, self.resample = nn.ModuleList(stages), resample

    def forward(self, h: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"], skips: list[Tensor]) -> Tensor:
        """Takes the kept maps from the end of `skips`."""
        for stage in self.stages:
            h = stage(torch.cat([h, skips.pop()], dim=1), emb)
        return h if self.resample is None else self.resample(h)  # (b, d, 2 h, 2 w)


class UNet(nn.Module):
    """`network(x_t, t, cond)`: what the diffusion process wants predicted, at the size of `x_t`.

    Down: each level halves the resolution, and every intermediate map is kept. Middle: attention between two residual
    blocks. Up: the way back, each stage seeing its own input beside the map kept on the way down. The last layer is
    zero-initialised: an untrained network predicts exactly 0.
    """

    def __init__(
        self,
        config: UNetConfig,
        *,
        in_channels: int,
        out_channels: int,
        num_classes: Sequence[int] = (),
        label_time: bool = False,
    ):
        super().__init__()
        self.config = config
        base, emb_channels = config.base_channels, 4 * config.base_channels
        widths = [base * multiplier for multiplier in config.channel_multipliers]

        self.embedding = ConditionEmbedding(
            base,
            emb_channels,
            num_classes=num_classes,
            label_time=label_time,
            flip_sin_to_cos=config.flip_sin_to_cos,
            freq_shift=config.freq_shift,
        )
        pixels = config.patch_size**2
        self.conv_in = nn.Conv2d(pixels * in_channels, base, 3, padding=1)

        self.down, skips = _way_down(config, widths)
        self.middle = nn.ModuleList([_stage(config, widths[-1], widths[-1], attention) for attention in (True, False)])
        self.up = _way_up(config, widths, skips)

        self.norm_out = GroupNorm(config.norm_groups, base, config.norm_eps)
        self.conv_out = zero_init(nn.Conv2d(base, pixels * out_channels, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # the layout in which convolutions are fastest; activations follow

    def forward(
        self, x_t: Float[Tensor, "b c h w"], t: Int[Tensor, "b *parts"], cond: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "b out h w"]:
        """Predict from `x_t` at the integer timesteps `t`: (b,), or with `label_time` (b, 2), of image and label.

        `cond` may hold "class_label" (b, a), a column an attribute (see `ConditionEmbedding`); without it all are null.
        Any height and width: padded with zeros to a multiple of patch_size * 2^(levels - 1), as convolutions see the
        other borders, and cropped back.
        """
        height, width = x_t.shape[-2:]
        patch_size = self.config.patch_size
        multiple = patch_size * 2 ** (len(self.down) - 1)
        emb = F.silu(self.embedding(t, (cond or {}).get("class_label")))  # (b, 4 * base)
        padded = F.pad(x_t, (0, -width % multiple, 0, -height % multiple))  # (b, c, p H, p W)
        h = self.conv_in(F.pixel_unshuffle(padded, patch_size))  # (b, base, H, W)

        skips = [h]
        for level in self.down:
            skips += level(skips[-1], emb)
        h = skips[-1]  # (b, c, p H / multiple, p W / multiple)
        for stage in self.middle:
            h = stage(h, emb)
        for level in self.up:
            h = level(h, emb, skips)  # (b, base, H, W) after the last

        out = F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(h))), patch_size)  # (b, out, p H, p W)
        return out[..., :height, :width]


def _way_down(config: UNetConfig, widths: list[int]) -> tuple[nn.ModuleList, list[int]]:
    """The levels of `widths` channels, and the channels of every map that the way up will consume."""
    channels = config.base_channels
    levels, skips = nn.ModuleList(), [channels]
    for i, width in enumerate(widths):
        stages = []
        for _ in range(config.blocks_per_level):
            stages.append(_stage(config, channels, width, i in config.attention_levels))
            channels = width
            skips.append(channels)
        down = Downsample(channels, padding=config.downsample_padding) if i < len(widths) - 1 else None
        skips += [channels] if down else []
        levels.append(DownLevel(stages, down))
    return levels, skips


def _way_up(config: UNetConfig, widths: list[int], skips: list[int]) -> nn.ModuleList:
    """The levels from the last of `widths` back to the first; takes what it consumes from the end of `skips`."""
    channels, levels = widths[-1], nn.ModuleList()
    for i, width in reversed(list(enumerate(widths))):
        stages = []
        for _ in range(config.blocks_per_level + 1):
            stages.append(_stage(config, channels + skips.pop(), width, i in config.attention_levels))
            channels = width
        levels.append(UpLevel(stages, Upsample(channels) if i > 0 else None))
    return levels


def _stage(config: UNetConfig, channels_in: int, channels_out: int, attention: bool) -> Stage:
    """What a level is made of."""
    norm = {"norm_groups": config.norm_groups, "norm_eps": config.norm_eps}
    residual = ResidualBlock(
        channels_in,
        channels_out,
        4 * config.base_channels,
        dropout=config.dropout,
        scale_shift=config.time_scale_shift == "scale_shift",
        **norm,
    )
    return Stage(residual, Attention(channels_out, config.head_channels, **norm) if attention else None)
