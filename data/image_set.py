"""A set of images as integers of one shape, and the two functions between integers and the network's [-1, 1]."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt
from torch import Tensor

from data.intensity import IntensityConfig

Progress = Callable[[str, int, int], None]  # progress(what, done, total), called after each image


@dataclass
class ImagesConfig:
    """Fields that every image data config shares.

    `image_size`: side of a square, or [height, width]. `val_fraction`: share of the images held out for validation.
    `hflip`, `vflip`, `rot90`: random flips and quarter turns in training; switch on only what the domain allows.
    """

    image_size: Any = 64
    val_fraction: float = 0.1
    hflip: bool = False
    vflip: bool = False
    rot90: bool = False

    def __post_init__(self) -> None:
        height, width = height_width(self.image_size)
        if not 0.0 <= self.val_fraction < 1.0:
            raise ValueError(f"data.val_fraction={self.val_fraction}: it must be in [0, 1)")
        if self.rot90 and height != width:
            raise ValueError(f"data.rot90=true needs square images, data.image_size is {height} x {width}")


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
    """

    channels: int
    height: int
    width: int
    dtype: str = "uint8"
    intensity: IntensityConfig = field(default_factory=IntensityConfig)
    classes: list[str] = field(default_factory=list)
    file_dtype: str | None = None

    def __post_init__(self) -> None:
        for name in self.classes:
            if name in ("", ".", "..") or "/" in name or "\\" in name:
                raise ValueError(f"class name {name!r}: it becomes a folder, so it must be a plain name")

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "ImageSpec":
        """The inverse of `to_dict`."""
        return cls(**{**plain, "intensity": IntensityConfig(**plain["intensity"])})


@dataclass
class ImageSet:
    """Images of one shape, with a class label each or none.

    `pixels` is where they lie, often a read-only memory map of a whole cache. `rows` says which row of `pixels` each
    item is (None: all, in order), so that a part of a set costs no copy. Labels and names are the items' own.
    """

    pixels: UInt[np.ndarray, "m c h w"]
    class_labels: Int64[np.ndarray, " n"] | None
    names: list[str]
    spec: ImageSpec
    rows: Int64[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        if self.rows is None:
            self.rows = np.arange(len(self.pixels))
        assert len(self.rows) == len(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def integers(self, indices: Sequence[int] | np.ndarray) -> UInt[np.ndarray, "b c h w"]:
        """The images at `indices` as they are stored."""
        assert self.rows is not None
        return np.asarray(self.pixels[self.rows[np.asarray(indices, np.int64)]])

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[Float[Tensor, "b c h w"], Int64[Tensor, " b"] | None]:
        """The images at `indices` as float32 in [-1, 1], and their class labels."""
        labels = None if self.class_labels is None else self.class_labels[np.asarray(indices, np.int64)]
        return to_floats(self.integers(indices)), None if labels is None else torch.from_numpy(labels)

    def subset(self, indices: Sequence[int] | np.ndarray) -> "ImageSet":
        """The images at `indices`, in that order, as a set of its own over the same pixels."""
        assert self.rows is not None
        chosen = np.asarray(indices, np.int64)
        labels = None if self.class_labels is None else self.class_labels[chosen]
        return ImageSet(self.pixels, labels, [self.names[i] for i in chosen], self.spec, self.rows[chosen])


@dataclass
class LoadedImages:
    """What `load_images` returns: the sets, what was seen, and the files that were left out.

    `val` may be empty. `report` is a paragraph for people. `skipped` holds (file, reason) where data.on_error=skip.
    `key` identifies the training images by content and order: a run may be resumed on the same key only.
    """

    train: ImageSet
    val: ImageSet
    report: str
    skipped: list[tuple[str, str]]
    key: str


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
