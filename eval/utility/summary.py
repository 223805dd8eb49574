"""From runs to figures with intervals, a knee and a verdict in words; and the table that is printed."""

from typing import Any

import numpy as np

from eval.utility.intervals import Interval, interval, resample
from eval.utility.study import BASELINE, Run, Task

FEW_GROUPS = 10
STUCK = 0.2  # of the best seed's score: a run below has not converged, and whatever is compared with it looks good


def summarise(task: Task, runs: dict[str, list[Run]], *, draws: int) -> dict[str, Any]:
    """Means, differences to the baseline and to the best control, the knee and the verdict, ready for JSON.

    The best control is the one with the highest mean on these test images, which is to its favour.
    """
    names = list(task.arms)
    by_seed = np.array([[[run.scores[m] for m in task.metrics] for run in runs[arm]] for arm in names])  # (a, s, m)
    means = by_seed.mean(axis=1)  # (a, m)
    controls = [a for a, name in enumerate(names) if task.arms[name].kind != "synthetic"]
    best = max(controls, key=lambda a: means[a, 0])
    groups = task.test_groups
    worlds = resample(
        [[task.scorer(run.records) for run in runs[arm]] for arm in names], task.test_images, draws=draws,
        groups=None if groups is None else groups.of_image,
    )  # (draws, a, m)  # fmt: skip

    def difference(a: int, other: int) -> dict[str, Interval]:
        paired = worlds[:, a] - worlds[:, other]  # (draws, m)
        return {m: interval(means[a, k] - means[other, k], paired[:, k]) for k, m in enumerate(task.metrics)}

    real = names.index(BASELINE)
    to_real = {name: difference(a, real) for a, name in enumerate(names) if a != real}
    to_best = {name: difference(a, best) for a, name in enumerate(names) if a != best}
    own = {name: arm.control for name, arm in task.arms.items() if arm.control is not None}
    to_own = {name: difference(names.index(name), names.index(control)) for name, control in own.items()}
    ratios = {arm.ratio: a for a, arm in enumerate(task.arms.values()) if arm.ratio is not None}
    knee = _knee(ratios, task, worlds[:, :, 0], means[:, 0], to_real, names)
    arms = [
        {
            "arm": name, **vars(task.arms[name]),
            "scores": {m: _spread(by_seed[a, :, k]) for k, m in enumerate(task.metrics)},
            "seconds_a_run": round(float(np.mean([run.details.get("seconds", np.nan) for run in runs[name]])), 1),
            "minus_real": _plain(to_real.get(name)), "minus_best_control": _plain(to_best.get(name)),
            "minus_own_control": _plain(to_own.get(name)),
        }
        for a, name in enumerate(names)
    ]  # fmt: skip
    verdict = _verdict(task, names[best], to_real, to_best, to_own, knee) + _warnings(task, by_seed)
    drawn = {} if groups is None else {"test_groups": {"by": groups.by, "count": groups.count}}
    return {**drawn, "best_control": names[best], "knee": knee, "verdict": verdict, "arms": arms}


def _knee(
    ratios: dict[int, int], task: Task, worlds: np.ndarray, means: np.ndarray, to_real: Any, names: list[str]
) -> int | None:
    """The smallest ratio whose score the largest ratio's does not beat beyond noise; None where the largest gains nothing.

    `worlds` (draws, arms) and `means` (arms,) are of the first metric.
    """
    if len(ratios) < 2:
        return None
    *smaller, largest = sorted(ratios)
    if to_real[names[ratios[largest]]][task.metrics[0]].sign <= 0:
        return None
    for ratio in smaller:
        a, b = ratios[largest], ratios[ratio]
        if interval(means[a] - means[b], worlds[:, a] - worlds[:, b]).sign <= 0:
            return ratio
    return None


def _verdict(task: Task, best: str, to_real: Any, to_best: Any, to_own: Any, knee: int | None) -> list[str]:
    """Sentences, the one on the largest ratio first."""
    metric, said = task.metrics[0], []
    for name in sorted(
        (name for name, arm in task.arms.items() if arm.kind == "synthetic"), key=lambda n: -(task.arms[n].ratio or 0)
    ):
        real, control = to_real[name][metric], to_best[name][metric]
        against = f"{name}: {_against(control)} the best control, {best} ({metric} {_signed(control)})"
        said.append(against if best == BASELINE else f"{against}; {_against(real)} {BASELINE} ({_signed(real)})")
        if name in to_own:
            each = (f"{_word(gap)} in {m} ({_signed(gap)})" for m, gap in to_own[name].items())
            said.append(f"{name} against {task.arms[name].control}, its own control: {', '.join(each)}")
    if not said:
        said.append(f"no synthetic arm was run; the best control is {best}")
    ratios = [arm.ratio for arm in task.arms.values() if arm.ratio is not None]
    if len(ratios) > 1:
        said.append(f"knee: {f'+{knee}, beyond which nothing is gained' if knee else 'none'}")
    if (groups := task.test_groups) is not None:
        said.append(
            f"intervals: {task.test_images} test images were drawn as the {groups.count} groups that they form by {groups.by}"
        )
    return said


def _warnings(task: Task, by_seed: np.ndarray) -> list[str]:
    """What stands against trusting the figures."""
    said = []
    for name, scores in zip(task.arms, by_seed[:, :, 0], strict=True):
        stuck = np.flatnonzero(scores <= STUCK * by_seed[:, :, 0].max())
        if len(stuck):
            said.append(
                f"warning: {name} did not converge with seed {', '.join(map(str, stuck))}: "
                "tune the recipe on validation before comparing"
            )
    if by_seed.shape[1] < 5:
        said.append(f"warning: few seeds ({by_seed.shape[1]}): the intervals say little about others")
    if task.test_groups is not None and task.test_groups.count < FEW_GROUPS:
        said.append(f"warning: few groups ({task.test_groups.count}): the intervals say little about others")
    return said


def _word(value: Interval) -> str:
    return {1: "a gain", 0: "no gain", -1: "a loss"}[value.sign]


def _against(value: Interval) -> str:
    return f"{_word(value)} {'against' if value.sign < 0 else 'over'}"


def _signed(value: Interval) -> str:
    return f"{value.difference:+.3f}, 95 % interval {value.low:+.3f} to {value.high:+.3f}"


def _spread(scores: np.ndarray) -> dict[str, Any]:
    return {"mean": float(scores.mean()), "by_seed": [float(score) for score in scores]}


def _plain(intervals: dict[str, Interval] | None) -> dict[str, dict[str, float]] | None:
    return None if intervals is None else {metric: value._asdict() for metric, value in intervals.items()}


def table(summary: dict[str, Any], metrics: tuple[str, ...]) -> str:
    """The arms line by line with their scores (and their range over seeds), then the verdict.

    The arms that have a control of their own are compared with it in a column more.
    """
    gap_keys = {"minus_real": f"minus {BASELINE}", "minus_best_control": "minus best control"}
    if any(arm["control"] for arm in summary["arms"]):
        gap_keys["minus_own_control"] = "minus its own control"
    head = ["arm", "train", "val", *metrics, *(f"{metrics[0]} {words}" for words in gap_keys.values())]
    rows = [head]
    for arm in summary["arms"]:
        scores = [arm["scores"][m] for m in metrics]
        spread = [f"{s['mean']:.3f} ({min(s['by_seed']):.3f}-{max(s['by_seed']):.3f})" for s in scores]
        gaps = [arm[key] and Interval(**arm[key][metrics[0]]) for key in gap_keys]
        counts = [str(arm["counts"]["train"]), str(arm["counts"]["val"])]
        shown = ["-" if gap is None else f"{gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]" for gap in gaps]
        if arm["control"]:
            shown[-1] += f" to {arm['control']}"
        rows.append([arm["arm"], *counts, *spread, *shown])
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *summary["verdict"]])
