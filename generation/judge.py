"""Looks at samples before they are kept: does the model find the label that it drew, and is the image a copy?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from data.components import agreement
from data.image_set import ImageSpec, Progress, to_floats
from data.images import load_like
from data.label_encoding import decode
from eval.nearest import find_nearest
from generation.drawing import Drawing
from training.seeding import generator


@dataclass(frozen=True)
class Verdict:
    """What is known of a sample, for its line in the manifest, and why it is not good enough (None: it is)."""

    facts: dict[str, Any]
    fault: str | None


@dataclass(frozen=True)
class Judge:
    """`real`: the images that no sample may copy, as rows; `flips`: axes along which the training mirrored them."""

    drawing: Drawing
    spec: ImageSpec
    real: Float[np.ndarray, "m p"] | None
    flips: Sequence[Sequence[int]]

    def look(self, x_0: Float[Tensor, "b k h w"], indices: Sequence[int]) -> list[Verdict]:
        """A verdict on each of the samples number `indices`."""
        config = self.drawing.config
        ious = self._label_ious(x_0, indices)
        distances, threshold = self._distances(x_0[:, : self.spec.channels])
        verdicts = []
        for iou, distance in zip(ious, distances, strict=True):
            facts = {"label_iou": iou, "nearest_real": distance}
            fault = None
            if iou is not None and iou < config.min_label_iou:
                fault = "label_iou"
            elif distance is not None and distance <= threshold:
                fault = "copy"
            verdicts.append(Verdict({name: round(v, 6) for name, v in facts.items() if v is not None}, fault))
        return verdicts

    def _label_ious(self, x_0: Tensor, indices: Sequence[int]) -> Sequence[float | None]:
        """Agreement of each label map with the one that the model finds in the image alone."""
        artist, config = self.drawing.artist, self.drawing.config
        if not artist.parts.label or not config.check_steps or config.mode == "annotate":
            return [None] * len(x_0)
        steps = min(config.check_steps, artist.schedule.num_train_timesteps)
        quick = replace(artist, sampler=replace(artist.sampler, num_inference_steps=steps))
        image, label = artist.parts.split(x_0)
        rngs = [generator(config.seed, "relabel", i) for i in indices]
        found = quick.draw_label(image, self.drawing.cond(indices), rngs)
        encoding, num_labels = self.spec.label_encoding, len(self.spec.label_names)
        pairs = zip(decode(label, encoding, num_labels), decode(found, encoding, num_labels), strict=True)
        return [agreement(own, again, num_labels) for own, again in pairs]

    def _distances(self, image: Tensor) -> tuple[Sequence[float | None], float]:
        """Distance of each image, or its nearest mirror image, to the nearest real one; and what is too near."""
        if self.real is None:
            return [None] * len(image), 0.0
        found = [find_nearest(_rows(image.flip(list(axes))), self.real) for axes in self.flips]
        return np.min([nearest.distance for nearest in found], axis=0).tolist(), found[0].threshold


def make_judge(drawing: Drawing, spec: ImageSpec, data: Any, *, progress: Progress) -> Judge:
    """`data` is the config of the training images: how they were fitted and mirrored."""
    config = drawing.config
    if config.reject_copies is None:
        return Judge(drawing, spec, None, [])
    cache_dir, fit = Path(config.cache_dir).expanduser(), getattr(data, "fit", "crop")
    images = load_like(config.reject_copies, spec, fit, cache_dir=cache_dir, progress=progress)
    real = _rows(to_floats(images.integers(np.arange(len(images)))))
    flips: list[list[int]] = [[]]
    flips += [[-1]] * data.hflip + [[-2]] * data.vflip + [[-1, -2]] * (data.hflip and data.vflip)
    return Judge(drawing, spec, real, flips)


def _rows(image: Tensor) -> Float[np.ndarray, "n p"]:
    """Images in [0, 1] as rows of pixels."""
    return ((image.clamp(-1, 1) + 1) / 2).flatten(1).cpu().numpy().astype(np.float32)
