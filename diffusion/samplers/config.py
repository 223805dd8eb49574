"""The options that every sampler has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from diffusion.timesteps import SPACINGS

Callback = Callable[[int, Tensor, Tensor], None]  # (i, x_t, x_0), once a step

THRESHOLDS = ("none", "static", "dynamic")


@dataclass
class SamplerConfig:
    """How many steps, which timesteps, and how x_0 is kept in [-1, 1]."""

    ONE_CALL: ClassVar[bool] = True  # a step calls the denoiser once, where it stands
    SINGLE_STEPS: ClassVar[bool] = True  # a step needs nothing of other steps, so they can be walked one by one

    name: str = ""  # each sampler has its own, which cannot be changed
    num_inference_steps: int = 50
    spacing: str = "trailing"  # trailing | leading | linspace
    threshold: str = "static"  # none | static | dynamic
    threshold_quantile: float = 0.995  # used by dynamic

    def __post_init__(self) -> None:
        if self.name != type(self).name:
            raise ValueError(f"sampler.name: {self.name!r} cannot be set, it is {type(self).name!r} here")
        if self.num_inference_steps < 1:
            raise ValueError(f"sampler.num_inference_steps: {self.num_inference_steps} must be at least 1")
        if self.spacing not in SPACINGS:
            raise ValueError(f"sampler.spacing: {self.spacing!r} is not one of {', '.join(SPACINGS)}")
        if self.threshold not in THRESHOLDS:
            raise ValueError(f"sampler.threshold: {self.threshold!r} is not one of {', '.join(THRESHOLDS)}")
        if not 0 < self.threshold_quantile <= 1:
            raise ValueError(f"sampler.threshold_quantile: {self.threshold_quantile} must be within (0, 1]")
        if self.threshold != "dynamic" and self.threshold_quantile != 0.995:
            raise ValueError(f"sampler.threshold_quantile: has no effect on threshold={self.threshold}")
