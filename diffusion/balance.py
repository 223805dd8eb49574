"""Weights of label pixels, for labels that are almost everywhere background: ships, lesions."""

from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor


def label_frequencies(labels: Iterable[Float[Tensor, "b l h w"]]) -> Float64[Tensor, " l"]:
    """The share of each label channel's pixels that are foreground (above 0) in all the batches together.

    One pixel of either kind is counted besides (Laplace), so that none has the frequency 0 and an infinite weight.
    """
    counted = [((label > 0).sum(dim=(0, 2, 3)).double(), label[:, 0].numel()) for label in labels]
    foreground, total = torch.stack([n for n, _ in counted]).sum(dim=0), sum(total for _, total in counted)
    return (foreground + 1) / (total + 2)


def balance_weights(
    label: Float[Tensor, "b l h w"], frequencies: Float64[Tensor, " l"], balance: float
) -> Float[Tensor, "b l h w"]:
    """A weight for each pixel of each channel: that of its kind is proportional to its frequency to the -`balance`.

    0 weighs all pixels alike, 0.5 by the inverse square root, at 1 foreground and background count the same in all. Over
    pixels with these frequencies the mean is 1. The weighted error is least not at the mean of x_0 but at
    E[w x_0 | x_t] / E[w | x_t], which leans to the rare kind where x_t leaves it open: some foreground is over-drawn.
    """
    p = rearrange(frequencies.to(label), "l -> l 1 1")
    mean = p ** (1 - balance) + (1 - p) ** (1 - balance)
    return torch.where(label > 0, p**-balance, (1 - p) ** -balance) / mean
