"""What each sample is to be: its attributes, and the image or label map that it starts from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from conf.sample_schema import SampleConfig
from data.balance import plan_attributes
from data.given import load_label_maps, load_masks
from data.image_set import ImageSpec, Progress, to_floats
from data.images import load_like
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


def make_request(config: SampleConfig, spec: ImageSpec, fit: str, *, progress: Progress) -> Request:
    """Read what was given, at the model's size and on its scale; `fit` is how the training images got there.

    ValueError for a file that is not what it must be, or an attribute that the model does not know.
    """
    if config.mode == "joint":
        return Request(plan_attributes(spec, config.class_label, config.balance, config.num_samples), [])
    size, cache_dir = (spec.height, spec.width), Path(config.cache_dir).expanduser()
    names, image, label, known, classes = [], None, None, None, None
    if config.images is not None:
        images = load_like(config.images, spec, fit, cache_dir=cache_dir, progress=progress)
        names, classes = [_stem(name) for name in images.names], images.class_labels
        image = to_floats(images.integers(np.arange(len(images))))
    if config.labels is not None:
        maps, of_maps = load_label_maps(config.labels, size, fit, spec.label_names)
        if names and names != of_maps:
            odd = sorted(set(names) ^ set(of_maps))[0]
            raise ValueError(f"labels={config.labels}: {odd} is not in both images= and labels=, which go by name")
        names, label = of_maps, encode(maps, spec.label_encoding, len(spec.label_names))
    if config.mask is not None:
        known = torch.from_numpy(~load_masks(config.mask, names, size, fit))[:, None]
    labels = plan_attributes(spec, config.class_label, "equal", len(names))
    if config.class_label is None:  # what was given says it, or nobody does
        labels[:] = spec.null_label
        if classes is not None:
            labels[:, list(spec.attributes).index("class")] = classes[:, 0]
    return Request(np.repeat(labels, config.num_per_image, axis=0), names, image, label, known)


def _stem(name: str) -> str:
    return str(Path(name).with_suffix(""))
