"""A set of images as integers of one shape, and the two functions between integers and the network's [-1, 1]."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt, UInt8
from torch import Tensor

from data.intensity import IntensityConfig
from data.label_encoding import LabelEncodingConfig, decode, encode, num_channels
from data.loaded_set import LoadedSet

Progress = Callable[[str, int, int], None]  # progress(what, done, total), called after each image
# Settings that shape no stored pixel, and so are not part of a cache's key.
NOT_PIXELS = ("val_fraction", "hflip", "vflip", "rot90", "label_encoding", "distance_limit")


@dataclass
class ImagesConfig:
    """Fields that every image data config shares.

    `image_size`: side of a square, or [height, width]. `val_fraction`: share of the images held out for validation.
    `hflip`, `vflip`, `rot90`: random flips and quarter turns in training; switch on only what the domain allows.
    `label_encoding`: how label maps become channels beside the image: distance, onehot or bits; `distance_limit`: of the
    first, in pixels (see `LabelEncodingConfig`).
    """

    ITEMS: ClassVar[str] = "images"

    image_size: Any = 64
    val_fraction: float = 0.1
    hflip: bool = False
    vflip: bool = False
    rot90: bool = False
    label_encoding: str = "distance"
    distance_limit: float = 4.0

    def __post_init__(self) -> None:
        height, width = height_width(self.image_size)
        if not 0.0 <= self.val_fraction < 1.0:
            raise ValueError(f"data.val_fraction={self.val_fraction}: it must be in [0, 1)")
        if self.rot90 and height != width:
            raise ValueError(f"data.rot90=true needs square images, data.image_size is {height} x {width}")
        self.encoding()

    @property
    def flips(self) -> dict[str, bool]:
        """How training may turn an image, as `augment` and `views` take it."""
        return {"hflip": self.hflip, "vflip": self.vflip, "rot90": self.rot90}

    def encoding(self) -> LabelEncodingConfig:
        """How label maps become channels."""
        return LabelEncodingConfig(self.label_encoding, self.distance_limit)


def height_width(image_size: Any) -> tuple[int, int]:
    """`image_size` from a config, an int or [height, width], as (height, width)."""
    sizes = [image_size] * 2 if isinstance(image_size, int) else image_size
    if isinstance(sizes, list | tuple) and len(sizes) == 2 and all(type(size) is int and size > 0 for size in sizes):
        return sizes[0], sizes[1]
    raise ValueError(f"data.image_size={image_size}: use a positive whole number or [height, width]")


@dataclass
class ImageSpec:
    """What a network and a writer must know of a set; stands in the checkpoint as a plain dict.

    `dtype` is how pixels are stored, uint8 or uint16, always over its full range; `intensity` maps physical values
    to that range. `file_dtype` is the type of the physical values that image files of this set hold; None: they hold
    the pixels as stored (8-bit images, full 16-bit images, simulated scenes in their display scale).
    `attributes` names what an image as a whole can be: {"class": [...], "plane": [...]}, values in the order of their
    numbers. `label_names` names the values of the label maps, the background first; empty: there are no label maps.
    `label_encoding` says how a label map becomes channels, which a network sees behind those of the image. `counts` has
    the number of training images with each value of each attribute. `label_values` are what the masks of training hold
    for each label, whole numbers or [r, g, b], so that masks of samples are written alike; empty: the labels' numbers.
    """

    channels: int
    height: int
    width: int
    dtype: str = "uint8"
    intensity: IntensityConfig = field(default_factory=IntensityConfig)
    attributes: dict[str, list[str]] = field(default_factory=dict)
    file_dtype: str | None = None
    label_names: list[str] = field(default_factory=list)
    label_encoding: LabelEncodingConfig = field(default_factory=LabelEncodingConfig)
    counts: dict[str, list[int]] = field(default_factory=dict)
    label_values: list[Any] = field(default_factory=list)

    @property
    def item_shape(self) -> tuple[int, int, int]:
        """Of an item as the network sees it: the image's channels and those of its label map, height, width."""
        return self.channels + self.label_channels, self.height, self.width

    @property
    def label_channels(self) -> int:
        """Channels of an encoded label map; 0 where there are no label maps."""
        return num_channels(self.label_encoding, len(self.label_names)) if self.label_names else 0

    @property
    def classes(self) -> list[str]:
        """The values of the attribute `class`; none where images have no class."""
        return self.attributes.get("class", [])

    @property
    def null_label(self) -> list[int]:
        """The number of each attribute that stands for "unknown": one beyond its last value."""
        return [len(values) for values in self.attributes.values()]

    def __post_init__(self) -> None:
        for name in self.classes:
            if name in ("", ".", "..") or "/" in name or "\\" in name:
                raise ValueError(f"class name {name!r}: it becomes a folder, so it must be a plain name")

    def to_dict(self) -> dict[str, Any]:
        """Plain types only; with `label_channels`, which tells the network's shape without this class."""
        return {**asdict(self), "label_channels": self.label_channels}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "ImageSpec":
        """The inverse of `to_dict`; it also reads `classes`, which stood for the attribute of that name."""
        fields = {**plain, "intensity": IntensityConfig(**plain["intensity"])}
        fields.pop("label_channels", None)
        if "label_encoding" in fields:
            fields["label_encoding"] = LabelEncodingConfig(**fields["label_encoding"])
        if classes := fields.pop("classes", []):
            fields["attributes"] = {"class": list(classes), **fields.get("attributes", {})}
        return cls(**fields)

    def classes_in_turn(self, count: int) -> Int64[Tensor, "n a"]:
        """Attributes of `count` images: the values of the first one take turns, the others are left open (null)."""
        labels = torch.tensor(self.null_label, dtype=torch.int64).repeat(count, 1)
        labels[:, 0] = torch.arange(count) % self.null_label[0]
        return labels

    def encoded(self, encoding: LabelEncodingConfig) -> "ImageSpec":
        """The spec under another encoding of its label maps; ValueError where it has none and one is asked for."""
        if not self.label_names and encoding != LabelEncodingConfig():
            raise ValueError("data.label_encoding, data.distance_limit: no effect, for these images have no label maps")
        return replace(self, label_encoding=encoding)

    def key_form(self) -> dict[str, Any]:
        """The spec as a part of keys: as it was before label maps and attributes, where it says the same.

        So the caches and the runs of earlier versions are found again.
        """
        plain = self.to_dict()
        for name in ("label_encoding", "label_channels", "counts", "label_values"):  # no pixel depends on them
            del plain[name]
        if self.label_names or set(self.attributes) - {"class"}:
            return plain
        del plain["label_names"], plain["attributes"]
        return {**plain, "classes": self.classes}


class Batch(NamedTuple):
    """Some items as tensors in [-1, 1]: the image's channels, then those of the encoded label map where there is one.

    `class_label` has a column an attribute, an unknown one with its null number (`ImageSpec.null_label`); None where
    the set has no attributes.
    """

    x_0: Float[Tensor, "b k h w"]
    class_label: Int64[Tensor, "b a"] | None


@dataclass
class ImageSet:
    """Images of one shape, with or without a label map and a number for each attribute of the spec.

    `pixels` is where they lie, often a read-only memory map of a whole cache; a label map is one more plane, behind the
    image's own. `class_labels` has a column an attribute, in the spec's order, -1 where it is unknown. `rows` says which
    row of `pixels` each item is (None: all, in order), so that a part of a set costs no copy. Labels and names are the
    items' own.
    """

    pixels: UInt[np.ndarray, "m planes h w"]
    class_labels: Int64[np.ndarray, "n a"] | None
    names: list[str]
    spec: ImageSpec
    rows: Int64[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        if self.rows is None:
            self.rows = np.arange(len(self.pixels))
        assert len(self.rows) == len(self.names)
        assert self.pixels.shape[1] == self.spec.channels + bool(self.spec.label_names)

    def __len__(self) -> int:
        return len(self.names)

    def integers(self, indices: Sequence[int] | np.ndarray) -> UInt[np.ndarray, "b c h w"]:
        """The images at `indices` as they are stored."""
        return self._planes(indices)[:, : self.spec.channels]

    def label_maps(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b h w"]:
        """The label maps at `indices`; only of a set that has them."""
        assert self.spec.label_names
        return self._planes(indices)[:, self.spec.channels].astype(np.uint8)

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        """The items at `indices` as tensors."""
        x_0 = to_floats(self.integers(indices))
        if self.spec.label_names:
            label = encode(self.label_maps(indices), self.spec.label_encoding, len(self.spec.label_names))
            x_0 = torch.cat([x_0, label], dim=1)
        if self.class_labels is None:
            return Batch(x_0, None)
        numbers = self.class_labels[np.asarray(indices, np.int64)]
        return Batch(x_0, torch.from_numpy(np.where(numbers < 0, self.spec.null_label, numbers)))

    def encoded_labels(self, batch_size: int = 64) -> Iterator[Float[Tensor, "b l h w"]]:
        """The channels of all label maps, batch by batch; only of a set that has them."""
        for part in np.array_split(np.arange(len(self)), -(-len(self) // batch_size)):
            yield encode(self.label_maps(part), self.spec.label_encoding, len(self.spec.label_names))

    def _planes(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        assert self.rows is not None
        return np.asarray(self.pixels[self.rows[np.asarray(indices, np.int64)]])

    def value_counts(self) -> dict[str, list[int]]:
        """How many images have each value of each attribute."""
        if self.class_labels is None:
            return {}
        columns = zip(self.spec.attributes.items(), self.class_labels.T, strict=True)
        return {name: [int((column == i).sum()) for i in range(len(values))] for (name, values), column in columns}

    def subset(self, indices: Sequence[int] | np.ndarray) -> "ImageSet":
        """The images at `indices`, in that order, as a set of its own over the same pixels."""
        assert self.rows is not None
        chosen = np.asarray(indices, np.int64)
        labels = None if self.class_labels is None else self.class_labels[chosen]
        return ImageSet(self.pixels, labels, [self.names[i] for i in chosen], self.spec, self.rows[chosen])


LoadedImages = LoadedSet[ImageSet]


def to_integers(x: Float[Tensor, "..."], dtype: str) -> UInt[np.ndarray, "..."]:
    """Floats in [-1, 1] to uint8 or uint16 over the full range: clipped, then rounded. NaN or inf is a ValueError."""
    assert dtype in ("uint8", "uint16")
    values = x.detach().cpu().double().numpy()
    if not np.isfinite(values).all():
        raise ValueError("the image holds NaN or infinite values: the network or the sampler has diverged")
    largest = np.iinfo(dtype).max
    return np.rint((np.clip(values, -1.0, 1.0) + 1.0) * (largest / 2)).astype(dtype)


def to_floats(pixels: UInt[np.ndarray, "..."]) -> Float[Tensor, "..."]:
    """uint8 or uint16 over the full range to float32 in [-1, 1]; `to_integers` inverts it exactly."""
    half = np.float32(np.iinfo(pixels.dtype).max / 2)
    return torch.from_numpy(pixels.astype(np.float32) / half - np.float32(1.0))


def to_item_arrays(
    x_0: Float[Tensor, "b k h w"], spec: ImageSpec
) -> tuple[UInt[np.ndarray, "b c h w"], UInt8[np.ndarray, "b h w"] | None]:
    """Samples as stored pixels and label maps: the inverse of `ImageSet.batch`. NaN or inf is a ValueError."""
    pixels = to_integers(x_0[:, : spec.channels], spec.dtype)
    if not spec.label_names:
        return pixels, None
    return pixels, decode(x_0[:, spec.channels :], spec.label_encoding, len(spec.label_names))
