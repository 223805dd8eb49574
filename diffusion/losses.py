"""What training minimises, and the bound on the likelihood in bits/dim."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from diffusion.balance import balance_weights
from diffusion.gaussian import (
    Cond,
    Denoised,
    Denoiser,
    DiffusionConfig,
    Images,
    Network,
    interpolate_variance,
    posterior_coefficients,
    predict_x_0,
    q_sample,
    require_defined_x_0,
    require_parts,
    split_output,
    target,
)
from diffusion.noise import randn
from diffusion.parts import Parts, scales
from diffusion.schedules import Schedule, lookup
from diffusion.timesteps import NoiseLevels, noise_levels

PerImage = Float[Tensor, " b"]


class Losses(NamedTuple):
    """Losses of each image. `loss` is what to minimise, `vlb` a term in bits/dim.

    `mse` and `label_mse` are the unweighted errors of the image's and of the label's channels, NaN for what was given clean.
    Of a row of a table `mse` is that of the numbers, NaN without any, and `category_loss` in nats that of the categories.
    """

    loss: PerImage
    mse: PerImage
    vlb: PerImage | None = None
    label_mse: PerImage | None = None
    category_loss: PerImage | None = None

    @property
    def extra(self) -> dict[str, PerImage]:
        """What there is beside loss and mse, by name."""
        names = ("vlb", "label_mse", "category_loss")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def concatenate(parts: Sequence[Losses]) -> Losses:
    """The losses of a batch that was computed in parts, detached and on the CPU."""

    def join(losses: Iterable[PerImage]) -> PerImage:
        return torch.cat(list(losses)).detach().cpu()

    extra = {name: join(part.extra[name] for part in parts) for name in parts[0].extra}
    return Losses(join(part.loss for part in parts), join(part.mse for part in parts), **extra)


def loss_weights(schedule: Schedule, prediction_type: str, weighting: str, gamma: float) -> Float64[Tensor, " T"]:
    """The weight of the squared error of the predicted quantity at every t.

    min_snr weights the error of x_0 by min(SNR, gamma) (Hang et al. 2023, section 3.4); soft_min_snr by the smooth
    SNR gamma / (SNR + gamma) (Crowson et al. 2024). The error of eps is SNR times that of x_0, the error of v SNR + 1
    times. At zero SNR the weights of x_0 and v vanish, as that of x_0 does under eps prediction.
    """
    snr = schedule.snr
    if weighting == "simple":
        return torch.ones_like(snr)
    if weighting == "min_snr":
        eps_weight = (gamma / snr).clamp(max=1)
    else:
        assert weighting == "soft_min_snr", weighting
        eps_weight = gamma / (snr + gamma)
    return {"eps": eps_weight, "x_0": eps_weight * snr, "v": eps_weight * snr / (snr + 1)}[prediction_type]


def training_losses(
    network: Network,
    x_0: Images,
    t: Int64[Tensor, "b *parts"],
    eps: Images,
    cond: Cond = None,
    *,
    schedule: Schedule,
    config: DiffusionConfig,
    parts: Parts | None = None,
    label_frequencies: Float64[Tensor, " l"] | None = None,
) -> Losses:
    """The loss of each image at its timestep: weighted MSE, and with learned variance the hybrid of iDDPM.

    L_hybrid = L_simple + lambda L_vlb (Nichol & Dhariwal 2021, equation 16), L_vlb estimated by T times its term at t.

    Where `parts` has a label, t is (b, 2) and each part has the weight of its own time; `label_frequencies` (see
    `balance.py`) are needed where config.label_balance is not 0.
    """
    require_defined_x_0(schedule, config)
    require_parts(config, parts)
    alpha, sigma = scales(schedule, t, x_0, parts)
    x_t = q_sample(x_0, eps, alpha, sigma)
    output, fraction = split_output(network(x_t, t, cond).to(x_0.dtype), config)
    error = output - target(config.prediction_type, x_0, eps, alpha, sigma)
    weights = loss_weights(schedule, config.prediction_type, config.loss_weighting, config.snr_gamma).to(error)
    if parts is not None and parts.label > 0:
        return _joint_losses(*parts.split(error), parts.split(x_0)[1], t, weights, config, label_frequencies)
    mse = _mean(error, power=2)
    loss = weights[t] * mse
    if fraction is None:
        return Losses(loss, mse)
    # The mean is learned from the MSE alone: only the variance sees the bound.
    mean = predict_x_0(config.prediction_type, output.detach(), x_t, alpha, sigma)
    num_train_timesteps = schedule.num_train_timesteps
    levels = noise_levels(schedule, num_train_timesteps, "trailing")  # t stands at T - 1 - t
    vlb = vlb_term(x_0, Denoised(mean, fraction), levels, num_train_timesteps - 1 - t)
    return Losses(loss + config.vlb_weight * num_train_timesteps * vlb, mse, vlb)


def _joint_losses(
    image_error: Float[Tensor, "b c h w"],
    label_error: Float[Tensor, "b l h w"],
    label: Float[Tensor, "b l h w"],
    t: Int64[Tensor, "b 2"],
    weights: Float[Tensor, " T"],
    config: DiffusionConfig,
    label_frequencies: Float64[Tensor, " l"] | None,
) -> Losses:
    """Loss = w(t_image) image error + label_weight w(t_label) label error, each a mean over its own channels.

    A part at t = 0 was most likely given clean and is not asked for: its error weighs as much in all as it would
    without `clean_fraction`, and is not reported.
    """
    mse, label_mse = _mean(image_error, power=2), _mean(label_error, power=2)
    balanced = label_mse
    if config.label_balance > 0:
        assert label_frequencies is not None, "diffusion.label_balance needs the frequencies of the labels"
        balanced = _mean(balance_weights(label, label_frequencies, config.label_balance) * label_error**2)
    own = weights[t]  # (b, 2)
    own = own.where(t > 0, own * weight_at_zero(len(weights), config.clean_fraction))
    loss = own[:, 0] * mse + config.label_weight * own[:, 1] * balanced
    image_given, label_given = ((t == 0) & (config.clean_fraction > 0)).unbind(dim=1)
    return Losses(loss, mse.masked_fill(image_given, math.nan), label_mse=label_mse.masked_fill(label_given, math.nan))


def weight_at_zero(num_train_timesteps: int, clean_fraction: float) -> float:
    """The share of the times t = 0 that are not there to give a part clean: all but `clean_fraction` are uniform."""
    asked = (1 - clean_fraction) / num_train_timesteps
    return asked / (clean_fraction + asked)


@torch.no_grad()
def bits_per_dim(
    denoiser: Denoiser,
    x_0: Images,
    cond: Cond = None,
    *,
    schedule: Schedule,
    generators: Sequence[torch.Generator],
    num_inference_steps: int | None = None,
    num_levels: int = 256,
) -> PerImage:
    """Upper bound on -log2 p(x_0) per dimension (iDDPM, equations 4 to 7); x_0 lies on num_levels even levels.

    The levels reach from -1 to 1. The chain has all T steps, or `num_inference_steps` trailing ones (a bound too, of
    the shorter chain). The noise of image i is drawn from generators[i]. Without a learned variance the reverse steps
    have the larger one, beta_t.
    """
    levels = noise_levels(schedule, num_inference_steps or schedule.num_train_timesteps, "trailing")
    total = prior_term(x_0, levels)
    for i, t in enumerate(levels.t.tolist()):
        eps = randn(x_0.shape, generators, x_0.device, x_0.dtype)
        x_t = q_sample(x_0, eps, levels.alpha[i].item(), levels.sigma[i].item())
        step = torch.full((len(x_0),), i, device=x_0.device)
        denoised = denoiser(x_t, torch.full_like(step, t), cond)
        total = total + vlb_term(x_0, denoised, levels, step, num_levels)
    return total


def prior_term(x_0: Images, levels: NoiseLevels) -> PerImage:
    """L_T = KL(q(x_T | x_0) || N(0, I)) in bits/dim, at the noisiest level."""
    alpha, variance = levels.alpha[0].item(), levels.sigma[0].item() ** 2
    return _mean(0.5 * (variance - 1 - math.log(variance) + (alpha * x_0) ** 2)) / math.log(2)


def vlb_term(
    x_0: Images, denoised: Denoised, levels: NoiseLevels, step: Int64[Tensor, " b"], num_levels: int = 256
) -> PerImage:
    """L_{t-1} of each image at its step of `levels`, in bits/dim (iDDPM, equations 5 and 6).

    KL(q(x_s | x_t, x_0) || p(x_s | x_t)), and on the last step the likelihood -log p(x_0 | x_t).
    """
    c = posterior_coefficients(levels.alpha[:-1], levels.sigma[:-1], levels.alpha[1:], levels.sigma[1:])
    # The posterior of the last step has no variance: the decoder takes that of the step before, as iDDPM's code does.
    variance = torch.cat([c.variance[:-1], c.variance[-2:-1] if len(levels.t) > 1 else c.upper_variance])
    lower, upper = lookup(variance, step, x_0), lookup(c.upper_variance, step, x_0)
    fraction = torch.ones_like(x_0) if denoised.variance_fraction is None else denoised.variance_fraction
    model_variance = interpolate_variance(fraction, lower, upper)
    # Both means share the term in x_t, so they differ by x_0's coefficient times the error of x_0.
    squared_distance = (lookup(c.x_0, step, x_0) * (x_0 - denoised.x_0)) ** 2
    kl = _mean(_gaussian_kl(squared_distance, lower, model_variance))
    decoder = -_mean(discretised_log_likelihood(x_0, denoised.x_0, model_variance, num_levels))
    return torch.where(step == len(levels.t) - 1, decoder, kl) / math.log(2)


def discretised_log_likelihood(x: Images, mean: Images, variance: Images, num_levels: int = 256) -> Images:
    """Log of the Gaussian's mass in x's bin; the outer bins reach to infinity (Ho et al. 2020, equation 13).

    x lies on num_levels even levels from -1 to 1. Natural logarithm, per element; stable in the tails.
    """
    half_bin = 1 / (num_levels - 1)
    std = variance.sqrt()
    below, above = (x - mean - half_bin) / std, (x - mean + half_bin) / std
    # Reflected so that both edges of the bin lean to the lower tail, where log_ndtr keeps its precision.
    distance = (x - mean).abs()
    low = torch.special.log_ndtr((-distance - half_bin) / std)
    high = torch.special.log_ndtr((-distance + half_bin) / std)
    eps = torch.finfo(x.dtype).eps
    inside = high + torch.log(-torch.expm1((low - high).clamp(max=-eps)))
    first, last = x < -1 + half_bin, x > 1 - half_bin
    return torch.where(first, torch.special.log_ndtr(above), torch.where(last, torch.special.log_ndtr(-below), inside))


def _gaussian_kl(squared_distance: Tensor, variance_1: Tensor, variance_2: Tensor) -> Tensor:
    """KL(N(m_1, variance_1) || N(m_2, variance_2)) in nats, element by element."""
    ratio = variance_1 / variance_2
    return 0.5 * (ratio - 1 - ratio.log() + squared_distance / variance_2)


def _mean(x: Images, power: int = 1) -> PerImage:
    return (x**power).mean(dim=(1, 2, 3))
