"""The Gaussian process x_t = alpha x_0 + sigma eps: forward, posterior, and from a network's output to x_0.

alpha and sigma may be any pair of a path, not only of a variance-preserving one: EDM has alpha = 1, rectified flow has
alpha = 1 - t, zero terminal SNR has alpha = 0 at the end. They are floats, or tensors that broadcast over images or rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from jaxtyping import Float, Int64
from torch import Tensor

from diffusion.parts import Parts, scales
from diffusion.schedules import Schedule

Cond = dict[str, Tensor] | None
Network = Callable[[Tensor, Tensor, Cond], Tensor]  # (x_t, t (b,) or (b, 2), cond) -> (b, c or 2c, h, w)
Images = Float[Tensor, "b c h w"]
Items = Float[Tensor, "b *item"]  # images, or rows of a table (b, w)
Scale = float | Tensor
Number = TypeVar("Number", float, Tensor)

PREDICTION_TYPES = ("eps", "x_0", "v")
LOSS_WEIGHTINGS = ("simple", "min_snr", "soft_min_snr")
CATEGORIES = ("multinomial", "masked", "onehot")


class Denoised(NamedTuple):
    """What a denoiser says of x_t: the mean of x_0, and where the variance is learned the v of iDDPM equation 15."""

    x_0: Items
    variance_fraction: Items | None = None  # nominally in [0, 1]: 0 the posterior's variance, 1 the forward step's


# (x_t (b c h w), t (b,), cond) -> Denoised; a joint one takes t (b, 2), see clamping.py. cond holds tensors (b, ...).
Denoiser = Callable[[Tensor, Tensor, Cond], Denoised]


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0) = N(mean, variance), and the upper bound of the reverse variance (beta_t of DDPM)."""

    mean: Items
    variance: Scale
    upper_variance: Scale


@dataclass(frozen=True)
class PosteriorCoefficients(Generic[Number]):
    """q(x_s | x_t, x_0) has the mean c.x_0 * x_0 + c.x_t * x_t."""

    x_0: Number
    x_t: Number
    variance: Number
    upper_variance: Number


OF_LABELS = ("label_weight", "clean_fraction", "together_fraction", "label_balance")
OF_TABLES = ("categories", "category_weight")


@dataclass
class DiffusionConfig:
    """What the network predicts and how its errors are weighted."""

    prediction_type: str = "v"  # eps | x_0 | v
    loss_weighting: str = "simple"  # simple | min_snr | soft_min_snr
    snr_gamma: float = 5.0  # where min-SNR bends; simple does not use it
    learned_variance: bool = False  # the network has 2c outputs; the hybrid loss of iDDPM
    vlb_weight: float = 0.001  # lambda of the hybrid loss; used when learned_variance
    class_dropout: float = 0.1  # share of images whose attributes are dropped, for classifier-free guidance
    label_weight: float = 2.0  # of the label channels' error beside the image channels'
    clean_fraction: float = (
        0.15  # share of items whose image is given clean, of those whose label is, of rows with given columns
    )
    together_fraction: float = 0.0  # share of items whose image and label have the same time, as in new pairs
    label_balance: float = 0.0  # 0: label pixels weigh the same, 0.5: by frequency^-1/2, 1: classes weigh the same
    categories: str = "multinomial"  # multinomial (drawn anew) | masked (hidden) | onehot (Gaussian channels)
    category_weight: float = 1.0  # of the categories' loss beside the numbers' error

    def __post_init__(self) -> None:
        if self.prediction_type not in PREDICTION_TYPES:
            raise ValueError(
                f"diffusion.prediction_type: {self.prediction_type!r} is not one of {', '.join(PREDICTION_TYPES)}"
            )
        if self.loss_weighting not in LOSS_WEIGHTINGS:
            raise ValueError(
                f"diffusion.loss_weighting: {self.loss_weighting!r} is not one of {', '.join(LOSS_WEIGHTINGS)}"
            )
        if not self.snr_gamma > 0:
            raise ValueError(f"diffusion.snr_gamma: {self.snr_gamma} must be above 0")
        if not self.vlb_weight >= 0:
            raise ValueError(f"diffusion.vlb_weight: {self.vlb_weight} must be at least 0")
        if not 0 <= self.class_dropout < 1:
            raise ValueError(f"diffusion.class_dropout: {self.class_dropout} must be within [0, 1)")
        if not 0 < self.label_weight < float("inf"):
            raise ValueError(f"diffusion.label_weight: {self.label_weight} must be above 0 and finite")
        if not 0 <= self.clean_fraction < 1:
            raise ValueError(f"diffusion.clean_fraction: {self.clean_fraction} must be within [0, 1)")
        if not 0 <= self.together_fraction <= 1:
            raise ValueError(f"diffusion.together_fraction: {self.together_fraction} must be within [0, 1]")
        if not 0 <= self.label_balance <= 1:
            raise ValueError(f"diffusion.label_balance: {self.label_balance} must be within [0, 1]")
        if self.categories not in CATEGORIES:
            raise ValueError(f"diffusion.categories: {self.categories!r} is not one of {', '.join(CATEGORIES)}")
        if not 0 < self.category_weight < float("inf"):
            raise ValueError(f"diffusion.category_weight: {self.category_weight} must be above 0 and finite")
        if self.loss_weighting == "simple" and self.snr_gamma != 5.0:
            raise ValueError("diffusion.snr_gamma: has no effect on loss_weighting=simple")
        if not self.learned_variance and self.vlb_weight != 0.001:
            raise ValueError("diffusion.vlb_weight: has no effect without learned_variance=true")


def q_sample(x_0: Items, eps: Items, alpha: Scale, sigma: Scale) -> Items:
    """x_t = alpha x_0 + sigma eps."""
    return alpha * x_0 + sigma * eps


def target(prediction_type: str, x_0: Items, eps: Items, alpha: Scale, sigma: Scale) -> Items:
    """What the network should output; v = alpha eps - sigma x_0 (Salimans & Ho 2022, section 4)."""
    if prediction_type == "eps":
        return eps
    if prediction_type == "x_0":
        return x_0
    assert prediction_type == "v", prediction_type
    return alpha * eps - sigma * x_0


def predict_x_0(prediction_type: str, output: Items, x_t: Items, alpha: Scale, sigma: Scale) -> Items:
    """The x_0 that an output stands for. Undefined for eps at alpha = 0."""
    if prediction_type == "eps":
        return (x_t - sigma * output) / alpha
    if prediction_type == "x_0":
        return output
    assert prediction_type == "v", prediction_type
    return (alpha * x_t - sigma * output) / (alpha**2 + sigma**2)


def predict_eps(prediction_type: str, output: Items, x_t: Items, alpha: Scale, sigma: Scale) -> Items:
    """The eps that an output stands for. Undefined for x_0 at sigma = 0."""
    if prediction_type == "eps":
        return output
    if prediction_type == "x_0":
        return (x_t - alpha * output) / sigma
    assert prediction_type == "v", prediction_type
    return (sigma * x_t + alpha * output) / (alpha**2 + sigma**2)


def posterior_coefficients(
    alpha_t: Number, sigma_t: Number, alpha_s: Number, sigma_s: Number
) -> PosteriorCoefficients[Number]:
    """The coefficients of q(x_s | x_t, x_0) for a less noisy s (Kingma et al. 2021, appendix A).

    For s = t - 1 of a variance-preserving schedule they are equations 6 and 7 of Ho et al. 2020.
    """
    alpha_ts = alpha_t / alpha_s
    variance_ts = sigma_t**2 - alpha_ts**2 * sigma_s**2  # of q(x_t | x_s)
    return PosteriorCoefficients(
        x_0=alpha_s * variance_ts / sigma_t**2,
        x_t=alpha_ts * sigma_s**2 / sigma_t**2,
        variance=sigma_s**2 * variance_ts / sigma_t**2,
        upper_variance=variance_ts,
    )


def posterior(x_0: Items, x_t: Items, alpha_t: Number, sigma_t: Number, alpha_s: Number, sigma_s: Number) -> Posterior:
    """q(x_s | x_t, x_0) for any less noisy level s; with clean s (alpha 1, sigma 0) it is x_0 itself."""
    c = posterior_coefficients(alpha_t, sigma_t, alpha_s, sigma_s)
    return Posterior(c.x_0 * x_0 + c.x_t * x_t, c.variance, c.upper_variance)


def interpolate_variance(fraction: Items, variance: Scale, upper_variance: Scale) -> Items:
    """exp(v log upper + (1 - v) log variance), exact at v = 0 and v = 1 (Nichol & Dhariwal 2021, equation 15)."""
    return upper_variance**fraction * variance ** (1 - fraction)


def require_defined_x_0(schedule: Schedule, config: DiffusionConfig) -> None:
    """Refuse eps prediction on a schedule whose end holds no signal: there eps = x_t tells nothing of x_0."""
    if config.prediction_type == "eps" and schedule.zero_terminal_snr:
        raise ValueError(
            "diffusion.prediction_type: 'eps' leaves x_0 undefined with schedule.zero_terminal_snr=true; use v or x_0"
        )


def require_parts(config: DiffusionConfig, parts: Parts | None, *, new_run: bool = False) -> None:
    """Refuse a learned variance where there is a label and, for a new run, options of labels where there is none, and of
    tables: `parts` are those of images. An old run may have had other defaults.
    """
    for name in OF_TABLES if new_run else ():
        if getattr(config, name) != getattr(DiffusionConfig, name):
            raise ValueError(f"diffusion.{name}: has no effect on images")
    if parts is not None and parts.label > 0:
        if config.learned_variance:
            raise ValueError("diffusion.learned_variance: is not there for image and label together; set it to false")
        return
    for name in OF_LABELS if new_run else ():
        if getattr(config, name) != getattr(DiffusionConfig, name):
            raise ValueError(f"diffusion.{name}: has no effect on a model without label channels")


def split_output(output: Float[Tensor, "b k h w"], config: DiffusionConfig) -> tuple[Images, Images | None]:
    """A network's output as (prediction, variance fraction); iDDPM reads [-1, 1] as the fraction [0, 1]."""
    if not config.learned_variance:
        return output, None
    prediction, variance = output.chunk(2, dim=1)  # (b, c, h, w) each
    return prediction, (variance + 1) / 2


def make_denoiser(
    network: Network, schedule: Schedule, config: DiffusionConfig, parts: Parts | None = None
) -> Denoiser:
    """The one place where eps, x_0 or v becomes x_0. The state keeps the dtype of x_t, whatever autocast did inside.

    Where `parts` has a label, t is (b, 2); `clamping` makes of it what a sampler can call.
    """
    require_defined_x_0(schedule, config)
    require_parts(config, parts)

    def denoiser(x_t: Images, t: Int64[Tensor, "b *parts"], cond: Cond = None) -> Denoised:
        alpha, sigma = scales(schedule, t, x_t, parts)
        output, fraction = split_output(network(x_t, t, cond).to(x_t.dtype), config)
        return Denoised(predict_x_0(config.prediction_type, output, x_t, alpha, sigma), fraction)

    return denoiser
