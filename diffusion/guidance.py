"""Classifier-free guidance (Ho & Salimans 2022). Training drops some of the labels; the null class stands for "any"."""

import torch
from jaxtyping import Int64
from torch import Tensor


def drop_classes(
    class_label: Int64[Tensor, " b"], share: float, *, null_class: int, generator: torch.Generator
) -> Int64[Tensor, " b"]:
    """The labels, each replaced by `null_class` with probability `share`; drawn by the CPU `generator`."""
    dropped = torch.rand(class_label.shape, generator=generator) < share
    return torch.where(dropped, null_class, class_label)
