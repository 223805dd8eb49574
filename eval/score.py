"""From two opened folders to their figures."""

from pathlib import Path

import numpy as np

from eval.cache import cached, content_hash
from eval.comparison import Comparison, Side
from eval.config import EvalConfig
from eval.features import Extractor, build_extractor, choose_device, extract
from eval.figures import Figure, Scores
from eval.floor import Distance, measure_floor
from eval.frechet import frechet_from_features
from eval.kernel import kernel_distance, mmd2
from eval.nearest import find_nearest, share_closer


def score(comparison: Comparison) -> Scores:
    """The Frechet and the kernel distance of the features that the config asks for, and the nearest neighbours.

    ValueError, one line, where the extractor's weights or the device cannot be had.
    """
    config = comparison.config
    extractor = build_extractor(config)
    real, synthetic = (_features(side, extractor, config) for side in (comparison.real, comparison.synthetic))
    frechet = _figure(
        extractor.frechet, frechet_from_features, real, synthetic, comparison, extractor.description,
        method="Gaussian moments in float64, eigenvalues of a symmetric problem",
    )  # fmt: skip
    unbiased = kernel_distance(real, synthetic, seed=config.seed)
    kid = _figure(
        extractor.kid, mmd2, real, synthetic, comparison, extractor.description,
        method=unbiased.method, value=unbiased.value, standard_error=unbiased.standard_error,
    )  # fmt: skip
    real, synthetic = comparison.real.thumbnails(), comparison.synthetic.thumbnails()
    nearest = find_nearest(synthetic, real)
    closeness = _figure(
        "share_near_real", lambda one, other: share_closer(other, one), real, synthetic, comparison, "grey pixels",
        method=f"share at a root mean square distance of {nearest.threshold:.4g} or less from a real image",
        value=nearest.share_closer,
    )  # fmt: skip
    return Scores(comparison, [frechet, kid, closeness], nearest)


def _features(side: Side, extractor: Extractor, config: EvalConfig) -> np.ndarray:
    """Features of all images (n, d), from the cache where they are known."""
    folder, preparation, device = side.folder, side.preparation, choose_device(config.device)

    def compute() -> np.ndarray:
        label = f"features of {folder.root.name}"
        return extract(extractor, folder.paths, preparation, batch_size=config.batch_size, device=device, label=label)

    key = content_hash(folder, preparation, extractor.fingerprint)
    return cached(Path(config.cache_dir).expanduser(), key, compute)[0]


def _figure(
    name: str,
    distance: Distance,
    real: np.ndarray,
    synthetic: np.ndarray,
    comparison: Comparison,
    extractor: str,
    *,
    method: str,
    value: float | None = None,
    standard_error: float | None = None,
) -> Figure:
    """`distance` over all images, unless `value` has it already, and at equal n beside its floor."""
    repeats, seed = comparison.config.floor_repeats, comparison.config.seed
    return Figure(
        name=name,
        value=distance(real, synthetic) if value is None else value,
        standard_error=standard_error,
        n_real=len(real),
        n_synthetic=len(synthetic),
        equal_n=measure_floor(distance, real, synthetic, repeats=repeats, seed=seed, label=f"floor of {name}"),
        extractor=extractor,
        resize=comparison.resize,
        range=comparison.range,
        method=method,
    )
