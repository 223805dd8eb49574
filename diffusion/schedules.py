"""Noise schedules: how much signal (alpha) and how much noise (sigma) x_t = alpha x_0 + sigma eps holds at every t."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

MAX_BETA = 0.999  # Nichol & Dhariwal 2021, section 3.2: keeps the last steps from being singular

PARAMETERS = {
    "linear": ("beta_start", "beta_end"),
    "cosine": ("cosine_offset",),
    "sigmoid": ("sigmoid_start", "sigmoid_end", "sigmoid_tau"),
}


@dataclass
class ScheduleConfig:
    """Which schedule, its length, and the parameters of that schedule. Those of another schedule are refused.

    `beta_start` and `beta_end` are meant for 1000 steps and are scaled by 1000 / num_train_timesteps, so that the
    noise at the end does not depend on the number of steps.
    """

    name: str = "cosine"  # cosine | linear | sigmoid
    num_train_timesteps: int = 1000
    zero_terminal_snr: bool = False  # Lin et al. 2023: the last step holds no signal at all
    shift: float = 1.0  # sigma / alpha is multiplied by this: see `shifted`
    beta_start: float = 1e-4  # linear
    beta_end: float = 0.02  # linear
    cosine_offset: float = 0.008  # cosine: s of equation 17
    sigmoid_start: float = -3.0  # sigmoid: a narrower or shifted range spends more steps at some noise levels
    sigmoid_end: float = 3.0
    sigmoid_tau: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in PARAMETERS:
            raise ValueError(f"schedule.name: {self.name!r} is not one of {', '.join(PARAMETERS)}")
        if self.num_train_timesteps < 2:
            raise ValueError(f"schedule.num_train_timesteps: {self.num_train_timesteps} must be at least 2")
        defaults = {field.name: field.default for field in fields(self)}
        for owner, names in PARAMETERS.items():
            for name in names:
                if owner != self.name and getattr(self, name) != defaults[name]:
                    raise ValueError(f"schedule.{name}: has no effect on {self.name!r}, it belongs to {owner!r}")
        if not 0 < self.shift < math.inf:
            raise ValueError(f"schedule.shift: {self.shift} must be above 0 and finite")
        scale = 1000 / self.num_train_timesteps
        if self.name == "linear" and not 0 < self.beta_start <= self.beta_end < 1 / scale:
            raise ValueError(
                f"schedule.beta_start, beta_end: {self.beta_start}, {self.beta_end} must rise within (0, {1 / scale}) "
                f"at num_train_timesteps={self.num_train_timesteps}; take more timesteps, or name=cosine"
            )
        if not 0 < self.cosine_offset < 1:
            raise ValueError(f"schedule.cosine_offset: {self.cosine_offset} must be within (0, 1)")
        if not (self.sigmoid_start < self.sigmoid_end and self.sigmoid_tau > 0):
            raise ValueError(
                f"schedule.sigmoid_start, sigmoid_end, sigmoid_tau: {self.sigmoid_start}, {self.sigmoid_end}, "
                f"{self.sigmoid_tau} must satisfy start < end and tau > 0"
            )


@dataclass(frozen=True, eq=False)
class Schedule:
    """A variance-preserving schedule: alpha^2 + sigma^2 = 1. Tables are float64 on the CPU, cast when looked up.

    Index t = 0 holds the least noise, t = T - 1 the most; `alphas_cumprod[t]` includes step t.
    """

    alphas_cumprod: Float64[Tensor, " T"]

    @property
    def num_train_timesteps(self) -> int:
        """T."""
        return len(self.alphas_cumprod)

    @property
    def alpha(self) -> Float64[Tensor, " T"]:
        """Signal scale, sqrt(alphas_cumprod), in [0, 1)."""
        return self.alphas_cumprod.sqrt()

    @property
    def sigma(self) -> Float64[Tensor, " T"]:
        """Noise scale, sqrt(1 - alphas_cumprod), in (0, 1]."""
        return (1 - self.alphas_cumprod).sqrt()

    @property
    def snr(self) -> Float64[Tensor, " T"]:
        """Signal-to-noise ratio alpha^2 / sigma^2, 0 where there is no signal."""
        return self.alphas_cumprod / (1 - self.alphas_cumprod)

    @property
    def zero_terminal_snr(self) -> bool:
        """Whether x_{T-1} is pure noise."""
        return self.alphas_cumprod[-1].item() == 0

    def at(self, t: Int64[Tensor, " b"], like: Tensor) -> tuple[Float[Tensor, "b *ones"], Float[Tensor, "b *ones"]]:
        """(alpha, sigma) of each timestep, ready to multiply `like`, with its dtype and device: see `lookup`."""
        return lookup(self.alpha, t, like), lookup(self.sigma, t, like)


def lookup(table: Float64[Tensor, " T"], t: Int64[Tensor, " b"], like: Tensor) -> Float[Tensor, "b *ones"]:
    """`table[t]` with the dtype and device of `like`, ready to multiply it: (b, 1, 1, 1) for images, (b, 1) for rows."""
    return table.to(like)[t][(..., *[None] * (like.ndim - 1))]


def build_schedule(config: ScheduleConfig) -> Schedule:
    """The schedule a config describes."""
    if config.name == "linear":
        alphas_cumprod = linear_alphas_cumprod(config.num_train_timesteps, config.beta_start, config.beta_end)
    elif config.name == "cosine":
        alphas_cumprod = cosine_alphas_cumprod(config.num_train_timesteps, config.cosine_offset)
    else:
        alphas_cumprod = sigmoid_alphas_cumprod(
            config.num_train_timesteps, config.sigmoid_start, config.sigmoid_end, config.sigmoid_tau
        )
    alphas_cumprod = shifted(alphas_cumprod, config.shift)
    if config.zero_terminal_snr:
        alphas_cumprod = rescale_zero_terminal_snr(alphas_cumprod)
    return Schedule(alphas_cumprod)


def linear_alphas_cumprod(num_train_timesteps: int, beta_start: float, beta_end: float) -> Float64[Tensor, " T"]:
    """Betas rise linearly (Ho et al. 2020, section 4), scaled so that any T ends at about the same noise."""
    scale = 1000 / num_train_timesteps
    betas = torch.linspace(scale * beta_start, scale * beta_end, num_train_timesteps, dtype=torch.float64)
    return (1 - betas).cumprod(0)


def cosine_alphas_cumprod(num_train_timesteps: int, offset: float) -> Float64[Tensor, " T"]:
    """alpha_bar(u) = cos^2((u + s) / (1 + s) pi / 2) / the same at 0 (Nichol & Dhariwal 2021, equation 17)."""
    return _discretise(lambda u: torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2, num_train_timesteps)


def sigmoid_alphas_cumprod(num_train_timesteps: int, start: float, end: float, tau: float) -> Float64[Tensor, " T"]:
    """A sigmoid over [start, end] / tau, falling from 1 to 0 (Jabri et al. 2022; Chen 2023, Algorithm 1)."""
    bottom = torch.tensor(end / tau, dtype=torch.float64).sigmoid()
    return _discretise(lambda u: bottom - ((start + u * (end - start)) / tau).sigmoid(), num_train_timesteps)


def shifted(alphas_cumprod: Float64[Tensor, " T"], shift: float) -> Float64[Tensor, " T"]:
    """The schedule with sigma / alpha times `shift`, so its SNR divided by shift^2 (Hoogeboom et al. 2023, section 3.1).

    What an image shows at large is the mean of many pixels, in which noise averages out: the more pixels, the more noise
    it takes to hide it, and the less of a schedule made for 64 pixels a side is spent where it is decided. They shift by
    side / 64; an image whose large parts differ little in brightness needs more.
    """
    if shift == 1:
        return alphas_cumprod  # to the last bit
    return alphas_cumprod / (alphas_cumprod + shift**2 * (1 - alphas_cumprod))


def _discretise(signal: Callable[[Tensor], Tensor], num_train_timesteps: int) -> Float64[Tensor, " T"]:
    """Alphas_cumprod[t] = signal((t + 1) / T) / signal(0), with every beta clipped at 0.999."""
    values = signal(torch.linspace(0, 1, num_train_timesteps + 1, dtype=torch.float64))  # (T + 1,)
    betas = 1 - values[1:] / values[:-1]
    return (1 - betas.clamp(max=MAX_BETA)).cumprod(0)


def rescale_zero_terminal_snr(alphas_cumprod: Float64[Tensor, " T"]) -> Float64[Tensor, " T"]:
    """Shift and scale alpha so that the last is exactly 0 and the first is kept (Lin et al. 2023, Algorithm 1)."""
    alpha = alphas_cumprod.sqrt()
    return ((alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])) ** 2
