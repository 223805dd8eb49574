"""Classic augmentation: square windows at random places and scales, symmetries, and changes of brightness."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Num
from PIL import Image


class Window(NamedTuple):
    """A square in pixels of the image; it may reach beyond its edges."""

    left: float
    top: float
    side: float


class Turn(NamedTuple):
    """An element of the square's symmetry group: its three steps are done in this order."""

    mirror: bool
    upside_down: bool
    transpose: bool


class PixelScale(NamedTuple):
    """The pixel values that become 0 and 1, and the mean and standard deviation on that scale."""

    low: float
    high: float
    mean: float
    std: float

    def apply(self, planes: Float[np.ndarray, "c h w"]) -> Float[np.ndarray, "c h w"]:
        """Pixel values to about 0..1."""
        return (planes - self.low) / (self.high - self.low)

    def standardise(self, planes: Float[np.ndarray, "c h w"], channels: int) -> Float[np.ndarray, "k h w"]:
        """Planes of about 0..1 to mean 0 and deviation 1, in float32; a grey one as often as there are `channels`."""
        planes = (planes - self.mean) / self.std
        return np.repeat(planes, channels // len(planes), axis=0).astype(np.float32)


def pixel_scale(images: list[np.ndarray], *, eight_bit: bool) -> PixelScale:
    """Of real training images: 0..255 for those of 8 bits, else their least and greatest value.

    ValueError where all pixels are the same.
    """
    count = sum(image.size for image in images)
    mean = sum(float(image.sum(dtype=np.float64)) for image in images) / count
    variance = sum(float(np.square(image.astype(np.float64) - mean).sum()) for image in images) / count
    least, greatest = min(float(image.min()) for image in images), max(float(image.max()) for image in images)
    low, high = (0.0, 255.0) if eight_bit else (least, greatest)
    if low == high:
        raise ValueError("train: all pixels of all images are the same")
    spread = max(math.sqrt(variance), 1e-3 * (high - low))
    return PixelScale(low, high, (mean - low) / (high - low), spread / (high - low))


def draw_window(
    size: tuple[int, int], scale_jitter: float, rng: np.random.Generator, *, augment: bool, shift: float = 0.0
) -> Window:
    """A window at a random place, and unless `augment` is off at a random scale; `size` is the image's (h, w).

    It lies inside the image or, where it is larger, has the image inside it, and is then moved by up to `shift` of its
    side. Scales are even in their logarithm.
    """
    h, w = size
    jitter = math.exp(rng.uniform(-1, 1) * math.log(scale_jitter)) if augment else 1.0
    side = min(h, w) / jitter
    left, top = (rng.uniform(min(0.0, length - side), max(0.0, length - side)) for length in (w, h))
    if augment and shift > 0:
        left, top = (start + rng.uniform(-shift, shift) * side for start in (left, top))
    return Window(left, top, side)


def cut_window(image: Num[np.ndarray, "c h w"], window: Window, size: int) -> Float[np.ndarray, "c size size"]:
    """What lies in the window, in `size` pixels a side; around the image stands its median."""
    pad = _needed(image.shape[1:], window)
    return resized(_padded(image, pad), _box(window, pad), (size, size))


def cut_label_map(label_map: Integer[np.ndarray, "h w"], window: Window, size: int) -> Integer[np.ndarray, "size size"]:
    """The labels in the window; a pixel takes the label that covers most of it, and around the map stands 0."""
    pad = _needed(label_map.shape, window)
    padded = np.pad(label_map, pad)
    labels = np.unique(padded)
    shares = np.concatenate([resized((padded == k)[None], _box(window, pad), (size, size)) for k in labels])
    return labels[shares.argmax(axis=0)]


def resized(
    image: np.ndarray, box: tuple[float, float, float, float], target: tuple[int, int]
) -> Float[np.ndarray, "c h w"]:
    """The part `box` of the image as `target` = (w, h) pixels; Pillow widens its kernel as it shrinks."""
    planes = [
        Image.fromarray(plane.astype(np.float32)).resize(target, Image.Resampling.BILINEAR, box=box) for plane in image
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def draw_turn(symmetry: str, rng: np.random.Generator) -> Turn:
    """A random element of the symmetry's group: none, hflip, flips or dihedral."""
    mirror, upside_down, transpose = rng.random(3) < 0.5
    return Turn(
        bool(mirror and symmetry != "none"),
        bool(upside_down and symmetry in ("flips", "dihedral")),
        bool(transpose and symmetry == "dihedral"),
    )


def turned(planes: Num[np.ndarray, "*c s s"], turn: Turn) -> Num[np.ndarray, "*c s s"]:
    """A square image or label map under `turn`."""
    planes = planes[..., ::-1] if turn.mirror else planes
    planes = planes[..., ::-1, :] if turn.upside_down else planes
    return planes.swapaxes(-2, -1) if turn.transpose else planes


def relit(image: Float[np.ndarray, "c h w"], rng: np.random.Generator) -> Float[np.ndarray, "c h w"]:
    """Gamma, contrast and brightness, and for half of the images multiplicative noise (speckle's first two moments)."""
    gamma, gain, shift = math.exp(rng.uniform(-0.3, 0.3)), rng.uniform(0.75, 1.3), rng.uniform(-0.05, 0.05)
    image = image.clip(0, None) ** gamma * gain + shift
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape[1:], dtype=np.float32)
        image = image * (1 + rng.uniform(0, 0.2) * noise)
    return image.astype(np.float32)


def _needed(size: tuple[int, ...], window: Window) -> int:
    """How wide a border the image needs for the window to lie inside."""
    (h, w), (left, top, side) = size, window
    return math.ceil(max(0.0, -left, -top, left + side - w, top + side - h))


def _box(window: Window, pad: int) -> tuple[float, float, float, float]:
    left, top, side = window
    return left + pad, top + pad, left + pad + side, top + pad + side


def _padded(image: np.ndarray, pad: int) -> np.ndarray:
    """The image with a border of its own median on all sides."""
    border = [(0, 0), (pad, pad), (pad, pad)]
    fill = np.median(image, axis=(1, 2), keepdims=True).astype(image.dtype)
    # np.pad knows one value for all channels, so the difference to the median is padded with 0
    return np.pad(image - fill, border) + fill if pad else image
