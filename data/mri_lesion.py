"""Lesions: a tumour with core, enhancing ring and edema in the brain, or a solid one at the dura or in the sella."""

import numpy as np

from data.mri_anatomy import Layer, Tissue
from data.signed_distance import Distance, Points, length, smooth_field


def grow_lesion(points: Points, cranium: Distance, layers: list[Layer], rng: np.random.Generator) -> list[Layer]:
    """The layers of one lesion, from the outside inwards; the first covers them all.

    Its centre is a pixel of the slice inside the skull, so that at least one pixel is always its own.
    """
    radius = rng.uniform(6, 20)
    inside = np.flatnonzero(cranium < -0.6 * min(radius, -0.5 * cranium.min()))
    row, column = np.unravel_index(rng.choice(inside) if len(inside) else np.argmin(cranium), cranium.shape)
    offset = points - points[:, row, column][:, None, None]
    lobes = smooth_field(points, (10, 40), rng, waves=20)[0]
    lobes -= lobes[row, column]
    distance = length(offset) - radius * (1 + 0.2 * lobes)
    within = np.maximum(distance, cranium)
    edema = rng.uniform(0, 10) if rng.random() < 0.5 else 0.0
    found = [Layer(Tissue.EDEMA, np.maximum(distance - edema - lobes, cranium))] if edema > 2 else []
    found.append(Layer(Tissue.TUMOUR, within))
    if rng.random() < 0.45:
        found.append(Layer(Tissue.NECROSIS, distance + rng.uniform(0.25, 0.6) * radius + 1.5 * lobes))
    return found
