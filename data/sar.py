"""Simulated SAR amplitude scenes with ground truth: open sea, coast or harbour, with ships.

A scene is the incoherent sum of K-distributed clutter (sar_clutter.py), land (sar_land.py) and ships (sar_ships.py), seen by
one radar: a number of looks, a resolution and a sidelobe level. Item i is a pure function of (seed, i).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from data.intensity import IntensityConfig
from data.sar_clutter import gamma_field, gaussian_field, low_pass, sea_power
from data.sar_land import Land, coast, harbour
from data.sar_ships import Ship, hull, point_response, scatterers, wake_gain

CLASSES = ["open_sea", "coast", "harbour"]


@dataclass
class Scene:
    """One simulated image and its ground truth."""

    physical: Float[ndarray, "h w"]  # amplitude; 1 is the root mean square of a moderate sea
    class_label: int  # index into CLASSES
    mask: Bool[ndarray, "h w"]  # pixels inside a ship's hull
    boxes: list[list[int]]  # [x, y, w, h] of each ship's hull in pixels


@dataclass
class SarSimConfig:
    """Simulated SAR scenes; lengths are in pixels of a 64-pixel image and grow with the shorter side."""

    name: str = "sar_sim"
    image_size: Any = 64  # int or [height, width]
    num_images: int = 2000
    seed: int = 0
    class_probabilities: list[float] = field(default_factory=lambda: [0.6, 0.2, 0.2])
    max_ships: int = 3
    empty_fraction: float = 0.04  # share of scenes without a ship
    ship_length: list[float] = field(default_factory=lambda: [8.0, 30.0])
    looks: list[float] = field(default_factory=lambda: [2.0, 24.0])  # equivalent number of looks
    texture_order: list[float] = field(default_factory=lambda: [4.0, 40.0])  # nu of the sea; low is spiky
    sea_amplitude: list[float] = field(default_factory=lambda: [0.45, 1.2])
    resolution: float = 1.3  # -3.9 dB half width of the point spread function, in pixels of the image itself
    weighting: float = 0.6  # generalised Hamming window: 1 none (sinc), 0.54 Hamming

    def __post_init__(self) -> None:
        if self.name != "sar_sim":
            raise ValueError(f"data.name={self.name}: SarSimConfig is sar_sim")
        sizes = self.image_size if isinstance(self.image_size, (list, tuple)) else [self.image_size] * 2
        if len(sizes) != 2 or not all(isinstance(n, int) and n >= 32 for n in sizes):
            raise ValueError(f"data.image_size={self.image_size}: use an integer or [height, width], each at least 32")
        if self.num_images < 1:
            raise ValueError(f"data.num_images={self.num_images}: use at least 1")
        if self.seed < 0:
            raise ValueError(f"data.seed={self.seed}: use 0 or more")
        shares = self.class_probabilities
        if len(shares) != len(CLASSES) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(
                f"data.class_probabilities={shares}: use {len(CLASSES)} shares, one for each of {CLASSES}, that add up to 1"
            )
        if self.max_ships < 1:
            raise ValueError(f"data.max_ships={self.max_ships}: use at least 1 (empty_fraction=1 gives no ships)")
        if not 0 <= self.empty_fraction <= 1:
            raise ValueError(f"data.empty_fraction={self.empty_fraction}: use a share from 0 to 1")
        for key in ("ship_length", "looks", "texture_order", "sea_amplitude"):
            bounds = getattr(self, key)
            if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"data.{key}={bounds}: use [low, high] with 0 < low <= high")
        if self.ship_length[1] > 40:
            raise ValueError(
                f"data.ship_length={self.ship_length}: use at most 40, as a 64-pixel image must hold the ship"
            )
        if self.resolution < 1:
            raise ValueError(f"data.resolution={self.resolution}: use at least 1 pixel, the sampling limit")
        if not 0.5 <= self.weighting <= 1:
            raise ValueError(f"data.weighting={self.weighting}: use 0.5 (Hann) to 1 (no window)")


def image_shape(config: SarSimConfig) -> tuple[int, int]:
    """(height, width) in pixels."""
    size = config.image_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def intensity(config: SarSimConfig) -> IntensityConfig:
    """The display mapping of all scenes: amplitude in dB relative to a moderate sea, from the noise floor to saturation."""
    return IntensityConfig(name="db", low=-10.0, high=26.0)


def _log_uniform(rng: np.random.Generator, bounds: list[float]) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))


def simulate(config: SarSimConfig, index: int) -> Scene:
    """Scene `index` of the endless set that `config.seed` names."""
    rng = np.random.default_rng([config.seed, index])
    shape = image_shape(config)
    scale = min(shape) / 64
    label = int(rng.choice(len(CLASSES), p=config.class_probabilities))
    looks, sea = _log_uniform(rng, config.looks), _log_uniform(rng, config.sea_amplitude)
    level = max(2.5 * sea, _log_uniform(rng, [2.0, 7.0]))
    land = (None, coast, harbour)[label]
    land = land(rng, shape, scale, level) if land else None
    ships = _place_ships(config, rng, shape, scale, land, sea)

    power = sea**2 * gamma_field(
        _log_uniform(rng, config.texture_order), gaussian_field(rng, shape, sea_power(rng, shape, scale))
    )
    for ship in ships:
        if ship.wake:
            power *= wake_gain(ship, shape)
    if land is not None:
        power = np.where(land.mask, land.intensity, power)
    # Backscatter falls from near to far range (left to right, or mirrored as the radar looks left).
    trend = 10 ** (rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, shape[1]))
    speckle = gamma_field(looks, gaussian_field(rng, shape, low_pass(shape, rng.uniform(0, 0.6))))
    power = power * trend * speckle

    points = [scatterers(rng, ship) for ship in ships] + ([land.points] if land is not None else [])
    if points:
        power += point_response(
            rng,
            tuple(np.concatenate(p) for p in zip(*points, strict=True)),
            shape,
            looks=int(np.clip(looks, 1, 4)),
            resolution=config.resolution,
            weighting=config.weighting,
        )
    masks = [hull(ship, shape) for ship in ships]
    mask = np.any(masks, axis=0) if masks else np.zeros(shape, bool)
    return Scene(np.sqrt(power), label, mask, [_box(m) for m in masks])


def _box(mask: Bool[ndarray, "h w"]) -> list[int]:
    y, x = np.nonzero(mask)
    return [int(x.min()), int(y.min()), int(x.max() - x.min() + 1), int(y.max() - y.min() + 1)]


def _place_ships(config, rng, shape, scale, land, sea) -> list[Ship]:
    if rng.random() < config.empty_fraction:
        return []
    number = int(rng.integers(1, config.max_ships + 1))
    occupied = np.zeros(shape, bool) if land is None else land.mask.copy()
    amplitude = max(_log_uniform(rng, [7.0, 16.0]), 5 * sea)
    heading = rng.uniform(0, 2 * np.pi)
    ships = []
    for attempt in range(40):
        if len(ships) == number:
            break
        longest = config.ship_length[1] * 0.9 ** max(0, attempt - 10)
        length = scale * _log_uniform(rng, [config.ship_length[0], max(longest, config.ship_length[0])])
        moored = land is not None and land.berths and attempt < 30 and rng.random() < 0.6
        if moored:
            x, y, angle, most = land.berths[rng.integers(len(land.berths))]
            length = max(min(length, most), scale * config.ship_length[0])
        else:
            x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
            angle = heading + rng.choice([0, np.pi]) + rng.normal(0, 0.4)
        beam = max(length / rng.uniform(4.5, 7), 1.8 * scale)
        ship = Ship(
            x,
            y,
            length,
            beam,
            angle,
            amplitude * np.exp(rng.normal(0, 0.2)),
            smear=0.0 if moored or rng.random() < 0.75 else rng.uniform(2, 6) * scale,
            wake=0.0 if moored or rng.random() < 0.7 else rng.uniform(0.3, 0.8),
        )
        x_extent = abs(length / 2 * np.cos(angle)) + 1
        y_extent = abs(length / 2 * np.sin(angle)) + 1
        inside = x_extent <= x <= shape[1] - 1 - x_extent and y_extent <= y <= shape[0] - 1 - y_extent
        space = hull(ship, shape, margin=0.2 if moored else 1.5 * scale)
        if inside and not (space & occupied).any():
            ships.append(ship)
            occupied |= hull(ship, shape, margin=2 * scale)
    return ships
