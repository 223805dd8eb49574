"""Train on synthetic rows, test on real ones (TSTR): every model on every arm, file and seed, all scored in the same worlds.

A world is a resampling of the test rows, of the synthetic files and of the seeds. Of f files f - 1 are drawn, and of s seeds
s - 1, which makes the variance of their mean that of independent ones (Rao & Wu 1988, as in eval.utility.intervals); of one
file or one seed nothing can be learnt about others, and the interval holds for that one alone. All arms meet the same
worlds, so that their differences are paired.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from eval.tables.boosted import Trees
from eval.tables.models import WITHOUT_CHANCE, Problem, foretell
from eval.tables.scores import CLASSIFICATION, REGRESSION, classification_scores, regression_scores

MEAN = "mean of models"


@dataclass(frozen=True)
class Transfer:
    """Scores of all arms; `worlds[a, f, s, k, d]` is in world d, of which 0 is the test rows as they are, that of score k.

    The scores are the metrics of each model, "macro-F1, linear" and so on, after the first metric's mean over the models.
    """

    arms: list[str]
    metrics: list[str]
    by_run: Float[np.ndarray, "a f s k"]
    drawn: Float[np.ndarray, "a k d"]  # means over files and seeds in the worlds

    @property
    def means(self) -> Float[np.ndarray, "a k"]:
        """The mean over files and seeds."""
        return self.by_run.mean(axis=(1, 2))


def transfer(
    problem: Problem,
    arms: Mapping[str, list[np.ndarray]],
    test: Float[np.ndarray, "n c"],
    *,
    models: list[str],
    seeds: int,
    draws: int,
    seed: int,
    tuned: Mapping[str, Trees | None] | None = None,
) -> Transfer:
    """Train and score; `arms` holds the training rows of each arm's files, of which an arm has one or as many as any other.

    `tuned`: the trees of boosted models, for all arms the same.
    """
    files = max(len(of) for of in arms.values())
    random = np.random.default_rng(seed)
    n = len(test)
    weights = np.concatenate([np.ones((1, n)), random.multinomial(n, np.full(n, 1 / n), size=draws)]).astype(np.float64)
    names = [f"{metric}, {model}" for model in models for metric in _metrics(problem)]
    scored = np.empty((len(arms), files, seeds, len(names), draws + 1), np.float32)
    trainings = sum(1 if model in WITHOUT_CHANCE else seeds for model in models)
    progress = tqdm(total=trainings * sum(len(of) for of in arms.values()), unit="training", leave=False)
    for a, (arm, of) in enumerate(arms.items()):
        for f, rows in enumerate(of):
            progress.set_description(f"train on {arm}, test on real")
            scored[a, f] = _score(problem, rows, test, models, seeds, weights, tuned=tuned or {}, progress=progress)
        scored[a, len(of) :] = scored[a, 0]
    progress.close()
    decisive = scored[:, :, :, :: len(_metrics(problem))].mean(axis=3, keepdims=True)
    scored = np.concatenate([decisive, scored], axis=3)
    by_seed, by_file = (_multiplicity(random, draws, count) for count in (seeds, files))
    drawn = np.einsum("afskd,df,ds->akd", scored[..., 1:], by_file, by_seed)
    return Transfer(list(arms), [f"{_metrics(problem)[0]}, {MEAN}", *names], scored[..., 0].astype(np.float64), drawn)


def _metrics(problem: Problem) -> tuple[str, ...]:
    return CLASSIFICATION if problem.classes else REGRESSION


def _score(
    problem: Problem,
    train: np.ndarray,
    test: np.ndarray,
    models: list[str],
    seeds: int,
    weights: np.ndarray,
    *,
    tuned: Mapping[str, Trees | None],
    progress: tqdm,
) -> Float[np.ndarray, "s k d"]:
    """The scores of all models trained on one file with every seed."""
    truth, found = test[:, problem.target], []
    for model in models:
        by_seed = []
        for seed in range(1 if model in WITHOUT_CHANCE else seeds):
            answers = foretell(problem, model, train, test, seed=seed, trees=tuned.get(model))
            progress.update()
            if problem.classes:
                by_seed.append(classification_scores(truth.astype(int), answers, weights).T)
            else:
                by_seed.append(regression_scores(truth, answers, weights).T)
        found.append(np.stack(by_seed * (seeds if len(by_seed) == 1 else 1)))
    return np.concatenate(found, axis=1)


def _multiplicity(random: np.random.Generator, draws: int, count: int) -> Float[np.ndarray, "d k"]:
    """How much each of `count` counts in each world."""
    drawn = max(1, count - 1)
    return random.multinomial(drawn, np.full(count, 1 / count), size=draws) / drawn
