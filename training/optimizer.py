"""AdamW and the learning rate's course."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn

COURSES = ("constant", "cosine")


@dataclass
class OptimConfig:
    """AdamW (Loshchilov & Hutter, 2019) with a linear warm-up, then a constant or a cosine course down to 0.

    lr: peak learning rate. course: constant | cosine. grad_clip: largest norm of the whole gradient, 0 for no clipping.
    """

    lr: float = 3e-4
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    weight_decay: float = 0.0
    warmup_steps: int = 100
    course: str = "cosine"
    grad_clip: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values outside their range with a ValueError that names the field."""
        if not self.lr > 0:
            raise ValueError(f"optim.lr={self.lr} must be positive")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"optim.betas={list(self.betas)} must be two numbers in [0, 1)")
        for name in ("weight_decay", "warmup_steps", "grad_clip"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"optim.{name}={getattr(self, name)} must not be negative")
        if self.course not in COURSES:
            raise ValueError(f"optim.course={self.course} is not one of {', '.join(COURSES)}")


def build_optimizer(config: OptimConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
    """AdamW over `parameters` (fused: one pass over memory instead of a dozen)."""
    beta_1, beta_2 = config.betas
    return torch.optim.AdamW(
        parameters, lr=config.lr, betas=(beta_1, beta_2), weight_decay=config.weight_decay, fused=True
    )


def learning_rate(config: OptimConfig, step: int, total_steps: int) -> float:
    """Learning rate of the update that makes step number `step`, 1 ... total_steps."""
    warm_up = min(1.0, step / config.warmup_steps) if config.warmup_steps else 1.0
    if config.course == "constant":
        return config.lr * warm_up
    progress = max(0, step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
    return config.lr * warm_up * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def set_learning_rate(optimizer: torch.optim.Optimizer, config: OptimConfig, step: int, total_steps: int) -> float:
    """Use the learning rate of step number `step` from the next update on; returns it."""
    lr = learning_rate(config, step, total_steps)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr
