"""Landscapes of SAR scenes: open sea, a natural coast, and a harbour with its quay, piers, buildings and berths."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from data.sar_clutter import gamma_field, gaussian_field, low_pass, wave_train
from data.sar_ships import Points

Berth = tuple[float, float, float]  # x, y and heading of a moored ship


@dataclass
class Landscape:
    """Where land is, its textured mean intensity (speckle follows), its strong scatterers and the berths beside it."""

    land: Bool[ndarray, "h w"]
    intensity: Float[ndarray, "h w"]  # only its values on land count
    points: Points
    berths: list[Berth]


@dataclass(frozen=True)
class Shore:
    """A straight line through (x0, y0): u runs along it, v from the land (v < 0) to the sea."""

    x0: float
    y0: float
    angle: float

    def from_image(self, shape: tuple[int, int]) -> tuple[Float[ndarray, "h w"], Float[ndarray, "h w"]]:
        """Coordinates u and v (h, w) of every pixel."""
        x, y = np.arange(shape[1])[None] - self.x0, np.arange(shape[0])[:, None] - self.y0
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return x * cos + y * sin, y * cos - x * sin

    def to_image(self, u: Float[ndarray, " n"], v: Float[ndarray, " n"]) -> tuple[ndarray, ndarray]:
        """Coordinates x and y (n,) in pixels."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return self.x0 + u * cos - v * sin, self.y0 + u * sin + v * cos


def random_shore(rng: np.random.Generator, shape: tuple[int, int]) -> Shore:
    """A line of any direction that leaves less than half of the image on its land side."""
    angle = rng.uniform(0, 2 * np.pi)
    height, width = shape
    half_extent = 0.5 * (width * abs(np.sin(angle)) + height * abs(np.cos(angle)))
    offset = rng.uniform(0.3, 0.8) * half_extent
    return Shore((width - 1) / 2 + offset * np.sin(angle), (height - 1) / 2 - offset * np.cos(angle), angle)


def open_sea(rng: np.random.Generator, shape: tuple[int, int], scale: float, amplitude: float) -> Landscape:
    """No land at all; it draws nothing from `rng`."""
    return Landscape(np.zeros(shape, bool), np.zeros(shape), np.zeros((3, 0)), [])


def coast(rng: np.random.Generator, shape: tuple[int, int], scale: float, amplitude: float) -> Landscape:
    """A random shoreline; land with relief, fine texture, a bright shore and single bright points."""
    _, v = random_shore(rng, shape).from_image(shape)
    bends = gaussian_field(rng, shape, low_pass(shape, 5 * scale))
    bays = gaussian_field(rng, shape, low_pass(shape, 1.2 * scale))
    inland = scale * rng.uniform(2, 6) * (bends + 0.3 * bays) - v  # pixels from the shore, negative at sea
    relief = gamma_field(rng.uniform(1, 3), gaussian_field(rng, shape, low_pass(shape, 3 * scale)))
    shore = 1 + rng.uniform(0, 4) * np.exp(-np.maximum(inland, 0) / (1.5 * scale))
    intensity = amplitude**2 * relief * shore * fine_texture(rng, shape)
    y, x = np.nonzero(inland > 0)
    bright = rng.integers(len(x), size=len(x) // 30) if len(x) else np.zeros(0, int)
    points = np.stack([x[bright], y[bright], amplitude * rng.rayleigh(2.5, len(bright))])
    return Landscape(inland > 0, intensity, points, [])


def fine_texture(rng: np.random.Generator, shape: tuple[int, int]) -> Float[ndarray, "h w"]:
    """Spiky gamma texture from pixel to pixel, as of vegetation, roofs and roads. Mean 1."""
    return gamma_field(rng.uniform(1.0, 3.0), gaussian_field(rng, shape, low_pass(shape, rng.uniform(0.2, 0.7))))


def harbour(rng: np.random.Generator, shape: tuple[int, int], scale: float, amplitude: float) -> Landscape:
    """A straight quay with piers, buildings in rows, walls and cranes along the edges, and berths beside each pier."""
    shore = random_shore(rng, shape)
    u, v = shore.from_image(shape)
    land = v < 0
    edges: list[tuple[float, float, float, float]] = []  # u0, v0, u1, v1
    berths: list[Berth] = []
    start = u.min() + rng.uniform(-10, 10) * scale
    while start < u.max():
        width, length, gap = scale * rng.uniform([3, 8, 12], [9, 26, 30])
        end = start + width
        land |= (u >= start) & (u < end) & (v < length)
        edges += [(start, 0, start, length), (start, length, end, length)]
        edges += [(end, length, end, 0), (end, 0, end + gap, 0)]
        clear = 2.5 * scale  # from a wall to the middle of a moored ship
        beside = [(start - clear, length / 2, 0.5), (end + clear, length / 2, -0.5), (end + gap / 2, clear, 0.0)]
        for ub, vb, turn in beside:
            x, y = shore.to_image(np.array([ub]), np.array([vb]))
            berths.append((x.item(), y.item(), shore.angle + turn * np.pi))
        start = end + gap
    intensity = amplitude**2 * buildings(rng, shape, scale, shore.angle) * fine_texture(rng, shape)
    return Landscape(land, intensity, walls(rng, shore, np.array(edges), amplitude), berths)


def buildings(rng: np.random.Generator, shape: tuple[int, int], scale: float, angle: float) -> Float[ndarray, "h w"]:
    """Sheds, stacks and lanes: a very spiky texture drawn out along the quay's `angle` and across it. Mean 1."""
    rows = wave_train(shape, wavelength=np.inf, direction=angle, along=5 * scale, across=0.6 * scale)
    columns = wave_train(shape, wavelength=np.inf, direction=angle + np.pi / 2, along=3 * scale, across=0.6 * scale)
    spectrum = rows / rows.sum() + rng.uniform(0.2, 1.0) * columns / columns.sum()
    return gamma_field(rng.uniform(0.4, 1.0), gaussian_field(rng, shape, spectrum))


def walls(rng: np.random.Generator, shore: Shore, edges: Float[ndarray, "e 4"], amplitude: float) -> Points:
    """Scatterers along the edges (u0, v0, u1, v1): walls, bright where they face the radar, and a few cranes."""
    run = edges[:, 2:] - edges[:, :2]
    count = np.maximum(0.6 * np.hypot(*run.T), 1).astype(int)
    owner = np.repeat(np.arange(len(edges)), count)
    u, v = (edges[owner, :2] + rng.random((len(owner), 1)) * run[owner]).T
    x, y = shore.to_image(u, v)
    facing = rng.choice([0.1, 0.4, 1.2], p=[0.4, 0.35, 0.25], size=len(edges))[owner]
    crane = np.where(rng.random(len(owner)) < 0.06, 3.0, 1.0)
    return np.stack([x, y, amplitude * facing * crane * rng.rayleigh(1.0, len(owner))])
