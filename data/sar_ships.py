"""Ships as extended targets: hulls of point scatterers, the radar's point spread function, and wakes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

Points = Float[ndarray, "3 _"]  # rows x, y, amplitude


@dataclass(frozen=True)
class Ship:
    """A ship's pose and looks. Lengths in pixels; x runs along range (columns), y along azimuth (rows)."""

    x: float
    y: float
    length: float
    beam: float
    heading: float  # direction of the bow, radians from the x axis towards y
    amplitude: float  # root mean square over the hull, before the point spread function
    smear: float = 0.0  # pixels in azimuth over which its motion defocuses it
    wake: float = 0.0  # contrast of its wake, 0 (none) to 0.8


def ship_axes(ship: Ship, shape: tuple[int, int]) -> tuple[Float[ndarray, "h w"], Float[ndarray, "h w"]]:
    """Pixel coordinates from the ship's centre, u towards the bow and v to the side."""
    x, y = np.arange(shape[1])[None] - ship.x, np.arange(shape[0])[:, None] - ship.y
    cos, sin = np.cos(ship.heading), np.sin(ship.heading)
    return x * cos + y * sin, y * cos - x * sin


def hull_width(u: Float[ndarray, "*s"]) -> Float[ndarray, "*s"]:
    """Share of the beam at u from the stern (-0.5) to the bow (0.5): a rounded stern and a long, tapered bow."""
    return np.sqrt(np.clip(np.minimum((0.5 - u) / 0.4, 0.5 + (0.5 + u) / 0.25), 0, 1))


def hull(ship: Ship, shape: tuple[int, int], margin: float = 0.0) -> Bool[ndarray, "h w"]:
    """Pixels with their centre inside the hull, or inside a hull that is larger by `margin` pixels all round."""
    u, v = ship_axes(ship, shape)
    u = u / (ship.length + 2 * margin)
    return (np.abs(u) <= 0.5) & (np.abs(v) <= (ship.beam / 2 + margin) * hull_width(u))


def scatterers(rng: np.random.Generator, ship: Ship) -> Points:
    """A ship's points: a deck of weak ones and a few that dominate (bow, stern, bridge, masts or cranes)."""
    masts = rng.integers(2, 6)
    # A well resolved ship is not a filled hull but some hundred points.
    n = min(int(0.8 * ship.length * ship.beam) + 10, 300) + masts
    u, v = rng.uniform(-0.5, 0.5, (2, n))
    u[: masts + 3] = np.r_[-0.46, 0.44, rng.uniform(-0.4, -0.25), np.linspace(-0.3, 0.35, masts)]
    v[: masts + 3] *= 0.4
    v *= 0.85 * hull_width(u)
    power = rng.exponential(1.0, n)
    # The wall that faces the radar doubles with the water to a row of corner reflectors.
    power *= 1 + rng.uniform(0, 4) * (v * np.sign(np.sin(ship.heading)) > 0.2)
    dominant = rng.uniform(0.1, 0.5)  # share of the echo
    power[: masts + 3] *= rng.gamma(1.0, size=masts + 3)
    power[: masts + 3] *= dominant / power[: masts + 3].sum()
    power[masts + 3 :] *= (1 - dominant) / power[masts + 3 :].sum()
    amplitude = ship.amplitude * np.sqrt(power * ship.length * ship.beam)
    u, v = u * ship.length, v * ship.beam
    cos, sin = np.cos(ship.heading), np.sin(ship.heading)
    points = np.stack([ship.x + u * cos - v * sin, ship.y + u * sin + v * cos, amplitude])  # (3, n)
    return smeared(rng, points, ship.smear) if ship.smear else points


def smeared(rng: np.random.Generator, points: Points, length: float) -> Points:
    """Each point's energy spread over `length` pixels of azimuth, as a target's motion during the aperture does."""
    x, y, amplitude = np.repeat(points, 4, axis=1)
    return np.stack([x, y + length * rng.uniform(-0.5, 0.5, len(y)), amplitude / 2])


def point_spread(distance: Float[ndarray, "*s"], resolution: float, weighting: float) -> Float[ndarray, "*s"]:
    """Amplitude response at `distance` pixels from a point, 1 at its peak.

    The transform of the generalised Hamming window weighting + (1 - weighting) cos(2 pi f resolution) over the band
    |f| <= 1 / (2 resolution). weighting = 1 leaves the sinc with sidelobes from -13.3 dB, 0.54 (Hamming) has -43 dB.
    """
    # One sine serves the three shifted sincs; the offset keeps the poles 0 and +-1 away and moves the result by 1e-7.
    d = distance / resolution + 1e-9
    side = (1 - weighting) / (2 * weighting)
    return np.sin(np.pi * d) / np.pi * (1 / d - side * (1 / (d - 1) + 1 / (d + 1)))


def point_response(
    rng: np.random.Generator,
    points: Points,
    shape: tuple[int, int],
    *,
    looks: int,
    resolution: float,
    weighting: float,
) -> Float[ndarray, "h w"]:
    """Intensity of points of random phase: the mean over looks of |sum a exp(i phase) psf(y) psf(x)|^2."""
    x, y, amplitude = points
    psf_x = point_spread(np.arange(shape[1])[None] - x[:, None], resolution, weighting)  # (n, w)
    psf_y = point_spread(np.arange(shape[0])[:, None] - y[None], resolution, weighting) * amplitude  # (h, n)
    phase = rng.uniform(0, 2 * np.pi, (looks, 1, len(x)))
    # The real and the imaginary part are two real products: half the work of a complex one.
    quadratures = np.concatenate([psf_y * np.cos(phase), psf_y * np.sin(phase)]) @ psf_x  # (2 looks, h, w)
    return np.square(quadratures).sum(axis=0) / looks


def wake_gain(ship: Ship, shape: tuple[int, int]) -> Float[ndarray, "h w"]:
    """Factor on the sea's intensity: a dark turbulent wake astern between the two bright arms of a narrow V."""
    u, v = ship_axes(ship, shape)
    astern = np.maximum(-ship.length / 2 - u, 0)
    width = 0.4 * ship.beam + 0.04 * astern
    arms = sum(np.exp(-(((v - side * np.tan(np.radians(8)) * astern) / width) ** 2)) for side in (-1, 1))
    turbulent = np.exp(-((v / width) ** 2))
    return 1 + ship.wake * (astern > 0) * np.exp(-astern / (3 * ship.length)) * (3 * arms - 1.2 * turbulent)
