"""The whole of `python -m eval`: two folders in, metrics.json, report.html and nearest.png out."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from eval.cache import cached, content_hash
from eval.comparison import Comparison, Side
from eval.config import EvalConfig
from eval.features import Extractor, build_extractor, choose_device, extract
from eval.figures import Figure
from eval.floor import Distance, measure_floor
from eval.frechet import frechet_from_features
from eval.kernel import kernel_distance, mmd2
from eval.nearest import Nearest, find_nearest, share_closer
from eval.pictures import pairs, png_bytes
from eval.report import report_html, terminal_table

PAIRS = 16
FORMAT_VERSION = 1


def score(comparison: Comparison, *, show: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Score what `open_comparison` opened, write the report into `out` and return what metrics.json holds.

    `show` gets the table for the terminal. ValueError, one line, where the extractor cannot be had.
    """
    config = comparison.config
    extractor = build_extractor(config)
    real, synthetic = (_features(side, extractor, config) for side in (comparison.real, comparison.synthetic))
    kid = kernel_distance(real, synthetic, seed=config.seed)
    figures = [
        _figure(
            extractor.frechet, frechet_from_features, real, synthetic, comparison, extractor.description,
            method="Gaussian moments in float64, symmetric eigenvalues",
        ),
        _figure(
            extractor.kid, mmd2, real, synthetic, comparison, extractor.description,
            method=kid.method, value=kid.value, standard_error=kid.standard_error,
        ),
    ]  # fmt: skip
    thumbnails = comparison.real.thumbnails(), comparison.synthetic.thumbnails()
    nearest = find_nearest(thumbnails[1], thumbnails[0])
    figures.append(
        _figure(
            "share_near_real", lambda a, b: share_closer(b, a), *thumbnails, comparison, "pixels, grey",
            method=f"share of images at RMS distance {nearest.threshold:.4g} or less from a real one",
            value=nearest.share_closer,
        )
    )  # fmt: skip
    metrics = _metrics(figures, nearest, comparison)
    _write(metrics, figures, nearest, comparison)
    if show is not None:
        show(terminal_table(figures, comparison))
    return metrics


def _features(side: Side, extractor: Extractor, config: EvalConfig) -> np.ndarray:
    """Features of all images (n, d), from the cache where they are known."""
    paths, preparation, label = side.folder.paths, side.preparation, f"features of {side.folder.root.name}"
    device = choose_device(config.device)
    key = content_hash(side.folder, preparation, extractor.fingerprint)
    return cached(
        Path(config.cache_dir).expanduser(),
        key,
        lambda: extract(extractor, paths, preparation, batch_size=config.batch_size, device=device, label=label),
    )[0]


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
    config = comparison.config
    return Figure(
        name=name,
        value=distance(real, synthetic) if value is None else value,
        standard_error=standard_error,
        n_real=len(real),
        n_synthetic=len(synthetic),
        comparison=measure_floor(
            distance, real, synthetic, repeats=config.floor_repeats, seed=config.seed, label=f"floor of {name}"
        ),
        extractor=extractor,
        resize=comparison.resize,
        range=comparison.range,
        method=method,
    )


def _metrics(figures: list[Figure], nearest: Nearest, comparison: Comparison) -> dict[str, Any]:
    synthetic, real = comparison.synthetic.folder, comparison.real.folder
    closest = [
        {
            "synthetic": str(synthetic.paths[i]),
            "real": str(real.paths[nearest.index[i]]),
            "distance": nearest.distance[i],
        }
        for i in nearest.closest(PAIRS)
    ]
    return {
        "format_version": FORMAT_VERSION,
        **{figure.name: figure.to_json() for figure in figures},
        "nearest": {"copies": int((nearest.distance == 0).sum()), "threshold": nearest.threshold, "closest": closest},
        "notes": comparison.notes,
        "config": asdict(comparison.config),
    }


def _write(metrics: dict[str, Any], figures: list[Figure], nearest: Nearest, comparison: Comparison) -> None:
    out = Path(comparison.config.out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = nearest.closest(PAIRS)
    closest = pairs(
        comparison.synthetic.load(chosen), comparison.real.load(nearest.index[chosen]), nearest.distance[chosen]
    )
    _replace(out / "nearest.png", png_bytes(closest))
    _replace(out / "report.html", report_html(figures, nearest, closest, comparison).encode())
    _replace(out / "metrics.json", (json.dumps(metrics, indent=2, default=float) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
