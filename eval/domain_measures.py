"""The measures of a domain, taken from every image of both folders."""

import numpy as np
from tqdm import tqdm

from eval.comparison import Comparison, Side
from eval.measure import Measure, Measurement
from eval.mri_measures import MEASURES as MRI
from eval.sar_measures import MEASURES as SAR

MEASURES = {"sar": SAR, "mri": MRI}


def measure_domain(comparison: Comparison) -> list[Measurement]:
    """What `domain` asks for; nothing where it is null. ValueError for images too small to measure."""
    if comparison.config.domain is None:
        return []
    measures = MEASURES[comparison.config.domain]
    real, synthetic = (_rows(side, measures) for side in (comparison.real, comparison.synthetic))
    groups = comparison.real.groups_of()
    return [
        Measurement(measure.name, one, other, measure.distance, measure.method, "grey pixels", groups)
        for measure, one, other in zip(measures, real, synthetic, strict=True)
    ]


def _rows(side: Side, measures: tuple[Measure, ...]) -> list[np.ndarray]:
    """Of each measure its rows (n, k)."""
    rows = []
    for path in tqdm(side.folder.paths, desc=f"measuring {side.folder.root.name}", unit="image", leave=False):
        image = side.preparation.load(path).mean(axis=0)  # (h, w)
        rows.append([measure.describe(image) for measure in measures])
    return [np.stack(column) for column in zip(*rows, strict=True)]
