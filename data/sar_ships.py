"""Ships as extended targets: coherent point scatterers under a weighted-sinc point spread function, hull masks, wakes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray


@dataclass(frozen=True)
class Ship:
    """Pose and looks of a ship. Lengths in pixels, x along range (columns), y along azimuth (rows)."""

    x: float
    y: float
    length: float
    beam: float
    heading: float  # radians from the x axis towards y; the bow points there
    amplitude: float  # root mean square amplitude of the hull
    smear: float = 0.0  # azimuth defocus by the ship's motion
    wake: float = 0.0  # contrast of the wake, 0 for none

    def axes(self, x: ndarray, y: ndarray) -> tuple[ndarray, ndarray]:
        """Image coordinates to the ship's own: u towards the bow and v to its side, from the centre."""
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        return (x - self.x) * cos + (y - self.y) * sin, (y - self.y) * cos - (x - self.x) * sin


def hull(ship: Ship, shape: tuple[int, int], margin: float = 0.0) -> Bool[ndarray, "h w"]:
    """Pixels whose centre is inside the hull (a rectangle with a tapered bow), widened by `margin` pixels all round."""
    u, v = ship.axes(np.arange(shape[1])[None], np.arange(shape[0])[:, None])
    half_length, half_beam = ship.length / 2 + margin, ship.beam / 2 + margin
    taper = np.clip((half_length - u) / (0.35 * ship.length), 0, 1)
    return (np.abs(u) <= half_length) & (np.abs(v) <= half_beam * np.sqrt(taper))


def scatterers(rng: np.random.Generator, ship: Ship) -> tuple[ndarray, ndarray, ndarray]:
    """Positions x, y (n,) and amplitudes (n,): a deck of weak points and a few that dominate (bow, stern, bridge, masts)."""
    n = int(0.7 * ship.length * ship.beam) + 12
    u = rng.uniform(-0.5, 0.5, n)
    v = rng.uniform(-0.5, 0.5, n) * np.sqrt(np.clip((0.5 - u) / 0.35, 0, 1))
    amplitude = rng.rayleigh(0.7, n)
    # Superstructure aft, a bow mast, and hatches or cranes along the deck: bright, and each a single point.
    masts = rng.integers(2, 6)
    u[: masts + 3] = np.r_[-0.45, 0.45, rng.uniform(-0.4, -0.25), np.linspace(-0.3, 0.3, masts)]
    v[: masts + 3] *= 0.3
    amplitude[: masts + 3] *= rng.uniform(1.5, 4.0, masts + 3)
    # The side towards the radar (smaller x) is a row of corner reflectors: brighter.
    amplitude *= 1 + 1.2 * rng.random() * (v * np.sin(ship.heading) > 0.2)
    amplitude *= ship.amplitude * np.sqrt(ship.length * ship.beam / (amplitude**2).sum())
    u, v = u * ship.length, v * ship.beam
    cos, sin = np.cos(ship.heading), np.sin(ship.heading)
    x, y = ship.x + u * cos - v * sin, ship.y + u * sin + v * cos
    if not ship.smear:
        return x, y, amplitude
    # A target that accelerates is defocused along azimuth: its energy is spread over `smear` pixels.
    copies = int(np.ceil(ship.smear)) + 1
    y = y + ship.smear * rng.uniform(-0.5, 0.5, (copies, n))
    return np.tile(x, copies), y.ravel(), np.tile(amplitude / np.sqrt(copies), copies)


def point_spread(distance: ndarray, resolution: float, weighting: float) -> ndarray:
    """Amplitude response of a band-limited radar at `distance` pixels from a point, 1 at its peak.

    The spectrum weighting + (1 - weighting) cos(2 pi f resolution), |f| < 1 / (2 resolution), is the generalised Hamming window:
    weighting 1 is the bare sinc (first sidelobe -13.3 dB), 0.54 is Hamming's (-43 dB).
    """
    d = distance / resolution
    return np.sinc(d) + (1 - weighting) / (2 * weighting) * (np.sinc(d - 1) + np.sinc(d + 1))


def point_response(
    rng: np.random.Generator,
    points: tuple[ndarray, ndarray, ndarray],
    shape: tuple[int, int],
    *,
    looks: int,
    resolution: float,
    weighting: float,
) -> Float[ndarray, "h w"]:
    """Multi-look intensity of points (x, y, amplitude): the mean over looks of |sum a exp(i phase) psf(y) psf(x)|^2."""
    x, y, amplitude = points
    range_response = point_spread(np.arange(shape[1])[None] - x[:, None], resolution, weighting)  # (n, w)
    azimuth_response = point_spread(np.arange(shape[0])[:, None] - y[None], resolution, weighting)  # (h, n)
    phase = rng.uniform(0, 2 * np.pi, (looks, 1, len(x)))
    field = (azimuth_response * amplitude * np.exp(1j * phase)) @ range_response  # (looks, h, w)
    return (field.real**2 + field.imag**2).mean(axis=0)


def wake_gain(ship: Ship, shape: tuple[int, int]) -> Float[ndarray, "h w"]:
    """Factor on the sea's intensity: a dark turbulent wake behind the stern between two bright narrow-V arms."""
    u, v = ship.axes(np.arange(shape[1])[None], np.arange(shape[0])[:, None])
    behind = np.maximum(-ship.length / 2 - u, 0)
    width = 0.5 * ship.beam + 0.03 * behind
    arms = sum(np.exp(-(((v - side * np.tan(np.radians(9)) * behind) / width) ** 2)) for side in (-1, 1))
    fade = np.exp(-behind / (3 * ship.length)) * (behind > 0)
    return 1 + ship.wake * fade * (arms - 1.2 * np.exp(-((v / width) ** 2))) * (behind > ship.beam)
