"""Simulated magnetic resonance images of the head: slices through a random head, with or without a lesion.

A slice is a set of tissue regions (mri_anatomy.py, mri_lesion.py), seen by a scan (mri_signal.py). Item i is a pure
function of (seed, i).
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from data.image_set import ImagesConfig, height_width
from data.intensity import IntensityConfig
from data.mri_anatomy import Layer, Tissue, brain_layers, cavity, outer_layers
from data.mri_distance import Points, smooth_field
from data.mri_lesion import grow_lesion
from data.mri_signal import RELAXATION, Scan, coil_shading, draw_scan, rician, tissue_signal

CLASSES = ["healthy", "lesion"]
LABELS = ["lesion"]  # what the mask of a scene marks

# Directions of an image's columns, rows and of its normal; the middle of the image and the range along the normal (mm).
PLANES = {
    "axial": (((1, 0, 0), (0, -1, 0), (0, 0, 1)), (0, -16, 0), (-44, 58)),
    "coronal": (((1, 0, 0), (0, 0, -1), (0, 1, 0)), (0, 0, -10), (-70, 48)),
    "sagittal": (((0, -1, 0), (0, 0, -1), (1, 0, 0)), (0, 2, -10), (-42, 42)),
}


@dataclass
class MriSimConfig(ImagesConfig):
    """Simulated head slices in three planes and three contrasts.

    `planes`: drawn from with equal chance. `t2_fraction`, `flair_fraction`: share of slices with that contrast; the
    rest is T1, mostly after a contrast agent. `lesion_fraction`: share with a lesion. `field_of_view`: median extent of
    the shorter side in mm. `snr`: median ratio of white matter to a pixel's noise; it varies about twofold from slice
    to slice. `shading`: standard deviation of the logarithm of the coil's sensitivity, per quadratic term.
    """

    name: str = "mri_sim"
    num_images: int = 2000
    labels: bool = False  # learn images together with their label maps
    seed: int = 0
    planes: list[str] = field(default_factory=lambda: list(PLANES))
    t2_fraction: float = 0.06
    flair_fraction: float = 0.08
    lesion_fraction: float = 0.5
    field_of_view: float = 220.0
    snr: float = 60.0
    shading: float = 0.12

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name != "mri_sim":
            raise ValueError(f"data.name={self.name}: MriSimConfig is mri_sim")
        if self.num_images < 1:
            raise ValueError(f"data.num_images={self.num_images}: use at least 1")
        if self.seed < 0:
            raise ValueError(f"data.seed={self.seed}: use 0 or more")
        if not self.planes or not set(self.planes) <= set(PLANES):
            raise ValueError(f"data.planes={list(self.planes)}: use one or more of {', '.join(PLANES)}")
        for key in ("t2_fraction", "flair_fraction", "lesion_fraction"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"data.{key}={getattr(self, key)}: use a share from 0 to 1")
        if self.t2_fraction + self.flair_fraction > 1:
            raise ValueError(
                f"data.t2_fraction + data.flair_fraction={self.t2_fraction + self.flair_fraction}: at most 1"
            )
        for key in ("field_of_view", "snr"):
            if not getattr(self, key) > 0:
                raise ValueError(f"data.{key}={getattr(self, key)}: use a number above 0")
        if not self.shading >= 0:
            raise ValueError(f"data.shading={self.shading}: use 0 (none) or more")


@dataclass
class Scene:
    """One simulated image and its ground truth."""

    physical: Float[np.ndarray, "h w"]  # magnitude; 1 is about the brightest fat
    class_label: int  # index into CLASSES
    tissue: Int[np.ndarray, "h w"]  # values of Tissue
    mask: Bool[np.ndarray, "h w"]  # pixels of the lesion with its edema
    boxes: list[list[int]]  # [x, y, w, h] around the mask in pixels; none without a lesion


def intensity(config: MriSimConfig) -> IntensityConfig:
    """The display window of all slices: linear in the magnitude."""
    return IntensityConfig(name="linear", low=0.0, high=1.0)


def simulate(config: MriSimConfig, index: int) -> Scene:
    """Slice `index` of the endless set that `config.seed` names."""
    rng = np.random.default_rng([config.seed, index])
    height, width = height_width(config.image_size)
    pixel = config.field_of_view / min(height, width) * float(np.exp(rng.normal(0, 0.08)))
    points = slice_points(config.planes[rng.integers(len(config.planes))], height, width, pixel, rng)
    ill = rng.random() < config.lesion_fraction
    shares = [1 - config.t2_fraction - config.flair_fraction, config.t2_fraction, config.flair_fraction]
    scan = draw_scan(["t1", "t2", "flair"][rng.choice(3, p=np.clip(shares, 0, 1))], rng)

    cranium = cavity(points)
    layers = [*outer_layers(points, cranium, rng), *brain_layers(points, cranium, rng)]
    lesion = grow_lesion(points, cranium, rng) if ill else []
    mask = lesion[0].distance < 0 if lesion else np.zeros((height, width), bool)
    signal, tissue = paint([*layers, *lesion], pixel, scan)
    physical = receive(signal, points, scan, config, rng)
    return Scene(physical, int(mask.any()), tissue, mask, [_box(mask)] if mask.any() else [])


def slice_points(plane: str, height: int, width: int, pixel: float, rng: np.random.Generator) -> Points:
    """Atlas coordinates (mm, float32) of a random slice's pixels: placed, tilted, and bent by the head's own shape."""
    basis, middle, (first, last) = PLANES[plane]
    column, row, normal = np.array(basis) @ Rotation.from_rotvec(rng.normal(0, 0.07, 3)).as_matrix()
    place = rng.triangular(first, 0, last)
    if plane == "sagittal":
        place += np.copysign(3.5, place)  # a slice that runs along the midline fissure would show fluid alone
    origin = np.array(middle) + rng.normal(0, 3, 3) * (1 - np.abs(normal)) + normal * place
    down, right = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    points = origin[:, None, None] + pixel * (column[:, None, None] * right + row[:, None, None] * down)
    points = (points / np.exp(rng.normal(0, 0.04, (3, 1, 1)))).astype(np.float32)
    return points + 1.8 * smooth_field(points, (100, 250), rng, channels=3, waves=6)


def paint(layers: list[Layer], pixel: float, scan: Scan) -> tuple[Float[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """Noise-free signal with partial volume, and the tissue that fills most of each pixel."""
    signal = np.zeros(layers[0].distance.shape, np.float32)
    tissue = np.zeros(signal.shape, np.int64)
    for layer in layers:
        if layer.distance.min() > pixel / 2:
            continue
        covered = np.clip(0.5 - layer.distance / pixel, 0, 1)
        if layer.thickness < np.inf:
            covered -= np.clip(0.5 - (layer.distance + layer.thickness) / pixel, 0, 1)
        signal += covered * (tissue_signal(RELAXATION[layer.tissue], scan) - signal)
        tissue[covered > 0.5] = layer.tissue
    return signal, tissue


def receive(
    signal: Float[np.ndarray, "h w"], points: Points, scan: Scan, config: MriSimConfig, rng: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """The magnitude image of a signal: blurred, shaded, amplified and noisy."""
    signal = gaussian_filter(signal, 0.45, mode="nearest")  # point spread of the window on k-space, in pixels
    texture = 1 + 0.04 * smooth_field(points, (8, 60), rng, waves=20)[0]
    reach = 1 / (1 + np.exp(-(points[2] + rng.uniform(85, 140)) / 14))  # the head coil ends at the neck
    # The receiver is tuned to the brightest of the common tissues.
    brightest = max(tissue_signal(RELAXATION[t], scan) for t in (Tissue.FAT, Tissue.CSF, Tissue.EDEMA))
    gain = 0.68 / brightest * np.exp(rng.normal(0, 0.2))
    sigma = gain * tissue_signal(RELAXATION[Tissue.WHITE], scan) / (config.snr * np.exp(rng.normal(0, 0.7)))
    shading = gain * reach * coil_shading(signal.shape[0], signal.shape[1], config.shading, rng)
    return rician(signal * texture * shading, sigma, rng)


def _box(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    y, x = np.nonzero(mask)
    return [int(x.min()), int(y.min()), int(x.max() - x.min() + 1), int(y.max() - y.min() + 1)]
