"""metrics.json, report.html (one file, pictures inside), nearest.png, near_copies.png, and the table on the terminal."""

import json
import os
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from eval.comparison import Comparison
from eval.figures import PAIRS, Figure, Scores
from eval.meanings import meaning
from eval.pictures import data_uri, grid, pairs, png_bytes
from eval.privacy_audit import Privacy

TILES, COLUMNS = 36, 6
TILE = 128  # longest side of a tile in pixels

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: .3rem .6rem; border-bottom: 1px solid #ccc; text-align: right }
td:first-child, th:first-child, td:last-child, th:last-child { text-align: left }
.sides { display: flex; gap: 2rem } .sides figure { margin: 0; flex: 1 } img { width: 100%; image-rendering: pixelated }
dt { font-weight: 600 } .note { background: #fff4d6; padding: .4rem .8rem }
"""


def write_report(scores: Scores, out: Path) -> None:
    """Write the files into `out`, each of them whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    nearest, privacy = scores.nearest, scores.privacy
    chosen, suspects = nearest.closest(PAIRS), privacy.closest(PAIRS)
    closest = _pairs(scores.comparison, chosen, nearest.index[chosen], nearest.distance[chosen])
    suspected = _pairs(scores.comparison, suspects, privacy.index[suspects], privacy.distance[suspects])
    _replace(out / "nearest.png", png_bytes(closest))
    _replace(out / "near_copies.png", png_bytes(suspected))
    _replace(out / "report.html", report_html(scores, closest, suspected).encode())
    _replace(out / "metrics.json", (json.dumps(scores.to_json(), indent=2) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _pairs(comparison: Comparison, synthetic: np.ndarray, real: np.ndarray, distance: np.ndarray) -> Image.Image:
    return pairs(comparison.synthetic.load(synthetic, TILE), comparison.real.load(real, TILE), distance)


def report_html(scores: Scores, closest: Image.Image, suspected: Image.Image) -> str:
    """The report as one HTML page that needs no other file."""
    figures, nearest, comparison = scores.figures, scores.nearest, scores.comparison
    meanings = "".join(f"<dt>{f.name}: {f.verdict}</dt><dd>{escape(meaning(f.name))}</dd>" for f in figures)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in scores.notes)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Real and synthetic images</title><style>{STYLE}</style></head><body>
<h1>Real and synthetic images</h1>
<div class="sides">{_side("real", comparison)}{_side("synthetic", comparison)}</div>
<h2>Figures</h2>
{_table(figures)}
{_class_tables(scores)}
{notes}
<p>A figure means something only beside its floor: the same figure between two disjoint sets of n real images, beside
n synthetic ones. [low, high] are the 5th and 95th percentile over
{figures[0].equal_n.repeats} random draws. At the floor, these images cannot be told from real ones by this figure
and this number of images.</p>
<dl>{meanings}</dl>
<h2>Nearest real images</h2>
<p>The closest pairs, synthetic left and real right, with their distance (root mean square of pixel differences, 0..1).
1 % of the real images have another real image within {nearest.threshold:.4f}; {nearest.copies} synthetic images are
exact copies.</p>
<img src="{data_uri(closest)}" alt="closest pairs">
{_privacy(scores.privacy, suspected)}
<h2>How it was measured</h2>
<p>Extractor: {escape(figures[0].extractor)}. Resize: {escape(comparison.resize)}.
Pixel values that become 0..1: {escape(comparison.range)}. Seed {comparison.config.seed}.</p>
</body></html>
"""


def terminal_table(scores: Scores) -> str:
    """The same for the terminal."""
    figures, comparison, config = scores.figures, scores.comparison, scores.comparison.config
    rows = [("figure", "all images", "n", "synthetic", "real (floor)", "verdict")]
    rows += [(f.name, _value(f), str(f.equal_n.n), *_spreads(f), f.verdict) for f in figures]
    for name, of_class in scores.by_class.items():
        rows += [(f"{f.name} ({name})", _value(f), str(f.equal_n.n), *_spreads(f), f.verdict) for f in of_class]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
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


def _privacy(privacy: Privacy, suspected: Image.Image) -> str:
    """The audit's verdict, its figures and the pairs that look most like copies."""
    head = "<tr><th>figure</th><th>share</th><th>by chance</th><th>distance</th></tr>"
    rows = [
        f"<tr><td>{name}</td><td>{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]</td>"
        f"<td>{share.expected:.1%}, above {share.critical:.1%} in 1 of 100 cases</td><td>{escape(evidence.distance)}</td></tr>"
        for evidence in privacy.evidence
        for name, share in evidence.shares.items()
    ]
    words = "".join(f"<li>{escape(words)}</li>" for words in privacy.words)
    return f"""<h2>Privacy: {privacy.verdict}</h2>
<ul>{words}</ul>
<table>{head}{"".join(rows)}</table>
<p>near: nearer to a training image than all but 1 % of the {privacy.calibration} are. stands out: so much nearer to one
training image than to the next ones. to training rather than holdout: nearer to the training images than to as many
others that were not trained on. The pairs most like copies, shifts of a few pixels, flips and quarter turns allowed:</p>
<img src="{data_uri(suspected)}" alt="pairs most like copies">"""


def _table(figures: list[Figure]) -> str:
    head = "<tr><th>figure</th><th>all images</th><th>n</th><th>synthetic at n</th><th>floor at n</th><th>verdict</th></tr>"
    rows = []
    for f in figures:
        value = f"{_value(f)}<br><small>{f.n_real} real, {f.n_synthetic} synthetic</small>"
        cells = [f.name, value, str(f.equal_n.n), *_spreads(f), f.verdict]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table>{head}{''.join(rows)}</table>"


def _class_tables(scores: Scores) -> str:
    classes = "".join(f"<h3>{escape(name)}</h3>{_table(figures)}" for name, figures in scores.by_class.items())
    head = "<tr><th>label</th><th>real</th><th>synthetic</th><th>amplifies the skew</th></tr>"
    rows = [
        f"<tr><td>{escape(f'{name}: {value}')}</td><td>{found['real'][value]:.1%}</td>"
        f"<td>{found['synthetic'][value]:.1%}</td><td>{found['amplifies_skew']}</td></tr>"
        for name, found in scores.bias.items()
        for value in found["real"]
    ]
    shares = f"<h2>Shares of labels</h2><table>{head}{''.join(rows)}</table>" if rows else ""
    return (f"<h2>By class</h2>{classes}" if classes else "") + shares


def _side(name: str, comparison: Comparison) -> str:
    side = comparison.real if name == "real" else comparison.synthetic
    count = min(TILES, len(side))
    chosen = np.sort(np.random.default_rng(comparison.config.seed).choice(len(side), count, replace=False))
    caption = f"<figcaption>{name}: {count} of {len(side)}, drawn at random</figcaption>"
    return f'<figure><img src="{data_uri(grid(side.load(chosen, TILE), COLUMNS))}" alt="{name}">{caption}</figure>'


def _value(figure: Figure) -> str:
    error = "" if figure.standard_error is None else f" ± {figure.standard_error:.4g}"
    return f"{figure.value:.4g}{error}"


def _spreads(figure: Figure) -> list[str]:
    both = figure.equal_n.matched, figure.equal_n.floor
    return [f"{spread.mean:.4g} [{spread.low:.4g}, {spread.high:.4g}]" for spread in both]
