"""The radially averaged power spectrum: how much there is at each scale, whatever its direction.

Generators that upsample leave too much or too little at high frequencies (Durall et al. 2020, arXiv:2003.01826, section 3).
"""

import numpy as np
from jaxtyping import Float

FLOOR_DB = -100.0  # of a frequency that is not there, so that its logarithm is a number
METHOD = "root mean square over frequencies of the difference of mean decibels, each spectrum summing to 1"


def radial_spectrum(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, " k"]:
    """Mean power at 1, 2, ... cycles across the shorter side, up to half its pixels.

    The mean is taken off and a Hann window put on, as the opposite edges of an image do not meet. White noise is flat.
    """
    h, w = image.shape
    window = np.outer(_hann(h), _hann(w))
    centred = image.astype(np.float64)
    centred = centred - (centred * window).sum() / window.sum()
    power = np.square(np.abs(np.fft.rfft2(centred * window))) / np.square(window).sum()
    ry, rx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    shorter = min(h, w)
    ring = np.round(np.hypot(ry, rx) * shorter).astype(int)
    # a half spectrum holds most columns once that the whole one holds twice
    twice = np.where((rx == 0) | (rx == 0.5), 1.0, 2.0) * np.ones_like(power)
    sums = np.bincount(ring.ravel(), (power * twice).ravel())
    return (sums / np.bincount(ring.ravel(), twice.ravel()))[1 : shorter // 2 + 1]


def spectrum_shape(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, " k"]:
    """`radial_spectrum` in decibels of its sum, so that a gain changes nothing."""
    power = radial_spectrum(image)
    return 10 * np.log10(np.maximum(power / max(power.sum(), 1e-30), 10 ** (FLOOR_DB / 10)))


def spectrum_distance(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "m k"]) -> float:
    """Decibels between the mean spectra of two sets."""
    return float(np.sqrt(np.square(one.mean(axis=0) - other.mean(axis=0)).mean()))


def _hann(n: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
