"""A small UNet."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 4
CHANNELS_A_GROUP = 8


class SmallUNet(nn.Module):
    """Ronneberger et al. 2015 (figure 1) with four levels, padded convolutions and GroupNorm; `width` channels at the top.

    Groups, not batches, are normalised: batches of real and of synthetic images have statistics of their own.
    """

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        deeper = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in deeper)
        self.up = nn.ModuleList(_block(2 * b, b) for _, b in deeper)
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        """Images of any size to logits of that size."""
        h, w = images.shape[2:]
        step = 2 ** (LEVELS - 1)
        x = F.pad(images, (0, -w % step, 0, -h % step), mode="replicate")  # (b, c, H, W), both divisible by `step`
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for narrow, block, skip in zip(self.narrow, self.up, kept[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(narrow(x), scale_factor=2.0, mode="nearest"), skip], dim=1))
        return self.head(x)[:, :, :h, :w]


def _block(before: int, after: int) -> nn.Sequential:
    layers = []
    for a in (before, after):
        norm = nn.GroupNorm(after // CHANNELS_A_GROUP, after)
        layers += [nn.Conv2d(a, after, 3, padding=1, bias=False), norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
