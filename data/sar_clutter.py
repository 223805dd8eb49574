"""K-distributed clutter: a gamma texture times gamma (multi-look) speckle, both correlated.

Intensity = texture * speckle with texture ~ Gamma(nu, mean 1) and speckle ~ Gamma(L, mean 1) is K-distributed (Ward 1981;
Oliver & Quegan 2004, section 5.4): E[I^n] = Gamma(nu + n) Gamma(L + n) / (Gamma(nu) Gamma(L) (nu L)^n), so the second moment
is (1 + 1/nu) (1 + 1/L). Correlated gamma fields are memoryless nonlinear transforms of Gaussian fields (Tough & Ward 1999,
J. Phys. D 32, 3075): the marginal is exact whatever the spectrum.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import gammaincinv, ndtr

# Nodes of the quantile table in gamma_field: linear interpolation between them moves no moment below the fifth by 0.1 %.
_Z = np.linspace(-5.5, 5.5, 265)
_P = ndtr(_Z)


@lru_cache(maxsize=8)
def frequencies(shape: tuple[int, int]) -> tuple[ndarray, ndarray]:
    """Frequencies in cycles per pixel of `np.fft.rfft2` on an image of this shape: fy (h, 1) and fx (1, w // 2 + 1)."""
    height, width = shape
    return np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]


def gaussian_field(
    rng: np.random.Generator, shape: tuple[int, int], power: Float[ndarray, "h f"]
) -> Float[ndarray, "h w"]:
    """Stationary Gaussian field, mean 0 and variance 1, whose spectrum is proportional to `power` on `frequencies(shape)`."""
    # Each column of the half plane stands for two of the full one, but for fx = 0 and, in an even width, the last.
    columns = np.full(power.shape[1], 2.0)
    columns[0] = 1.0
    if shape[1] % 2 == 0:
        columns[-1] = 1.0
    variance = (power @ columns).sum() / (shape[0] * shape[1])
    white = np.fft.rfft2(rng.standard_normal(shape))
    return np.fft.irfft2(white * np.sqrt(power / variance), s=shape)


def gamma_field(order: float, gaussian: Float[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    """Gamma field of this order (shape parameter) and mean 1: F_gamma^-1(Phi(gaussian)), Tough & Ward 1999, eq. 1."""
    return np.interp(gaussian, _Z, gammaincinv(order, _P) / order)


def low_pass(shape: tuple[int, int], length: float) -> Float[ndarray, "h f"]:
    """Power spectrum of white noise blurred by a Gaussian with standard deviation `length` in pixels (0: white)."""
    fy, fx = frequencies(shape)
    return np.exp(-((2 * np.pi * length) ** 2) * (fx**2 + fy**2))


def band(
    shape: tuple[int, int], wavelength: float, direction: float, spread: tuple[float, float]
) -> Float[ndarray, "h f"]:
    """Power spectrum of a wave train of unit peak: the swell, or for an infinite wavelength streaks along `direction`.

    Args:
        shape: (height, width) of the image.
        wavelength: in pixels.
        direction: in which the wave travels, radians from the x axis (range) towards y (azimuth).
        spread: correlation lengths in pixels along and across `direction`.
    """
    fy, fx = frequencies(shape)
    along = fx * np.cos(direction) + fy * np.sin(direction)
    across = fy * np.cos(direction) - fx * np.sin(direction)
    tail = np.exp(-((2 * np.pi * spread[1] * across) ** 2))
    # The two signs of the wave vector: the half plane of rfft2 holds part of each.
    return tail * sum(np.exp(-((2 * np.pi * spread[0] * (along - k)) ** 2)) for k in (1 / wavelength, -1 / wavelength))


def sea_power(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Float[ndarray, "h f"]:
    """Random spectrum of the sea's texture: patches of wind, mostly a swell, sometimes streaks; lengths times `scale`."""
    power = low_pass(shape, scale * rng.uniform(1.0, 6.0))
    power /= power.sum()
    if rng.random() < 0.6:
        wavelength, direction = scale * rng.uniform(4.0, 12.0), rng.uniform(0, np.pi)
        swell = band(shape, wavelength, direction, (wavelength, 0.7 * wavelength))
        power += rng.uniform(0.3, 3.0) * swell / swell.sum()
    if rng.random() < 0.3:
        streaks = band(shape, np.inf, rng.uniform(0, np.pi), (1.5 * scale, 20 * scale))
        power += rng.uniform(0.3, 2.0) * streaks / streaks.sum()
    return power
