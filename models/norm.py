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
            weight, bias = weight * (1 + scale), bias * (1 + scale) + shift  # (b, c)
        if x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last):
            weight, bias = weight.to(self.weight.dtype).expand(len(x), -1), bias.to(self.bias.dtype).expand(len(x), -1)
            return _ChannelsLastGroupNorm.apply(x, weight, bias, self.num_groups, self.eps)
        with torch.autocast(x.device.type, enabled=False):
            x = F.group_norm(x, self.num_groups, eps=self.eps)
        weight, bias = (p.to(x.dtype).reshape(-1, x.shape[1], 1, 1) for p in (weight, bias))
        return torch.addcmul(bias, x, weight)


class _ChannelsLastGroupNorm(torch.autograd.Function):
    """Group norm on a CPU in channels-last memory, where convolutions are fastest.

    PyTorch's own backward is 30 times slower there than in NCHW, as it vectorises over the few channels of a group. Its
    batch norm kernels vectorise over all channels, and the batch norm of a single sample is a norm per channel. Groups
    need only be joined on (b, c) statistics. One sample at a time also keeps its activations in the cache.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        ignored = x.new_zeros(x.shape[1], dtype=weight.dtype)  # running statistics; their dtype sets that of the result
        moments = [torch.batch_norm_update_stats(sample, ignored, ignored, 0.0) for sample in x.split(1)]
        mean, var = (torch.stack(moment) for moment in zip(*moments, strict=True))  # (b, c) each
        # Law of total variance: mean of the channels' variances plus variance of their means.
        group_mean = _group_mean(mean, groups)
        mean, var = group_mean, _group_mean(var + (mean - group_mean).square(), groups)
        out = torch.empty_like(x)
        unused = weight.new_empty(0)
        for source, target, w, b, m, v in zip(x.split(1), out.split(1), weight, bias, mean, var, strict=True):
            torch.native_batch_norm(source, w, b, m, v, False, 0.0, eps, out=(target, unused, unused))
        ctx.save_for_backward(x, weight, mean, var)
        ctx.groups, ctx.eps = groups, eps
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, mean, var = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        parts = [
            torch.ops.aten.native_batch_norm_backward(g, s, w, m, v, None, None, False, ctx.eps, [True, True, True])
            for g, s, w, m, v in zip(grad.split(1), x.split(1), weight, mean, var, strict=True)
        ]
        # With fixed statistics: d x = grad * weight / std, d weight = sum(grad * x_hat), d bias = sum(grad).
        grad_x, grad_weight, grad_bias = zip(*parts, strict=True)
        grad_weight, grad_bias = torch.stack(grad_weight), torch.stack(grad_bias)  # (b, c) each
        # The statistics depend on x too: d x -= (mean(grad * weight) + x_hat * mean(grad * weight * x_hat)) / std.
        positions, inv_std = x.shape[2] * x.shape[3], torch.rsqrt(var + ctx.eps)
        slope = -_group_mean(weight * grad_weight, ctx.groups) / positions * inv_std
        offset = -_group_mean(weight * grad_bias, ctx.groups) / positions * inv_std
        out = torch.empty_like(x)
        for target, g, s, m, v, a, b in zip(out.split(1), grad_x, x.split(1), mean, var, slope, offset, strict=True):
            torch.add(g, torch.native_batch_norm(s, a, b, m, v, False, 0.0, ctx.eps)[0], out=target)
        return out, grad_weight, grad_bias, None, None


def _group_mean(per_channel: Tensor, groups: int) -> Tensor:
    """Replace the value of each channel by the mean over its group; (b, c) in and out."""
    grouped = rearrange(per_channel, "b (g d) -> b g d", g=groups)
    return repeat(grouped.mean(dim=2), "b g -> b (g d)", d=grouped.shape[2])
