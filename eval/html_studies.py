"""The page's sections on privacy and utility, whose figures are intervals beside one mark."""

from html import escape
from typing import Any

from eval.html_sections import details, number, prose, section, table
from eval.plots import Scale, interval_axis, interval_plot, interval_scale
from eval.study_file import tested_on


def privacy(audit: dict[str, Any]) -> str:
    """The audit's verdict, sentences and figures beside what chance gives."""
    sentences = "".join(f"<li>{prose(sentence)}</li>" for sentence in audit["sentences"])
    said = f"<h3>Privacy audit: {escape(audit['verdict'])}</h3><ul>{sentences}</ul>"
    if not audit["rows"]:
        return said
    scale, drawn = Scale(0.0, 1.0), []
    for of in dict.fromkeys(row["of"] for row in audit["rows"]):
        drawn.append(f"<h3>By {escape(of)}</h3>")
        drawn += [_chance(row, scale) for row in audit["rows"] if row["of"] == of]
    drawn.append(f'<div class="row last"><span class="name"></span><div>{interval_axis(scale)}</div></div>')
    lead = (
        "<p>The line is what chance alone would give, the bar the 95 % interval; the dot is full where all of the bar lies "
        "above the line.</p>"
    )
    return f'{said}{lead}<div class="plots">{"".join(drawn)}</div>'


def _chance(row: dict[str, Any], scale: Scale) -> str:
    plot = interval_plot(row["name"], (row["low"], row["value"], row["high"]), row["expected"], scale, above=True)
    return (
        f'<div class="row"><span class="name">{escape(row["name"])}</span>{plot}'
        f'<span class="values"><b>{number(row["value"])}</b> <span>by chance {number(row["expected"])}</span></span>'
        f'<span class="remark">{number(row["low"])} to {number(row["high"])}</span></div>'
    )


def utility(study: dict[str, Any]) -> str:
    """Every arm's difference to the best control with its interval, and the scores of all metrics."""
    metric, best = study["metrics"][0], study["best_control"]
    sentences = "".join(f"<li>{prose(sentence)}</li>" for sentence in study["verdict"])
    compared = [arm for arm in study["arms"] if arm["minus_best_control"]]
    seeds = f"{study['seeds']} seed{'s' * (study['seeds'] != 1)}"
    lead = (
        f"{study['task'].capitalize()} trained on each set in the same way, {seeds}, tested on {tested_on(study)}. Each row is "
        f"{metric} minus that of the best arm that saw no synthetic image, {best}, with its paired 95 % interval; the dot is "
        "hollow where the interval holds 0."
    )
    plots = differences(compared, metric, "minus_best_control") if compared else ""
    head = ["arm", "training, validation", *study["metrics"], f"{metric} minus best control"]
    body = f"<ul>{sentences}</ul><p>{escape(lead)}</p>{plots}"
    rows = [_scores(arm, study["metrics"]) for arm in study["arms"]]
    notes = "".join(f"<dt>{escape(arm['arm'])}</dt><dd>{escape(arm['note'])}</dd>" for arm in study["arms"])
    body += details("All arms as a table", table(head, rows) + f"<dl>{notes}</dl>")
    return section("Use", body)


def differences(arms: list[dict[str, Any]], metric: str, key: str) -> str:
    """A row per arm with its difference to another, which the arm has under `key`, in `metric`."""
    gaps = [arm[key][metric] for arm in arms]
    scale = interval_scale(gaps, 0.0)
    rows = "".join(
        f'<div class="row {escape(arm["kind"])}"><span class="name">{escape(arm["arm"])}<small>{escape(arm["kind"])}</small>'
        f"</span>{interval_plot(arm['arm'], (gap['low'], gap['difference'], gap['high']), 0.0, scale)}"
        f'<span class="values"><b>{signed(gap["difference"])}</b> <span>{metric_of(arm, metric)}</span></span>'
        f'<span class="remark">{signed(gap["low"])} to {signed(gap["high"])}</span></div>'
        for arm, gap in zip(arms, gaps, strict=True)
    )
    ends = '<span class="ends"><span>← worse</span><span>better →</span></span>'
    last = f'<div class="row last"><span class="name"></span><div>{interval_axis(scale)}{ends}</div></div>'
    return f'<div class="plots">{rows}{last}</div>'


def metric_of(arm: dict[str, Any], metric: str) -> str:
    """The arm's mean score with the metric's name up to a comma, escaped."""
    return escape(f"{metric.partition(',')[0]} {arm['scores'][metric]['mean']:.3f}")


def _scores(arm: dict[str, Any], metrics: list[str]) -> list[str]:
    means = []
    for metric in metrics:
        score = arm["scores"][metric]
        means.append(f"{score['mean']:.3f} ({min(score['by_seed']):.3f} to {max(score['by_seed']):.3f})")
    gap = (arm["minus_best_control"] or {}).get(metrics[0])
    shown = (
        "best control" if gap is None else f"{signed(gap['difference'])} [{signed(gap['low'])}, {signed(gap['high'])}]"
    )
    counts = ", ".join(str(count) for count in arm["counts"].values())
    return [arm["arm"], counts, *means, shown]


def signed(value: float) -> str:
    """Three decimals with a sign, a true minus."""
    return f"{value:+.3f}".replace("-", "−")
