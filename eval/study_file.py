"""The JSON file of a utility study, read and checked for what the card shows of it."""

import json
from pathlib import Path
from typing import Any

_OF_ARM = ("arm", "kind", "note", "counts", "scores", "minus_best_control")


def read_study(path: Path) -> dict[str, Any]:
    """The card's "utility" section from what `python -m eval.utility` wrote; every arm's runs are left out.

    ValueError, one line, where the file is no such study.
    """
    try:
        study = json.loads(path.read_text(encoding="utf-8"))
        arms = [{key: arm[key] for key in _OF_ARM} for arm in study["arms"]]
        metrics = list(arms[0]["scores"])
        found = {
            "task": str(study["task"]),
            "test_images": int(study["test_images"]),
            "seeds": min(len(arm["scores"][metric]["by_seed"]) for arm in arms for metric in metrics),
            "metrics": metrics,
            "best_control": str(study["best_control"]),
            "verdict": [str(sentence) for sentence in study["verdict"]],
            "arms": arms,
        }
        if (groups := study.get("test_groups")) is not None:
            found["test_groups"] = {"by": str(groups["by"]), "count": int(groups["count"])}
        for arm in arms:
            [float(arm["scores"][metric]["mean"]) for metric in metrics]
            gaps = arm["minus_best_control"] or {}
            [float(gaps[metric][key]) for metric in gaps for key in ("difference", "low", "high")]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"utility={path}: not what python -m eval.utility writes ({reason[:80]})") from error
    return found


def tested_on(study: dict[str, Any]) -> str:
    """What was tested on, for a sentence: how many images, and what the intervals take as independent of each other."""
    groups = study.get("test_groups")
    drawn = f"drawn as {groups['count']} groups by {groups['by']}" if groups else "taken as independent of each other"
    return f"{study['test_images']} real images, {drawn}"
