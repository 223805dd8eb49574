"""A head in three dimensions, and the slices through it.

Coordinates are millimetres as in the MNI atlas: x to the right, y to the front, z up, origin at the anterior commissure.
Regions are signed distances, so union, intersection, growth and the share of a pixel are one line each. The head is
mirrored (|x|), then bent by a smooth random displacement and jittered organ by organ: no two are alike.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from data.signed_distance import Distance, Points, capsule, ellipsoid, smooth_field, smooth_union


class Tissue(IntEnum):
    """Values of a tissue map."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    DURA = 5
    CSF = 6
    GREY = 7
    WHITE = 8
    DEEP_GREY = 9
    VENTRICLE = 10
    VESSEL = 11
    PITUITARY = 12
    EDEMA = 13
    TUMOUR = 14
    NECROSIS = 15


class Layer(NamedTuple):
    """One region; later layers are painted over earlier ones."""

    tissue: Tissue
    distance: Distance
    thickness: float = np.inf  # mm, of a sheet that may be thinner than a pixel


# tissue, centre, radii (mm); x > 0 stands for both sides. Painted in this order, under the skull.
FACE = [
    (Tissue.FAT, (32, 44, -34), (19, 30, 18)),  # orbits
    (Tissue.MUSCLE, (28, 36, -34), (9, 20, 7)),  # eye muscles and optic nerve
    (Tissue.CSF, (32, 62, -34), (12, 12, 12)),  # eyes
    (Tissue.MUSCLE, (0, 40, -92), (24, 34, 20)),  # tongue
    (Tissue.BONE, (0, 62, -78), (24, 26, 5)),  # palate
    (Tissue.BONE, (26, 62, -98), (8, 24, 12)),  # jaw
    (Tissue.MARROW, (26, 62, -98), (4, 18, 7)),
    (Tissue.AIR, (30, 50, -60), (14, 17, 15)),  # maxillary sinuses
    (Tissue.AIR, (8, 56, -54), (5, 30, 18)),  # nasal cavity
    (Tissue.AIR, (6, 44, -34), (6, 18, 9)),  # ethmoid cells
    (Tissue.AIR, (8, 20, -42), (9, 11, 9)),  # sphenoid sinus
    (Tissue.AIR, (0, 4, -78), (9, 7, 30)),  # pharynx
    (Tissue.AIR, (0, 50, -84), (18, 26, 2)),  # mouth
    (Tissue.MARROW, (0, 2, -54), (11, 8, 12)),  # clivus
    (Tissue.BONE, (48, -22, -44), (18, 18, 12)),  # petrous bones
    (Tissue.AIR, (54, -34, -50), (9, 11, 10)),  # mastoid cells
    (Tissue.AIR, (12, 74, -4), (10, 4, 9)),  # frontal sinuses
]
DEEP_ORGANS = [
    (Tissue.DEEP_GREY, (11, -18, 6), (9, 14, 9)),  # thalamus
    (Tissue.DEEP_GREY, (14, 14, 9), (6, 12, 10)),  # head of the caudate
    (Tissue.DEEP_GREY, (26, 2, 1), (6, 17, 10)),  # putamen and pallidum
    (Tissue.CSF, (0, -4, -24), (13, 11, 9)),  # suprasellar cistern
    (Tissue.CSF, (0, -40, -4), (9, 5, 7)),  # quadrigeminal cistern
    (Tissue.VENTRICLE, (0, -14, -2), (2.2, 13, 9)),  # third ventricle
]
# From the frontal to the temporal horn: points (mm) and radii of a lateral ventricle.
LATERAL_VENTRICLE = [
    ((13, 30, 4), 2.5),
    ((10, 8, 19), 5.0),
    ((15, -24, 22), 5.0),
    ((27, -42, 10), 6.0),
    ((34, -26, -10), 2.5),
    ((33, -8, -20), 2.5),
]
OCCIPITAL_HORN = ((26, -64, 6), 2.0)


def _jittered(table: list, points: Points, rng: np.random.Generator) -> list[Layer]:
    """The ellipsoids of a table, each moved by about 1.5 mm and resized by about 8 %."""
    layers = []
    for tissue, centre, radii in table:
        moved = np.array(centre, float) + rng.normal(0, 1.5, 3) * (1 if centre[0] else np.array([0, 1, 1]))
        layers.append(Layer(tissue, ellipsoid(points, moved, np.array(radii) * np.exp(rng.normal(0, 0.08, 3)))))
    return layers


def _array(*values: float) -> np.ndarray:
    return np.array(values, float)


def cavity(points: Points) -> Distance:
    """The inside of the skull: vault, temporal and posterior fossae."""
    floor = -26 - points[2]
    vault = np.maximum(ellipsoid(points, _array(0, -17, 16), _array(68, 87, 63)), floor)
    temporal = ellipsoid(points, _array(40, -10, -20), _array(28, 40, 24))
    fossa = ellipsoid(points, _array(0, -56, -30), _array(56, 46, 31))
    return smooth_union(smooth_union(vault, temporal, 12), fossa, 12)


def outer_layers(points: Points, cranium: Distance, rng: np.random.Generator) -> list[Layer]:
    """Skin, face, neck and skull: everything outside the cavity, and the fluid that fills it."""
    skull, scalp = rng.uniform(5, 9), rng.uniform(4, 8)
    x, y, z = points
    head = cranium - skull - scalp
    for centre, radii in (((0, 40, -52), (60, 52, 62)), ((0, 70, -94), (38, 24, 30))):  # face, chin
        head = smooth_union(head, ellipsoid(points, _array(*centre), _array(*radii)), 16)
    head = smooth_union(head, ellipsoid(points, _array(0, 96, -50), _array(13, 18, 20)), 12)  # nose
    head = smooth_union(head, capsule(points, _array(0, -20, -60), _array(0, -34, -170), (52, 62)), 30)  # neck
    planes = smooth_field(points, (14, 40), rng)[0]  # layers of fat between the muscles
    vertebrae = capsule(points, _array(0, -16, -66), _array(0, -26, -170), (9, 10))
    discs = np.abs((z + 200) % 19 - 9.5) - 7  # one vertebra every 19 mm
    marrow = np.abs(cranium - skull / 2)
    return [
        Layer(Tissue.FAT, head),
        Layer(Tissue.MUSCLE, head + scalp),
        Layer(Tissue.FAT, np.maximum(np.abs(planes) * 6 - 1.5, head + scalp), 3.0),
        Layer(Tissue.BONE, vertebrae - 3),
        Layer(Tissue.MARROW, np.maximum(vertebrae, discs)),
        *_jittered(FACE, np.stack([np.abs(x), y, z]), rng),
        Layer(Tissue.CSF, capsule(points, _array(0, -40, -50), _array(0, -48, -170), (8, 8))),
        Layer(Tissue.WHITE, capsule(points, _array(0, -40, -50), _array(0, -48, -170), (5, 5))),
        Layer(Tissue.BONE, cranium - skull),
        Layer(Tissue.MARROW, marrow - skull / 6, skull / 3),
        Layer(Tissue.DURA, cranium - 1.2, 1.5),
        Layer(Tissue.CSF, cranium),
    ]


def cortex(points: Points, cerebrum: Distance, rng: np.random.Generator) -> list[Layer]:
    """Grey ribbon and white matter, folded around sulci that run inwards from the surface."""
    x, y, z = points
    outward = points - _array(0, -17, 12)[:, None, None]
    sphere = outward / (np.sqrt(np.einsum("chw,chw->hw", outward, outward)) + 1e-9) * 62
    folds = smooth_field(0.8 * sphere + 0.35 * outward, (20, 32), rng, waves=24)[0]
    width, depth = rng.uniform(0.8, 2.6), rng.uniform(12, 20)
    sulci = np.maximum(np.abs(folds) * 6.0 - width / 2, -depth - cerebrum)  # 6 mm: 1 / rms slope of the folds
    corpus = ellipsoid(points, _array(0, -8, 4), _array(60, 42, 26))
    fissure = np.maximum(np.abs(x) - width / 2, -corpus)  # between the hemispheres
    sylvian_points = np.stack([np.abs(x), y, z + 0.45 * y])
    sylvian = ellipsoid(sylvian_points, _array(54, -4, 0), _array(19, 30, width))
    clefts = np.minimum(np.minimum(sulci, fissure), sylvian)
    ribbon = rng.uniform(2.6, 3.6)
    return [
        Layer(Tissue.GREY, cerebrum),
        Layer(Tissue.WHITE, np.maximum(cerebrum + ribbon, ribbon - clefts)),
        Layer(Tissue.CSF, np.maximum(clefts, cerebrum), width),
        Layer(Tissue.DURA, np.maximum(np.abs(x) - 0.6, np.maximum(-corpus, cerebrum)), 1.2),  # falx
    ]


def ventricles(points: Points, rng: np.random.Generator) -> Distance:
    """The lateral ventricles of one side: a chain of tubes."""
    size = np.exp(rng.normal(0, 0.3))
    chain = [(np.array(p) + rng.normal(0, 1.5, 3), r * size) for p, r in [*LATERAL_VENTRICLE, OCCIPITAL_HORN]]
    links = [*zip(chain[:-2], chain[1:-1], strict=True), (chain[3], chain[-1])]
    distance = None
    for (start, r0), (end, r1) in links:
        tube = capsule(points, start, end, (r0, r1))
        distance = tube if distance is None else smooth_union(distance, tube, 3)
    return distance


def brain_layers(points: Points, cranium: Distance, rng: np.random.Generator) -> list[Layer]:
    """Cerebrum, ventricles, deep nuclei, cerebellum and brain stem."""
    x, y, z = points
    mirrored = np.stack([np.abs(x), y, z])
    brain = cranium + rng.uniform(1.5, 4)
    fossa = ellipsoid(points, _array(0, -58, -38), _array(56, 46, 31))
    cerebellum = np.maximum(ellipsoid(mirrored, _array(20, -66, -38), _array(32, 29, 23)), brain)
    folia = np.abs(np.sin(cerebellum * 0.9 + smooth_field(points, (15, 40), rng)[0])) * 1.5 - 0.4
    arc = np.abs(ellipsoid(points * _array(0, 1, 1)[:, None, None], _array(0, -8, 2), _array(1e3, 36, 23))) - 3.5
    stem = smooth_union(
        capsule(points, _array(0, -16, -2), _array(0, -40, -62), (12, 7)),
        ellipsoid(points, _array(0, -24, -32), _array(17, 13, 14)),
        6,
    )
    return [
        *cortex(points, np.maximum(brain, 1 - fossa), rng),
        Layer(Tissue.WHITE, np.maximum(arc, np.maximum(np.abs(x) - 16, -4 - z))),  # corpus callosum
        Layer(Tissue.VENTRICLE, ventricles(mirrored, rng)),
        *_jittered(DEEP_ORGANS, mirrored, rng),
        Layer(Tissue.GREY, cerebellum),
        Layer(Tissue.WHITE, ellipsoid(mirrored, _array(18, -62, -38), _array(22, 15, 10))),
        Layer(Tissue.CSF, np.maximum(folia, np.maximum(cerebellum, -14 - cerebellum)), 0.8),
        Layer(Tissue.WHITE, stem),
        Layer(Tissue.VENTRICLE, ellipsoid(points, _array(0, -47, -34), _array(7, 5, 9))),
        Layer(Tissue.PITUITARY, ellipsoid(points, _array(0, 3, -33), _array(7, 5, 4))),
        Layer(Tissue.VESSEL, ellipsoid(mirrored, _array(12, 2, -32), _array(3, 5, 4))),
        Layer(Tissue.VESSEL, ellipsoid(points, _array(0, -98, 12), _array(5, 10, 6))),
    ]
