"""Are samples copies of training images? A share to watch while a network trains."""

import math
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

PERCENTILE = 0.01  # of the distances among training images
SIDE = 32  # longest side in pixels at which images are compared
QUERIES = 500  # training images whose nearest others are sought


@runtime_checkable
class Images(Protocol):
    """A set of images as integers over the full range of their type, (b, c, h, w)."""

    def __len__(self) -> int: ...

    def integers(self, indices: np.ndarray) -> np.ndarray:
        """The images at `indices`."""
        ...


class CopyRate:
    """Share of samples nearer to a training image than all but 1 % of the training images are to each other.

    In grey, at 32 pixels or less a side, mirrored either way; about 1 % is what new images give. Of few samples it is a
    coarse figure: what it is over many, and against images that were not trained on, `python -m eval holdout=` tells.
    """

    def __init__(self, images: Images) -> None:
        self.images = images
        self.known: tuple[Tensor, float] | None = None  # built when it is first needed

    def share(self, x_0: Float[Tensor, "b k h w"]) -> float:
        """Of samples in [-1, 1], whose label channels are not looked at; NaN with fewer than 2 training images."""
        if len(self.images) < 2:
            return math.nan
        if self.known is None:
            real = torch.cat([self._stored(part) for part in np.array_split(np.arange(len(self.images)), self._parts)])
            self.known = real, _threshold(real)
        real, threshold = self.known
        image = x_0[:, : self.images.integers(np.arange(1)).shape[1]].detach().float().cpu().clamp(-1, 1)
        distance = _distances(_thumbnails(image), real).amin(dim=1)  # (b,)
        return float((distance <= threshold).float().mean())

    @property
    def _parts(self) -> int:
        return -(-len(self.images) // 256)

    def _stored(self, indices: np.ndarray) -> Tensor:
        pixels = self.images.integers(indices)
        return _thumbnails(torch.from_numpy(pixels.astype(np.float32) * (2 / np.iinfo(pixels.dtype).max) - 1))


def _thumbnails(image: Tensor) -> Tensor:
    """(b, c, h, w) to grey (b, h', w') of at most 32 a side."""
    h, w = image.shape[2:]
    scale = min(1.0, SIDE / max(h, w))
    return F.adaptive_avg_pool2d(image.mean(dim=1), (max(1, round(h * scale)), max(1, round(w * scale))))


def _distances(queries: Tensor, references: Tensor) -> Tensor:
    """Euclidean distance of each pair (n, m), at the best of the query's flips."""
    views = [queries.flip(dims) for dims in ((), (1,), (2,), (1, 2))]
    exact = "donot_use_mm_for_euclid_dist"  # products would lose small differences
    every = [torch.cdist(view.flatten(1), references.flatten(1), compute_mode=exact) for view in views]
    return torch.stack(every).amin(dim=0)


def _threshold(real: Tensor) -> float:
    chosen = torch.arange(min(len(real), QUERIES)) * len(real) // min(len(real), QUERIES)
    distance = _distances(real[chosen], real)
    distance[torch.arange(len(chosen)), chosen] = torch.inf  # to itself
    return float(distance.amin(dim=1).quantile(PERCENTILE))
