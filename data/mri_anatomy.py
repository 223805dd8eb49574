"""A head in three dimensions, and the slices through it.

Coordinates are mm as in the MNI atlas: x to the right, y to the front, z up, origin at the anterior commissure.
Regions are signed distances, so union, intersection, growth and the share of a pixel are one line each. The head is
mirrored (|x|), then bent by a smooth random displacement and jittered organ by organ: no two are alike.
"""

from enum import IntEnum
from functools import partial, reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from data.mri_distance import (
    Distance,
    Pair,
    Points,
    Triple,
    capsule,
    ellipsoid,
    length,
    mirror,
    smooth_field,
    smooth_union,
)


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
    EYE = 16


class Layer(NamedTuple):
    """One region; later layers are painted over earlier ones."""

    tissue: Tissue
    distance: Distance
    thickness: float = np.inf  # mm, of a sheet that may be thinner than a pixel


# tissue, centre, radii (mm); x > 0 stands for both sides. Painted in this order, under the skull.
FACE = [
    (Tissue.FAT, (31, 45, -34), (17, 26, 16)),  # orbits
    (Tissue.MUSCLE, (28, 36, -34), (9, 20, 7)),  # eye muscles and optic nerve
    (Tissue.EYE, (32, 62, -34), (12, 12, 12)),
    (Tissue.MUSCLE, (0, 40, -92), (24, 34, 20)),  # tongue
    (Tissue.BONE, (0, 62, -78), (24, 26, 5)),  # palate
    (Tissue.BONE, (26, 62, -98), (8, 24, 12)),  # jaw
    (Tissue.MARROW, (26, 62, -98), (4, 18, 7)),
    (Tissue.AIR, (30, 50, -60), (12, 15, 13)),  # maxillary sinuses
    (Tissue.AIR, (8, 56, -54), (5, 30, 18)),  # nasal cavity
    (Tissue.PITUITARY, (8, 54, -50), (3, 20, 3)),  # turbinates
    (Tissue.PITUITARY, (8, 54, -60), (3, 24, 4)),
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
    ((12, 28, 5), 3.5),
    ((9, 8, 18), 6.0),
    ((13, -24, 22), 5.5),
    ((27, -42, 10), 6.0),
    ((40, -26, -10), 2.5),
    ((39, -8, -20), 2.5),
]
OCCIPITAL_HORN = ((26, -64, 6), 2.0)


def _jittered(table: list, points: Points, rng: np.random.Generator) -> list[Layer]:
    """The ellipsoids of a table, each moved by about 1.5 mm and resized by about 8 %."""
    layers = []
    for tissue, centre, radii in table:
        moved = centre + rng.normal(0, 1.5, 3) * [centre[0] != 0, 1, 1]  # what stands on the midline stays there
        layers.append(Layer(tissue, ellipsoid(points, moved, radii * np.exp(rng.normal(0, 0.08, 3)))))
    return layers


def cavity(points: Points) -> Distance:
    """The inside of the skull: vault, temporal and posterior fossae."""
    x, y, z = points
    vault = np.maximum(ellipsoid(points, (0, -17, 16), (68, 87, 63)), -26 - z)
    temporal = ellipsoid(mirror(points), (40, -8, -20), (28, 40, 25))
    fossa = ellipsoid(points, (0, -58, -30), (60, 46, 33))
    fossa = np.maximum(fossa, y + 8 + 0.75 * np.abs(x))  # the petrous bones run outwards and back
    return smooth_union(smooth_union(vault, temporal, 10), fossa, 10)


def soft_tissue(points: Points, inside: Distance, rng: np.random.Generator) -> list[Layer]:
    """Muscle, with sheets and pads of fat, small vessels and pockets of air."""
    x, y, z = points
    along = np.stack([x, y, 0.45 * z])  # muscles run up and down
    sheets, pads, pockets = smooth_field(along, (12, 40), rng, channels=3, waves=20)
    middle = np.abs(x) + 0.5 * np.abs(y - 30) + 0.4 * np.abs(z + 55) - 40  # of the face, where the airways are
    return [
        Layer(Tissue.MUSCLE, inside),
        Layer(Tissue.FAT, np.maximum(4 * (1.1 - pads), inside)),
        Layer(Tissue.FAT, np.maximum(5 * np.abs(sheets) - 0.5, inside), 1.0),
        Layer(Tissue.AIR, np.maximum(4 * (1.0 - pockets), middle)),
        Layer(Tissue.PITUITARY, np.maximum(5 * np.abs(pockets - 1.0) - 1, middle), 2.0),  # mucosa
        Layer(Tissue.VESSEL, np.maximum(5 * (1.7 - np.abs(pads - sheets)), inside)),
    ]


def outer_layers(points: Points, cranium: Distance, rng: np.random.Generator) -> list[Layer]:
    """Skin, face, neck and skull: everything outside the cavity, and the fluid that fills it."""
    skull = rng.uniform(4, 7)
    scalp = rng.uniform(3, 6) * np.exp(0.2 * smooth_field(points, (50, 150), rng, waves=6)[0])
    head = cranium - skull - scalp
    for centre, radii in (((0, 32, -58), (68, 50, 66)), ((0, 62, -98), (34, 26, 28))):  # face, chin
        head = smooth_union(head, ellipsoid(points, centre, radii), 16)
    head = smooth_union(head, ellipsoid(points, (0, 90, -48), (11, 16, 16)), 12)  # nose
    head = smooth_union(head, capsule(points, (0, -22, -60), (0, -38, -170), (66, 68)), 30)  # neck
    vertebrae = capsule(points, (0, -16, -66), (0, -26, -170), (9, 10))
    rough = 2.5 * smooth_field(points, (15, 50), rng, channels=3)  # no organ of the face is a true ellipsoid
    discs = np.abs((points[2] + 200) % 19 - 9.5) - 8  # one vertebra every 19 mm
    organs = _jittered(FACE, mirror(points) + rough, rng)
    face = [Layer(organ.tissue, np.maximum(organ.distance, head + 2)) for organ in organs]  # under the skin
    return [
        Layer(Tissue.FAT, head),
        *soft_tissue(points, head + scalp, rng),
        Layer(Tissue.BONE, vertebrae - 1),
        Layer(Tissue.MARROW, np.maximum(vertebrae, discs)),
        *face,
        Layer(Tissue.CSF, capsule(points, (0, -40, -50), (0, -48, -170), (8, 8))),
        Layer(Tissue.WHITE, capsule(points, (0, -40, -50), (0, -48, -170), (5, 5))),
        Layer(Tissue.BONE, cranium - skull),
        Layer(Tissue.MARROW, np.abs(cranium - skull / 2) - skull / 7, skull / 3.5),
        Layer(Tissue.DURA, cranium - 1.2, 1.5),
        Layer(Tissue.CSF, cranium),
    ]


def clefts(points: Points, centre: Triple, spacing: Pair, rng: np.random.Generator) -> Distance:
    """Distance to the middle of random clefts that run towards `centre`, `spacing` mm from one to the next but one."""
    outward = points - np.asarray(centre, points.dtype)[:, None, None]
    reach = length(outward) + 1e-6
    # On a sphere the field would fold radially only; a share of the points themselves bends the clefts.
    folds = smooth_field(outward * (0.4 + 0.75 * reach.mean() / reach), spacing, rng, waves=16)[0]
    return np.abs(folds) * (3**0.5 / (4 * np.pi) * sum(spacing))  # divided by the rms slope along one axis


def cortex(points: Points, cerebrum: Distance, rng: np.random.Generator) -> list[Layer]:
    """Grey ribbon and white matter, folded around sulci that run inwards from the surface."""
    x, y, z = points
    width, depth = rng.uniform(0.6, 2.2), rng.uniform(12, 20)
    sulci = clefts(points, (0, -17, 12), (20, 32), rng) - width / 2
    sulci = np.maximum(sulci, -depth - cerebrum)
    core = ellipsoid(points, (0, -8, 4), (60, 42, 26))
    fissure = np.maximum(np.abs(x) - width / 2, -core)  # between the hemispheres
    sylvian = ellipsoid(np.stack([np.abs(x), y, z + 0.45 * y]), (54, -4, 0), (19, 30, width))
    fluid = np.minimum(np.minimum(sulci, fissure), sylvian)
    ribbon = rng.uniform(2.6, 3.6)
    stretches = smooth_field(points, (15, 40), rng)[0]  # where a vein in a cleft lies in the slice
    return [
        Layer(Tissue.GREY, cerebrum),
        Layer(Tissue.WHITE, np.maximum(cerebrum + ribbon, ribbon - fluid)),
        Layer(Tissue.CSF, np.maximum(fluid, cerebrum), width),
        Layer(Tissue.DURA, np.maximum(np.abs(x) - 0.5, np.maximum(-core, cerebrum)), 1.0),  # falx
        Layer(Tissue.VESSEL, np.maximum(np.maximum(fluid, cerebrum), 4 * (1.2 - np.abs(stretches))), width),
    ]


def ventricles(points: Points, rng: np.random.Generator) -> Distance:
    """The lateral ventricles of one side: a chain of tubes."""
    size = float(np.exp(rng.normal(0, 0.3)))
    chain = [(np.array(p) + rng.normal(0, 1.5, 3), r * size) for p, r in [*LATERAL_VENTRICLE, OCCIPITAL_HORN]]
    x, y, z = points
    points = np.stack([x - 0.5 * np.clip(z - 15, -12, 12), y, z])  # in front view the tubes lean outwards
    tubes = [*pairwise(chain[:-1]), (chain[3], chain[-1])]  # the occipital horn leaves from the atrium
    distances = [capsule(points, start, end, (r0, r1)) for (start, r0), (end, r1) in tubes]
    return reduce(partial(smooth_union, radius=3), distances)


def cerebellum_layers(points: Points, tent: Distance, brain: Distance, rng: np.random.Generator) -> list[Layer]:
    """The cerebellum under its tent, its fine folds and its white core."""
    front = points[1] + 24 + 0.45 * np.abs(points[0])  # along the petrous bones
    surface = np.maximum(np.maximum(tent + 1, brain), front)
    notch = ellipsoid(points, (0, -90, -62), (6, 22, 26))  # between the hemispheres, below and behind
    surface = np.maximum(surface, -notch)
    folia = np.maximum(clefts(points, (0, -45, -36), (6, 11), rng) - 0.4, -11 - surface)
    return [
        Layer(Tissue.GREY, surface),
        Layer(Tissue.WHITE, ellipsoid(mirror(points), (20, -60, -38), (25, 14, 9))),
        Layer(Tissue.CSF, np.maximum(folia, surface), 0.8),
    ]


def brain_layers(points: Points, cranium: Distance, rng: np.random.Generator) -> list[Layer]:
    """Cerebrum, ventricles, deep nuclei, cerebellum and brain stem."""
    x, y, z = points
    mirrored = mirror(points)
    brain = cranium + rng.uniform(1, 3)
    tent = ellipsoid(points, (0, -62, -44), (66, 44, 36))
    arc = np.abs(ellipsoid(np.stack([0 * x, y, z]), (0, -8, 2), (1, 36, 23))) - 3.5
    stem = smooth_union(
        capsule(points, (0, -16, -2), (0, -40, -62), (14, 7)),
        ellipsoid(points, (0, -24, -32), (19, 14, 15)),
        6,
    )
    return [
        *cortex(points, np.maximum(brain, -tent), rng),
        Layer(Tissue.WHITE, np.maximum(arc, np.maximum(np.abs(x) - 16, -4 - z))),  # corpus callosum
        Layer(Tissue.VENTRICLE, ventricles(mirrored, rng)),
        *_jittered(DEEP_ORGANS, mirrored, rng),
        *cerebellum_layers(points, tent, brain, rng),
        Layer(Tissue.WHITE, stem),
        Layer(Tissue.VENTRICLE, ellipsoid(points, (0, -47, -34), (7, 5, 9))),
        Layer(Tissue.PITUITARY, ellipsoid(points, (0, 3, -33), (7, 5, 4))),
        Layer(Tissue.VESSEL, ellipsoid(mirrored, (12, 2, -32), (3, 5, 4))),
        Layer(Tissue.VESSEL, np.maximum(np.abs(x) - 3.5, np.abs(cranium + 2) - 3.5) + np.maximum(y + 30, 0)),
    ]
