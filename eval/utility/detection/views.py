"""From a scene to what the detector sees: whole for a test, or a window of it with classic augmentation for training."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from eval.utility.detection.scenes import Scene
from eval.utility.windows import PixelScale, Turn, Window, cut_window, draw_turn, draw_window, relit, resized, turned

MIN_VISIBLE = 0.4  # an object of which less is left in a window is not asked for
EIGHT_BIT = PixelScale(0.0, 255.0, 0.0, 1.0)


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
    scale: PixelScale = EIGHT_BIT

    def whole(self, scene: Scene) -> tuple[Float[np.ndarray, "3 H W"], tuple[float, float]]:
        """The image with its shorter side at `size`, and by how much x and y were scaled."""
        h, w = scene.size
        scale = self.size / min(h, w)
        target = (max(1, round(w * scale)), max(1, round(h * scale)))
        image = _in_colour(self.scale.apply(resized(scene.image, (0.0, 0.0, float(w), float(h)), target)))
        return image, (target[0] / w, target[1] / h)

    def window(self, scene: Scene, rng: np.random.Generator, *, augment: bool = True) -> View:
        """A square window at a random place, and unless `augment` is off at a random scale, symmetry and brightness.

        A window larger than the image has the image at a random place in it, and around it the image's median.
        """
        window = draw_window(scene.size, self.scale_jitter, rng, augment=augment)
        pixels = _in_colour(self.scale.apply(cut_window(scene.image, window, self.size)))
        boxes, labels = _inside(scene, window)
        boxes = boxes * (self.size / window.side)
        if augment:
            turn = draw_turn(self.symmetry, rng)
            pixels, boxes = relit(turned(pixels, turn), rng), _turned_boxes(boxes, self.size, turn)
        return View(np.ascontiguousarray(pixels), boxes, labels)


def _in_colour(pixels: np.ndarray) -> np.ndarray:
    """Three channels, as torchvision's detectors take them."""
    return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels


def _inside(scene: Scene, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The boxes in a window, in pixels from its corner, cut at its edges; crowds are no objects to learn."""
    boxes = scene.boxes - np.array([window.left, window.top] * 2)
    cut = boxes.clip(0, window.side)
    area, left_over = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, cut))
    keep = (left_over >= MIN_VISIBLE * area) & ~scene.crowd
    return cut[keep], scene.labels[keep]


def _turned_boxes(boxes: np.ndarray, side: int, turn: Turn) -> np.ndarray:
    """Boxes of a square image under `turn`."""
    if turn.mirror:
        boxes = np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], 1)
    if turn.upside_down:
        boxes = np.stack([boxes[:, 0], side - boxes[:, 3], boxes[:, 2], side - boxes[:, 1]], 1)
    return boxes[:, [1, 0, 3, 2]] if turn.transpose else boxes
