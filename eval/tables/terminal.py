"""The files of a comparison of tables, and the same in brief for the terminal."""

from pathlib import Path
from typing import Any

from eval.report import columns_of_text, figure_rows, json_bytes, replace
from eval.tables.comparison import TableScores
from eval.tables.html import table_html
from eval.tables.study import SYNTHETIC

_SHOWN = ("shape_error", "trend_error", "c2st_auc", "coverage")


def write_tables(scores: TableScores, card: dict[str, Any], out: Path) -> None:
    """report.html, card.json and metrics.json in `out`, each of them whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    replace(out / "report.html", table_html(card).encode())
    replace(out / "card.json", json_bytes(card))
    replace(out / "metrics.json", json_bytes(scores.to_json()))


def terminal_text(scores: TableScores, card: dict[str, Any]) -> str:
    """What was compared, every figure beside its floor, the baselines, and what is said of use and privacy."""
    origin = card["provenance"]
    head = [
        f"{side:10s}{file['rows']:7d} rows  {file['file']}"
        for side in ("real", "synthetic", "test", "holdout")
        for file in origin.get(side, [])
    ]
    figures = columns_of_text(figure_rows(scores.figures[SYNTHETIC], "all rows"))
    audit = [
        f"privacy   {card['privacy']['verdict']}",
        *[f"          {words}" for words in card["privacy"]["sentences"]],
    ]
    used = [*card["utility"]["verdict"], card["utility"]["said_of_models"]] if "utility" in card else []
    study = [f"use       {sentence}" for sentence in used]
    notes = [f"note: {note}" for note in card["notes"]]
    return "\n".join([*head, "", *figures, "", *_compared(card), "", *study, *audit, *notes])


def _compared(card: dict[str, Any]) -> list[str]:
    """The sources line by line."""
    shown = [name for name in _SHOWN if name in card["compared"][0]["figures"]]
    metric = [card["utility"]["metrics"][0]] if "utility" in card else []
    rows = [("source", *shown, *metric, "nearer to training", "exact copies", "attack AUC", "privacy")]
    for row in card["compared"]:
        cells = [f"{row['figures'][name]:.3f}" for name in shown] + ([_text(row["score"])] if metric else [])
        rows.append(
            (row["source"], *cells, *(_text(row[key]) for key in ("dcr_share", "exact", "attack")), row["privacy"])
        )
    return columns_of_text(rows)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
