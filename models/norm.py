"""Group normalisation (Wu & He 2018), optionally modulated by the embedding, at the speed of its neighbours."""

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that takes a scale and a shift per sample, and computes on bfloat16 activations as they are.

    Autocast would copy the whole activation to float32 first. The kernels need no such copy: they read bfloat16 and
    hold mean, variance and every coefficient in float32.
    """

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        scale: Float[Tensor, "b c"] | None = None,
        shift: Float[Tensor, "b c"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """`norm(x) * (1 + scale) + shift`; the mean and variance of a group are over its channels, h and w."""
        weight, bias = self.weight, self.bias
        if scale is not None and shift is not None:  # AdaGN = a norm whose weight and bias differ from sample to sample
            factor = 1 + scale.to(weight.dtype)  # bfloat16 has no numbers between 1 and 1.0078
            weight, bias = weight * factor, bias * factor + shift  # (b, c)
        if x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last):
            weight, bias = weight.expand(len(x), -1), bias.expand(len(x), -1)
            return _ChannelsLastGroupNorm.apply(x, weight, bias, self.num_groups, self.eps)
        with torch.autocast(x.device.type, enabled=False):
            x = F.group_norm(x, self.num_groups, eps=self.eps)
        weight, bias = (p.to(x.dtype).reshape(-1, x.shape[1], 1, 1) for p in (weight, bias))
        return torch.addcmul(bias, x, weight)


class _ChannelsLastGroupNorm(torch.autograd.Function):
    """Group norm on a CPU in channels-last memory, where convolutions are fastest; weight and bias are (b, c).

    PyTorch's own backward is 30 times slower there than in NCHW, as it vectorises over the few channels of a group. Its
    batch norm kernels vectorise over all channels, and the batch norm of one sample has what is needed: sums per
    channel, and an affine map per channel. What groups add happens on (b, c) statistics.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        ignored = weight.new_zeros(x.shape[1])  # running statistics: their dtype sets that of the result
        moments = [torch.batch_norm_update_stats(sample, ignored, ignored, 0.0) for sample in x.split(1)]
        mean, var = (torch.stack(moment) for moment in zip(*moments, strict=True))  # (b, c) each
        # Law of total variance: mean of the channels' variances plus variance of their means.
        group_mean = _group_mean(mean, groups)
        inv_std = torch.rsqrt(_group_mean(var + (mean - group_mean).square(), groups) + eps)
        ctx.save_for_backward(x, weight, group_mean, inv_std)
        ctx.groups = groups
        slope = weight * inv_std
        return _affine(x, slope, bias - group_mean * slope)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, mean, inv_std = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        slope, unit = weight * inv_std, torch.ones_like(mean[0])
        parts = [  # of each sample: grad * slope, sum of grad * (x - mean), sum of grad
            torch.ops.aten.native_batch_norm_backward(g, s, k, m, unit, None, None, False, 0.0, [True, True, True])
            for g, s, k, m in zip(grad.split(1), x.split(1), slope, mean, strict=True)
        ]
        direct, centred_sum, grad_sum = zip(*parts, strict=True)
        grad_weight, grad_bias = torch.stack(centred_sum) * inv_std, torch.stack(grad_sum)  # (b, c) each
        # x also moves the statistics: d x -= inv_std * (mean(grad * weight) + x_hat * mean(grad * weight * x_hat)).
        positions = x.shape[2] * x.shape[3]
        slope = -_group_mean(weight * grad_weight, ctx.groups) / positions * inv_std.square()
        offset = -_group_mean(weight * grad_bias, ctx.groups) / positions * inv_std - mean * slope
        grad_x = _affine(x, slope, offset)
        for target, part in zip(grad_x.split(1), direct, strict=True):
            target += part
        return grad_x, grad_weight, grad_bias, None, None


def _affine(x: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """`x * slope + offset` with float32 coefficients (b, c), whatever the dtype of `x` (b, c, h, w)."""
    out = torch.empty_like(x)
    zero, one, unused = torch.zeros_like(slope[0]), torch.ones_like(slope[0]), slope.new_empty(0)
    for source, target, k, b in zip(x.split(1), out.split(1), slope, offset, strict=True):
        torch.native_batch_norm(source, k, b, zero, one, False, 0.0, 0.0, out=(target, unused, unused))
    return out


def _group_mean(per_channel: Tensor, groups: int) -> Tensor:
    """Replace the value of each channel by the mean over its group; (b, c) in and out."""
    grouped = rearrange(per_channel, "b (g d) -> b g d", g=groups)
    return repeat(grouped.mean(dim=2), "b g -> b (g d)", d=grouped.shape[2])
