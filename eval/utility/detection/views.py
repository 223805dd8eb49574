"""From a scene to what the detector sees: whole for a test, or a window of it with classic augmentation for training."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from eval.utility.detection.scenes import Scene

MIN_VISIBLE = 0.4  # an object of which less is left in a window is not asked for


@dataclass(frozen=True)
class View:
    """A square or whole image for the detector, with values about 0..1."""

    image: Float[np.ndarray, "3 h w"]
    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Viewer:
    """How scenes are scaled and augmented; the same for every arm of a study but for `augment`."""

    size: int
    """Pixels that the shorter side of an image is scaled to, and the sides of a training window."""
    scale_jitter: float = 1.4
    """Training scales lie between 1 / scale_jitter and scale_jitter times that, evenly in their logarithm."""
    symmetry: str = "dihedral"
    """none, hflip, flips (both), or dihedral (flips and quarter turns)."""
    low: float = 0.0
    high: float = 255.0
    """The pixel values that become 0 and 1."""

    def whole(self, scene: Scene) -> tuple[Float[np.ndarray, "3 H W"], tuple[float, float]]:
        """The image with its shorter side at `size`, and by how much x and y were scaled."""
        h, w = scene.size
        scale = self.size / min(h, w)
        target = (max(1, round(w * scale)), max(1, round(h * scale)))
        image = self._resized(scene.image, (0.0, 0.0, float(w), float(h)), target)
        return image, (target[0] / w, target[1] / h)

    def window(self, scene: Scene, rng: np.random.Generator, *, augment: bool = True) -> View:
        """A square window at a random place, and unless `augment` is off at a random scale, symmetry and brightness.

        A window larger than the image has the image at a random place in it, and around it the image's median.
        """
        h, w = scene.size
        jitter = math.exp(rng.uniform(-1, 1) * math.log(self.scale_jitter)) if augment else 1.0
        side = min(h, w) / jitter
        left, top = (rng.uniform(min(0.0, length - side), max(0.0, length - side)) for length in (w, h))
        pad = math.ceil(max(0.0, -left, -top, left + side - w, top + side - h))
        image = _padded(scene.image, pad)
        box = (left + pad, top + pad, left + pad + side, top + pad + side)
        pixels = self._resized(image, box, (self.size, self.size))
        boxes, labels = _inside(scene, left, top, side)
        boxes = boxes * (self.size / side)
        if augment:
            pixels, boxes = _turned(pixels, boxes, self.symmetry, rng)
            pixels = _relit(pixels, rng)
        return View(np.ascontiguousarray(pixels), boxes, labels)

    def _resized(
        self, image: np.ndarray, box: tuple[float, float, float, float], target: tuple[int, int]
    ) -> np.ndarray:
        """The part `box` of the image as `target` = (W, H) pixels about 0..1; Pillow widens its kernel as it shrinks."""
        planes = [
            Image.fromarray(plane.astype(np.float32)).resize(target, Image.Resampling.BILINEAR, box=box)
            for plane in image
        ]
        pixels = (np.stack([np.asarray(plane) for plane in planes]) - self.low) / (self.high - self.low)
        return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels


def _padded(image: np.ndarray, pad: int) -> np.ndarray:
    """The image with a border of its own median on all sides."""
    border = [(0, 0), (pad, pad), (pad, pad)]
    fill = np.median(image, axis=(1, 2), keepdims=True).astype(image.dtype)
    # np.pad knows one value for all channels, so the difference to the median is padded with 0
    return np.pad(image - fill, border) + fill if pad else image


def _inside(scene: Scene, left: float, top: float, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The boxes in a window, in pixels from its corner, cut at its edges; crowds are no objects to learn."""
    boxes = scene.boxes - np.array([left, top, left, top])
    cut = boxes.clip(0, side)
    area, left_over = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, cut))
    keep = (left_over >= MIN_VISIBLE * area) & ~scene.crowd
    return cut[keep], scene.labels[keep]


def _turned(
    image: np.ndarray, boxes: np.ndarray, symmetry: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A square image and its boxes under a random element of the symmetry's group."""
    side = image.shape[-1]
    mirror, upside_down, transpose = rng.random(3) < 0.5
    if mirror and symmetry != "none":
        image, boxes = (
            image[:, :, ::-1],
            np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], 1),
        )
    if upside_down and symmetry in ("flips", "dihedral"):
        image, boxes = image[:, ::-1], np.stack([boxes[:, 0], side - boxes[:, 3], boxes[:, 2], side - boxes[:, 1]], 1)
    if transpose and symmetry == "dihedral":
        image, boxes = image.swapaxes(1, 2), boxes[:, [1, 0, 3, 2]]
    return image, boxes


def _relit(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma, contrast and brightness, and for half of the images multiplicative noise (speckle's first two moments)."""
    gamma, gain, shift = math.exp(rng.uniform(-0.3, 0.3)), rng.uniform(0.75, 1.3), rng.uniform(-0.05, 0.05)
    image = image.clip(0, None) ** gamma * gain + shift
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape[1:], dtype=np.float32)
        image = image * (1 + rng.uniform(0, 0.2) * noise)
    return image.astype(np.float32)
