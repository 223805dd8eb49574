"""Shapes as signed distances (mm, negative inside), evaluated at points (3, h, w), and smooth random fields."""

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "3 h w"]
Distance = Float[np.ndarray, "h w"]
Number = float | int
Pair = tuple[Number, Number]
Triple = tuple[Number, Number, Number] | Float[np.ndarray, "3"]  # x, y, z


def _column(triple: Triple, points: Points) -> Float[np.ndarray, "3 1 1"]:
    return np.asarray(triple, points.dtype)[:, None, None]


def length(vectors: Points) -> Distance:
    """Euclidean norm of each vector."""
    return np.sqrt(np.einsum("chw,chw->hw", vectors, vectors))


def mirror(points: Points) -> Points:
    """Points with |x| for x: a shape on the right then stands on both sides."""
    return np.stack([np.abs(points[0]), points[1], points[2]])


def ellipsoid(points: Points, centre: Triple, radii: Triple) -> Distance:
    """Distance to an ellipsoid, to first order: f / |grad f| with f = |(p - c) / r| - 1."""
    scaled = (points - _column(centre, points)) / _column(radii, points)  # (3, h, w)
    norm, slope = length(scaled), length(scaled / _column(radii, points))  # |grad f| = slope / norm
    return (norm - 1) * norm / (slope + 1e-9)


def capsule(points: Points, start: Triple, end: Triple, radii: Pair) -> Distance:
    """Distance to a tube from `start` to `end` whose radius goes linearly from radii[0] to radii[1]."""
    axis = _column(end, points) - _column(start, points)
    offset = points - _column(start, points)  # (3, h, w)
    along = np.clip((axis * offset).sum(0) / (axis**2).sum(), 0, 1)  # (h, w), 0 at start, 1 at end
    return length(offset - axis * along) - (radii[0] + (radii[1] - radii[0]) * along)


def smooth_union(a: Distance, b: Distance, radius: Number) -> Distance:
    """min(a, b) with the edge where they meet filled to a fillet of about `radius` mm."""
    overlap = np.maximum(radius - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap**2 / (4 * radius)


def smooth_field(
    points: Points,
    wavelengths: Pair,
    rng: np.random.Generator,
    *,
    channels: int = 1,
    waves: int = 12,
) -> Float[np.ndarray, "c h w"]:
    """Sum of plane waves with random directions and phases: a smooth field of mean 0 and unit variance."""
    direction = rng.standard_normal((waves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wave_vector = direction * (2 * np.pi / rng.uniform(*wavelengths, (waves, 1)))  # (waves, 3), rad/mm
    phase = rng.uniform(0, 2 * np.pi, (waves, 1, 1))
    amplitude = rng.standard_normal((channels, waves)) * np.sqrt(2 / waves)
    angle = np.tensordot(wave_vector.astype(points.dtype), points, 1) + phase.astype(points.dtype)  # (waves, h, w)
    return np.tensordot(amplitude.astype(points.dtype), np.cos(angle), 1)
