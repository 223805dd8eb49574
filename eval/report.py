"""card.json, metrics.json, report.html (one file, pictures inside), nearest.png, near_copies.png, and the table on the
terminal."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.comparison import Comparison
from eval.figures import PAIRS, Figure, Scores
from eval.html import Picture, Pictures, report_html
from eval.nearest import Nearest
from eval.pictures import data_uri, grid, pairs, png_bytes
from eval.privacy_audit import Privacy

TILES, COLUMNS = 36, 6
TILE = 128  # longest side of a tile in pixels


def write_report(scores: Scores, card: dict[str, Any], out: Path) -> None:
    """Write the files into `out`, each of them whole or not at all; `card` as eval.card makes it of `scores`."""
    out.mkdir(parents=True, exist_ok=True)
    comparison, nearest, privacy = scores.comparison, scores.nearest, scores.privacy
    suspects = _pairs(comparison, privacy)
    replace(out / "nearest.png", png_bytes(pairs(*_pairs(comparison, nearest))))
    replace(out / "near_copies.png", png_bytes(pairs(*suspects)))
    shown = [
        Picture(data_uri(grid(np.stack(pair), 2)), f"{distance:.4f}") for *pair, distance in zip(*suspects, strict=True)
    ]
    pictures = Pictures([_side(name, comparison) for name in ("real", "synthetic")], shown)
    replace(out / "report.html", report_html(card, pictures).encode())
    replace(out / "card.json", json_bytes(card))
    replace(out / "metrics.json", json_bytes(scores.to_json()))


def json_bytes(found: dict[str, Any]) -> bytes:
    """The text of a JSON file."""
    return (json.dumps(found, indent=2) + "\n").encode()


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _pairs(comparison: Comparison, found: Nearest | Privacy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The closest pairs, synthetic and real, and their distances."""
    chosen = found.closest(PAIRS)
    left, right = comparison.synthetic.load(chosen, TILE), comparison.real.load(found.index[chosen], TILE)
    return left, right, found.distance[chosen]


def _side(name: str, comparison: Comparison) -> Picture:
    side = comparison.real if name == "real" else comparison.synthetic
    count = min(TILES, len(side))
    chosen = np.sort(np.random.default_rng(comparison.config.seed).choice(len(side), count, replace=False))
    caption = f"{name.capitalize()}: {count} of {len(side)}, drawn at random"
    return Picture(data_uri(grid(side.load(chosen, TILE), COLUMNS)), caption)


def terminal_table(scores: Scores) -> str:
    """The same for the terminal."""
    figures, comparison, config = scores.figures, scores.comparison, scores.comparison.config
    rows = figure_rows(figures, "all images")
    for name, of_class in scores.by_class.items():
        rows += [(f"{first} ({name})", *rest) for first, *rest in figure_rows(of_class, "all images")[1:]]
    table = columns_of_text(rows)
    head = [
        f"real       {len(comparison.real):6d} images  {config.real}",
        f"synthetic  {len(comparison.synthetic):6d} images  {config.synthetic}",
        f"features   {figures[0].extractor}",
        f"resize     {comparison.resize}",
        f"range      {comparison.range}",
        "",
    ]
    skew = [f"amplifies the skew of {name}: {found['amplifies_skew']}" for name, found in scores.bias.items()]
    privacy = [f"privacy    {scores.privacy.verdict}", *[f"           {words}" for words in scores.privacy.words]]
    return "\n".join([*head, *table, *skew, *privacy, *[f"note: {note}" for note in scores.notes]])


def figure_rows(figures: Sequence[Figure], everything: str) -> list[tuple[str, ...]]:
    """A line of cells per figure below a line of titles, of which `everything` stands above the value over all."""
    rows = [("figure", everything, "n", "synthetic", "real (floor)", "verdict")]
    return rows + [(f.name, _value(f), str(f.equal_n.n), *_spreads(f), f.verdict) for f in figures]


def columns_of_text(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines in columns of equal width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _value(figure: Figure) -> str:
    error = "" if figure.standard_error is None else f" ± {figure.standard_error:.4g}"
    return f"{figure.value:.4g}{error}"


def _spreads(figure: Figure) -> list[str]:
    both = figure.equal_n.matched, figure.equal_n.floor
    return [f"{spread.mean:.4g} [{spread.low:.4g}, {spread.high:.4g}]" for spread in both]
