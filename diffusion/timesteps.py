"""Which timesteps a sampler visits, as explicit noise levels. No sampler derives the next t from T and N."""

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from diffusion.parts import Parts
from diffusion.schedules import Schedule

SPACINGS = ("trailing", "leading", "linspace")


class NoiseLevels(NamedTuple):
    """The path of a sampler, noisiest first. Step i goes from level i to level i + 1.

    Level n is clean data (alpha 1, sigma 0): it has no t, and the denoiser is never called there.
    """

    t: Int64[Tensor, " n"]
    alpha: Float64[Tensor, " n+1"]
    sigma: Float64[Tensor, " n+1"]


def spaced_timesteps(num_train_timesteps: int, num_inference_steps: int, spacing: str) -> Int64[Tensor, " n"]:
    """N of the T timesteps, descending (Lin et al. 2023, Table 2).

    trailing starts at T - 1, where training ends; leading ends at 0 but never reaches T - 1 when N < T; linspace has
    both ends (N = 1 takes T - 1).
    """
    if spacing not in SPACINGS:
        raise ValueError(f"sampler.spacing: {spacing!r} is not one of {', '.join(SPACINGS)}")
    if not 1 <= num_inference_steps <= num_train_timesteps:
        raise ValueError(
            f"sampler.num_inference_steps: {num_inference_steps} must be within [1, {num_train_timesteps}], "
            "the number of steps the model was trained with"
        )
    down = torch.arange(num_inference_steps, 0, -1, dtype=torch.float64)  # N, ..., 1
    if spacing == "trailing":
        return (down * num_train_timesteps / num_inference_steps).round().long() - 1
    if spacing == "leading":
        return (down.long() - 1) * (num_train_timesteps // num_inference_steps)
    if num_inference_steps == 1:
        return torch.tensor([num_train_timesteps - 1])
    return ((down - 1) * (num_train_timesteps - 1) / (num_inference_steps - 1)).round().long()


def noise_levels(schedule: Schedule, num_inference_steps: int, spacing: str) -> NoiseLevels:
    """The noise levels of N spaced timesteps, closed by clean data."""
    t = spaced_timesteps(schedule.num_train_timesteps, num_inference_steps, spacing)
    alpha = torch.cat([schedule.alpha[t], torch.ones(1, dtype=torch.float64)])  # (n + 1,)
    sigma = torch.cat([schedule.sigma[t], torch.zeros(1, dtype=torch.float64)])  # (n + 1,)
    return NoiseLevels(t, alpha, sigma)


def start_levels(levels: NoiseLevels, strength: float) -> NoiseLevels:
    """The end of a path that begins at the level nearest to `strength` (SDEdit: Meng et al. 2022, section 3).

    Level i has the strength (t_i + 1) / (t_0 + 1): 1 is the whole path. Clean data has 0, and where that is nearest no
    step is left.
    """
    if not 0 < strength <= 1:
        raise ValueError(f"strength: {strength} must be above 0 and at most 1")
    strengths = torch.cat([levels.t + 1, torch.zeros(1)]) / (levels.t[0] + 1)  # (n + 1,)
    i = int((strengths - strength).abs().argmin())
    return NoiseLevels(levels.t[i:], levels.alpha[i:], levels.sigma[i:])


def stratified_timesteps(batch_size: int, num_train_timesteps: int, generator: torch.Generator) -> Int64[Tensor, " b"]:
    """Training times, each uniform over {0 .. T-1}, but spread evenly over the batch (Kingma et al. 2021, App. I.1).

    One uniform draw serves the whole batch, so its loss has less variance than with independent times.
    """
    u = torch.rand((), dtype=torch.float64, generator=generator)
    evenly = (u + torch.arange(batch_size, dtype=torch.float64) / batch_size) % 1  # (b,)
    return (evenly * num_train_timesteps).long()


def training_timesteps(
    batch_size: int,
    num_train_timesteps: int,
    parts: Parts,
    generator: torch.Generator,
    *,
    clean_fraction: float = 0.0,
    together_fraction: float = 0.0,
) -> Int64[Tensor, "b *parts"]:
    """Training times as `stratified_timesteps` draws them: (b,), and (b, 2) where `parts` has a label.

    Those of image and label are independent: the label's are shuffled over the batch, for in their order both would
    rise together. A share `together_fraction` of the items have the image's time for both, as new pairs are drawn.
    Either is 0 instead, that is, given clean, with the probability `clean_fraction`.
    """
    image = stratified_timesteps(batch_size, num_train_timesteps, generator)
    if not parts.label:
        return image
    label = stratified_timesteps(batch_size, num_train_timesteps, generator)
    label = label[torch.randperm(batch_size, generator=generator)]
    if together_fraction > 0:  # else the numbers drawn stay those of runs before there was a choice
        label = image.where(torch.rand(batch_size, generator=generator) < together_fraction, label)
    t = torch.stack([image, label], dim=1)
    return t.where(torch.rand(t.shape, generator=generator) >= clean_fraction, 0)
