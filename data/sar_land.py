"""Land of SAR scenes: a natural coast, and a harbour with quays, piers, blocks, cranes and berths."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from data.sar_clutter import gamma_field, gaussian_field, low_pass


@dataclass
class Land:
    """Where land is and how bright it is on average."""

    mask: Bool[ndarray, "h w"]
    intensity: Float[ndarray, "h w"]  # mean backscatter with texture, before speckle; only its value on land counts
    points: tuple[ndarray, ndarray, ndarray]  # strong scatterers: x, y, amplitude (n,)
    berths: list[tuple[float, float, float, float]] = field(default_factory=list)  # x, y, heading, longest ship


def _rotated(shape: tuple[int, int], x0: float, y0: float, angle: float) -> tuple[ndarray, ndarray]:
    """Coordinates (h, w) along the shore, u, and from the land to the sea, v, with their origin at (x0, y0)."""
    x, y = np.arange(shape[1])[None] - x0, np.arange(shape[0])[:, None] - y0
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _shore(rng: np.random.Generator, shape: tuple[int, int], inland: tuple[float, float]) -> tuple[float, float, float]:
    """A random direction and the point x0, y0 of its shoreline that leaves a share `inland` of the half extent as land."""
    angle = rng.uniform(0, 2 * np.pi)
    height, width = shape
    extent = 0.5 * (width * abs(np.sin(angle)) + height * abs(np.cos(angle)))
    offset = -rng.uniform(*inland) * extent
    return (width - 1) / 2 - offset * np.sin(angle), (height - 1) / 2 + offset * np.cos(angle), angle


def coast(rng: np.random.Generator, shape: tuple[int, int], scale: float, level: float) -> Land:
    """A smooth random shoreline; land of mean amplitude `level`, with relief, bright patches and a bright shore."""
    x0, y0, angle = _shore(rng, shape, (0.25, 0.8))
    rough = gaussian_field(rng, shape, low_pass(shape, 5 * scale)) + 0.35 * gaussian_field(
        rng, shape, low_pass(shape, 1.2 * scale)
    )
    depth = rng.uniform(2, 7) * scale * rough - _rotated(shape, x0, y0, angle)[1]  # pixels inland, negative at sea
    mask = depth > 0
    relief = gamma_field(rng.uniform(1.5, 4), gaussian_field(rng, shape, low_pass(shape, 3 * scale)))
    detail = gamma_field(rng.uniform(1.5, 5), gaussian_field(rng, shape, low_pass(shape, 0.5 * scale)))
    shore = 1 + 3 * rng.random() * np.exp(-np.maximum(depth, 0) / (1.5 * scale))
    y, x = np.nonzero(mask)
    chosen = rng.integers(len(x), size=int(0.01 * len(x))) if len(x) else np.zeros(0, int)
    points = x[chosen] + 0.0, y[chosen] + 0.0, level * rng.uniform(2, 6, len(chosen))
    return Land(mask, level**2 * relief * detail * shore, points)


def _blocks(rng: np.random.Generator, u: ndarray, v: ndarray, cell: tuple[float, float]) -> ndarray:
    """Mean intensity of a quay: a grid of blocks, some bright (containers, sheds), some bare, with dark lanes between."""
    i, j = np.floor(u / cell[0]).astype(int), np.floor(v / cell[1]).astype(int)
    brightness = rng.choice([0.05, 0.3, 1.0, 3.0], p=[0.2, 0.3, 0.35, 0.15], size=(16, 16))
    lane = (u % cell[0] < 0.12 * cell[0]) | (v % cell[1] < 0.2 * cell[1])
    return np.where(lane, 0.06, brightness[i % 16, j % 16])


def harbour(rng: np.random.Generator, shape: tuple[int, int], scale: float, level: float) -> Land:
    """A straight quay with rectangular piers, blocks in rows, cranes along the edges, and berths beside them."""
    x0, y0, angle = _shore(rng, shape, (0.3, 0.8))
    u, v = _rotated(shape, x0, y0, angle)
    mask = v < 0
    edges, berths = [], []  # edges: (u, v) of both ends; berths: (u, v, turn from the quay's direction, longest ship)
    reach = np.hypot(*shape)
    start = -reach / 2 + rng.uniform(0, 20) * scale
    while start < reach / 2:
        width, length = rng.uniform(3, 9) * scale, rng.uniform(8, 26) * scale
        gap = rng.uniform(9, 26) * scale
        mask |= (u >= start) & (u < start + width) & (v < length)
        edges += [((start, 0), (start, length)), ((start + width, 0), (start + width, length))]
        edges += [((start, length), (start + width, length)), ((start + width, 0), (start + width + gap, 0))]
        berths += [(start - 2.2 * scale, 0.55 * length, np.pi / 2, 0.9 * length)]
        berths += [(start + width + 2.2 * scale, 0.5 * length, -np.pi / 2, 0.9 * length)]
        berths += [(start + width + gap / 2, 2.2 * scale, 0.0, 0.7 * gap)]
        start += width + gap
    detail = gamma_field(rng.uniform(2, 5), gaussian_field(rng, shape, low_pass(shape, 0.5 * scale)))
    cell = rng.uniform(7, 18) * scale, rng.uniform(5, 9) * scale
    intensity = level**2 * detail * _blocks(rng, u, v, cell)
    pu, pv, amplitude = _cranes(rng, edges, scale, level)
    cos, sin = np.cos(angle), np.sin(angle)
    points = x0 + pu * cos - pv * sin, y0 + pu * sin + pv * cos, amplitude
    placed = [(x0 + a * cos - b * sin, y0 + a * sin + b * cos, angle + turn, most) for a, b, turn, most in berths]
    return Land(mask, intensity, points, placed)


def _cranes(
    rng: np.random.Generator, edges: list[tuple[tuple[float, float], tuple[float, float]]], scale: float, level: float
) -> tuple[ndarray, ndarray, ndarray]:
    """Scatterers in rows along the quays' edges, u, v, amplitude (n,): walls seen as corners, and a few cranes."""
    ends = np.array(edges)  # (edges, 2 ends, 2)
    count = np.maximum(np.hypot(*(ends[:, 1] - ends[:, 0]).T) / scale, 1).astype(int)
    owner = np.repeat(np.arange(len(ends)), count)
    along = rng.random(len(owner))[:, None]
    u, v = (ends[owner, 0] * (1 - along) + ends[owner, 1] * along).T
    wall = rng.uniform(0.2, 1.5, len(ends))[owner]
    return u, v, level * wall * rng.rayleigh(1.0, len(owner)) * np.where(rng.random(len(owner)) < 0.08, 3, 1)
