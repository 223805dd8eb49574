"""Where a network runs, and in which precision."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.precision import autocast


def choose_device(setting: str) -> torch.device:
    """The device for "auto" (the first CUDA GPU if there is one, else the CPU) or a name such as cpu, cuda:1.

    ValueError when the device is unknown or not there.
    """
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(setting)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"train.device or device={setting} is not available here: use auto or cpu") from error
    return device


def autocast_network(network: nn.Module, device: torch.device, dtype: torch.dtype | None) -> Callable[..., Tensor]:
    """The network under autocast, float32 in and out: precision surrounds the network and nothing else."""

    def predict(x_t: Tensor, t: Tensor, cond: dict[str, Tensor] | None) -> Tensor:
        with autocast(device, dtype):
            return network(x_t, t, cond).float()

    return predict
