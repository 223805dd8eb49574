"""Rows of a table in the core of images: numbers by Gaussian diffusion, categories beside them, one network for both.

TabDDPM (Kotelnikov et al. 2023). x_0 (b, w) is `Columns`: numbers, then one-hot blocks. Noise is one Gaussian tensor of that
shape; in the blocks it becomes Gumbel noise (`categories.gumbel`), so that whoever draws (x_0, t, eps) need not know of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from diffusion import gaussian, masked, multinomial, onehot
from diffusion.categories import training_step
from diffusion.columns import Columns, Places, Rows
from diffusion.gaussian import (
    OF_LABELS,
    OF_TABLES,
    Cond,
    Denoised,
    Denoiser,
    DiffusionConfig,
    Network,
    Scale,
    predict_x_0,
    require_defined_x_0,
    target,
)
from diffusion.kernel import Kernel, Run
from diffusion.losses import Losses, loss_weights
from diffusion.samplers.mixed import hardened, mixed
from diffusion.schedules import Schedule
from diffusion.thresholding import Bounds
from diffusion.timesteps import stratified_timesteps


@dataclass(frozen=True)
class Kind:
    """A way to noise categories: the functions of one file. `draw_step` None: they are moved as numbers are.

    in_bound: whether `losses` are terms of the bound on the likelihood, one for each t, of which all T count.
    """

    q_sample: Callable[..., Places]
    log_denoised: Callable[..., Places]
    losses: Callable[..., Float[Tensor, "b c"]]
    draw_step: Callable[..., Places] | None
    in_bound: bool


KINDS = {
    "multinomial": Kind(
        multinomial.q_sample, multinomial.log_denoised, multinomial.losses, multinomial.draw_step, in_bound=True
    ),
    "masked": Kind(masked.q_sample, masked.log_denoised, masked.losses, masked.draw_step, in_bound=True),
    "onehot": Kind(onehot.q_sample, onehot.log_denoised, onehot.losses, None, in_bound=False),
}


@dataclass(frozen=True, eq=False)
class MixedProcess:
    """What training and sampling ask of the rows of a table; `process.GaussianProcess` answers the same for images.

    `number_bounds` (2, d) has the least and the greatest value of each number, for sampler.threshold=static; None: the
    numbers have no bounds, and that threshold does nothing.
    """

    schedule: Schedule
    config: DiffusionConfig
    columns: Columns
    number_bounds: Float[Tensor, "2 d"] | None = None

    def __post_init__(self) -> None:
        require_defined_x_0(self.schedule, self.config)
        if self.config.learned_variance:
            raise ValueError("diffusion.learned_variance: is not there for tables; set it to false")

    @property
    def kind(self) -> Kind:
        """How the categories are noised."""
        return KINDS[self.config.categories]

    @property
    def kernel(self) -> Kernel:
        """What sampling must know."""
        return Kernel(self.q_sample, self._wrap_sampler, self._extrapolate, self._bounds())

    def timesteps(self, batch_size: int, generator: torch.Generator, *, training: bool = True) -> Int64[Tensor, " b"]:
        """Times of a batch, the same for all columns of a row."""
        return stratified_timesteps(batch_size, self.schedule.num_train_timesteps, generator)

    def q_sample(self, x_0: Rows, eps: Rows, alpha: Scale, sigma: Scale) -> Rows:
        """x_t ~ q(x_t | x_0), from Gaussian noise in every place."""
        (number_0, places_0), (number_eps, places_eps) = self.columns.split(x_0), self.columns.split(eps)
        numbers = gaussian.q_sample(number_0, number_eps, alpha, sigma)
        if not self.columns.category_sizes:
            return numbers
        return torch.cat([numbers, self.kind.q_sample(places_0, places_eps, alpha, sigma, self.columns.blocks)], dim=1)

    def denoiser(self, network: Network) -> Denoiser:
        """From a network's output (b, w), numbers and logits, to E[x_0 | x_t]: numbers, and the probabilities of categories."""

        def denoiser(x_t: Rows, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
            alpha, sigma = self.schedule.at(t, x_t)
            output, logits = self.columns.split(network(x_t, t, cond).to(x_t.dtype))
            number_t, places_t = self.columns.split(x_t)
            numbers = predict_x_0(self.config.prediction_type, output, number_t, alpha, sigma)
            if not self.columns.category_sizes:
                return Denoised(numbers)
            log_p = self.kind.log_denoised(logits, places_t, alpha, sigma, self.columns.blocks)
            return Denoised(torch.cat([numbers, log_p.exp()], dim=1))

        return denoiser

    def losses(self, network: Network, x_0: Rows, t: Int64[Tensor, " b"], eps: Rows, cond: Cond = None) -> Losses:
        """Loss = w(t) mean over numbers of the squared error + category_weight mean over columns of T L_t.

        TabDDPM (section 4) adds L_simple and the KLs divided by the number of columns; its code counts a KL T times, for
        it stands for the whole sum over t, and so do we. With `onehot` the cross-entropy takes the place of T L_t.
        """
        alpha, sigma = self.schedule.at(t, x_0)
        x_t = self.q_sample(x_0, eps, alpha, sigma)
        output, logits = self.columns.split(network(x_t, t, cond).to(x_0.dtype))
        (number_0, places_0), (_, places_t) = self.columns.split(x_0), self.columns.split(x_t)
        loss = x_0.new_zeros(len(x_0))
        mse, category_loss = torch.full_like(loss, torch.nan), None
        if self.columns.numbers:
            number_eps, _ = self.columns.split(eps)
            error = output - target(self.config.prediction_type, number_0, number_eps, alpha, sigma)
            mse = (error**2).mean(dim=1)
            loss = loss + self._weights().to(mse)[t] * mse
        if self.columns.category_sizes:
            step = training_step(self.schedule, t, x_0)
            category_loss = self.kind.losses(logits, places_0, places_t, step, self.columns.blocks).mean(dim=1)
            if self.kind.in_bound:
                category_loss = self.schedule.num_train_timesteps * category_loss
            loss = loss + self.config.category_weight * category_loss
        return Losses(loss, mse, category_loss=category_loss)

    def _weights(self) -> Tensor:
        config = self.config
        return loss_weights(self.schedule, config.prediction_type, config.loss_weighting, config.snr_gamma)

    def _wrap_sampler(self, run: Run) -> Run:
        draw, blocks = self.kind.draw_step, self.columns.blocks
        if draw is None:
            return hardened(run, self.columns)
        return mixed(run, self.columns, lambda x_0, x_t, eps, step: draw(x_0, x_t, eps, step, blocks))

    def _extrapolate(self, strong: Rows, weak: Rows, scale: float) -> Rows:
        """Guidance: of means for numbers, p_weak^(1 - scale) p_strong^scale for categories."""
        (numbers, p), (weak_numbers, weak_p) = self.columns.split(strong), self.columns.split(weak)
        numbers = weak_numbers + scale * (numbers - weak_numbers)
        if not self.columns.category_sizes:
            return numbers
        # From the smallest number on, not 0: what both exclude must not become -inf + inf.
        log_p, weak_log_p = (value.clamp(min=torch.finfo(value.dtype).tiny).log() for value in (p, weak_p))
        guided = self.columns.blocks.log_softmax(weak_log_p + scale * (log_p - weak_log_p))
        return torch.cat([numbers, guided.exp()], dim=1)

    def _bounds(self) -> Bounds:
        unbounded = torch.tensor([-torch.inf, torch.inf])[:, None].expand(2, self.columns.numbers)
        numbers = unbounded if self.number_bounds is None else self.number_bounds
        places = torch.tensor([0.0, 1.0])[:, None].expand(2, self.columns.blocks.total)
        low, high = torch.cat([numbers.to(places), places], dim=1)
        return low, high


def require_columns(config: DiffusionConfig, columns: Columns) -> None:
    """For a new run, refuse options that have no effect on these columns."""
    for name in OF_LABELS:
        if getattr(config, name) != getattr(DiffusionConfig, name):
            raise ValueError(f"diffusion.{name}: has no effect on tables, which have no label channels")
    for name in () if columns.category_sizes else OF_TABLES:
        if getattr(config, name) != getattr(DiffusionConfig, name):
            raise ValueError(f"diffusion.{name}: has no effect on a table without categorical columns")
