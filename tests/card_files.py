"""What metrics.json holds, made by hand: figures beside floors of known width, and what else a card may show."""

from typing import Any


def figure(
    synthetic: float, floor: float, width: float = 0.02, *, higher: bool = False, n: int = 100
) -> dict[str, Any]:
    """A figure of metrics.json; both intervals reach `width` either way, and that of the excess twice as far."""
    counted = {"n": n, "repeats": 10}
    excess = synthetic - floor
    return {
        "value": synthetic, "standard_error": None, "n_real": 2 * n, "n_synthetic": n, "extractor": "some network",
        "resize": "none, all 8x8", "range": "0..255", "method": "some method", "higher_is_better": higher,
        "floor": {"mean": floor, "low": floor - width, "high": floor + width, **counted},
        "matched": {"mean": synthetic, "low": synthetic - width, "high": synthetic + width, **counted},
        "excess": {"mean": excess, "low": excess - 2 * width, "high": excess + 2 * width, **counted},
        "ratio": None, "verdict": "a verdict",
    }  # fmt: skip


def metrics(**changes: Any) -> dict[str, Any]:
    """Those of images that no figure tells from real ones, but for `changes`."""
    return {
        "format_version": 1,
        "frechet_random": figure(0.1, 0.1),
        "precision": figure(0.9, 0.9, higher=True), "recall": figure(0.9, 0.9, higher=True),
        "density": figure(1.0, 1.0, higher=True), "coverage": figure(0.9, 0.9, higher=True),
        "share_near_real": figure(0.03, 0.03, 0.01),
        "nearest": {"copies": 0, "threshold": 0.02, "closest": []}, "privacy": audit("passes"),
        "notes": [], "config": {"real": "/r", "synthetic": "/s", "seed": 7}, **changes,
    }  # fmt: skip


def origin() -> dict[str, Any]:
    """A card's "provenance"."""
    return {
        "real": {"folder": "/r", "images": 200, "sha256": "1" * 64},
        "synthetic": {
            "folder": "/s", "images": 100, "sha256": "2" * 64, "checkpoint": ["c" * 64], "sampler": ["ddim"], "seed": ["3"],
            "request": {"sampler": {"name": "ddim", "num_inference_steps": 50}},
        },
        "config": {"real": "/r", "seed": 7}, "versions": {"python": "3.11"},
    }  # fmt: skip


def share(value: float, low: float, high: float, expected: float) -> dict[str, float]:
    """A share with its interval, as the privacy audit has it."""
    return {"value": value, "low": low, "high": high, "expected": expected, "critical": high, "p_value": 0.5}


def audit(verdict: str, calibration: str = "holdout") -> dict[str, Any]:
    """What metrics.json says of privacy."""
    evidence = {
        "distance": "grey pixels", "calibration": calibration, "near": share(0.02, 0.01, 0.04, 0.01), "copies": share(0.0, 0.0, 0.01, 0.01),
        "dcr": share(0.51, 0.44, 0.58, 0.5), "control": 0.0, "verdict": verdict,
    }  # fmt: skip
    membership = {"auc": share(0.52, 0.47, 0.57, 0.5), "tpr": share(0.01, 0.0, 0.03, 0.01)}
    words = [f"grey pixels: {verdict}: for a reason"]
    closest = [{"synthetic": "/s/images/1.png", "real": "/r/a/2.png", "distance": 0.03}]
    return {"verdict": verdict, "words": words, "evidence": [evidence], "membership": membership, "closest": closest}


def arm(name: str, kind: str, mean: float, gap: tuple[float, float, float] | None) -> dict[str, Any]:
    """An arm of a utility study; `gap`: difference to the best control, low, high."""
    return {
        "arm": name, "kind": kind, "note": f"trained on {name}", "counts": {"train": 40, "val": 20},
        "scores": {"AP50": {"mean": mean, "by_seed": [mean - 0.01, mean + 0.01]}},
        "minus_real": None,
        "minus_best_control": gap and {"AP50": dict(zip(("difference", "low", "high"), gap, strict=True))},
    }  # fmt: skip


def study(*gaps: tuple[float, float, float], seeds: int = 2) -> dict[str, Any]:
    """What utility.json holds, with a synthetic arm for each gap."""
    arms = [arm("real", "baseline", 0.4, (-0.1, -0.2, -0.05)), arm("oversampled", "control", 0.5, None)]
    arms += [arm(f"+{i + 1}", "synthetic", 0.5 + gap[0], gap) for i, gap in enumerate(gaps)]
    for found in arms:
        found["scores"]["AP50"]["by_seed"] = found["scores"]["AP50"]["by_seed"][:seeds]
    return {
        "task": "detection", "test_images": 100, "best_control": "oversampled", "knee": None, "verdict": ["so it is", "warning: few"],
        "arms": arms, "runs": {}, "settings": {},
    }  # fmt: skip
