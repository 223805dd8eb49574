"""Rows of a table in the core of images: numbers by Gaussian diffusion, categories beside them, one network for both.

TabDDPM (Kotelnikov et al. 2023). x_0 (b, w) is `Columns`: numbers, then one-hot blocks. Noise is one Gaussian tensor of that
shape; in the blocks it becomes Gumbel noise (`categories.gumbel`), so that whoever draws (x_0, t, eps) need not know of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
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
from diffusion.noise import RowNoise
from diffusion.samplers.config import SamplerConfig
from diffusion.samplers.mixed import hardened, mixed, require_one_call
from diffusion.schedules import Schedule
from diffusion.thresholding import DYNAMIC_ROWS, Bounds
from diffusion.timesteps import stratified_timesteps

HELD = ("given", "known")  # what cond may have for the denoiser; no network sees it
OF_IMAGES = tuple(name for name in OF_LABELS if name != "clean_fraction")


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

    def timesteps(
        self, batch_size: int, generator: torch.Generator, *, training: bool = True
    ) -> Int64[Tensor, "b *columns"]:
        """Times of a batch: (b,), or in training (b, 1 + n), of the row and then of each column: the row's, or -1 if given.

        "Before 0" is clean data. A share `clean_fraction` of the rows has columns that are given, each with a probability
        that is drawn for the row, uniform in [0, 1]: so the network learns what follows from any of them.
        """
        t = stratified_timesteps(batch_size, self.schedule.num_train_timesteps, generator)
        if not training or self.config.clean_fraction == 0:
            return t
        some = torch.rand(batch_size, 1, generator=generator) < self.config.clean_fraction
        share = torch.rand(batch_size, 1, generator=generator)
        given = some & (torch.rand(batch_size, self.columns.count, generator=generator) < share)
        return torch.cat([t[:, None], t[:, None].expand_as(given).where(~given, -1)], dim=1)

    def noise(self, numbers: Sequence[int], generator: Callable[[int], torch.Generator]) -> RowNoise:
        """Noise for samples number `numbers`: a generator for each chunk of them, `generator(k)` for the k-th."""
        return RowNoise(numbers, generator)

    def require_sampler(self, config: SamplerConfig) -> None:
        """Refuse a sampler that cannot draw these rows, with a ValueError."""
        if self.columns.category_sizes and self.kind.draw_step is not None:
            require_one_call(config)
        if config.threshold == "dynamic":
            raise ValueError(DYNAMIC_ROWS)

    def q_sample(self, x_0: Rows, eps: Rows, alpha: Scale, sigma: Scale) -> Rows:
        """x_t ~ q(x_t | x_0), from Gaussian noise in every place."""
        (number_0, places_0), (number_eps, places_eps) = self.columns.split(x_0), self.columns.split(eps)
        numbers = gaussian.q_sample(number_0, number_eps, alpha, sigma)
        if not self.columns.category_sizes:
            return numbers
        return torch.cat([numbers, self.kind.q_sample(places_0, places_eps, alpha, sigma, self.columns.blocks)], dim=1)

    def denoiser(self, network: Network) -> Denoiser:
        """From a network's output (b, w), numbers and logits, to E[x_0 | x_t]: numbers, and the probabilities of categories.

        Where cond["given"] (b, w) is True, x_0 is cond["known"] (b, w), and the network is told so: the other columns are
        drawn from what it learned of them given these, instead of seeing them through noise (`inpainting`).
        """

        def denoiser(x_t: Rows, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
            rest = {name: value for name, value in (cond or {}).items() if name not in HELD} or None
            given, known = torch.zeros_like(x_t, dtype=torch.bool), x_t
            if cond is not None and "given" in cond:
                if self.config.clean_fraction == 0:
                    raise ValueError(
                        "inpaint.method=given: this network was trained with diffusion.clean_fraction=0, without given "
                        "columns; use replace or repaint"
                    )
                given, known = cond["given"], cond["known"]
                x_t = torch.where(given, known, x_t)
            alpha, sigma = self.schedule.at(t, x_t)
            output, logits = self._predict(network, x_t, t, given, rest)
            number_t, places_t = self.columns.split(x_t)
            x_0 = predict_x_0(self.config.prediction_type, output, number_t, alpha, sigma)
            if self.columns.category_sizes:
                log_p = self.kind.log_denoised(logits, places_t, alpha, sigma, self.columns.blocks)
                x_0 = torch.cat([x_0, log_p.exp()], dim=1)
            return Denoised(torch.where(given, known, x_0))

        return denoiser

    def losses(
        self, network: Network, x_0: Rows, t: Int64[Tensor, "b *columns"], eps: Rows, cond: Cond = None
    ) -> Losses:
        """Loss = w(t) mean over numbers of the squared error + category_weight mean over columns of T L_t.

        TabDDPM (section 4) adds L_simple and the KLs divided by the number of columns; its code counts a KL T times, for
        it stands for the whole sum over t, and so do we. With `onehot` the cross-entropy takes the place of T L_t. What
        was given is not asked for: it adds 0, and the means of a row with such columns are not reported.
        """
        t, is_open = _times(t, self.columns.count)
        given = self.columns.spread(is_open) == 0  # (b, w)
        alpha, sigma = self.schedule.at(t, x_0)
        x_t = torch.where(given, x_0, self.q_sample(x_0, eps, alpha, sigma))
        output, logits = self._predict(network, x_t, t, given, cond)
        (number_0, places_0), (_, places_t) = self.columns.split(x_0), self.columns.split(x_t)
        partly = given.any(dim=1)
        loss, mse, category_loss = x_0.new_zeros(len(x_0)), x_0.new_full((len(x_0),), torch.nan), None
        if self.columns.numbers:
            number_eps, _ = self.columns.split(eps)
            error = output - target(self.config.prediction_type, number_0, number_eps, alpha, sigma)
            mse = (is_open[:, : self.columns.numbers] * error**2).mean(dim=1)
            loss = loss + self._weights().to(mse)[t] * mse
        if self.columns.category_sizes:
            terms = self._category_terms(logits, places_0, places_t, t)  # (b, c)
            category_loss = (is_open[:, self.columns.numbers :] * terms).mean(dim=1)
            loss = loss + self.config.category_weight * category_loss
            category_loss = category_loss.masked_fill(partly, torch.nan)
        return Losses(loss, mse.masked_fill(partly, torch.nan), category_loss=category_loss)

    def _category_terms(self, logits: Places, x_0: Places, x_t: Places, t: Int64[Tensor, " b"]) -> Float[Tensor, "b c"]:
        step = training_step(self.schedule, t, x_0)
        terms = self.kind.losses(logits, x_0, x_t, step, self.columns.blocks)
        return self.schedule.num_train_timesteps * terms if self.kind.in_bound else terms

    def _predict(
        self, network: Network, x_t: Rows, t: Int64[Tensor, " b"], given: Bool[Tensor, "b w"], cond: Cond
    ) -> tuple[Tensor, Tensor]:
        """What the network says of the numbers and of the categories. It sees x_t and, of each column, whether it is given."""
        flags = self.columns.each(given.to(x_t))  # (b, n)
        return self.columns.split(network(torch.cat([x_t, flags], dim=1), t, cond).to(x_t.dtype))

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


def _times(t: Int64[Tensor, "b *columns"], count: int) -> tuple[Int64[Tensor, " b"], Float[Tensor, "b n"]]:
    """The time of each row, and 1 for each column that is not given."""
    if t.ndim == 1:
        return t, torch.ones(len(t), count, device=t.device)
    return t[:, 0], (t[:, 1:] >= 0).float()


def require_columns(config: DiffusionConfig, columns: Columns) -> None:
    """For a new run, refuse options that have no effect on these columns."""
    for name in OF_IMAGES:
        if getattr(config, name) != getattr(DiffusionConfig, name):
            raise ValueError(f"diffusion.{name}: has no effect on tables, which have no label channels")
    for name in () if columns.category_sizes else OF_TABLES:
        if getattr(config, name) != getattr(DiffusionConfig, name):
            raise ValueError(f"diffusion.{name}: has no effect on a table without categorical columns")
