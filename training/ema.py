"""An exponential moving average of the weights: what samples are drawn from."""

import torch
from torch import nn


def gamma_for(relative_width: float) -> float:
    """Exponent gamma of the power-function average whose profile has this standard deviation, as a share of the run.

    relative_width = (gamma + 1)^(1/2) / ((gamma + 2) (gamma + 3)^(1/2))   (Karras et al. 2024, EDM2, Appendix C).
    It falls from 0.289 (gamma = 0, the plain mean) to 0; solved by bisection. ValueError outside (0, 0.28].
    """
    if not 0 < relative_width <= 0.28:
        raise ValueError(f"train.ema_width={relative_width} must lie in (0, 0.28]")

    def width(gamma: float) -> float:
        return (gamma + 1) ** 0.5 / ((gamma + 2) * (gamma + 3) ** 0.5)

    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if width(middle) > relative_width else (low, middle)
    return (low + high) / 2


class EMA:
    """Averages parameters with decay (1 - 1/step)^(gamma + 1); copies buffers (EDM2, Section 3.1).

    The average always covers the same *share* of the steps done so far, so it has no start-up bias and suits a run of
    300 steps as well as one of 300,000, where a constant 0.9999 would still hold the random initial weights.
    `max_decay` bounds its memory in very long runs.
    """

    def __init__(self, model: nn.Module, averaged: nn.Module, *, relative_width: float, max_decay: float) -> None:
        self.model, self.averaged = model, averaged
        self.exponent = gamma_for(relative_width) + 1
        self.max_decay = max_decay
        averaged.load_state_dict(model.state_dict())
        averaged.eval().requires_grad_(False)

    def decay(self, step: int) -> float:
        """Share of the old average kept at step 1, 2, ...: 0 at the first, rising towards `max_decay`."""
        return min((1 - 1 / step) ** self.exponent, self.max_decay)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after optimizer step number `step` (the first is 1) into the average."""
        for target, source in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
            target.lerp_(source, 1 - self.decay(step))
        for target, source in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
            target.copy_(source)
