"""Looks at samples before they are kept: does the model find the label that it drew, and is the image a copy?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Float, UInt
from torch import Tensor

from data.augment import views
from data.components import agreement, without_small
from data.folder import FolderConfig
from data.given import load_given_images
from data.given_files import emptied_by_masks, training_masks
from data.image_set import ImageSpec, to_integers
from data.label_encoding import decode
from eval.nearest import PERCENTILE, nearest_distance
from generation.drawing import Drawing
from training.seeding import generator


@dataclass(frozen=True)
class Verdict:
    """What is known of a sample, for its line in the manifest, and why it is not good enough (None: it is)."""

    facts: dict[str, Any]
    fault: str | None


@dataclass(frozen=True)
class RealImages:
    """Images that no sample may copy, as rows of pixels in [0, 1], and the distance at which it would be a copy.

    `flips` says how training turned them: hflip, vflip, rot90. A distance is that of the nearest view.
    """

    rows: Float[np.ndarray, "m p"]
    flips: dict[str, bool]
    threshold: float

    def distance(self, pixels: UInt[np.ndarray, "n c h w"]) -> Float[np.ndarray, " n"]:
        """Root mean square difference of each image, however turned, to the nearest of these."""
        seen = views(pixels, **self.flips)
        every = nearest_distance(np.concatenate([_rows(image) for image in seen]), self.rows)
        return every.reshape(len(seen), len(pixels)).min(axis=0)


@dataclass(frozen=True)
class Judge:
    """`real`: the images that no sample may copy; None: not asked for."""

    drawing: Drawing
    real: RealImages | None

    def look(self, x_0: Float[Tensor, "b k h w"], indices: Sequence[int]) -> list[Verdict]:
        """A verdict on each of the samples number `indices`."""
        config = self.drawing.config
        ious, distances = self._label_ious(x_0, indices), self._distances(x_0[:, : self.drawing.spec.channels])
        verdicts = []
        for iou, distance in zip(ious, distances, strict=True):
            facts, fault = {"label_iou": iou, "nearest_real": distance}, None
            if iou is not None and iou < config.min_label_iou:
                fault = "label_iou"
            elif distance is not None and self.real is not None and distance <= self.real.threshold:
                fault = "copy"
            verdicts.append(Verdict({name: round(v, 6) for name, v in facts.items() if v is not None}, fault))
        return verdicts

    def _label_ious(self, x_0: Tensor, indices: Sequence[int]) -> Sequence[float | None]:
        """Agreement of each label map with the one that the model finds in the image alone, both as they are written."""
        artist, config = self.drawing.artist, self.drawing.config
        if not artist.parts.label or config.mode == "annotate":
            return [None] * len(x_0)
        image, label = artist.parts.split(x_0)
        rngs = [generator(config.seed, "relabel", i) for i in indices]
        found = artist.draw_label(image.clamp(-1, 1), self.drawing.cond(indices), rngs)
        encoding, num_labels = self.drawing.spec.label_encoding, len(self.drawing.spec.label_names)
        own, again = (
            [without_small(label_map, config.min_area) for label_map in decode(channels, encoding, num_labels)]
            for channels in (label, found)
        )
        return [agreement(a, b, num_labels) for a, b in zip(own, again, strict=True)]

    def _distances(self, image: Tensor) -> Sequence[float | None]:
        if self.real is None:
            return [None] * len(image)
        return self.real.distance(to_integers(image, self.drawing.spec.dtype)).tolist()


def load_real(path: str, spec: ImageSpec, how: FolderConfig, flips: dict[str, bool]) -> RealImages:
    """The training images below `path`: nearer than 99 % of them are to each other is a copy.

    The distances between them are those of their views too, or a new image would be taken for a copy more often. Slices
    that training left out as empty are left out here too: the model never saw them, and they are nearly copies of each
    other, so that no sample would be nearer. Where the masks that tell them are missing, a line says so.
    """
    given = load_given_images("reject_copies", path, spec, how, every_slice=False)
    if given.found[0].volume is not None and emptied_by_masks(how) and training_masks(path, how) is None:
        print(f"reject_copies={path}: not every volume has its mask, so slices of one value count as empty, no others")
    pixels = given.pixels
    if len(pixels) < 2:
        raise ValueError(f"reject_copies={path}: one image, but distances between training images need 2 or more")
    rows = _rows(pixels)
    between = [nearest_distance(_rows(seen), rows, exclude_self=True) for seen in views(pixels, **flips)]
    return RealImages(rows, flips, float(np.percentile(np.min(between, axis=0), PERCENTILE)))


def _rows(pixels: UInt[np.ndarray, "n c h w"]) -> Float[np.ndarray, "n p"]:
    return rearrange(pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max), "n c h w -> n (c h w)")
