"""Shapes as signed distances (mm, negative inside), evaluated at points (3, h, w), and smooth random fields."""

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "3 h w"]
Distance = Float[np.ndarray, "h w"]


def ellipsoid(points: Points, centre: Float[np.ndarray, "3"], radii: Float[np.ndarray, "3"]) -> Distance:
    """Distance to an ellipsoid, to first order: f / |grad f| with f = |(p - c) / r| - 1."""
    centre, radii = centre.astype(points.dtype), radii.astype(points.dtype)
    scaled = (points - centre[:, None, None]) / radii[:, None, None]  # (3, h, w)
    norm = np.sqrt(np.einsum("chw,chw->hw", scaled, scaled))  # (h, w)
    scaled /= radii[:, None, None]
    slope = np.sqrt(np.einsum("chw,chw->hw", scaled, scaled))  # (h, w), |grad f| * norm
    return (norm - 1) * norm / (slope + 1e-9)


def capsule(
    points: Points, start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], radii: tuple[float, float]
) -> Distance:
    """Distance to a tube from `start` to `end` whose radius goes linearly from radii[0] to radii[1]."""
    start, axis = start.astype(points.dtype), (end - start).astype(points.dtype)
    offset = points - start[:, None, None]  # (3, h, w)
    along = np.clip(np.tensordot(axis, offset, 1) / (axis @ axis), 0, 1)  # (h, w), 0 at start, 1 at end
    offset -= axis[:, None, None] * along
    return np.sqrt(np.einsum("chw,chw->hw", offset, offset)) - (radii[0] + (radii[1] - radii[0]) * along)


def smooth_union(a: Distance, b: Distance, radius: float) -> Distance:
    """min(a, b) with the edge where they meet filled to a fillet of about `radius` mm."""
    overlap = np.maximum(radius - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap**2 / (4 * radius)


def smooth_field(
    points: Points, wavelengths: tuple[float, float], rng: np.random.Generator, *, channels: int = 1, waves: int = 12
) -> Float[np.ndarray, "c h w"]:
    """Sum of plane waves with random directions and phases: a smooth field of mean 0 and unit variance."""
    direction = rng.standard_normal((waves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wave_vector = direction * (2 * np.pi / rng.uniform(*wavelengths, (waves, 1)))  # (waves, 3), rad/mm
    phase = rng.uniform(0, 2 * np.pi, (waves, 1, 1))
    amplitude = rng.standard_normal((channels, waves)) * np.sqrt(2 / waves)
    angle = np.tensordot(wave_vector.astype(points.dtype), points, 1) + phase.astype(points.dtype)  # (waves, h, w)
    return np.tensordot(amplitude.astype(points.dtype), np.cos(angle), 1)
