"""What the trainings say in words: the card's "utility", as python -m eval.utility gives it for images."""

from dataclasses import asdict
from typing import Any

import numpy as np

from eval.tables.baselines import NOTES, make_baseline
from eval.tables.models import Problem, available_models
from eval.tables.opening import Tables, present_target
from eval.tables.transfer import Transfer, transfer
from eval.tables.tune import tune
from eval.utility.intervals import Interval, interval

REAL, GUESS, SYNTHETIC, BOTH = "real", "guess", "synthetic", "real + synthetic"
_NOTES = {
    REAL: "the training file",
    GUESS: "no model: the shares or the mean of the training file's target",
    SYNTHETIC: "synthetic rows alone",
    BOTH: "the training file and as many synthetic rows as a file holds",
}


def run_study(tables: Tables) -> dict[str, Any] | None:
    """Train and compare; None without a target or a test file."""
    if tables.target is None or tables.test is None:
        return None
    config, problem = tables.config, Problem(tables.columns, tables.target)
    arms = {
        name: [present_target(tables.columns, tables.target, rows) for rows in of] for name, of in _arms(tables).items()
    }
    test = present_target(tables.columns, tables.target, tables.test.rows)
    for name, of in {**arms, "test": [test]}.items():
        if min(len(rows) for rows in of) < 2:
            raise ValueError(f"target={config.target}: is missing in all but one row of {name}: choose another target")
    if len(np.unique(test[:, tables.target])) < 2:
        raise ValueError(
            f"test={config.test}: its target {config.target} has one value alone, so no model can be tested"
        )
    models = available_models(config.models)
    settings: dict[str, Any] = {"seeds": config.seeds, "draws": config.draws, "seed": config.seed}
    tuned = tune(problem, models, arms[REAL][0], trials=config.tune, seed=config.seed)
    trained = transfer(problem, arms, test, models=models, tuned=tuned, **settings)
    guess = transfer(problem, {GUESS: arms[REAL]}, test, models=["guess"], **settings)
    found = summarise(tables, trained, guess, {name: len(of[0]) for name, of in arms.items()}, len(test))
    chosen = {name: None if trees is None else asdict(trees) for name, trees in tuned.items()}
    return {**found, "models": models, "tuned": chosen, "said_of_models": models_in_words(models, chosen, config.tune)}


def _arms(tables: Tables) -> dict[str, list[np.ndarray]]:
    """The training rows of every arm; a baseline has as many files as the generator drew, each made with its own seed."""
    train, files = tables.train.rows, [table.rows for table in tables.synthetic]
    arms = {REAL: [train], SYNTHETIC: files, BOTH: [np.concatenate([train, rows]) for rows in files]}
    for name in tables.config.baselines:
        arms[name] = [
            make_baseline(name, tables, len(rows), seed=tables.config.seed + i) for i, rows in enumerate(files)
        ]
    return arms


def summarise(
    tables: Tables, trained: Transfer, guess: Transfer, counts: dict[str, int], test_rows: int
) -> dict[str, Any]:
    """Scores, differences to training on the real rows, and sentences; all of it plain types."""
    real = trained.arms.index(REAL)
    arms = []
    for a, name in enumerate(trained.arms):
        kind = "baseline" if name == REAL else "synthetic" if name in (SYNTHETIC, BOTH) else "control"
        scores = {
            metric: {"mean": float(trained.means[a, k]), "by_seed": trained.by_run[a, :, :, k].reshape(-1).tolist()}
            for k, metric in enumerate(trained.metrics)
        }
        gaps = {metric: gap(trained, a, real, k)._asdict() for k, metric in enumerate(trained.metrics)}
        arms.append({
            "arm": name, "kind": kind, "note": _NOTES.get(name, NOTES.get(name, "")), "counts": {"rows": counts[name]},
            "scores": scores, "minus_real": None if a == real else gaps, "minus_best_control": None,
        })  # fmt: skip
    shares = {name: kept_share(trained, guess, name) for name in trained.arms if name != REAL}
    kept = {name: share and share._asdict() for name, share in shares.items()}
    files = len(tables.synthetic)
    return {
        "task": str(tables.task), "test_images": test_rows, "seeds": tables.config.seeds, "files": files,
        "metrics": trained.metrics, "best_control": REAL, "verdict": sentences(trained, kept, guess),
        "guess": float(guess.means[0, 0]), "kept": kept, "arms": arms,
    }  # fmt: skip


def models_in_words(models: list[str], tuned: dict[str, dict[str, Any] | None], trials: int) -> str:
    """Which models were trained, and what of them was tuned."""
    said = f"Models: {', '.join(models)}. "
    if not tuned:
        return said + "None is tuned."
    of = [
        f"{name} has its defaults, which did best" if trees is None else f"{name} has {trees['count']} trees of depth "
        f"{trees['depth']}, learning rate {trees['learning_rate']:.2g}, l2 {trees['l2']:.2g}"
        for name, trees in tuned.items()
    ]  # fmt: skip
    return f"{said}Tuned in {trials} trials on a fifth of the training file, for all sets alike: {'; '.join(of)}."


def gap(trained: Transfer, a: int, b: int, k: int) -> Interval:
    """Arm a minus arm b in score k, with its paired 95 % interval."""
    return interval(trained.means[a, k] - trained.means[b, k], _known(trained.drawn[a, k] - trained.drawn[b, k]))


def kept_share(trained: Transfer, guess: Transfer, name: str) -> Interval | None:
    """What share of what the real rows teach beyond guessing an arm teaches; None where these teach nothing."""
    a, real = trained.arms.index(name), trained.arms.index(REAL)
    learnt = trained.means[real, 0] - guess.means[0, 0]
    worlds = trained.drawn[real, 0] - guess.drawn[0, 0]
    if learnt <= 0 or (worlds <= 0).mean() > 0.025:
        return None
    shares = (trained.drawn[a, 0] - guess.drawn[0, 0])[worlds > 0] / worlds[worlds > 0]
    return interval((trained.means[a, 0] - guess.means[0, 0]) / learnt, _known(shares))


def sentences(trained: Transfer, kept: dict[str, dict[str, float] | None], guess: Transfer) -> list[str]:
    """The comparison in words, that of the synthetic rows alone first."""
    metric, means = trained.metrics[0], dict(zip(trained.arms, trained.means[:, 0], strict=True))
    said = [
        f"trained on synthetic rows: {metric} {means[SYNTHETIC]:.3f}; on real rows {means[REAL]:.3f} "
        f"(difference {_signed(_gap(trained, SYNTHETIC, REAL))}); by guessing {round(guess.means[0, 0], 3) + 0.0:.3f}"
    ]
    share = kept[SYNTHETIC]
    if share is not None:
        said.append(
            f"so they teach {100 * share['difference']:.0f} % of what real rows teach beyond guessing, 95 % interval "
            f"{100 * share['low']:.0f} % to {100 * share['high']:.0f} %"
        )
    added = _gap(trained, BOTH, REAL)
    said.append(f"added to the real rows they bring {_WORDS[added.sign]} ({_signed(added)})")
    for name in [name for name in trained.arms if name in NOTES]:
        against = _gap(trained, SYNTHETIC, name)
        word = {1: "better than", 0: "not told from", -1: "worse than"}[against.sign]
        said.append(f"{word} {name} ({metric} {means[name]:.3f}): difference {_signed(against)}")
    return said


_WORDS = {1: "a gain", 0: "no gain that shows", -1: "a loss"}


def _gap(trained: Transfer, one: str, other: str) -> Interval:
    return gap(trained, trained.arms.index(one), trained.arms.index(other), 0)


def _signed(value: Interval) -> str:
    return f"{value.difference:+.3f}, 95 % interval {value.low:+.3f} to {value.high:+.3f}"


def _known(values: np.ndarray) -> np.ndarray:
    """Worlds in which the score exists; one that holds no second class has none."""
    known = values[~np.isnan(values)]
    return known if len(known) else np.array([np.nan])
