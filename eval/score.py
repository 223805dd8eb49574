"""From two opened folders to their figures."""

from pathlib import Path

import numpy as np

from eval.bias import measure_bias, summary
from eval.by_class import split_classes
from eval.cache import cached, content_hash
from eval.comparison import Comparison, Side
from eval.config import EvalConfig
from eval.coverage import NEIGHBOURS, Coverage, coverage
from eval.distributions import bootstrap_error
from eval.domain import fit_domain
from eval.domain_measures import measure_domain
from eval.features import Extractor, build_extractor, choose_device, extract
from eval.figures import Figure, Scores
from eval.floor import Distance, Floor, measure_floors, smaller_half
from eval.frechet import frechet_from_features
from eval.frechet_infinity import INVERSE_SHARES, MIN_IMAGES, frechet_infinity
from eval.groups import renumbered
from eval.kernel import kernel_distance, mmd2
from eval.labels import Labels, read_labels
from eval.measure import Measurement
from eval.nearest import Nearest, find_nearest, share_closer
from eval.privacy_audit import Sets, audit_comparison, holdout_note, membership_of, set_groups

FEW_GROUPS = 10


def score(comparison: Comparison) -> Scores:
    """The distances and the coverage of the features that the config asks for, domain measures, bias, and the nearest.

    ValueError, one line, where the extractor's weights or the device cannot be had, or annotations cannot be read.
    """
    config = comparison.config
    membership = membership_of(comparison)
    annotations = None if config.real_annotations is None else Path(config.real_annotations)
    real_labels = read_labels(comparison.real.folder, annotations)
    synthetic_labels = read_labels(comparison.synthetic.folder)
    if config.features == "domain":
        extractor, kept, fresh, remarks = fit_domain(comparison.real, config)
    else:
        extractor, kept, fresh, remarks = build_extractor(config), np.arange(len(comparison.real)), True, []
    real = _features(comparison.real, extractor, config)[kept]
    synthetic = _features(comparison.synthetic, extractor, config)
    groups = comparison.real.groups_of(kept)
    frechet, kid = _distances(real, synthetic, comparison, extractor, groups)
    enough = frechet.equal_n.n >= MIN_IMAGES
    extrapolated = [_extrapolated(real, synthetic, comparison, extractor, groups)] if enough else []
    covered = _coverage(real, synthetic, comparison, extractor.description, groups)
    by_class, few = _by_class(
        real, synthetic, comparison, extractor, kept=kept, labels=(real_labels, synthetic_labels), groups=groups
    )
    measured = [_measured(measurement, comparison) for measurement in measure_domain(comparison)]
    bias = measure_bias(comparison, real_labels, synthetic_labels)
    biased = [_measured(measurement, comparison) for measurement in bias.measurements]
    amplified = {f.name.removeprefix("skew_"): f.worse for f in biased if f.name.startswith("skew_")}
    nearest, closeness = _nearest(comparison)
    held_out = None if comparison.holdout is None else _features(comparison.holdout, extractor, config)
    seen = comparison.real.covered(len(real))
    features = Sets(real, synthetic, held_out, seen, set_groups(comparison, kept)) if fresh else None
    privacy = audit_comparison(comparison, features, extractor.description, membership)
    figures = [frechet, *extrapolated, kid, *covered, *measured, closeness, *biased]
    grouped = _groups_note(comparison, sorted({figure.equal_n.n for figure in figures}))
    remarks = [*grouped, *remarks, *holdout_note(comparison), *few]
    return Scores(comparison, figures, nearest, privacy, by_class, summary(bias, amplified), remarks)


def _by_class(
    real: np.ndarray,
    synthetic: np.ndarray,
    comparison: Comparison,
    extractor: Extractor,
    *,
    kept: np.ndarray,
    labels: tuple[Labels, Labels],
    groups: np.ndarray | None,
) -> tuple[dict[str, list[Figure]], list[str]]:
    """The figures of each class that has enough images, and a line on those that have not."""
    config = comparison.config

    def of_class(rows: np.ndarray) -> np.ndarray | None:
        return None if groups is None else renumbered(groups[rows])

    def half(rows: np.ndarray) -> int:
        return smaller_half(len(rows), of_class(rows), repeats=config.floor_repeats, seed=config.seed)

    classes, few = split_classes(*labels, kept, half)
    figures = {
        c.name: _of_class(real[c.real], synthetic[c.synthetic], comparison, extractor, of_class(c.real))
        for c in classes
    }
    return figures, few


def _groups_note(comparison: Comparison, sizes: list[int]) -> list[str]:
    """What is kept together, and at what n the floors then stand."""
    groups = comparison.groups
    if groups is None:
        return []
    held = (
        ""
        if comparison.holdout is None
        else f", {groups['holdout']} among the {len(comparison.holdout)} of the holdout"
    )
    stand = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    found = (
        f"Images of one {groups['by']} are kept together: {groups['real']} groups among the {len(comparison.real)} real "
        f"images{held}. The floors stand at n = {stand}, with no group on both sides."
    )
    few = f" {groups['real']} groups are few: the splits behind the floors are much alike."
    return [found + few if groups["real"] < FEW_GROUPS else found]


def _nearest(comparison: Comparison) -> tuple[Nearest, Figure]:
    """The nearest real image of each synthetic one, and the share of those that are too near."""
    real, synthetic = comparison.real.thumbnails(), comparison.synthetic.thumbnails()
    nearest = find_nearest(synthetic, real)
    return nearest, _figure(
        "share_near_real", lambda one, other: share_closer(other, one), real, synthetic, comparison, "grey pixels",
        method=f"share at a root mean square distance of {nearest.threshold:.4g} or less from a real image",
        value=nearest.share_closer, groups=comparison.real.groups_of(),
    )  # fmt: skip


def _distances(
    real: np.ndarray,
    synthetic: np.ndarray,
    comparison: Comparison,
    extractor: Extractor,
    groups: np.ndarray | None,
) -> tuple[Figure, Figure]:
    """The Frechet and the kernel distance."""
    frechet = _figure(
        extractor.frechet, frechet_from_features, real, synthetic, comparison, extractor.description,
        method="Gaussian moments in float64, eigenvalues of a symmetric problem", groups=groups,
    )  # fmt: skip
    unbiased = kernel_distance(real, synthetic, seed=comparison.config.seed, groups=groups)
    kid = _figure(
        extractor.kid, mmd2, real, synthetic, comparison, extractor.description,
        method=unbiased.method, value=unbiased.value, standard_error=unbiased.standard_error, groups=groups,
    )  # fmt: skip
    return frechet, kid


def _extrapolated(
    real: np.ndarray,
    synthetic: np.ndarray,
    comparison: Comparison,
    extractor: Extractor,
    groups: np.ndarray | None,
) -> Figure:
    """The Frechet distance as of infinitely many images."""
    return _figure(
        f"{extractor.frechet}_infinity", frechet_infinity, real, synthetic, comparison, extractor.description,
        method=f"line through {len(INVERSE_SHARES)} shares of the images, followed to infinitely many", groups=groups,
    )  # fmt: skip


def _of_class(
    real: np.ndarray,
    synthetic: np.ndarray,
    comparison: Comparison,
    extractor: Extractor,
    groups: np.ndarray | None,
) -> list[Figure]:
    """Both distances, precision and recall of one class's images."""
    covered = _coverage(real, synthetic, comparison, extractor.description, groups)
    chosen = [figure for figure in covered if figure.name in ("precision", "recall")]
    return [*_distances(real, synthetic, comparison, extractor, groups), *chosen]


def _measured(measurement: Measurement, comparison: Comparison) -> Figure:
    """A measurement beside its floor, with the standard error of a bootstrap over images, or groups of the real ones."""
    m, over = measurement, "images" if measurement.groups is None else "groups of real images and over synthetic ones"
    error = bootstrap_error(m.distance, m.real, m.synthetic, seed=comparison.config.seed, groups=m.groups)
    return _figure(
        m.name, m.distance, m.real, m.synthetic, comparison, m.source,
        method=f"{m.method}; bootstrap over {over}", standard_error=error, groups=m.groups,
    )  # fmt: skip


def _coverage(
    real: np.ndarray, synthetic: np.ndarray, comparison: Comparison, extractor: str, groups: np.ndarray | None
) -> list[Figure]:
    """Precision, recall, density and coverage, which share their distances."""
    config = comparison.config
    floors = measure_floors(
        coverage,
        real,
        synthetic,
        repeats=config.floor_repeats,
        seed=config.seed,
        label="floor of coverage",
        groups=groups,
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
    groups: np.ndarray | None,
    value: float | None = None,
    standard_error: float | None = None,
) -> Figure:
    """`distance` over all images, unless `value` has it already, and at equal n beside its floor."""
    repeats, seed = comparison.config.floor_repeats, comparison.config.seed
    [floor] = measure_floors(
        distance, real, synthetic, repeats=repeats, seed=seed, label=f"floor of {name}", groups=groups
    )
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
