"""Does the network learn its images by heart? Two curves that show it, and a rule that ends a run which has begun to."""

import math
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

PERCENTILE = 0.01  # of the distances among training images
SIDE = 32  # longest side in pixels at which images are compared
KEPT = ("best_step", "train_at_best", "train_loss", "in_a_row")
QUERIES = 500  # training images whose nearest others are sought


class Images(Protocol):
    """A set of images as integers over the full range of their type, (b, c, h, w)."""

    def __len__(self) -> int: ...

    def integers(self, indices: np.ndarray) -> np.ndarray:
        """The images at `indices`."""
        ...


class Sets(Protocol):
    """Images to train on and, if there are any, those that are held out."""

    @property
    def train(self) -> Images: ...
    @property
    def val(self) -> Images: ...


class MemorizationGuard:
    """Watches two losses of the averaged weights, at the same times with the same noise: on held-out and on training images.

    A network that generalises lowers both, one that memorises the second alone. The rule: `patience` validations in a row
    with no better validation loss than the best, while that on training images is below what it was then. Where both stand
    still nothing is memorised, and the run goes on. Only a guard that `stops` has a `reason` to end the run.
    """

    def __init__(self, images: Sets, stops: bool, patience: int) -> None:
        """ValueError where a run is to stop by a validation loss that it does not have."""
        if stops and not len(images.val):
            raise ValueError(
                "train.stop_on_memorization=true needs held-out images: set data.val_fraction above 0, data.val_path or "
                "data.val_list"
            )
        self.stops, self.patience = stops, patience
        self.copies = CopyRate(images.train)
        self.best, self.best_step = math.inf, 0  # lowest validation loss so far
        self.train_at_best, self.train_loss = -math.inf, math.nan
        self.in_a_row = 0

    def observe(self, step: int, loss: float, train_loss: float) -> bool:
        """Take in a validation; returns whether its loss is the best so far."""
        self.train_loss = train_loss
        if loss < self.best:
            self.best, self.best_step, self.train_at_best, self.in_a_row = loss, step, train_loss, 0
            return True
        self.in_a_row = self.in_a_row + 1 if train_loss < self.train_at_best else 0
        return False

    @property
    def reason(self) -> str | None:
        """Why the run is to end; None: go on."""
        if not self.stops or self.in_a_row < self.patience:
            return None
        return (
            f"memorisation: the validation loss was lowest at step {self.best_step} ({self.best:.4f}) and not lower in the "
            f"{self.in_a_row} validations since, while the loss on training images fell from {self.train_at_best:.4f} to "
            f"{self.train_loss:.4f}"
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold for a resumed run to stop where this one would."""
        return {"best": self.best, "memorization": {name: getattr(self, name) for name in KEPT}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; those of speckle 0.1 hold the best loss alone."""
        self.best = state["best"]
        for name, value in state.get("memorization", {}).items():
            setattr(self, name, value)


class CopyRate:
    """Share of samples nearer to a training image than all but 1 % of the training images are to each other.

    In grey, at 32 pixels or less a side, mirrored either way; about 1 % is what new images give. Of few samples it is a
    coarse figure: what it is over many, and against images that were not trained on, `python -m eval holdout=` tells.
    """

    def __init__(self, images: Images) -> None:
        self.images = images
        self.known: tuple[Tensor, float] | None = None  # built when it is first needed

    def share(self, image: Tensor) -> float:
        """Of samples (b, c, h, w) in [-1, 1]; NaN with fewer than 2 training images."""
        if len(self.images) < 2:
            return math.nan
        if self.known is None:
            real = torch.cat([self._stored(part) for part in np.array_split(np.arange(len(self.images)), self._parts)])
            self.known = real, _threshold(real)
        real, threshold = self.known
        distance = _distances(_thumbnails(image.detach().float().cpu().clamp(-1, 1)), real).amin(dim=1)  # (b,)
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
