"""What is noised and how, as one object: all that training and sampling must know of the kind of data.

Images, with or without label maps, have a `GaussianProcess`, tables a `mixed.MixedProcess`. Both take x_0, t and Gaussian noise
of x_0's shape, and give losses, a denoiser and a kernel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from diffusion.clamping import couple
from diffusion.columns import Columns
from diffusion.gaussian import Cond, Denoiser, DiffusionConfig, Images, Network, make_denoiser, require_parts
from diffusion.kernel import Kernel
from diffusion.losses import Losses, training_losses
from diffusion.mixed import MixedProcess, require_columns
from diffusion.parts import Parts
from diffusion.samplers.config import SamplerConfig
from diffusion.schedules import Schedule
from diffusion.timesteps import training_timesteps


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """Images (b, k, h, w): the image's channels, then those of its label map where there is one.

    `label_frequencies` are needed where config.label_balance is not 0. `kernel` is what `sampling.sample` must know.
    """

    schedule: Schedule
    config: DiffusionConfig
    parts: Parts
    label_frequencies: Float64[Tensor, " l"] | None = None
    kernel: Kernel = field(default_factory=Kernel)

    def timesteps(
        self, batch_size: int, generator: torch.Generator, *, training: bool = True
    ) -> Int64[Tensor, "b *parts"]:
        """Times of a batch: (b,), or (b, 2) of image and label. Those of a validation are uniform, none given clean."""
        return training_timesteps(
            batch_size,
            self.schedule.num_train_timesteps,
            self.parts,
            generator,
            clean_fraction=self.config.clean_fraction if training else 0.0,
            together_fraction=self.config.together_fraction if training else 0.0,
        )

    def losses(
        self, network: Network, x_0: Images, t: Int64[Tensor, "b *parts"], eps: Images, cond: Cond = None
    ) -> Losses:
        """What to minimise, for each item."""
        return training_losses(
            network,
            x_0,
            t,
            eps,
            cond,
            schedule=self.schedule,
            config=self.config,
            parts=self.parts,
            label_frequencies=self.label_frequencies,
        )

    def noise(self, numbers: Sequence[int], generator: Callable[[int], torch.Generator]) -> list[torch.Generator]:
        """Noise for samples number `numbers`: a generator for each, `generator(i)` for the i-th."""
        return [generator(i) for i in numbers]

    def require_sampler(self, config: SamplerConfig) -> None:
        """Refuse a sampler that cannot draw these: images know none."""

    def denoiser(self, network: Network) -> Denoiser:
        """The denoiser of all of x_t at one time, t (b,), which a sampler calls for new items."""
        return couple(make_denoiser(network, self.schedule, self.config, self.parts), self.parts)


Process = GaussianProcess | MixedProcess


def build_process(
    spec: dict[str, Any],
    schedule: Schedule,
    config: DiffusionConfig,
    *,
    label_frequencies: Float64[Tensor, " l"] | None = None,
    new_run: bool = False,
) -> Process:
    """The process of the data that the plain dict `spec` of a checkpoint describes.

    A table's has `category_sizes` (a number of categories for each categorical column), `numbers` (how many numbers there
    are) and, where they are known, `number_bounds` (their least and greatest values, 2 lists). An image's has `channels`
    and `label_channels`. With `new_run` options without effect are refused; an old run may have had other defaults.
    """
    if "category_sizes" not in spec:
        parts = Parts(spec["channels"], spec.get("label_channels", 0))
        require_parts(config, parts, new_run=new_run)
        return GaussianProcess(schedule, config, parts, label_frequencies)
    columns, bounds = Columns(spec["numbers"], tuple(spec["category_sizes"])), spec.get("number_bounds")
    if new_run:
        require_columns(config, columns)
    return MixedProcess(schedule, config, columns, None if bounds is None else torch.tensor(bounds))
