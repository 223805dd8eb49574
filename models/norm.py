"""Group normalisation that keeps its input's dtype."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` (Wu & He 2018) that computes on bfloat16 activations as they are.

    Autocast would cast the whole activation to float32 first. The kernel needs no such copy: it reads bfloat16 and
    takes mean and variance in float32 inside.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise each group of channels over (channels in the group, h, w); same dtype out as in."""
        weight, bias = self.weight, self.bias
        if x.is_cuda:  # the CUDA kernel wants one dtype for all three; the CPU kernel takes float32 weights
            weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return F.group_norm(x, self.num_groups, weight, bias, self.eps)
