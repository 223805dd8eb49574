"""A sampler for rows of a table: the numbers are moved by any sampler of single steps, the categories by their own law."""

from collections.abc import Callable

import torch

from diffusion.categories import Step, step
from diffusion.columns import Columns, Places, Rows
from diffusion.gaussian import Cond, Denoiser
from diffusion.noise import Generators, randn
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.timesteps import NoiseLevels

Draw = Callable[[Places, Places, Places, Step], Places]  # (x_0, x_t, eps, step) -> x_s


def mixed(run: Callable[..., Rows], columns: Columns, draw: Draw) -> Callable[..., Rows]:
    """Sampler in (ddpm or ddim), sampler out: from each level to the next the numbers go as `run` takes them, and the
    categories are drawn from p(x_s | x_t) by `draw`. Both see one and the same x_0, so the denoiser is called once.

    With ddpm and T steps it is TabDDPM's ancestral sampling (Kotelnikov et al. 2023, section 4). Levels may be any pairs,
    so it works in few steps, and inside RePaint.
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
        require_single_steps(config)
        for i in range(len(levels.t)):
            said = []

            def see(_: int, x_t: Rows, x_0: Rows, i: int = i, said: list[Rows] = said) -> None:
                said.append(x_0)
                if callback is not None:
                    callback(i, x_t, x_0)

            one = NoiseLevels(levels.t[i : i + 1], levels.alpha[i : i + 2], levels.sigma[i : i + 2])
            numbers, _ = columns.split(run(denoiser, x, one, cond, config=config, generators=generators, callback=see))
            (_, places_0), (_, places_t) = columns.split(said[0]), columns.split(x)
            eps = randn(places_t.shape, generators, x.device, x.dtype)
            from_t_to_s = step(*(value.item() for pair in zip(one.alpha, one.sigma, strict=True) for value in pair))
            places = draw(places_0, places_t, eps, from_t_to_s)
            x = torch.cat([numbers, places], dim=1)
        return _require_whole(x, columns) if levels.sigma[-1] == 0 else x

    return sampler


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


def require_single_steps(config: SamplerConfig) -> None:
    """Refuse a sampler that looks ahead: a category that is drawn cannot be taken back."""
    if config.name == "heun":
        raise ValueError(
            "sampler=heun: categories that are drawn step by step need single steps, which heun does not have; use ddpm or "
            "ddim, or train with diffusion.categories=onehot"
        )


def _require_whole(x: Rows, columns: Columns) -> Rows:
    """`x`, each block of which has its one 1; else the network said NaN."""
    if not (columns.blocks.sum(columns.split(x)[1]) == 1).all():
        raise ValueError("a row holds NaN or no category at all: the network or the sampler has diverged")
    return x
