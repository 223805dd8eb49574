"""Lesions: a tumour in the brain or against the skull, solid or with a dead core, with or without edema around it."""

import numpy as np

from data.mri_anatomy import Layer, Tissue
from data.mri_distance import Distance, Points, length, smooth_field


def grow_lesion(points: Points, cranium: Distance, rng: np.random.Generator) -> list[Layer]:
    """The layers of one lesion, from the outside inwards; the first covers them all.

    Its centre is a pixel of the slice inside the skull, so that at least one pixel is its own at any size.
    """
    radius = rng.uniform(6, 20)  # mm
    inside = np.flatnonzero(cranium < -0.6 * min(radius, -0.5 * cranium.min()))
    row, column = np.unravel_index(rng.choice(inside) if len(inside) else np.argmin(cranium), cranium.shape)
    offset = points - points[:, row, column][:, None, None]
    lobes = smooth_field(points, (10, 40), rng, waves=20)[0]
    lobes -= lobes[row, column]
    tumour = length(offset) - radius * (1 + 0.2 * lobes)
    layers = [Layer(Tissue.TUMOUR, np.maximum(tumour, cranium))]
    if rng.random() < 0.4:
        edema = tumour - rng.uniform(2, 10) * np.exp(0.2 * lobes)
        layers.insert(0, Layer(Tissue.EDEMA, np.maximum(edema, cranium)))
    if rng.random() < 0.45:
        core = tumour + rng.uniform(0.25, 0.6) * radius + 1.5 * lobes
        layers.append(Layer(Tissue.NECROSIS, np.maximum(core, np.maximum(tumour, cranium))))
    return layers
