"""Landscapes of SAR scenes: open sea, a natural coast, and a harbour with quays, piers, blocks, cranes and berths."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from data.sar_clutter import gamma_field, gaussian_field, low_pass
from data.sar_ships import Points

Berth = tuple[float, float, float, float]  # x, y, heading and the longest ship, in pixels


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
    bright = rng.integers(len(x), size=len(x) // 60) if len(x) else np.zeros(0, int)
    points = np.stack([x[bright], y[bright], amplitude * rng.rayleigh(2.5, len(bright))])
    return Landscape(inland > 0, intensity, points, [])


def fine_texture(rng: np.random.Generator, shape: tuple[int, int]) -> Float[ndarray, "h w"]:
    """Spiky gamma texture from pixel to pixel, as of vegetation, roofs and roads. Mean 1."""
    return gamma_field(rng.uniform(0.6, 2.0), gaussian_field(rng, shape, low_pass(shape, rng.uniform(0.3, 0.7))))


def harbour(rng: np.random.Generator, shape: tuple[int, int], scale: float, amplitude: float) -> Landscape:
    """A straight quay with piers; blocks in rows, walls and cranes along the edges, berths beside each pier."""
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
        edges += [
            (start, 0, start, length),
            (start, length, end, length),
            (end, length, end, 0),
            (end, 0, end + gap, 0),
        ]
        clear = 2.5 * scale  # from a wall to the middle of a moored ship
        sides = [(start - clear, length / 2, np.pi / 2, length), (end + clear, length / 2, -np.pi / 2, length)]
        for ub, vb, turn, room in [*sides, (end + gap / 2, clear, 0.0, 0.8 * gap)]:
            x, y = shore.to_image(np.array([ub]), np.array([vb]))
            berths.append((x.item(), y.item(), shore.angle + turn, room))
        start = end + gap
    intensity = amplitude**2 * blocks(rng, u, v, scale) * fine_texture(rng, shape)
    return Landscape(land, intensity, walls(rng, shore, np.array(edges), scale, amplitude), berths)


def blocks(
    rng: np.random.Generator, u: Float[ndarray, "h w"], v: Float[ndarray, "h w"], scale: float
) -> Float[ndarray, "h w"]:
    """Mean intensity of built-up land: rows of blocks, bare or stacked with containers, and dark lanes between."""
    length, depth = scale * rng.uniform([8, 4], [20, 9])
    row = np.floor(v / depth).astype(int)
    u = u + (row * 0.37 % 1) * length  # rows are not aligned
    column = np.floor(u / length).astype(int)
    table = rng.choice([0.1, 0.4, 1.0, 3.0], p=[0.25, 0.3, 0.3, 0.15], size=(16, 16))
    lane = (v % depth < 0.2 * depth) | (u % length < 0.12 * length)
    return np.where(lane, 0.05, table[row % 16, column % 16])


def walls(
    rng: np.random.Generator, shore: Shore, edges: Float[ndarray, "e 4"], scale: float, amplitude: float
) -> Points:
    """Scatterers along the edges (u0, v0, u1, v1): walls, bright where they face the radar, and a few cranes."""
    run = edges[:, 2:] - edges[:, :2]
    count = np.maximum(0.8 * np.hypot(*run.T) / scale, 1).astype(int)
    owner = np.repeat(np.arange(len(edges)), count)
    u, v = (edges[owner, :2] + rng.random((len(owner), 1)) * run[owner]).T
    x, y = shore.to_image(u, v)
    facing = rng.choice([0.1, 0.4, 1.2], p=[0.4, 0.35, 0.25], size=len(edges))[owner]
    crane = np.where(rng.random(len(owner)) < 0.06, 3.0, 1.0)
    return np.stack([x, y, amplitude * scale * facing * crane * rng.rayleigh(1.0, len(owner))])
