"""Guidance: denoiser in, denoiser out. Training drops some attributes; their null values then stand for "any"."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from diffusion.gaussian import Cond, Denoised, Denoiser, Items
from diffusion.kernel import Extrapolate, extrapolate

Interval = tuple[float | int, float | int]  # t_low, t_high in timesteps, both within
EVERY_T: Interval = (0, float("inf"))


@dataclass
class GuidanceConfig:
    """How strongly samples are driven to what they are asked for; 1 is the model as it is, 0 ignores the request.

    scale: to the attributes. label_scale: to a given label map. interval: [low, high], shares of the noise between which
    both act (0 clean, 1 pure noise); null: everywhere.
    """

    scale: float = 1.0
    interval: list[float] | None = None
    label_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values outside their range with a ValueError that names the field."""
        for name in ("scale", "label_scale"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"guidance.{name}={getattr(self, name)} must be at least 0 and finite")
        if self.interval is not None:
            if len(self.interval) != 2 or not 0 <= self.interval[0] < self.interval[1] <= 1:
                raise ValueError(
                    f"guidance.interval={list(self.interval)} must be [low, high] with 0 <= low < high <= 1"
                )
            if self.scale == 1 and self.label_scale == 1:
                raise ValueError("guidance.interval has no effect with guidance.scale=1 and guidance.label_scale=1")

    def in_steps(self, num_train_timesteps: int) -> Interval:
        """The interval in timesteps."""
        if self.interval is None:
            return EVERY_T
        return self.interval[0] * (num_train_timesteps - 1), self.interval[1] * (num_train_timesteps - 1)

    def require_steps(self, t: Int64[Tensor, " n"], num_train_timesteps: int) -> None:
        """Refuse an interval that holds none of the times `t` at which a sampler calls the denoiser."""
        low, high = self.in_steps(num_train_timesteps)
        if self.interval is None or ((low <= t) & (t <= high)).any():
            return
        shares = t / (num_train_timesteps - 1)
        nearest = float(shares[(shares - sum(self.interval) / 2).abs().argmin()])
        interval = f"guidance.interval={list(self.interval)}"
        raise ValueError(
            f"{interval} has no effect: none of the sampler's steps lies in it, the nearest is at {nearest:.3g}"
        )


def drop_classes(
    class_label: Int64[Tensor, "b a"], share: float, *, null_label: Sequence[int], generator: torch.Generator
) -> Int64[Tensor, "b a"]:
    """The attributes of a batch, some replaced by their null values; drawn by the CPU `generator`.

    With probability `share` an image loses all of them, for the unconditional half of guidance. Where there are several,
    each is lost with probability `share` besides, on its own: so every subset is trained, and any can be asked for.
    """
    dropped = torch.rand(len(class_label), generator=generator)[:, None] < share  # (b, 1)
    if class_label.shape[1] > 1:
        dropped = dropped | (torch.rand(class_label.shape, generator=generator) < share)  # (b, a)
    return torch.where(dropped, torch.tensor(null_label, dtype=torch.int64), class_label)


def classifier_free_guidance(
    denoiser: Denoiser,
    scale: float,
    null_label: Sequence[int],
    interval: Interval = EVERY_T,
    mix: Extrapolate = extrapolate,
) -> Denoiser:
    """x_0 = x_0(null) + scale (x_0(cond) - x_0(null)), in one call with 2b images.

    Ho & Salimans 2022, equation 6, with scale = 1 + w. `scale` 1 is `denoiser` itself, 0 the unconditional one. Guidance
    acts at t_low <= t <= t_high; elsewhere `denoiser` is called as it is (Kynkäänniemi et al. 2024). `null_label` has
    the null value of each attribute; all else that cond holds is the same on both sides. The variance is the
    conditional one's. `mix` is another way to go beyond x_0(cond) where x_0 is not a mean of numbers alone.
    """
    _check(scale, interval)
    if scale == 1:
        return denoiser

    def guided(x_t: Items, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        if cond is None or "class_label" not in cond:
            raise ValueError(f"guidance_scale: {scale} has no effect without a class to guide to")
        inside = _inside(t, interval)
        if not inside.any():
            return denoiser(x_t, t, cond)
        label = cond["class_label"]  # (b, a)
        null = cond | {"class_label": torch.tensor(null_label, device=label.device).expand_as(label)}
        both = {key: torch.cat([value, null[key]]) for key, value in cond.items()}
        denoised = denoiser(torch.cat([x_t, x_t]), torch.cat([t, t]), both)
        b = len(x_t)
        fraction = None if denoised.variance_fraction is None else denoised.variance_fraction[:b]
        return _extrapolate(Denoised(denoised.x_0[:b], fraction), denoised.x_0[b:], scale, inside, mix)

    return guided


def guide(strong: Denoiser, weak: Denoiser, scale: float, interval: Interval = EVERY_T) -> Denoiser:
    """x_0 = x_0(weak) + scale (x_0(strong) - x_0(weak)) for any two denoisers, in two calls; `scale` 1 is `strong`.

    With a weak denoiser that ignores the label map (`clamping.ignore_label`) it drives the image to the map (Bao et al.
    2023); with a smaller or less trained model it is autoguidance (Karras et al. 2024).
    """
    _check(scale, interval)
    if scale == 1:
        return strong

    def guided(x_t: Items, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        inside, denoised = _inside(t, interval), strong(x_t, t, cond)
        return _extrapolate(denoised, weak(x_t, t, cond).x_0, scale, inside, extrapolate) if inside.any() else denoised

    return guided


def _check(scale: float, interval: Interval) -> None:
    if not 0 <= scale < float("inf"):
        raise ValueError(f"guidance_scale: {scale} must be at least 0 and finite")
    if not interval[0] <= interval[1]:
        raise ValueError(f"guidance_interval: {list(interval)} must be [t_low, t_high] with t_low <= t_high")


def _inside(t: Int64[Tensor, " b"], interval: Interval) -> Tensor:
    assert t.ndim == 1, "guidance wraps what the sampler calls: clamp or couple the parts of a joint denoiser first"
    return (interval[0] <= t) & (t <= interval[1])


def _extrapolate(strong: Denoised, weak: Items, scale: float, inside: Tensor, mix: Extrapolate) -> Denoised:
    """Guidance where `inside` (b,), `strong` elsewhere."""
    inside = inside[(..., *[None] * (weak.ndim - 1))]  # (b, 1, 1, 1), or (b, 1) for rows
    return strong._replace(x_0=torch.where(inside, mix(strong.x_0, weak, scale), strong.x_0))
