"""What each sample is to be: its attributes, and the image or label map that it starts from."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from conf.sample_schema import SampleConfig
from data.balance import fixed_attributes, plan_attributes
from data.folder import FolderConfig
from data.given import folder_classes, load_given_images, load_label_maps, load_masks
from data.image_set import ImageSpec, to_floats
from data.label_encoding import encode


@dataclass(frozen=True)
class Request:
    """Sample i has the attributes labels[i] and starts from what was given as number i // num_per_image.

    What was given has m names; tensors are in [-1, 1], None where nothing of the kind was given.
    """

    labels: Int64[np.ndarray, "n a"]
    names: list[str]
    image: Float[Tensor, "m c h w"] | None = None
    label: Float[Tensor, "m l h w"] | None = None
    known: Bool[Tensor, "m 1 h w"] | None = None  # False where inpainting fills in

    def __len__(self) -> int:
        return len(self.labels)

    def digests(self) -> dict[str, str | None]:
        """A SHA-256 of each thing that was given."""
        given = {"images": self.image, "labels": self.label, "mask": self.known}
        return {
            f"{option}_sha256": None if value is None else digest("\n".join(self.names).encode(), value.numpy())
            for option, value in given.items()
        }


def make_request(config: SampleConfig, spec: ImageSpec, how: FolderConfig) -> Request:
    """Read what was given, at the model's size and on its scale, as `how` reads and fits images.

    ValueError for a file that is not what it must be, or an attribute that the model does not know.
    """
    if config.mode == "joint":
        labels = plan_attributes(spec, config.class_label, config.balance, config.num_samples)
        return _guided(config, spec, Request(labels, []))
    names, images, image, label, known = [], None, None, None, None
    if config.images is not None:
        images = load_given_images("images", config.images, spec, how)
        names, image = images.names, to_floats(images.pixels)
    if config.labels is not None:
        names, maps = load_label_maps(config.labels, spec, how.fit, images)
        label = encode(maps, spec.label_encoding, len(spec.label_names))
    if config.mask is not None:
        assert images is not None
        known = torch.from_numpy(~load_masks(config.mask, spec, how.fit, images))[:, None]
    labels = np.repeat(_attributes(config, spec, names), config.num_per_image, axis=0)
    return _guided(config, spec, Request(labels, names, image, label, known))


def digest(*parts: bytes | np.ndarray) -> str:
    """SHA-256 of bytes and the content of arrays."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.tobytes() if isinstance(part, np.ndarray) else part)
    return sha.hexdigest()


def _attributes(config: SampleConfig, spec: ImageSpec, names: list[str]) -> Int64[np.ndarray, "m a"]:
    """Of what was given: as class_label says; else the class is its folder; all others are left open."""
    chosen = fixed_attributes(spec, config.class_label)
    labels = np.tile(np.asarray(spec.null_label, np.int64), (len(names), 1))
    for column, name in enumerate(spec.attributes):
        if name in chosen:
            labels[:, column] = chosen[name]
        elif name == "class":
            labels[:, column] = folder_classes("labels" if config.images is None else "images", names, spec)
    return labels


def _guided(config: SampleConfig, spec: ImageSpec, request: Request) -> Request:
    """The request itself; ValueError where guidance is asked for but nothing to guide to."""
    if config.guidance.scale != 1 and (request.labels == spec.null_label).all():
        mend = "class_label= does" if spec.attributes else "this checkpoint was trained without classes"
        raise ValueError(f"guidance.scale={config.guidance.scale} has no effect: nothing says a class ({mend})")
    return request
