"""Features for those who have no weights: a convolutional network whose filters are random, fixed and documented."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (32, 64, 64, 64)
LAYOUT = 8  # side of the thumbnail
SEED = 20150312

# Without these two the thumbnail holds 95 % of the features' variance on brain MRI and SAR ships alike, and each stage
# less than the one before, since pooling averages variance away; with them the five parts weigh about the same.
GAIN = 2.0  # over sqrt(2), which keeps the scale through a ReLU (He et al. 2015, eq. 10)
THUMBNAIL_SCALE = 0.2


class RandomConv(nn.Module):
    """Four stages of 3x3 convolution, ReLU and halving, each summed up by its channels' means and deviations.

    Random filters followed by rectification and pooling are selective for frequency and orientation without any
    training (Saxe et al. 2011, "On random weights and unsupervised feature learning"), and random networks serve the
    comparison of images far from ImageNet (Naeem et al. 2020, "Reliable fidelity and diversity metrics"). The 224
    channel means tell what there is at four scales, the 224 deviations how unevenly, and an 8x8 thumbnail where: 512
    features.

    The weights come from NumPy's RandomState, whose stream is frozen (NEP 19), so that they are the same with every
    version of torch and NumPy. Filters sum to 0: they see structure, and brightness is left to the thumbnail.
    """

    dims = 2 * sum(WIDTHS) + LAYOUT**2
    thumbnail_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        random = np.random.RandomState(SEED)
        self.register_buffer("thumbnail_scale", torch.tensor(THUMBNAIL_SCALE))  # so that the state says all
        self.stages = nn.ModuleList()
        for in_channels, out_channels in zip((3, *WIDTHS), WIDTHS, strict=False):
            weight = random.standard_normal((out_channels, in_channels, 3, 3))
            weight -= weight.mean(axis=(1, 2, 3), keepdims=True)
            weight *= GAIN / np.sqrt(in_channels * 9)
            stage = nn.Conv2d(in_channels, out_channels, 3, bias=False)
            stage.weight = nn.Parameter(torch.from_numpy(weight).float(), requires_grad=False)
            self.stages.append(stage)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features of images in [0, 1], any h and w from 8 up."""
        x = 2 * x - 1
        thumbnail = self.thumbnail_scale * F.adaptive_avg_pool2d(x.mean(dim=1), LAYOUT)  # (b, 8, 8)
        features = []
        for stage in self.stages:
            x = F.relu(stage(F.pad(x, (1, 1, 1, 1), mode="replicate")))  # (b, c, h, w)
            deviation, mean = torch.std_mean(x, dim=(2, 3), correction=0)  # (b, c) each
            features += [mean, deviation]
            x = F.avg_pool2d(x, 2, ceil_mode=True)  # (b, c, h/2, w/2)
        return torch.cat([*features, thumbnail.flatten(1)], dim=1)  # (b, 512)
