"""The card: all that a comparison found, in one plain dict that card.json holds and report.html shows.

    format_version  1
    title, date     str; the date as YYYY-MM-DD
    verdict         {"headline": str, "questions": [{"question", "answer", "level", "trusted", "doubted"}], "rules": [str]}
                    level: yes | partly | no | open (cannot be told, or not measured); see eval.verdict
    figures         a list of figures (below), each with "question": faithful | varied | copies | mix
    copies          {"exact": int, "closest": [{"synthetic", "real", "distance"}]}, the pairs that report.html shows
    privacy         {"verdict": passes | fails | cannot be told, "calibration": holdout | training, "sentences": [str],
                    "rows": [{"name", "of": str, "value", "low", "high", "expected": float}]}; the interval is one of 95 %
    measurement     {"extractor", "resize", "range": str, "repeats", "seed": int}
    notes           [str]
    provenance      {"real", "synthetic", "holdout" where there is one, "config", "versions"}, and {"groups": {"by": str,
                    "real": int, "holdout": int}} where images were kept together; see eval.provenance

and, only where it was measured:

    by_class        {class: [figures]}
    bias            {label: {"real": {value: share}, "synthetic": {value: share}, "amplifies_skew": "yes" | "no"}}
    utility         {"task": str, "test_images", "seeds": int, "metrics": [str], "best_control": str, "verdict": [str],
                    "arms": [{"arm", "kind": baseline | control | synthetic, "note": str, "counts": {str: int},
                    "scores": {metric: {"mean", "by_seed"}}, "minus_best_control": {metric: {"difference", "low", "high"}}
                    or None}]}, and {"test_groups": {"by": str, "count": int}} where groups were drawn

A figure is {"name", "title", "meaning", "question", "value", "standard_error", "n_real", "n_synthetic", "n", "repeats",
"floor", "synthetic", "excess": each {"mean", "low", "high"} at n images a side, "higher_is_better", "worse": bool, "verdict",
"extractor", "method"}.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from eval.figures import Scores
from eval.meanings import meaning
from eval.provenance import provenance
from eval.verdict import judge

FORMAT_VERSION = 1

_EXTRACTORS = {"inception": "Inception features", "dinov2": "DINOv2 features", "domain": "domain features"}
_TITLES = {
    "fid": "Fréchet Inception distance (FID)",
    "kid": "Kernel Inception distance (KID)",
    "share_near_real": "Share near a real image",
    "sar_amplitude": "SAR: amplitudes",
    "sar_looks": "SAR: equivalent looks",
    "sar_spectrum": "SAR: power spectrum",
    "mri_percentiles": "MRI: intensities",
    "mri_spectrum": "MRI: power spectrum",
    "bias_intensity": "Brightness",
    "bias_box_count": "Boxes per image",
    "bias_box_size": "Sizes of boxes",
}


class Words(NamedTuple):
    """What the card says of a figure, by its name."""

    title: Callable[[str], str]
    meaning: Callable[[str], str]
    question: Callable[[str], str]


def card(scores: Scores, utility: dict[str, Any] | None = None) -> dict[str, Any]:
    """The card of a comparison; `utility` as `eval.study_file.read_study` gives it."""
    return build_card(scores.to_json(), provenance(scores.comparison), utility)


def build_card(
    metrics: dict[str, Any], origin: dict[str, Any], utility: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The card of what metrics.json holds, `origin` being its "provenance"."""
    words = Words(title_of, meaning, question_of)
    figures = card_figures(metrics, words)
    assert figures, "a comparison without a figure"
    first = next(iter(entry for entry in metrics.values() if _is_figure(entry)))
    found: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "title": "Real and synthetic images",
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "copies": {"exact": metrics["nearest"]["copies"], "closest": metrics["privacy"]["closest"]},
        "privacy": privacy_section(metrics["privacy"]),
        "measurement": {
            "extractor": first["extractor"], "resize": first["resize"], "range": first["range"],
            "repeats": first["floor"]["repeats"], "seed": metrics["config"]["seed"],
        },
        "notes": metrics["notes"],
        "provenance": origin,
    }  # fmt: skip
    by_class = {name: card_figures(of_class, words) for name, of_class in metrics.get("by_class", {}).items()}
    sections = {
        "by_class": by_class,
        "bias": metrics.get("bias"),
        "utility": utility,
    }
    found |= {name: section for name, section in sections.items() if section}
    return found | {"verdict": judge(found)}


def title_of(name: str) -> str:
    """What a figure is called on the page."""
    if name in _TITLES:
        return _TITLES[name]
    if name.endswith("_infinity"):
        return f"{title_of(name.removesuffix('_infinity'))}, extrapolated"
    kind, _, rest = name.partition("_")
    if kind in ("frechet", "kid"):
        distance = "Fréchet distance" if kind == "frechet" else "Kernel distance"
        return f"{distance}, {_EXTRACTORS.get(rest, f'{rest} features')}"
    words = name.replace("_", " ")
    if kind in ("bias", "skew"):
        words = rest.removeprefix("attribute_").replace("_", " ")
        words = f"shares of {words}" if kind == "bias" else f"lost variety of {words}"
    return f"SAR: {words[4:].replace('glcm', 'GLCM')}" if kind == "sar" else words[0].upper() + words[1:]


def question_of(name: str) -> str:
    """Which question of the verdict a figure answers."""
    if name == "share_near_real":
        return "copies"
    if name in ("recall", "coverage"):
        return "varied"
    return "mix" if name.startswith(("bias_", "skew_")) else "faithful"


def _is_figure(entry: Any) -> bool:
    return isinstance(entry, dict) and "matched" in entry and "floor" in entry


def card_figures(metrics: dict[str, Any], words: Words) -> list[dict[str, Any]]:
    """The figures among the entries of metrics.json, as the card has them."""
    return [_figure(name, entry, words) for name, entry in metrics.items() if _is_figure(entry)]


def _figure(name: str, entry: dict[str, Any], words: Words) -> dict[str, Any]:
    floor, synthetic, excess = (
        {key: entry[side][key] for key in ("mean", "low", "high")} for side in ("floor", "matched", "excess")
    )
    copied = (
        "value", "standard_error", "n_real", "n_synthetic", "higher_is_better", "verdict", "extractor", "method",
    )  # fmt: skip
    return {
        "name": name, "title": words.title(name), "meaning": words.meaning(name), "question": words.question(name),
        **{key: entry[key] for key in copied},
        "n": entry["floor"]["n"], "repeats": entry["floor"]["repeats"],
        "floor": floor, "synthetic": synthetic, "excess": excess,
        "worse": excess["high"] < 0 if entry["higher_is_better"] else excess["low"] > 0,
    }  # fmt: skip


_SHARES = {
    "near": "near to a training {}",
    "copies": "stand out as near to one training {}",
    "dcr": "nearer to the training {}s than to the holdout",
}
_ATTACK = {
    "auc": "membership attack: area under the curve",
    "tpr": "membership attack: members found at 1 % false alarms",
}


def privacy_section(audit: dict[str, Any], thing: str = "image", attack: str = "denoising loss") -> dict[str, Any]:
    """The audit's figures in one list, each with what chance alone would give; `attack`: what the attack goes by."""
    rows = [
        _row(words.format(thing), evidence["distance"], evidence[key])
        for evidence in audit["evidence"]
        for key, words in _SHARES.items()
        if evidence.get(key)
    ]
    membership = audit.get("membership")
    if membership:
        rows += [_row(words, attack, membership[key]) for key, words in _ATTACK.items()]
    calibration = audit["evidence"][0]["calibration"]
    return {"verdict": audit["verdict"], "calibration": calibration, "sentences": audit["words"], "rows": rows}


def _row(name: str, of: str, interval: dict[str, float]) -> dict[str, Any]:
    return {"name": name, "of": of} | {key: interval[key] for key in ("value", "low", "high", "expected")}
