"""Bring an image of any shape to the set's shape, on its true values and with antialiasing."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Num

FITS = ("resize", "crop", "pad", "center_crop")


def fit_image(image: Num[np.ndarray, "c h w"], size: tuple[int, int], fit: str) -> Float[np.ndarray, "c H W"]:
    """Bring `image` to `size` = (H, W), float64; an image that has that size already keeps its exact values.

    `resize`: the whole image, stretched where its aspect ratio differs. `crop`: scaled until both sides are covered,
    then the centre. `pad`: scaled until it fits, centred on its darkest border value. `center_crop`: the centre
    unscaled, so that a pixel keeps its physical size; an image smaller than `size` is a ValueError.
    """
    h, w = image.shape[1:]
    if (h, w) == size:
        return image.astype(np.float64)
    scale_h, scale_w = size[0] / h, size[1] / w
    if fit == "resize":
        return _scale(image, size)
    if fit == "center_crop":
        check_fit((h, w), size, fit)
        return _centre(image.astype(np.float64), size)
    scale = max(scale_h, scale_w) if fit == "crop" else min(scale_h, scale_w)
    scaled = _scale(image, (max(1, round(h * scale)), max(1, round(w * scale))))
    return _centre(scaled, size) if fit == "crop" else _pad(scaled, size)


def check_fit(shape: tuple[int, int], size: tuple[int, int], fit: str) -> None:
    """ValueError where an image of `shape` cannot be brought to `size` this way."""
    if fit == "center_crop" and (shape[0] < size[0] or shape[1] < size[1]):
        small = f"{shape[0]} x {shape[1]} is smaller than data.image_size={size[0]} x {size[1]}"
        raise ValueError(f"{small}, and data.fit=center_crop never enlarges: use data.fit=crop or pad")


def _scale(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    x = torch.from_numpy(image.astype(np.float64))[None]  # (1, c, h, w)
    x = F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)
    return x[0].numpy().clip(image.min(), image.max())  # bicubic overshoots at edges


def _centre(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, left = (image.shape[1] - size[0]) // 2, (image.shape[2] - size[1]) // 2
    return image[:, top : top + size[0], left : left + size[1]]


def _pad(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    c, h, w = image.shape
    top, left = (size[0] - h) // 2, (size[1] - w) // 2
    border = np.concatenate([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], axis=1)  # (c, 2h + 2w)
    canvas = np.broadcast_to(border.min(axis=1)[:, None, None], (c, *size)).copy()
    canvas[:, top : top + h, left : left + w] = image
    return canvas
