"""Correlated gamma fields, the two factors of K-distributed sea clutter, and the spectra that correlate them.

Intensity = texture * speckle with texture ~ Gamma(nu) and speckle ~ Gamma(L), both of mean 1, is K-distributed with
E[I^n] = Gamma(nu + n) Gamma(L + n) / (Gamma(nu) Gamma(L) (nu L)^n), so E[I^2] = (1 + 1 / nu) (1 + 1 / L)
(Oliver & Quegan, Understanding SAR Images, 2004, section 5.4; L is the number of looks).
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import gammaincinv, ndtr

# Quantiles of the gamma law are tabulated at these normal scores and interpolated.
_SCORES = np.linspace(-5.5, 5.5, 265)
_PROBABILITIES = ndtr(_SCORES)


@lru_cache(maxsize=8)
def frequencies(shape: tuple[int, int]) -> tuple[Float[ndarray, "h 1"], Float[ndarray, "1 f"]]:
    """Frequencies fy (h, 1) and fx (1, w // 2 + 1) in cycles per pixel of `np.fft.rfft2` on an image (h, w)."""
    height, width = shape
    return np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]


def gaussian_field(
    rng: np.random.Generator, shape: tuple[int, int], power: Float[ndarray, "h f"]
) -> Float[ndarray, "h w"]:
    """Stationary, periodic Gaussian field of mean 0 and variance 1 whose spectrum is proportional to `power`."""
    height, width = shape
    white = np.fft.rfft2(rng.standard_normal(shape))
    # A column of the half plane stands for two of the full one, but for fx = 0 and, in an even width, fx = 1/2.
    single = power[:, 0].sum() + (power[:, -1].sum() if width % 2 == 0 else 0.0)
    variance = (2 * power.sum() - single) / (height * width)
    return np.fft.irfft2(white * np.sqrt(power / variance), s=shape)


def gamma_field(order: float, gaussian: Float[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    """Gamma field of shape parameter `order` and mean 1, the memoryless transform F^-1(Phi(gaussian)).

    Its marginal is exact whatever the spectrum of the Gaussian field (Tough & Ward, J. Phys. D 32, 3075, 1999).
    """
    return np.interp(gaussian, _SCORES, gammaincinv(order, _PROBABILITIES) / order)


def low_pass(shape: tuple[int, int], length: float) -> Float[ndarray, "h f"]:
    """Power spectrum of white noise blurred by a Gaussian of standard deviation `length` pixels (0 leaves it white)."""
    fy, fx = frequencies(shape)
    c = (2 * np.pi * length) ** 2
    return np.exp(-c * fy**2) * np.exp(-c * fx**2)


def wave_train(
    shape: tuple[int, int], *, wavelength: float, direction: float, along: float, across: float
) -> Float[ndarray, "h f"]:
    """Power spectrum of waves that travel in `direction`, an angle from the x axis (range) towards y (azimuth).

    `wavelength` is in pixels (infinite: streaks along `direction`), `along` and `across` are correlation lengths.
    """
    fy, fx = frequencies(shape)
    f_along = fx * np.cos(direction) + fy * np.sin(direction)
    f_across = fy * np.cos(direction) - fx * np.sin(direction)
    # Both signs of the wave vector, as each has a part in the half plane.
    radial = [np.exp(-((2 * np.pi * along * (f_along - k)) ** 2)) for k in (1 / wavelength, -1 / wavelength)]
    return (radial[0] + radial[1]) * np.exp(-((2 * np.pi * across * f_across) ** 2))


def sea_spectrum(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Float[ndarray, "h f"]:
    """Random spectrum of the sea's texture: gusts, often swell, sometimes wind streaks. Lengths grow with `scale`."""
    gusts = low_pass(shape, scale * rng.uniform(1.0, 6.0))
    power = gusts / gusts.sum()
    if rng.random() < 0.4:
        length = scale * rng.uniform(6.0, 14.0)
        direction = rng.uniform(0, np.pi)
        swell = wave_train(shape, wavelength=length, direction=direction, along=length, across=0.6 * length)
        power += rng.uniform(0.5, 3.0) * swell / swell.sum()
    if rng.random() < 0.2:
        direction = rng.uniform(0, np.pi)
        streaks = wave_train(shape, wavelength=np.inf, direction=direction, along=15 * scale, across=1.5 * scale)
        power += rng.uniform(0.5, 2.0) * streaks / streaks.sum()
    return power
