"""Intensities of the tissue and the spectrum of MRI slices (`domain=mri`)."""

import numpy as np
from jaxtyping import Float

from eval.distributions import mean_wasserstein
from eval.measure import Measure
from eval.spectrum import METHOD, spectrum_distance, spectrum_shape

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
LEVELS = 256  # of the histogram that the threshold is sought in


def otsu_threshold(image: Float[np.ndarray, "h w"]) -> float:
    """The value that splits the pixels into two groups of the largest variance between them (Otsu 1979, eq. 18)."""
    low, high = float(image.min()), float(image.max())
    counts, edges = np.histogram(image, bins=LEVELS, range=(low, high if high > low else low + 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()[:-1] / counts.sum()  # share of the darker group at each split
    first = (counts * centres).cumsum()[:-1] / counts.sum()
    total = (counts * centres).sum() / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.square(total * below - first) / (below * (1 - below))
    return float(edges[1 + int(np.nan_to_num(between).argmax())])


def foreground_percentiles(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, " k"]:
    """Percentiles of the pixels above Otsu's threshold: of the head, as air around it is most of a slice and dark."""
    tissue = image[image > otsu_threshold(image)]
    return np.percentile(tissue if tissue.size else image, PERCENTILES)


MEASURES = (
    Measure(
        "mri_percentiles",
        foreground_percentiles,
        mean_wasserstein,
        f"mean over the percentiles {', '.join(map(str, PERCENTILES))} of the foreground of their W1 over images",
    ),
    Measure("mri_spectrum", spectrum_shape, spectrum_distance, METHOD),
)
