"""What a scanner measures: signal equations, tissue parameters at 1.5 T, coil shading and Rician noise."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from data.mri_anatomy import Tissue


class Relaxation(NamedTuple):
    """What a tissue's signal depends on."""

    pd: float  # proton density, 1 for water
    t1: float  # ms
    t2: float  # ms
    gadolinium: float = 0.0  # mmol/l that the tissue takes up after the injection of a contrast agent


# Typical values at 1.5 T; those of bone, flowing blood and tumours stand for what a slice shows of them.
RELAXATION = {
    Tissue.AIR: Relaxation(0.0, 1000.0, 100.0),
    Tissue.FAT: Relaxation(0.90, 260.0, 75.0),
    Tissue.MUSCLE: Relaxation(0.76, 1000.0, 42.0, 0.03),
    Tissue.BONE: Relaxation(0.08, 600.0, 20.0),
    Tissue.MARROW: Relaxation(0.60, 350.0, 60.0),
    Tissue.DURA: Relaxation(0.50, 900.0, 50.0, 0.60),
    Tissue.CSF: Relaxation(1.00, 4200.0, 2000.0),
    Tissue.GREY: Relaxation(0.82, 1080.0, 95.0, 0.02),
    Tissue.WHITE: Relaxation(0.70, 680.0, 78.0),
    Tissue.DEEP_GREY: Relaxation(0.78, 900.0, 84.0, 0.01),
    Tissue.VENTRICLE: Relaxation(1.00, 4200.0, 2000.0),
    Tissue.VESSEL: Relaxation(0.55, 1400.0, 60.0, 2.00),
    Tissue.PITUITARY: Relaxation(0.80, 900.0, 85.0, 0.80),
    Tissue.EDEMA: Relaxation(0.86, 1350.0, 150.0),
    Tissue.TUMOUR: Relaxation(0.86, 1250.0, 125.0, 0.60),
    Tissue.NECROSIS: Relaxation(0.95, 2600.0, 350.0, 0.02),
    Tissue.EYE: Relaxation(0.98, 3000.0, 800.0),
}
R1_RELAXIVITY = 4.5e-3  # 1/(ms mmol/l), of a gadolinium chelate at 1.5 T
R2_RELAXIVITY = 5.5e-3


class Scan(NamedTuple):
    """One slice's scan: times in ms. `ti` = 0 is a spin echo, else an inversion recovery with magnitude reading."""

    tr: float
    te: float
    ti: float = 0.0
    gadolinium: float = 0.0  # share of the full dose that has arrived


def spin_echo(pd: float, t1: float, t2: float, tr: float, te: float) -> float:
    """PD (1 - exp(-TR / T1)) exp(-TE / T2)."""
    return pd * (1 - math.exp(-tr / t1)) * math.exp(-te / t2)


def inversion_recovery(pd: float, t1: float, t2: float, tr: float, te: float, ti: float) -> float:
    """PD |1 - 2 exp(-TI / T1) + exp(-TR / T1)| exp(-TE / T2)."""
    return pd * abs(1 - 2 * math.exp(-ti / t1) + math.exp(-tr / t1)) * math.exp(-te / t2)


def tissue_signal(tissue: Relaxation, scan: Scan) -> float:
    """Signal of a tissue, 1 for fully relaxed water; a contrast agent shortens both times, 1/T' = 1/T + r C."""
    dose = tissue.gadolinium * scan.gadolinium
    t1 = 1 / (1 / tissue.t1 + R1_RELAXIVITY * dose)
    t2 = 1 / (1 / tissue.t2 + R2_RELAXIVITY * dose)
    if scan.ti:
        return inversion_recovery(tissue.pd, t1, t2, scan.tr, scan.te, scan.ti)
    return spin_echo(tissue.pd, t1, t2, scan.tr, scan.te)


def draw_scan(contrast: str, rng: np.random.Generator) -> Scan:
    """A scan with the usual times of its contrast, each within about 10 % of the mean."""
    vary = rng.uniform(0.9, 1.1, 2)
    if contrast == "t1":
        return Scan(500 * vary[0], 14 * vary[1], gadolinium=rng.uniform(0.3, 1) if rng.random() < 0.85 else 0.0)
    if contrast == "t2":
        return Scan(4500 * vary[0], 100 * vary[1])
    assert contrast == "flair"
    tr = 9000 * vary[0]
    t1_csf = RELAXATION[Tissue.CSF].t1
    null = t1_csf * (math.log(2) - math.log1p(math.exp(-tr / t1_csf)))  # the TI at which fluid gives no signal
    return Scan(tr, 110 * vary[1], null)


def coil_shading(height: int, width: int, strength: float, rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Smooth positive field, exp of a random quadratic: its logarithm has a standard deviation near `strength`."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([x, y, x * y, x**2 - 1 / 3, y**2 - 1 / 3])
    return np.exp(np.tensordot(strength * rng.standard_normal(5), terms, 1))


def rician(signal: Float[np.ndarray, "h w"], sigma: float, rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Magnitude of `signal` plus complex Gaussian noise of standard deviation `sigma` a channel."""
    noise = rng.standard_normal((2, *signal.shape)) * sigma
    return np.hypot(signal + noise[0], noise[1])
