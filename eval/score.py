"""From two opened folders to their figures."""

from pathlib import Path

import numpy as np

from eval.cache import cached, content_hash
from eval.comparison import Comparison, Side
from eval.config import EvalConfig
from eval.coverage import NEIGHBOURS, Coverage, coverage
from eval.features import Extractor, build_extractor, choose_device, extract
from eval.figures import Figure, Scores
from eval.floor import Distance, Floor, measure_floors
from eval.frechet import frechet_from_features
from eval.frechet_infinity import INVERSE_SHARES, MIN_IMAGES, frechet_infinity
from eval.kernel import kernel_distance, mmd2
from eval.membership import Membership, attack
from eval.nearest import find_nearest, share_closer
from eval.privacy_audit import Privacy, Sets, audit_privacy
from eval.tolerant import small


def score(comparison: Comparison) -> Scores:
    """The distances and the coverage of the features that the config asks for, and the nearest neighbours.

    ValueError, one line, where the extractor's weights or the device cannot be had.
    """
    config = comparison.config
    membership = _membership(config)
    extractor = build_extractor(config)
    real, synthetic = (_features(side, extractor, config) for side in (comparison.real, comparison.synthetic))
    frechet = _figure(
        extractor.frechet, frechet_from_features, real, synthetic, comparison, extractor.description,
        method="Gaussian moments in float64, eigenvalues of a symmetric problem",
    )  # fmt: skip
    extrapolated = []
    if frechet.equal_n.n >= MIN_IMAGES:
        extrapolated = [_figure(
            f"{extractor.frechet}_infinity", frechet_infinity, real, synthetic, comparison, extractor.description,
            method=f"line through {len(INVERSE_SHARES)} shares of the images, followed to infinitely many",
        )]  # fmt: skip
    unbiased = kernel_distance(real, synthetic, seed=config.seed)
    kid = _figure(
        extractor.kid, mmd2, real, synthetic, comparison, extractor.description,
        method=unbiased.method, value=unbiased.value, standard_error=unbiased.standard_error,
    )  # fmt: skip
    covered = _coverage(real, synthetic, comparison, extractor.description)
    features = real, synthetic
    real, synthetic = comparison.real.thumbnails(), comparison.synthetic.thumbnails()
    privacy = _privacy(comparison, extractor, features, (real, synthetic), membership)
    nearest = find_nearest(synthetic, real)
    closeness = _figure(
        "share_near_real", lambda one, other: share_closer(other, one), real, synthetic, comparison, "grey pixels",
        method=f"share at a root mean square distance of {nearest.threshold:.4g} or less from a real image",
        value=nearest.share_closer,
    )  # fmt: skip
    return Scores(comparison, [frechet, *extrapolated, kid, *covered, closeness], nearest, privacy)


def _privacy(
    comparison: Comparison,
    extractor: Extractor,
    features: tuple[np.ndarray, np.ndarray],
    thumbnails: tuple[np.ndarray, np.ndarray],
    membership: Membership | None,
) -> Privacy:
    """The audit in features and in pixels, each of (real, synthetic), against the holdout where there is one."""
    size, in_features, in_pixels = comparison.real.thumbnail_size, None, None
    if comparison.holdout is not None:
        in_features = _features(comparison.holdout, extractor, comparison.config)
        in_pixels = small(comparison.holdout.thumbnails(), size)
    pixels = Sets(*(small(rows, size) for rows in thumbnails), in_pixels)
    sets = Sets(*features, in_features)
    return audit_privacy(pixels, sets, extractor.description, membership, seed=comparison.config.seed)


def _membership(config: EvalConfig) -> Membership | None:
    """The membership attack where its files are given."""
    if config.membership_train is None or config.membership_holdout is None:
        return None
    files = (Path(name).expanduser() for name in (config.membership_train, config.membership_holdout))
    return attack(*files, seed=config.seed)


def _coverage(real: np.ndarray, synthetic: np.ndarray, comparison: Comparison, extractor: str) -> list[Figure]:
    """Precision, recall, density and coverage, which share their distances."""
    config = comparison.config
    floors = measure_floors(
        coverage, real, synthetic, repeats=config.floor_repeats, seed=config.seed, label="floor of coverage"
    )
    method = f"balls to the {min(NEIGHBOURS, floors[0].n - 1)}th nearest neighbour"
    return [
        _of_floor(name, value, floor, real, synthetic, comparison, extractor, method=method, higher_is_better=True)
        for name, value, floor in zip(Coverage._fields, coverage(real, synthetic), floors, strict=True)
    ]


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
    [floor] = measure_floors(distance, real, synthetic, repeats=repeats, seed=seed, label=f"floor of {name}")
    value = distance(real, synthetic) if value is None else value
    return _of_floor(
        name, value, floor, real, synthetic, comparison, extractor, method=method, standard_error=standard_error
    )


def _of_floor(
    name: str,
    value: float,
    floor: Floor,
    real: np.ndarray,
    synthetic: np.ndarray,
    comparison: Comparison,
    extractor: str,
    *,
    method: str,
    standard_error: float | None = None,
    higher_is_better: bool = False,
) -> Figure:
    """The figure with how it came about."""
    return Figure(
        name=name,
        value=value,
        standard_error=standard_error,
        n_real=len(real),
        n_synthetic=len(synthetic),
        equal_n=floor,
        extractor=extractor,
        resize=comparison.resize,
        range=comparison.range,
        method=method,
        higher_is_better=higher_is_better,
    )
