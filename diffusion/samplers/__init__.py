"""Samplers: pure functions of a denoiser, a noisy x and its noise levels."""

from collections.abc import Callable
from dataclasses import fields

from torch import Tensor

from diffusion.samplers.config import SamplerConfig
from diffusion.samplers.ddim import DDIMConfig, ddim
from diffusion.samplers.ddpm import DDPMConfig, ddpm
from diffusion.samplers.dpmpp_2m import DPMpp2MConfig, dpmpp_2m
from diffusion.samplers.heun import HeunConfig, heun

SAMPLERS: dict[str, tuple[type[SamplerConfig], Callable[..., Tensor]]] = {
    "ddpm": (DDPMConfig, ddpm),
    "ddim": (DDIMConfig, ddim),
    "heun": (HeunConfig, heun),
    "dpmpp_2m": (DPMpp2MConfig, dpmpp_2m),
}


def sampler_config_from_dict(values: dict) -> SamplerConfig:
    """The sampler config that a plain dict (from a checkpoint) describes; its "name" says which."""
    name = values.get("name")
    if name not in SAMPLERS:
        raise ValueError(f"sampler.name: {name!r} is not one of {', '.join(SAMPLERS)}")
    config_class = SAMPLERS[name][0]
    allowed = [field.name for field in fields(config_class)]
    if unknown := [key for key in values if key not in allowed]:
        raise ValueError(f"sampler.{unknown[0]}: is no option of {name!r}, which has {', '.join(allowed)}")
    return config_class(**values)
