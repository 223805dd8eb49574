"""The Frechet distance that infinitely many images would give (FID-infinity: Chong & Forsyth 2020, section 4).

The distance of n images a side is biased by about c / n, and c depends on the images: of two sets the one with the smaller
distance at n may be the worse one. So the distance is measured on ever smaller shares f of both sides, and the straight
line through d^2(1 / f) is followed to 1 / f = 0.

The shares go down to a half: further down the terms in 1 / n^2 bend the line where images are few, and a parabola in its
place is far noisier (tests/test_eval_frechet_infinity.py). Where the directions in which features vary outnumber the
images the bend stays: on isotropic Gaussians in 512 dimensions with n = 200 three quarters of the bias are left. The
floor tells: real against real would be 0.
"""

import numpy as np
from jaxtyping import Float

from eval.frechet import frechet_from_features

INVERSE_SHARES = np.linspace(1.0, 2.0, 5)
MIN_IMAGES = 4  # a half of them has a covariance
DRAWS = 3  # of each share but the whole


def frechet_infinity(
    features_1: Float[np.ndarray, "n d"], features_2: Float[np.ndarray, "m d"], *, seed: int = 0
) -> float:
    """d^2 at 1 / n = 0, unbiased to first order, so around 0, also below, where both sides are alike.

    ValueError with fewer than 4 images on a side.
    """
    least = min(len(features_1), len(features_2))
    if least < MIN_IMAGES:
        raise ValueError(
            f"n={least}: the extrapolation needs {MIN_IMAGES} images or more, for half of them a covariance"
        )
    random = np.random.default_rng(seed)
    inverse, distances = [], []
    for inverse_share in INVERSE_SHARES:
        for _ in range(1 if inverse_share == 1 else DRAWS):
            one, other = (_draw(x, inverse_share, random) for x in (features_1, features_2))
            inverse.append(inverse_share)
            distances.append(frechet_from_features(one, other))
    _, at_zero = np.polyfit(inverse, distances, 1)
    return float(at_zero)


def _draw(features: np.ndarray, inverse_share: float, random: np.random.Generator) -> np.ndarray:
    return features[random.choice(len(features), round(len(features) / inverse_share), replace=False)]
