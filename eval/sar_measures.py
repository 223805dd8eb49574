"""What a radar engineer looks at: amplitudes, speckle, texture, spectrum (`domain=sar`).

Each measure takes a few numbers from every image and compares their distributions, so that a floor at equal n is at hand.
"""

import numpy as np
from einops import rearrange
from jaxtyping import Float

from eval.distributions import mean_wasserstein
from eval.measure import Measure
from eval.spectrum import METHOD, spectrum_distance, spectrum_shape

LEVELS = 1024  # at which amplitudes are counted
PATCH = 8  # side in pixels where speckle is measured, in four quadrants
HOMOGENEOUS = 0.25  # share of an image's patches
MOST_LOOKS = 1e4  # of an image without any speckle
GREYS = 32  # levels of the co-occurrence matrix


def amplitude_cdf(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, " k"]:
    """The share of pixels at or below each of the levels of 0..1; values beyond count at the ends."""
    counts = np.bincount(_level(image, LEVELS).ravel(), minlength=LEVELS)
    return counts.cumsum() / image.size


def cdf_distance(one: Float[np.ndarray, "n k"], other: Float[np.ndarray, "m k"]) -> float:
    """W1 of all pixels pooled, on the scale of pixel values: a shift by s reads s."""
    gap = np.abs(one.mean(axis=0) - other.mean(axis=0))
    return float(gap.sum() / (one.shape[1] - 1))


def equivalent_looks(image: Float[np.ndarray, "h w"]) -> float:
    """mean^2 / variance in homogeneous patches: of intensities under gamma speckle, the number of looks.

    Of amplitudes it reads about four times the looks (3.66 for one). Patches of 8x8 pixels; homogeneous is the quarter of
    them whose quadrants' means differ least, relative to the patch's. The variance is taken within quadrants, which for
    speckle tells nothing of their means, so that choosing the patches does not bias it; the median over patches is robust
    against a ship among them. Flat patches, empty or saturated, have no speckle and are left out.
    """
    h, w = image.shape
    if min(h, w) < PATCH:
        raise ValueError(
            f"images of {h}x{w} are too small for domain=sar: speckle is measured in {PATCH}x{PATCH} pixels"
        )
    patches = image[: h - h % PATCH, : w - w % PATCH].astype(np.float64)
    half = PATCH // 2
    quadrants = rearrange(patches, "(r a y) (c b x) -> (r c) (a b) (y x)", a=2, b=2, y=half, x=half)  # (p, 4, 16)
    variance = quadrants.var(axis=2, ddof=1).mean(axis=1)  # (p,)
    means = quadrants.mean(axis=2)  # (p, 4)
    mean = means.mean(axis=1)
    seen = (variance > 0) & (mean > 0)
    if not seen.any():
        return MOST_LOOKS
    unevenness = means[seen].std(axis=1) / mean[seen]
    chosen = np.argsort(unevenness, kind="stable")[: max(1, round(HOMOGENEOUS * seen.sum()))]
    looks = np.square(mean[seen][chosen]) / variance[seen][chosen]
    return float(min(np.median(looks), MOST_LOOKS))


def cooccurrence(image: Float[np.ndarray, "h w"]) -> tuple[float, float, float]:
    """Contrast, homogeneity and correlation of the grey-level co-occurrence matrix (Haralick et al. 1973).

    Neighbours to the right and below, both ways round; 32 levels of 0..1. They are means over pairs of neighbours, so the
    matrix need not be built. An image of one level has contrast 0 and correlation 1.
    """
    levels = _level(image, GREYS).astype(np.float64)
    pairs = ((levels[:, :-1], levels[:, 1:]), (levels[:-1], levels[1:]))
    i = np.concatenate([np.concatenate([a.ravel(), b.ravel()]) for a, b in pairs])
    j = np.concatenate([np.concatenate([b.ravel(), a.ravel()]) for a, b in pairs])
    squares = np.square(i - j)
    variance = i.var()  # of j too, as each pair is counted both ways
    correlation = 1.0 if variance == 0 else float(np.mean((i - i.mean()) * (j - j.mean())) / variance)
    return float(squares.mean()), float((1 / (1 + squares)).mean()), correlation


def _level(image: np.ndarray, levels: int) -> np.ndarray:
    return np.round(image.clip(0, 1) * (levels - 1)).astype(np.int64)


def _texture(index: int) -> Measure:
    name = ("contrast", "homogeneity", "correlation")[index]
    return Measure(
        f"sar_glcm_{name}",
        lambda image: np.array([cooccurrence(image)[index]]),
        mean_wasserstein,
        f"W1 over images of the {name} of neighbours at {GREYS} grey levels",
    )


MEASURES = (
    Measure("sar_amplitude", amplitude_cdf, cdf_distance, f"W1 of pooled pixel values, {LEVELS} levels of 0..1"),
    Measure(
        "sar_looks",
        lambda image: np.array([np.log2(equivalent_looks(image))]),
        mean_wasserstein,
        f"W1 over images of log2(mean^2 / variance) in the most homogeneous {HOMOGENEOUS:.0%} of {PATCH}x{PATCH} patches",
    ),
    *(_texture(index) for index in range(3)),
    Measure("sar_spectrum", spectrum_shape, spectrum_distance, METHOD),
)
