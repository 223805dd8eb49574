"""Simulated SAR amplitude scenes with ground truth: open sea, coast or harbour, mostly with ships.

A scene is K-distributed clutter (sar_clutter.py) on sea and land (sar_land.py) plus the echoes of ships and walls
(sar_ships.py), seen by one radar: its looks, its resolution, its sidelobes. Item i is a pure function of (seed, i).
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from data.image_set import ImagesConfig, height_width
from data.intensity import IntensityConfig
from data.sar_clutter import gamma_field, gaussian_field, low_pass, sea_spectrum
from data.sar_land import Landscape, coast, harbour, open_sea
from data.sar_ships import Ship, hull, point_response, scatterers, wake_gain

LANDSCAPES = {"open_sea": open_sea, "coast": coast, "harbour": harbour}
CLASSES = list(LANDSCAPES)
LABELS = ["ship"]  # what the mask of a scene marks


@dataclass
class SarSimConfig(ImagesConfig):
    """Simulated SAR scenes. Ranges are [low, high], of which each scene draws one value.

    Lengths marked * are in pixels of a scene whose shorter side is 64 pixels and grow with it. Amplitudes are
    relative to the root mean square of a rough sea. Flips are on: the radar may look either way and fly either way.
    """

    name: str = "sar_sim"
    num_images: int = 2000
    labels: bool = False  # learn images together with their label maps
    seed: int = 0
    hflip: bool = True
    vflip: bool = True
    class_probabilities: list[float] = field(default_factory=lambda: [0.6, 0.2, 0.2])  # of CLASSES
    max_ships: int = 3
    empty_fraction: float = 0.04  # share of the scenes that have no ship
    ship_length: list[float] = field(default_factory=lambda: [8.0, 30.0])  # *
    ship_amplitude: list[float] = field(default_factory=lambda: [5.0, 20.0])
    sea_amplitude: list[float] = field(default_factory=lambda: [0.3, 1.0])
    texture_order: list[float] = field(default_factory=lambda: [5.0, 50.0])  # nu of the K-distribution: low is spiky
    looks: list[float] = field(default_factory=lambda: [3.0, 50.0])
    resolution: float = 1.2  # of the point spread function, in pixels of the image as it is
    weighting: list[float] = field(default_factory=lambda: [0.55, 0.8])  # of the band: 1 none (sinc), 0.54 Hamming

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name != "sar_sim":
            raise ValueError(f"data.name={self.name}: these settings belong to sar_sim")
        if min(height_width(self.image_size)) < 16:
            raise ValueError(f"data.image_size={self.image_size}: a simulated scene needs at least 16 x 16 pixels")
        if self.num_images < 1:
            raise ValueError(f"data.num_images={self.num_images}: it must be at least 1")
        if self.seed < 0:
            raise ValueError(f"data.seed={self.seed}: it must not be negative")
        shares = self.class_probabilities
        if len(shares) != len(CLASSES) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"data.class_probabilities={shares}: give a share for each of {CLASSES}, adding up to 1")
        if self.max_ships < 1:
            raise ValueError(
                f"data.max_ships={self.max_ships}: it must be at least 1 (empty_fraction=1 leaves all out)"
            )
        if not 0 <= self.empty_fraction <= 1:
            raise ValueError(f"data.empty_fraction={self.empty_fraction}: it must be in [0, 1]")
        for key in ("ship_length", "ship_amplitude", "sea_amplitude", "texture_order", "looks", "weighting"):
            bounds = getattr(self, key)
            if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"data.{key}={bounds}: give [low, high] with 0 < low <= high")
        if self.ship_length[1] > 50:
            raise ValueError(f"data.ship_length={self.ship_length}: at most 50, so that ships lie within 64 pixels")
        if self.resolution < 1:
            raise ValueError(f"data.resolution={self.resolution}: it must be at least 1 pixel, or the echo is aliased")
        if not 0.5 <= self.weighting[0] <= self.weighting[1] <= 1:
            raise ValueError(f"data.weighting={self.weighting}: both must be in [0.5, 1]")


@dataclass
class Scene:
    """A simulated image and its ground truth."""

    physical: Float[ndarray, "h w"]  # amplitude
    class_label: int  # index in CLASSES
    mask: Bool[ndarray, "h w"]  # hulls
    boxes: list[list[int]]  # [x, y, w, h] of each hull, in pixels


def intensity(config: SarSimConfig) -> IntensityConfig:
    """The display scale of every scene, dB of amplitude: from a calm sea, the noise floor, to a saturated ship."""
    return IntensityConfig(name="db", low=-10.0, high=26.0)


def simulate(config: SarSimConfig, index: int) -> Scene:
    """Scene `index` of the endless set that `config.seed` names; its amplitude is float64 of shape (h, w)."""
    rng = np.random.default_rng([config.seed, index])
    shape = height_width(config.image_size)
    scale = min(shape) / 64
    label = int(rng.choice(len(CLASSES), p=config.class_probabilities))
    looks, sea = log_uniform(rng, config.looks), log_uniform(rng, config.sea_amplitude)
    landscape = LANDSCAPES[CLASSES[label]](rng, shape, scale, max(3 * sea, log_uniform(rng, [1.5, 7.0])))
    ships = place_ships(config, rng, landscape, scale=scale, weakest=5 * sea)
    power = clutter(config, rng, landscape, ships, sea=sea, looks=looks)
    power += echoes(config, rng, landscape, ships, looks=looks)
    hulls = [hull(ship, shape) for ship in ships]
    mask = np.any([np.zeros(shape, bool), *hulls], axis=0)
    return Scene(np.sqrt(power), label, mask, [bounding_box(pixels) for pixels in hulls])


def log_uniform(rng: np.random.Generator, bounds: list[float]) -> float:
    """A positive number whose logarithm is uniform between those of the bounds."""
    return float(np.exp(rng.uniform(*np.log(bounds))))


def clutter(
    config: SarSimConfig, rng: np.random.Generator, landscape: Landscape, ships: list[Ship], *, sea: float, looks: float
) -> Float[ndarray, "h w"]:
    """Speckled intensity of sea and land."""
    shape = landscape.land.shape
    order = log_uniform(rng, config.texture_order)
    spectrum = sea_spectrum(rng, shape, min(shape) / 64)
    power = sea**2 * gamma_field(order, gaussian_field(rng, shape, spectrum))
    for ship in ships:
        if ship.wake:
            power *= wake_gain(ship, shape)
    power = np.where(landscape.land, landscape.intensity, power)
    # Backscatter changes by up to 4 dB from near to far range.
    power *= 10 ** (rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, shape[1]))
    grain = rng.uniform(0, 0.4) if rng.random() < 0.85 else rng.uniform(0.5, 1.2)  # oversampled images are blotchy
    return power * gamma_field(looks, gaussian_field(rng, shape, low_pass(shape, grain)))


def echoes(
    config: SarSimConfig, rng: np.random.Generator, landscape: Landscape, ships: list[Ship], *, looks: float
) -> Float[ndarray, "h w"]:
    """Intensity of all point scatterers, of ships and of land."""
    return point_response(
        rng,
        np.concatenate([landscape.points, *(scatterers(rng, ship) for ship in ships)], axis=1),
        landscape.land.shape,
        looks=min(round(looks), 3),  # more would cost time and change little: the deck is averaged over its points
        resolution=config.resolution,
        weighting=rng.uniform(config.weighting[0], config.weighting[1]),
    )


def place_ships(
    config: SarSimConfig, rng: np.random.Generator, landscape: Landscape, *, scale: float, weakest: float
) -> list[Ship]:
    """Ships at sea that lie within the image and apart; one that finds no room is left out."""
    if rng.random() < config.empty_fraction:
        return []
    shape = landscape.land.shape
    number = rng.integers(1, rng.integers(1, config.max_ships + 1) + 1)  # few more often than many
    amplitude = max(log_uniform(rng, config.ship_amplitude), weakest)
    course = rng.uniform(0, 2 * np.pi)
    occupied = landscape.land.copy()
    ships: list[Ship] = []
    for attempt in range(60):
        if len(ships) == number:
            break
        longest = max(config.ship_length[0], config.ship_length[1] * min(1, 1.2 - attempt / 50))
        length = max(scale * log_uniform(rng, [config.ship_length[0], longest]), 4.0)
        ship = random_ship(rng, landscape, length=length, course=course, scale=scale, amplitude=amplitude)
        half = ship.length / 2 * np.abs([np.cos(ship.heading), np.sin(ship.heading)]) + 1
        inside = np.all(half <= [ship.x, ship.y]) and np.all([ship.x, ship.y] <= np.array(shape[::-1]) - 1 - half)
        if inside and not (hull(ship, shape, margin=0.5) & occupied).any():
            ships.append(ship)
            occupied |= hull(ship, shape, margin=4 * scale)
    return ships


def random_ship(
    rng: np.random.Generator, landscape: Landscape, *, length: float, course: float, scale: float, amplitude: float
) -> Ship:
    """A ship under way along `course`, give or take, or, where there are berths, mostly one that is moored."""
    height, width = landscape.land.shape
    moored = bool(landscape.berths) and rng.random() < 0.7
    if moored:
        x, y, heading = landscape.berths[rng.integers(len(landscape.berths))]
    else:
        x, y = rng.uniform(0, [width, height])
        heading = course + np.pi * rng.integers(2) + rng.normal(0, 0.3)
    return Ship(
        x,
        y,
        length,
        beam=max(length / rng.uniform(5, 9), 1.4 * scale, 1.5),
        heading=heading,
        amplitude=amplitude * np.exp(rng.normal(0, 0.2)),
        smear=0.0 if moored or rng.random() < 0.8 else rng.uniform(1.5, 4) * scale,
        wake=0.0 if moored or rng.random() < 0.6 else rng.uniform(0.4, 0.8),
    )


def bounding_box(mask: Bool[ndarray, "h w"]) -> list[int]:
    """[x, y, w, h] of the smallest box that holds all true pixels."""
    y, x = np.nonzero(mask)
    return [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
