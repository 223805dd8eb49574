"""The card of a table, in the form of eval.card with these sections of its own:

measurement      {"extractor": str, "seen": str, "repeats", "seed": int}
provenance       {"real", "synthetic", "test", "holdout": [{"file", "rows", "sha256"}], "config", "versions"}
compared         [{"source", "note": str, "figures": {name: mean at n}, "privacy": str, "dcr_share", "exact", "attack",
                 "score": float or None}], real rows first
columns, pairs   errors, as in metrics.json
marginals        [{"column", "numeric", "real", "synthetic": shares, "labels", "ends"}]
closeness        medians of DCR and NNDR
lost_categories, target_rates, closest, as in metrics.json
utility          {"task", "test_images", "seeds", "files", "metrics", "verdict", "guess", "kept", "arms", "models": [str],
                 "tuned": {model: its trees, or None where its defaults did best}, "said_of_models": str}; differences
                 are to training on the real rows, "minus_real"
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from eval.card import FORMAT_VERSION, card_figures, privacy_section
from eval.tables.baselines import NOTES
from eval.tables.comparison import TableScores
from eval.tables.opening import Tables
from eval.tables.space import MEASURED_IN
from eval.tables.study import REAL, SYNTHETIC
from eval.tables.table import Table
from eval.tables.verdict import judge
from eval.tables.words import WORDS
from eval.versions import versions_of

_PACKAGES = ("speckle", "numpy", "scipy", "pandas", "scikit-learn", "catboost")
ATTACK = "distance to the nearest synthetic row"


def table_card(scores: TableScores) -> dict[str, Any]:
    """All that was found of a table, in one plain dict."""
    metrics, config = scores.to_json(), scores.tables.config
    found: dict[str, Any] = {
        "format_version": FORMAT_VERSION, "title": "Real and synthetic rows",
        "date": datetime.now(UTC).date().isoformat(), "figures": card_figures(metrics, WORDS),
        "measurement": {
            "extractor": MEASURED_IN, "seen": f"Rows are compared with {MEASURED_IN}.",
            "repeats": config.floor_repeats, "seed": config.seed,
        },
        "notes": metrics["notes"], "provenance": _provenance(scores.tables), "compared": _compared(scores),
        "marginals": [asdict(marginal) for marginal in scores.marginals],
        "privacy": privacy_section(metrics["privacy"], "row", ATTACK),
        "closeness": metrics["privacy"]["closeness"],
    }  # fmt: skip
    found |= {key: metrics[key] for key in ("columns", "pairs", "lost_categories", "closest")}
    optional = {"bias": metrics["shares"], "target_rates": metrics["target_rates"], "utility": metrics["utility"]}
    found |= {name: section for name, section in optional.items() if section}
    return found | {"verdict": judge(found)}


def _compared(scores: TableScores) -> list[dict[str, Any]]:
    """The synthetic rows beside real ones and baselines: everything in one table."""
    study = scores.study
    trained = {arm["arm"]: arm["scores"][study["metrics"][0]]["mean"] for arm in study["arms"]} if study else {}
    floors = {figure.name: figure.equal_n.floor.mean for figure in scores.figures[SYNTHETIC]}
    rows: list[dict[str, Any]] = [{
        "source": REAL, "note": "other real rows: the floor", "figures": floors, "privacy": "", "dcr_share": None,
        "exact": None, "attack": None, "score": trained.get(REAL),
    }]  # fmt: skip
    for name, figures in scores.figures.items():
        privacy = scores.privacy[name]
        rows.append({
            "source": name, "note": NOTES.get(name, ""),
            "figures": {figure.name: figure.equal_n.matched.mean for figure in figures},
            "privacy": privacy.verdict,
            "dcr_share": None if privacy.evidence.dcr is None else privacy.evidence.dcr.value,
            "exact": privacy.duplicates.exact / privacy.duplicates.n_synthetic,
            "attack": None if privacy.attack is None else privacy.attack.auc.value, "score": trained.get(name),
        })  # fmt: skip
    return rows


def _provenance(tables: Tables) -> dict[str, Any]:
    sides = {"real": [tables.train], "synthetic": tables.synthetic}
    sides |= {
        name: [table] for name, table in (("test", tables.test), ("holdout", tables.holdout)) if table is not None
    }
    return {
        **{name: [_file(table) for table in of] for name, of in sides.items()},
        "config": asdict(tables.config), "versions": versions_of(_PACKAGES),
    }  # fmt: skip


def _file(table: Table) -> dict[str, Any]:
    return {"file": str(table.path), "rows": len(table), "sha256": table.sha256}
