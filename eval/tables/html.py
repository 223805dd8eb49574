"""report.html of a table: the card as one page, made of the same pieces as that of images (eval.html)."""

import re
from html import escape
from pathlib import Path
from typing import Any

from eval.html import head, measures, mix, page, plain
from eval.html_sections import details, number, section, table
from eval.html_studies import differences, privacy, signed
from eval.plots import interval_plot, interval_scale
from eval.tables.pictures import marginal_svg, pair_map_svg

_SHOWN = ("shape_error", "trend_error", "c2st_auc", "alpha_precision", "beta_recall", "coverage")
_HEADS = {
    "shape_error": "shapes ↓", "trend_error": "trends ↓", "c2st_auc": "C2ST ↓", "alpha_precision": "α-prec. ↑",
    "beta_recall": "β-rec. ↑", "coverage": "cover. ↑",
}  # fmt: skip
MOST_MARGINALS, MOST_IN_MAP = 36, 40


def table_html(card: dict[str, Any]) -> str:
    """The page; a section appears only where the card (eval.tables.card) has it. All text of the card is escaped."""
    sections = [
        head(card, _sides(card)), _compared(card), _columns(card), measures(card, "rows"), _utility(card),
        _privacy(card), mix(card, fold="Shares of every category", more=_lost(card) + _rates(card)), _provenance(card),
    ]  # fmt: skip
    return page(card["title"], sections)


def _sides(card: dict[str, Any]) -> str:
    origin = card["provenance"]

    def said(side: str, words: str) -> str:
        files = origin[side]
        names = f"<b>{escape(Path(files[0]['file']).name)}</b>" if len(files) == 1 else f"{len(files)} files"
        return f"{sum(file['rows'] for file in files)} {words} from {names}"

    sides = f"{said('synthetic', 'synthetic rows')} compared with {said('real', 'training rows')}"
    return sides + (f" and {said('test', 'other real rows')}" if "test" in origin else "")


def _compared(card: dict[str, Any]) -> str:
    """Everything beside the baselines."""
    shown = [name for name in _SHOWN if name in card["compared"][0]["figures"]]
    metric = card["utility"]["metrics"][0].partition(",")[0] if "utility" in card else None
    top = ["source", "privacy", *(_HEADS[name] for name in shown), *([f"{metric} ↑"] if metric else [])]
    top += ["to train", "copies", "attack"]
    rows = []
    for row in card["compared"]:
        cells = [row["privacy"] or "–", *(number(row["figures"][name]) for name in shown)]
        cells += [_or_dash(row["score"])] if metric else []
        rows.append([row["source"], *cells, _share(row["dcr_share"]), _share(row["exact"]), _or_dash(row["attack"])])
    notes = "; ".join(f"{row['source']}: {row['note']}" for row in card["compared"] if row["note"])
    lead = (
        "Whoever has the training file has these baselines, too. Arrows say which way is better. “To train” is the share of "
        "rows nearer to a training row than to as many rows of the holdout, 50 % where nothing was copied; “attack” the area "
        "under the curve of an attack by distance, 0.5 by chance. A memoriser, replay, does well wherever there is an arrow."
    )
    said = f'<p class="quiet">{escape(notes[0].upper() + notes[1:])}.</p>'
    return section("Beside real rows and baselines", f'<p>{lead}</p><div class="tight">{table(top, rows)}</div>{said}')


def _columns(card: dict[str, Any]) -> str:
    pictures = "".join(
        f"<figure>{marginal_svg(marginal)}<figcaption>{escape(marginal['column'])} "
        f'<span class="quiet">{number(card["columns"][marginal["column"]]["error"])}</span></figcaption></figure>'
        for marginal in card["marginals"][:MOST_MARGINALS]
    )
    key = '<p class="key"><i class="real"></i>real <i class="synthetic"></i>synthetic</p>'
    lead = (
        "<p>Each column, real rows filled and synthetic ones as a line or a narrow bar, and how far it is off: the largest gap "
        "between both distribution functions, or the part of the rows that would have to change.</p>"
    )
    rows = [
        [name, column["kind"], number(column["error"]), number(column["real"])]
        for name, column in card["columns"].items()
    ]
    head_ = ["column", "kind", "error", "one half of the real rows against the other"]
    body = f'{lead}{key}<div class="marginals">{pictures}</div>{_pairs(card)}'
    return section("Column by column", body + details("All columns as a table", table(head_, rows)))


def _pairs(card: dict[str, Any]) -> str:
    names, errors, chance = (card["pairs"][key] for key in ("columns", "error", "real"))
    if not 1 < len(names) <= MOST_IN_MAP:
        return ""
    excess = [[max(0.0, a - b) for a, b in zip(*rows, strict=True)] for rows in zip(errors, chance, strict=True)]
    darkest = max(0.1, *(value for row in excess for value in row))
    pairs = [(excess[i][j], names[i], names[j]) for i in range(len(names)) for j in range(i)]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:3]
    said = "; ".join(f"{one} and {other} {number(value)}" for value, one, other in worst)
    lead = (
        "<p>How much further each pair is off than between one half of the real rows and the other, from 0 (blank) to "
        f"{number(darkest)} (full). The furthest: {escape(said)}.</p>"
    )
    return f"<h3>Pairs of columns</h3>{lead}{pair_map_svg(names, excess, darkest)}"


def _utility(card: dict[str, Any]) -> str:
    """Every arm's difference to training on the real rows, and all scores."""
    study = card.get("utility")
    if study is None:
        return ""
    metric = study["metrics"][0]
    said = "".join(f"<li>{escape(_true_minus(sentence))}</li>" for sentence in study["verdict"])
    seeds = "1 seed" if study["seeds"] == 1 else f"{study['seeds']} seeds"
    lead = (
        f"{study['task'].capitalize()}: models trained on each set, {seeds} where chance has a part, tested on "
        f"{study['test_images']} real rows. Each row is {metric} minus that of training on the real rows, with its paired 95 % "
        f"interval over test rows, files and seeds; the dot is hollow where the interval holds 0. {study['said_of_models']} "
        "TabDDPM's tables are of macro-F1 and R2 of a tuned CatBoost."
    )
    arms = [arm for arm in study["arms"] if arm["minus_real"]]
    rows = []
    for arm in study["arms"]:
        means = [f"{arm['scores'][name]['mean']:.4g}" for name in study["metrics"]]
        gap = arm["minus_real"] and arm["minus_real"][metric]
        shown = f"{signed(gap['difference'])} [{signed(gap['low'])}, {signed(gap['high'])}]" if gap else "–"
        rows.append([arm["arm"], str(arm["counts"]["rows"]), shown, *means])
    scores = table(["trained on", "rows", f"{metric} minus real", *study["metrics"]], rows)
    body = f"<ul>{said}</ul><p>{escape(lead)}</p>{differences(arms, metric, 'minus_real')}"
    return section("Trained on synthetic rows, tested on real ones", body + details("All scores as a table", scores))


def _privacy(card: dict[str, Any]) -> str:
    near, closest = card["closeness"], card["closest"]
    rows = [
        ["distance to the closest training row (DCR), median", number(near["dcr"]), _or_dash(near["holdout_dcr"])],
        ["the same with numbers over their range, as in TabDDPM", number(near["dcr_minmax"]),
         _or_dash(near["holdout_dcr_minmax"])],
        ["closest over second closest (NNDR), median", number(near["nndr"]), _or_dash(near["holdout_nndr"])],
    ]  # fmt: skip
    figures = table(["", "synthetic rows", "rows of the holdout"], rows)
    pairs = [
        [f"{pair['distance']:.4f}" if side == "synthetic" else "", f"{side}", *pair[side]]
        for pair in closest["pairs"]
        for side in ("synthetic", "real")
    ]
    shown = details("The closest pairs", table(["distance", "", *closest["columns"]], pairs)) if pairs else ""
    return section("Privacy", privacy(card["privacy"]) + "<h3>Distances that papers print</h3>" + figures + shown)


def _lost(card: dict[str, Any]) -> str:
    if not card["lost_categories"]:
        return ""
    rows = [
        [f"{e['column']} = {e['category']}", str(e["real_rows"]), number(e["chance"]), "lost" if e["lost"] else "by chance?"]
        for e in card["lost_categories"]
    ]  # fmt: skip
    top = ["category", "real rows", "probability of none by chance", ""]
    return f"<h3>Categories that no synthetic row has</h3>{table(top, rows)}"


def _rates(card: dict[str, Any]) -> str:
    found = card.get("target_rates")
    if not found or not found["rows"]:
        return ""
    scale, parts = interval_scale(found["rows"], 0.0), []
    for column in dict.fromkeys(row["column"] for row in found["rows"]):
        parts.append(f"<h3>{escape(column)}</h3>")
        for row in (row for row in found["rows"] if row["column"] == column):
            plot = interval_plot(row["group"], (row["low"], row["difference"], row["high"]), 0.0, scale)
            parts.append(
                f'<div class="row"><span class="name">{escape(row["group"])}</span>{plot}<span class="values">'
                f"<b>{number(row['synthetic'])}</b> <span>real {number(row['real'])}</span></span>"
                f'<span class="remark">{row["n_synthetic"]} and {row["n_real"]} rows</span></div>'
            )
    lead = (
        f"<p>The {escape(found['outcome'])} in each subgroup, synthetic minus real, with a 95 % interval: of twenty "
        "one leaves out 0 by chance.</p>"
    )
    return details(f"{found['outcome']} in each subgroup", f'{lead}<div class="plots">{"".join(parts)}</div>')


def _provenance(card: dict[str, Any]) -> str:
    origin, rows = card["provenance"], []
    for side in ("real", "synthetic", "test", "holdout"):
        for file in origin.get(side, []):
            rows.append([f"{side.capitalize()} file", f"{file['file']}, {file['rows']} rows, SHA-256 {file['sha256']}"])
    rows += [
        ["Seed of the comparison", str(card["measurement"]["seed"])],
        ["Versions", ", ".join(f"{name} {found}" for name, found in origin["versions"].items())], ["Date", card["date"]],
    ]  # fmt: skip
    options = [[key, plain(value)] for key, value in origin["config"].items()]
    return section("Provenance", table(None, rows) + details("Options of the comparison", table(None, options)))


def _true_minus(sentence: str) -> str:
    """A sentence with a minus, not a hyphen, before numbers."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", sentence)


def _or_dash(value: float | None) -> str:
    return "–" if value is None else number(value)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
