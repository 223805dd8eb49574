"""A small network trained on the real images themselves, without labels, for sets far from what others were trained on.

VICReg (Bardes et al. 2022, arXiv:2105.04906): two views of an image shall give the same embedding (invariance), each
dimension shall vary over the batch (variance), and no two shall vary together (covariance). It needs neither negatives nor
large batches nor a second network, its variance term shows a collapse plainly, and with 40 images it runs as with 4,000.

The two views are two crops. What spoils synthetic images, softness or sharpness, contrast, brightness and noise, is drawn
anew for every image but is the *same* in both of its views: so it is among what the embedding has to tell, not, as in
the usual recipe, among what it must not see. Nothing is mirrored, as a mirrored shadow is an error that should be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import trange

WIDTHS, KERNELS = (32, 64, 64, 64), (5, 3, 3, 3)
SUMMARY = 2 * sum(WIDTHS)


@dataclass(frozen=True)
class Settings:
    """What the weights depend on beside images and seed; the three loss weights are the paper's."""

    steps: int = 300
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    dims: int = 256
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    crop: float = 0.75  # share of the shorter side
    largest_crop: int = 64  # pixels
    soften: tuple[float, float] = (-0.5, 1.0)  # 1: a mean over 3x3 pixels; below 0: sharper
    gain: tuple[float, float] = (0.8, 1.25)
    offset: tuple[float, float] = (-0.1, 0.1)
    noise: tuple[float, float] = (0.0, 0.05)
    version: int = 1  # of the code: another one finds no older weights


class DomainConv(nn.Module):
    """Four convolutions of stride 2, each summed up by its channels' means and deviations, then two linear layers.

    The features are the embedding on which the loss works, not what lies before it as where a classifier follows: the loss
    has given its dimensions like variances and little in common, so that a distance heeds each of them.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        layers = [
            nn.Sequential(
                nn.Conv2d(c_in, c_out, kernel, 2, kernel // 2, bias=False, padding_mode="replicate"),
                nn.BatchNorm2d(c_out),
                nn.ReLU(),
            )
            for c_in, c_out, kernel in zip((3, *WIDTHS), WIDTHS, KERNELS, strict=False)
        ]
        self.stages = nn.ModuleList(layers)
        self.head = nn.Sequential(nn.Linear(SUMMARY, dims), nn.BatchNorm1d(dims), nn.ReLU(), nn.Linear(dims, dims))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The embedding of images in [0, 1] of 8 pixels or more a side."""
        x = 2 * x - 1
        found = []
        for stage in self.stages:
            x = stage(x)  # (b, c, h/2, w/2)
            variance, mean = torch.var_mean(x, dim=(2, 3), correction=0)  # (b, c) each
            found += [mean, (variance + 1e-4).sqrt()]  # the root of 0 has no slope
        return self.head(torch.cat(found, dim=1))  # (b, 448) to (b, d)


def train_encoder(images: Float[np.ndarray, "n 3 h w"], seed: int, settings: Settings) -> DomainConv:
    """Train on `images` in [0, 1], on one CPU thread so that a machine's weights do not depend on its load; a minute or so.

    ValueError with fewer than 4 images.
    """
    if len(images) < 4:
        raise ValueError(f"features=domain: {len(images)} images cannot train an encoder, 4 or more are needed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = DomainConv(settings.dims)
        _train(network, torch.from_numpy(images), torch.Generator().manual_seed(seed), settings)
    finally:
        torch.set_num_threads(threads)
    return network.eval().requires_grad_(False)


def _train(network: DomainConv, images: Tensor, generator: torch.Generator, settings: Settings) -> None:
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=settings.steps)
    batches = _batches(images, settings.batch_size, generator)
    for _ in trange(settings.steps, desc="training the domain encoder", leave=False):
        batch = spoilt(next(batches), generator, settings)
        views = torch.cat([cropped(batch, generator, settings), cropped(batch, generator, settings)])
        one, other = network(views).chunk(2)
        loss = vicreg_loss(one, other, settings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _batches(images: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield images[torch.randperm(len(images), generator=generator)[:size]]


def spoilt(x: Float[Tensor, "b c h w"], generator: torch.Generator, settings: Settings) -> Float[Tensor, "b c h w"]:
    """Each image softer or sharper, of another contrast and brightness, and noisier, by amounts of its own."""
    bounds = settings.soften, settings.gain, settings.offset, settings.noise
    soften, gain, offset, noise = (torch.empty(len(x), 1, 1, 1).uniform_(*b, generator=generator) for b in bounds)
    smooth = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x = gain * (x + soften * (smooth - x)) + offset
    return x + noise * torch.randn(x[:, :1].shape, generator=generator)  # the same in all channels, as grey images are


def cropped(x: Float[Tensor, "b c h w"], generator: torch.Generator, settings: Settings) -> Float[Tensor, "b c s s"]:
    """A square of each image, at a place of its own."""
    b, _, h, w = x.shape
    side = max(min(int(settings.crop * min(h, w)), settings.largest_crop), min(8, h, w))
    tops = torch.randint(h - side + 1, (b,), generator=generator)
    lefts = torch.randint(w - side + 1, (b,), generator=generator)
    places = zip(x, tops.tolist(), lefts.tolist(), strict=True)
    return torch.stack([image[:, top : top + side, left : left + side] for image, top, left in places])


def vicreg_loss(one: Float[Tensor, "b d"], other: Float[Tensor, "b d"], settings: Settings) -> Float[Tensor, ""]:
    """Equations 1 to 6 of the paper: the weighted sum of invariance, variance and covariance."""
    loss = settings.invariance * F.mse_loss(one, other)
    for z in (one, other):
        centred = z - z.mean(dim=0)
        deviation = (centred.square().sum(dim=0) / (len(z) - 1) + 1e-4).sqrt()  # (d,)
        covariance = centred.T @ centred / (len(z) - 1)  # (d, d)
        off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = (
            loss
            + settings.variance / 2 * F.relu(1 - deviation).mean()
            + settings.covariance * off_diagonal / z.shape[1]
        )
    return loss
