"""Bring an image to another size, with antialiasing, in the four ways that training knows."""

import numpy as np
from jaxtyping import Float, Num
from PIL import Image

FITS = ("crop", "resize", "pad", "center_crop")


def fit_image(image: Num[np.ndarray, "c h w"], size: tuple[int, int], fit: str) -> Float[np.ndarray, "c H W"]:
    """Bring `image` to `size` = (H, W), as float32; one that has the size already keeps its exact values.

    crop: scaled until both sides are covered, then the centre. resize: stretched. pad: scaled until it fits, centred on
    its darkest border value. center_crop: the centre unscaled; an image smaller than `size` is a ValueError.
    """
    h, w = image.shape[1:]
    image = image.astype(np.float32)
    if (h, w) == size:
        return image
    if fit == "resize":
        return _scaled(image, size)
    if fit == "center_crop":
        if h < size[0] or w < size[1]:
            raise ValueError(f"{h}x{w} is smaller than {size[0]}x{size[1]}: fit=center_crop never enlarges")
        return _centre(image, size)
    scale = (max if fit == "crop" else min)(size[0] / h, size[1] / w)
    scaled = _scaled(image, (max(1, round(h * scale)), max(1, round(w * scale))))
    return _centre(scaled, size) if fit == "crop" else _padded(scaled, size)


def _scaled(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bicubic; Pillow widens its kernel when it shrinks. Overshoot at edges is cut off."""
    planes = [Image.fromarray(plane).resize((size[1], size[0]), Image.Resampling.BICUBIC) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes]).clip(image.min(), image.max())


def _centre(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, left = (image.shape[1] - size[0]) // 2, (image.shape[2] - size[1]) // 2
    return image[:, top : top + size[0], left : left + size[1]]


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    c, h, w = image.shape
    border = np.concatenate([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], axis=1)  # (c, 2h + 2w)
    canvas = np.broadcast_to(border.min(axis=1)[:, None, None], (c, *size)).copy()
    top, left = (size[0] - h) // 2, (size[1] - w) // 2
    canvas[:, top : top + h, left : left + w] = image
    return canvas
