"""What every way of noising categories shares: how likely one is kept, and how one is drawn with Gaussian noise."""

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from diffusion.columns import Blocks, Places
from diffusion.schedules import Schedule, lookup


class Keep(NamedTuple):
    """A category is kept with the probability k, else lost: log k and log(1 - k), each () or (b, 1)."""

    kept: Tensor
    lost: Tensor


class Step(NamedTuple):
    """From a level t to a less noisy s: what is kept from clean data to t, from clean data to s, and from s to t."""

    t: Keep
    s: Keep
    ts: Keep


def keep(alpha: float | Tensor, sigma: float | Tensor) -> Keep:
    """With k = alpha^2 = alphas_cumprod, so that numbers and categories share one schedule; alpha^2 + sigma^2 must be 1."""
    return Keep(2 * _tensor(alpha).log(), 2 * _tensor(sigma).log())


def step(alpha_t: float | Tensor, sigma_t: float | Tensor, alpha_s: float | Tensor, sigma_s: float | Tensor) -> Step:
    """The step between two levels of a variance-preserving path, as Python floats or float64; clean s has alpha 1, sigma 0.

    In float32 the share that is lost in a short step, 1 - alpha_t^2 / alpha_s^2, would be mostly rounding.
    """
    k_ts = (_tensor(alpha_t) / _tensor(alpha_s)) ** 2
    assert k_ts.dtype == torch.float64
    return Step(keep(alpha_t, sigma_t), keep(alpha_s, sigma_s), Keep(k_ts.log(), (1 - k_ts).log()))


def training_step(schedule: Schedule, t: Int64[Tensor, " b"], like: Tensor) -> Step:
    """The step from each t to t - 1, "before 0" being clean data: (b, 1), with the dtype and device of `like`."""
    alpha_s = torch.cat([torch.ones(1, dtype=torch.float64), schedule.alpha[:-1]])  # (T,)
    sigma_s = torch.cat([torch.zeros(1, dtype=torch.float64), schedule.sigma[:-1]])  # (T,)
    tables = step(schedule.alpha, schedule.sigma, alpha_s, sigma_s)
    return Step(*(Keep(*(lookup(table, t, like) for table in of_level)) for of_level in tables))


def gumbel(eps: Tensor) -> Tensor:
    """Standard Gumbel noise from standard normal noise: g = -log(-log Phi(eps)), as Phi(eps) is uniform.

    So the noise of a row is one Gaussian tensor, whatever its columns are. log Phi is taken as one function, for Phi
    itself is rounded to 1 from eps = 5.5 on.
    """
    return -(-torch.special.log_ndtr(eps)).log()


def draw(log_p: Places, eps: Places, blocks: Blocks) -> Places:
    """A category of each block, one-hot, with the probabilities exp(log_p): the largest log_p + g (Gumbel-max)."""
    return blocks.one_hot_max(log_p + gumbel(eps))


def _tensor(value: float | Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
