"""Label maps as channels in [-1, 1] that are diffused beside the image, and channels back to label maps.

Every encoding is exact: decode(encode(m)) == m for every map. They differ in what an error of the network costs.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64, UInt8
from scipy import ndimage
from torch import Tensor

ENCODINGS = ("onehot", "bits", "distance")
MAX_LABELS = 256  # label maps are 8-bit


@dataclass
class LabelEncodingConfig:
    """How K labels, 0 the background, become channels.

    `onehot`: K-1 channels, channel k-1 is 1 where the label is k and -1 elsewhere.
    `bits`: ceil(log2 K) channels of -1 and 1, the label in binary, most significant bit first ("analog bits", Chen et
    al. 2022, arXiv:2208.04202, section 2.1).
    `distance`: K-1 channels, channel k-1 is the signed Euclidean distance in pixels from the pixel's centre to the
    border of class k, positive inside, clipped at +-`distance_limit` and divided by it. A small limit keeps a thin ship
    far from zero (a line one pixel wide is 0.5 / distance_limit), a large one tells more about where the border is.
    `distance_limit` belongs to `distance` alone.
    """

    name: str = "distance"
    distance_limit: float = 4.0

    def __post_init__(self) -> None:
        if self.name not in ENCODINGS:
            raise ValueError(f"label_encoding={self.name} is unknown: use one of {', '.join(ENCODINGS)}")
        if not (math.isfinite(self.distance_limit) and self.distance_limit >= 1.0):
            raise ValueError(f"distance_limit={self.distance_limit}: it must be at least 1 pixel, and finite")


def num_channels(config: LabelEncodingConfig, num_labels: int) -> int:
    """Channels that `encode` makes for `num_labels` labels, the background among them; ValueError beyond 2..256."""
    if not 2 <= num_labels <= MAX_LABELS:
        raise ValueError(f"{num_labels} labels: a label map has the background and 1 to {MAX_LABELS - 1} classes")
    return (num_labels - 1).bit_length() if config.name == "bits" else num_labels - 1


def encode(
    label_map: UInt8[np.ndarray, "b h w"], config: LabelEncodingConfig, num_labels: int
) -> Float[Tensor, "b l h w"]:
    """Label maps to float32 channels in [-1, 1]; ValueError for a label that is not below `num_labels`.

    `distance` takes two distance transforms per map and class that is in it: some milliseconds at 256 x 256.
    """
    channels = num_channels(config, num_labels)
    if label_map.size and label_map.max() >= num_labels:
        raise ValueError(f"the label map holds {label_map.max()}, but there are only the labels 0 to {num_labels - 1}")
    if config.name == "bits":
        return torch.from_numpy(rearrange(_codes(num_labels)[label_map], "b h w l -> b l h w").copy())
    if config.name == "onehot":
        is_class = label_map[:, None] == np.arange(1, num_labels)[:, None, None]  # (b, l, h, w)
        return torch.from_numpy(np.where(is_class, np.float32(1.0), np.float32(-1.0)))
    encoded = np.empty((len(label_map), channels, *label_map.shape[1:]), np.float32)
    for b, k in np.ndindex(encoded.shape[:2]):
        encoded[b, k] = np.clip(signed_distance(label_map[b] == k + 1) / config.distance_limit, -1.0, 1.0)
    return torch.from_numpy(encoded)


def decode(
    channels: Float[Tensor, "b l h w"], config: LabelEncodingConfig, num_labels: int
) -> UInt8[np.ndarray, "b h w"]:
    """The label maps that channels, noisy ones too, stand for; NaN or inf is a ValueError.

    `onehot` and `distance`: the class of the greatest channel where that is above 0, else background. `bits`: the label
    whose code is nearest, which is the sign of each channel except where that spells no label. Ties go to the lowest.
    """
    values = _finite(channels, config, num_labels)
    if config.name != "bits":
        best = values.argmax(axis=1)  # (b, h, w)
        return np.where(values.max(axis=1) > 0, best + 1, 0).astype(np.uint8)
    values = rearrange(values, "b l h w -> b h w l")
    labels = _from_bits(values > 0)
    unknown = labels >= num_labels
    # All codes have the same length, so the nearest is the one with the greatest inner product.
    labels[unknown] = (values[unknown] @ _codes(num_labels).T).argmax(axis=1)
    return labels.astype(np.uint8)


def signed_distance(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Pixels from each pixel's centre to the border of `mask`, positive inside; +-inf where there is no border.

    The border runs between pixels: half a pixel from the centres on either side of it, so that no value is within
    (-0.5, 0.5). The edge of the image is no border, for nobody knows what lies beyond.
    """
    if mask.all() or not mask.any():
        return np.where(mask, np.inf, -np.inf)
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    return np.where(mask, np.asarray(inside) - 0.5, 0.5 - np.asarray(outside))


def _finite(channels: Tensor, config: LabelEncodingConfig, num_labels: int) -> np.ndarray:
    assert channels.shape[1] == num_channels(config, num_labels)
    values = channels.detach().cpu().float().numpy()
    if not np.isfinite(values).all():
        raise ValueError("the label channels hold NaN or infinite values: the network or the sampler has diverged")
    return values


def _codes(num_labels: int) -> Float[np.ndarray, "k l"]:
    bits = np.arange((num_labels - 1).bit_length())[::-1]  # most significant first
    return (2.0 * ((np.arange(num_labels)[:, None] >> bits) & 1) - 1.0).astype(np.float32)


def _from_bits(bits: Bool[np.ndarray, "b h w l"]) -> Int64[np.ndarray, "b h w"]:
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1])[::-1])
