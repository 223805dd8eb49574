"""A small network trained on the real images themselves, without labels, for sets far from what others were trained on.

VICReg (Bardes et al. 2022, arXiv:2105.04906): two views of an image shall give the same embedding (invariance), each
dimension shall vary over the batch (variance), and no two shall vary together (covariance). It needs neither negatives nor
large batches nor a second network, its variance term shows a collapse plainly, and with 40 images it runs as with 4,000.

The two views are two crops. What spoils synthetic images, softness or sharpness, contrast, brightness and noise, is drawn
anew for every image but is the *same* in both of its views: so it is among what the embedding has to tell, not, as in
the usual recipe, among what it must not see. Nothing is mirrored, as a mirrored shadow is an error that should be told.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import trange

WIDTHS, KERNELS = (32, 64, 64, 64), (5, 3, 3, 3)
EMBEDDING = 256
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 300, 64, 2e-3, 1e-4
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0  # the paper's weights
CROP, LARGEST_CROP = 0.75, 64  # share of the shorter side, and pixels
SOFTEN, GAIN, OFFSET, NOISE = (-0.5, 1.0), (0.8, 1.25), (-0.1, 0.1), (0.0, 0.05)
COMPONENTS = 64
SETTINGS = {
    name: value for name, value in globals().items() if name.isupper()
}  # all that weights depend on beside images and seed


class DomainConv(nn.Module):
    """Four convolutions of stride 2, each summed up by its channels' means and deviations: 448 numbers, whitened to 64.

    Whitening (`fit_whitening`) gives every direction in which the training images vary the same weight in a distance.
    """

    centre: Tensor
    axes: Tensor

    def __init__(self, components: int = COMPONENTS) -> None:
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
        self.register_buffer("centre", torch.zeros(2 * sum(WIDTHS)))
        self.register_buffer("axes", torch.zeros(2 * sum(WIDTHS), components))

    def summary(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b s"]:
        """Means and deviations over space of each stage, of images in [0, 1] of 8 pixels or more a side."""
        x = 2 * x - 1
        found = []
        for stage in self.stages:
            x = stage(x)  # (b, c, h/2, w/2)
            variance, mean = torch.var_mean(x, dim=(2, 3), correction=0)  # (b, c) each
            found += [mean, (variance + 1e-4).sqrt()]  # the root of 0 has no slope
        return torch.cat(found, dim=1)  # (b, 448)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The features."""
        return (self.summary(x) - self.centre) @ self.axes

    @torch.no_grad()
    def fit_whitening(self, images: Float[Tensor, "n 3 h w"]) -> None:
        """Axes along which the summaries of `images` vary most, scaled so that each has deviation 1."""
        rows = torch.cat([self.summary(batch) for batch in images.split(BATCH)]).double()
        centre = rows.mean(dim=0)
        _, spread, axes = torch.linalg.svd(rows - centre, full_matrices=False)
        kept = min(self.axes.shape[1], int((spread > 1e-6 * spread[0]).sum()))
        self.centre.copy_(centre)
        self.axes.zero_()
        self.axes[:, :kept] = (axes[:kept].T / spread[:kept] * (len(rows) - 1) ** 0.5).float()


def train_encoder(images: Float[np.ndarray, "n 3 h w"], seed: int) -> DomainConv:
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
            network, head = DomainConv(min(COMPONENTS, len(images) // 2)), _expander()
        pixels = torch.from_numpy(images)
        _train(network, head, pixels, torch.Generator().manual_seed(seed))
        network.eval().requires_grad_(False)
        network.fit_whitening(pixels)
    finally:
        torch.set_num_threads(threads)
    return network


def _expander() -> nn.Sequential:
    width = 2 * sum(WIDTHS)
    return nn.Sequential(
        nn.Linear(width, EMBEDDING), nn.BatchNorm1d(EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING)
    )


def _train(network: DomainConv, head: nn.Module, images: Tensor, generator: torch.Generator) -> None:
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    batches = _batches(images, generator)
    with trange(STEPS, desc="training the domain encoder", leave=False) as bar:
        for _ in bar:
            batch = spoilt(next(batches), generator)
            views = torch.cat([cropped(batch, generator), cropped(batch, generator)])
            loss = vicreg_loss(*head(network.summary(views)).chunk(2))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _batches(images: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield images[torch.randperm(len(images), generator=generator)[:BATCH]]


def spoilt(x: Float[Tensor, "b c h w"], generator: torch.Generator) -> Float[Tensor, "b c h w"]:
    """Each image softer or sharper, of another contrast and brightness, and noisier, by amounts of its own."""
    soften, gain, offset, noise = (
        torch.empty(len(x), 1, 1, 1).uniform_(*bounds, generator=generator) for bounds in (SOFTEN, GAIN, OFFSET, NOISE)
    )
    smooth = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x = gain * (x + soften * (smooth - x)) + offset
    return x + noise * torch.randn(x[:, :1].shape, generator=generator)  # the same in all channels, as grey images are


def cropped(x: Float[Tensor, "b c h w"], generator: torch.Generator) -> Float[Tensor, "b c s s"]:
    """A square of each image, at a place of its own."""
    b, _, h, w = x.shape
    side = max(min(int(CROP * min(h, w)), LARGEST_CROP), min(8, h, w))
    tops = torch.randint(h - side + 1, (b,), generator=generator)
    lefts = torch.randint(w - side + 1, (b,), generator=generator)
    places = zip(x, tops.tolist(), lefts.tolist(), strict=True)
    return torch.stack([image[:, top : top + side, left : left + side] for image, top, left in places])


def vicreg_loss(one: Float[Tensor, "b d"], other: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Equations 1 to 6 of the paper: the weighted sum of invariance, variance and covariance."""
    loss = INVARIANCE * F.mse_loss(one, other)
    for z in (one, other):
        centred = z - z.mean(dim=0)
        deviation = (centred.square().sum(dim=0) / (len(z) - 1) + 1e-4).sqrt()  # (d,)
        covariance = centred.T @ centred / (len(z) - 1)  # (d, d)
        off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = loss + VARIANCE / 2 * F.relu(1 - deviation).mean() + COVARIANCE * off_diagonal / z.shape[1]
    return loss
