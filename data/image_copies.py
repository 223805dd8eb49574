"""Are samples copies of training images? A share to watch while a network trains, and distances to judge samples by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional as F

from data.augment import views
from data.nearest import PERCENTILE, QUERIES, evenly, nearest_distance

SIDE = 32  # longest side in pixels at which images are compared while a network trains


@runtime_checkable
class Images(Protocol):
    """A set of images as integers over the full range of their type, (b, c, h, w)."""

    def __len__(self) -> int: ...

    def integers(self, indices: np.ndarray) -> np.ndarray:
        """The images at `indices`."""
        ...


@dataclass(frozen=True, eq=False)
class KnownImages:
    """Images as rows of pixels, integers over the full range of their type as 0 to 1, and the distance of a copy.

    `flips` says how training turned them: hflip, vflip, rot90; a distance is that of the nearest view. `threshold`: all
    but 1 % of the images are farther from each other, seen in all their views, or a new one would be taken for a copy
    more often.
    """

    rows: Float[np.ndarray, "m p"]
    flips: Mapping[str, bool]
    threshold: float

    @classmethod
    def of(
        cls, images: Num[np.ndarray, "m c h w"], flips: Mapping[str, bool], *, most: int | None = None
    ) -> "KnownImages":
        """2 images or more; the threshold is taken from `most` of them, None: from all."""
        chosen, rows = evenly(len(images), most), _rows(images)
        apart = _nearest_view(images[chosen.numpy()], rows, flips, own=chosen)
        return cls(rows, flips, float(np.percentile(apart, 100 * PERCENTILE)))

    def distance(self, images: Num[np.ndarray, "n c h w"]) -> Float[np.ndarray, " n"]:
        """Root mean square difference of each image, however turned, to the nearest of these."""
        return _nearest_view(images, self.rows, self.flips)


class CopyRate:
    """Share of samples nearer to a training image than all but 1 % of the training images are to each other.

    In grey, at 32 pixels or less a side, in every way that training may turn an image (`flips`); about 1 % is what new
    images give. Of few samples it is a coarse figure: what it is over many, and against images that were not trained on,
    `python -m eval holdout=` tells.
    """

    def __init__(self, images: Images, flips: Mapping[str, bool]) -> None:
        self.images, self.flips = images, flips
        self.known: KnownImages | None = None  # built when it is first needed

    def share(self, x_0: Float[Tensor, "b k h w"]) -> float:
        """Of samples in [-1, 1], whose label channels are not looked at; NaN with fewer than 2 training images."""
        if len(self.images) < 2:
            return math.nan
        if self.known is None:
            parts = np.array_split(np.arange(len(self.images)), -(-len(self.images) // 256))
            real = np.concatenate([self._stored(part) for part in parts])
            self.known = KnownImages.of(real, self.flips, most=QUERIES)
        image = x_0[:, : self.images.integers(np.arange(1)).shape[1]].detach().float().cpu().clamp(-1, 1)
        return float((self.known.distance(_thumbnails(image)) <= self.known.threshold).mean())

    def _stored(self, indices: np.ndarray) -> np.ndarray:
        pixels = self.images.integers(indices)
        return _thumbnails(torch.from_numpy(pixels.astype(np.float32) * (2 / np.iinfo(pixels.dtype).max) - 1))


def _thumbnails(image: Float[Tensor, "b c h w"]) -> Float[np.ndarray, "b 1 i j"]:
    """In grey, of at most 32 a side."""
    h, w = image.shape[2:]
    scale = min(1.0, SIDE / max(h, w))
    size = max(1, round(h * scale)), max(1, round(w * scale))
    return F.adaptive_avg_pool2d(image.mean(dim=1, keepdim=True), size).numpy()


def _nearest_view(
    images: np.ndarray, rows: np.ndarray, flips: Mapping[str, bool], own: Tensor | None = None
) -> Float[np.ndarray, " n"]:
    """In float64: where contrast is low, products are far larger than their differences."""
    real = torch.from_numpy(rows).double()
    seen = [torch.from_numpy(_rows(view)).double() for view in views(images, **flips)]
    nearest = torch.stack([nearest_distance(view, real, own) for view in seen]).amin(dim=0)
    return (nearest / math.sqrt(rows.shape[1])).numpy()


def _rows(images: Num[np.ndarray, "n c h w"]) -> Float[np.ndarray, "n p"]:
    scale = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1
    return np.ascontiguousarray(rearrange(images.astype(np.float32) / np.float32(scale), "n c h w -> n (c h w)"))
