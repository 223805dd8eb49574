"""Looks at samples before they are kept: has the label objects, does the model find it again, is the image a copy?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from data.components import agreement, instances, without_small
from data.folder import FolderConfig
from data.given import load_given_images
from data.given_files import emptied_by_masks, training_masks
from data.image_copies import KnownImages
from data.image_set import ImageSpec, Progress, to_integers
from data.label_encoding import decode
from generation.drawing import Drawing
from training.seeding import generator


@dataclass(frozen=True)
class Verdict:
    """What is known of a sample, for its line in the manifest, and why it is not good enough (None: it is)."""

    facts: dict[str, Any]
    fault: str | None


@dataclass(frozen=True)
class Judge:
    """`real`: the images that no sample may copy; None: not asked for."""

    drawing: Drawing
    real: KnownImages | None

    def look(self, x_0: Float[Tensor, "b k h w"], indices: Sequence[int]) -> list[Verdict]:
        """A verdict on each of the samples number `indices`."""
        config = self.drawing.config
        ious, distances = self._label_ious(x_0, indices), self._distances(x_0[:, : self.drawing.spec.channels])
        verdicts = []
        for iou, distance, objects in zip(ious, distances, self._objects(x_0), strict=True):
            facts, fault = {"label_iou": iou, "nearest_real": distance}, None
            if objects is not None and objects < config.min_objects:
                fault = "objects"
            elif iou is not None and iou < config.min_label_iou:
                fault = "label_iou"
            elif distance is not None and self.real is not None and distance <= self.real.threshold:
                fault = "copy"
            verdicts.append(Verdict({name: round(v, 6) for name, v in facts.items() if v is not None}, fault))
        return verdicts

    def _label_ious(self, x_0: Tensor, indices: Sequence[int]) -> Sequence[float | None]:
        """Agreement of each label map with the one that the model finds in the image, both as they are written.

        It knows the image and, where one was asked for, the class; not the label that was drawn. None where neither map
        holds anything: that two empty maps are alike says nothing of how well objects are labelled.
        """
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
        return [agreement(a, b, num_labels) if (a | b).any() else None for a, b in zip(own, again, strict=True)]

    def _objects(self, x_0: Tensor) -> Sequence[int | None]:
        """How many objects the label map of each holds, as it is written; None where nobody asked."""
        config, spec = self.drawing.config, self.drawing.spec
        if not config.min_objects:
            return [None] * len(x_0)
        label = self.drawing.artist.parts.split(x_0)[1]
        maps = decode(label, spec.label_encoding, len(spec.label_names))
        return [len(instances(label_map, min_area=config.min_area)) for label_map in maps]

    def _distances(self, image: Tensor) -> Sequence[float | None]:
        if self.real is None:
            return [None] * len(image)
        return self.real.distance(to_integers(image, self.drawing.spec.dtype)).tolist()


def load_real(
    path: str, spec: ImageSpec, how: FolderConfig, flips: dict[str, bool], progress: Progress | None = None
) -> KnownImages:
    """The training images below `path`: nearer than 99 % of them are to each other is a copy.

    Slices that training left out as empty are left out here too: the model never saw them, and they are nearly copies of each
    other, so that no sample would be nearer. Where the masks that tell them are missing, a line says so.
    """
    given = load_given_images("reject_copies", path, spec, how, every_slice=False, progress=progress)
    if given.found[0].volume is not None and emptied_by_masks(how) and training_masks(path, how) is None:
        print(f"reject_copies={path}: not every volume has its mask, so slices of one value count as empty, no others")
    pixels = given.pixels
    if len(pixels) < 2:
        raise ValueError(f"reject_copies={path}: one image, but distances between training images need 2 or more")
    return KnownImages.of(pixels, flips)
