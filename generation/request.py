"""What each sample is to be: its attributes, and the image or label map that it starts from."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from conf.sample_schema import SampleConfig
from data.balance import attribute_names, fixed_attributes, plan_attributes
from data.composition import compose
from data.folder import FolderConfig
from data.given import load_given_images, load_label_maps, load_masks, stated_classes
from data.given_files import Given
from data.image_set import ImageSpec, to_floats
from data.label_encoding import encode
from generation.naming import named_after, numbered


@dataclass(frozen=True)
class Request:
    """Sample i has the attributes labels[i], is called files[i] and starts from sources[i // per_source].

    `sources` are the names of the m things that were given, `volumes` those of the volumes that the n samples are slices
    of; both are empty where nothing was given. Tensors are in [-1, 1], None where nothing of the kind was given.
    """

    labels: Int64[np.ndarray, "n a"]
    files: list[str]
    sources: list[str] = field(default_factory=list)
    per_source: int = 1
    volumes: list[str | None] = field(default_factory=list)
    image: Float[Tensor, "m c h w"] | None = None
    label: Float[Tensor, "m l h w"] | None = None
    known: Bool[Tensor, "m 1 h w"] | None = None  # False where inpainting fills in
    shapes: list[tuple[int, int]] = field(default_factory=list)  # (h, w) of the m images before `fit`
    fit: str = "crop"
    paths: list[Path] = field(default_factory=list)  # of the m image files; empty where images were no such files

    def __len__(self) -> int:
        return len(self.labels)

    def digests(self) -> dict[str, str | None]:
        """A SHA-256 of each thing that was given."""
        given = {"images": self.image, "labels": self.label, "mask": self.known}
        digests = {
            f"{option}_sha256": None if value is None else digest("\n".join(self.sources).encode(), value.numpy())
            for option, value in given.items()
        }
        # So that names of an earlier version, which were numbers, do not mix with those of sources.
        return digests | {"names_sha256": digest("\n".join(self.files).encode()) if self.sources else None}


def make_request(config: SampleConfig, spec: ImageSpec, how: FolderConfig) -> Request:
    """Read what was given, at the model's size and on its scale, as `how` reads and fits images.

    ValueError for a file that is not what it must be, or an attribute that the model does not know.
    """
    if config.mode == "joint":
        labels = plan_attributes(spec, config.class_label, config.balance, config.num_samples)
        return _guided(config, spec, Request(labels, numbered(_classes(spec, labels))))
    found, images, image, label, known = [], None, None, None, None
    if config.images is not None:
        images = load_given_images(
            "images", config.images, spec, how, most=config.max_inputs, input_list=config.input_list
        )
        found, image = images.found, to_floats(images.pixels)
    if config.labels is not None:
        of_labels, maps = load_label_maps(
            config.labels, spec, how, images, most=config.max_inputs, input_list=config.input_list
        )
        if config.add_objects:
            maps = _composed(config, maps, _attributes(config, spec, of_labels), how)
            of_labels = [replace(given, volume=None) for given in of_labels]  # each is turned by itself: no neighbours
        found, label = found or of_labels, encode(maps, spec.label_encoding, len(spec.label_names))
    if config.mask is not None:
        assert images is not None
        known = torch.from_numpy(~load_masks(config.mask, spec, how, images))[:, None]
    if config.mode == "vary":
        _check_strengths(config, len(found))
    labels = np.repeat(_attributes(config, spec, found), config.num_per_image, axis=0)
    files, volumes = named_after(found, _classes(spec, labels), config.num_per_image)
    per_source = 1 if config.add_objects else config.num_per_image  # composed maps are sources of their own
    sources = [given.name for given in found for _ in range(config.num_per_image // per_source)]
    shapes = [] if images is None else images.shapes
    paths = [given.file for given in found if given.file is not None]
    if config.original_size and not paths:
        mend = "format=nifti lays labels over volumes" if volumes[0] is not None else "leave it out"
        raise ValueError(f"original_size=true is for image files, which images={config.images} are not: {mend}")
    request = Request(labels, files, sources, per_source, volumes, image, label, known, shapes, how.fit, paths)
    return _guided(config, spec, request)


def _composed(
    config: SampleConfig, maps: UInt8[np.ndarray, "m h w"], attributes: Int64[np.ndarray, "m a"], how: FolderConfig
) -> UInt8[np.ndarray, "n h w"]:
    """A map of its own for each sample."""
    try:
        return compose(maps, attributes, config.num_per_image, config.add_objects, how.flips, seed=config.seed)
    except ValueError as error:
        raise ValueError(f"add_objects={config.add_objects}: {error} (labels={config.labels})") from error


def digest(*parts: bytes | np.ndarray) -> str:
    """SHA-256 of bytes and the content of arrays."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.tobytes() if isinstance(part, np.ndarray) else part)
    return sha.hexdigest()


def _check_strengths(config: SampleConfig, num_sources: int) -> None:
    """ValueError where a strength would go unused; a line where no image gets all of them."""
    strengths, samples = config.strengths(), num_sources * config.num_per_image
    if len(strengths) > samples:
        mend = f"num_per_image={-(-len(strengths) // num_sources)}"
        raise ValueError(f"strength={config.strength}: {len(strengths)} of them, but {samples} samples to draw: {mend}")
    if len(strengths) > config.num_per_image:
        print(
            f"note: strength={config.strength}: the samples take them in turn, so with num_per_image={config.num_per_image} "
            f"no image gets all: num_per_image={len(strengths)} gives each of them to each image"
        )


def _attributes(config: SampleConfig, spec: ImageSpec, found: list[Given]) -> Int64[np.ndarray, "m a"]:
    """Of what was given: as class_label says; else what is known of it, and open where that is not known to the model."""
    chosen = fixed_attributes(spec, config.class_label)
    labels = np.tile(np.asarray(spec.null_label, np.int64), (len(found), 1))
    for column, (name, values) in enumerate(spec.attributes.items()):
        if name in chosen:
            labels[:, column] = chosen[name]
        elif name == "class":
            labels[:, column] = stated_classes("labels" if config.images is None else "images", found, spec)
        else:
            number = {value: k for k, value in enumerate(values)}
            labels[:, column] = [number.get(given.attributes.get(name, ""), len(values)) for given in found]
    return labels


def _classes(spec: ImageSpec, labels: Int64[np.ndarray, "n a"]) -> list[str]:
    """The name of the class of each sample, "" where it has none."""
    return [attribute_names(spec, row).get("class", "") for row in labels]


def _guided(config: SampleConfig, spec: ImageSpec, request: Request) -> Request:
    """The request itself; ValueError where guidance is asked for but nothing to guide to."""
    if config.guidance.scale != 1 and (request.labels == spec.null_label).all():
        mend = "class_label= does" if spec.attributes else "this checkpoint was trained without classes"
        raise ValueError(f"guidance.scale={config.guidance.scale} has no effect: nothing says a class ({mend})")
    return request
