"""A sampler for rows of a table: the numbers are moved by a sampler of images, the categories by their own law."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from diffusion.categories import Step, step
from diffusion.columns import Columns, Places, Rows
from diffusion.gaussian import Cond, Denoised, Denoiser
from diffusion.noise import Generators, randn
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels

Draw = Callable[[Places, Places, Places, Step], Places]  # (x_0, x_t, eps, step) -> x_s


def mixed(run: Callable[..., Rows], columns: Columns, draw: Draw) -> Callable[..., Rows]:
    """Sampler in (any that calls the denoiser once a step), sampler out: the numbers go as `run` takes them, and at each
    level the categories are drawn from p(x_s | x_t) by `draw`. Both see one and the same x_0.

    With ddpm and T steps it is TabDDPM's ancestral sampling (Kotelnikov et al. 2023, section 4). Levels may be any pairs,
    so it works in few steps, and inside RePaint. `run` walks the whole path, as one that remembers steps must.
    """
    if not columns.category_sizes:
        return run

    def sampler(
        denoiser: Denoiser,
        x: Rows,
        levels: NoiseLevels,
        cond: Cond = None,
        *,
        config: SamplerConfig,
        generators: Generators = None,
        callback: Callback | None = None,
    ) -> Rows:
        require_one_call(config)

        def draw_next(i: int, places_0: Places, places: Places) -> Places:
            eps = randn(places.shape, generators, x.device, x.dtype)
            return draw(places_0, places, eps, _step(levels, i))

        walk = _Walk(denoiser, columns, draw_next, callback, columns.split(x)[1])
        numbers, _ = columns.split(run(walk, x, levels, cond, config=config, generators=generators))
        walk.advance()
        x = torch.cat([numbers, walk.places], dim=1)
        return _require_whole(x, columns) if levels.sigma[-1] == 0 else x

    return sampler


@dataclass
class _Walk:
    """The denoiser that the numbers' sampler calls, a level a call, while the categories walk along beside it.

    The sampler moves all of a row, so that it draws noise for all of it; what it makes of the places is not looked at.
    """

    denoiser: Denoiser
    columns: Columns
    draw_next: Callable[[int, Places, Places], Places]  # (level, x_0, x_t) -> x_s
    callback: Callback | None
    places: Places
    places_0: Places | None = None
    level: int = 0

    def __call__(self, x_t: Rows, t: Int64[Tensor, " b"], cond: Cond = None) -> Denoised:
        self.advance()
        x_t = torch.cat([self.columns.split(x_t)[0], self.places], dim=1)
        denoised = self.denoiser(x_t, t, cond)
        if self.callback is not None:
            self.callback(self.level, x_t, denoised.x_0)
        self.places_0 = self.columns.split(denoised.x_0)[1]
        return denoised

    def advance(self) -> None:
        """Draw the categories of the next level, once the denoiser has spoken at this one."""
        if self.places_0 is not None:
            self.places, self.places_0 = self.draw_next(self.level, self.places_0, self.places), None
            self.level += 1


def hardened(run: Callable[..., Rows], columns: Columns) -> Callable[..., Rows]:
    """Sampler in, sampler out, for categories that are Gaussian channels: at clean data the likeliest one, one-hot."""
    if not columns.category_sizes:
        return run

    def sampler(
        denoiser: Denoiser,
        x: Rows,
        levels: NoiseLevels,
        cond: Cond = None,
        *,
        config: SamplerConfig,
        generators: Generators = None,
        callback: Callback | None = None,
    ) -> Rows:
        x = run(denoiser, x, levels, cond, config=config, generators=generators, callback=callback)
        if levels.sigma[-1] > 0:
            return x
        numbers, places = columns.split(x)
        return _require_whole(torch.cat([numbers, columns.blocks.one_hot_max(places)], dim=1), columns)

    return sampler


def require_one_call(config: SamplerConfig) -> None:
    """Refuse a sampler that looks ahead: a category that is drawn cannot be taken back."""
    if not config.ONE_CALL:
        raise ValueError(
            f"sampler={config.name}: categories are drawn at each step, of which {config.name} tries some first; use ddpm, "
            "ddim or dpmpp_2m, or train with diffusion.categories=onehot"
        )


def _step(levels: NoiseLevels, i: int) -> Step:
    """The step of categories from level i to the next."""
    (alpha_t, alpha_s), (sigma_t, sigma_s) = levels.alpha[i : i + 2].tolist(), levels.sigma[i : i + 2].tolist()
    return step(alpha_t, sigma_t, alpha_s, sigma_s)


def _require_whole(x: Rows, columns: Columns) -> Rows:
    """`x`, each block of which has its one 1; else the network said NaN."""
    if not (columns.blocks.sum(columns.split(x)[1]) == 1).all():
        raise ValueError("a row holds NaN or no category at all: the network or the sampler has diverged")
    return x
