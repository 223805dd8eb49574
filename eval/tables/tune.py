"""Boosted trees tuned on real rows: a random search (Bergstra & Bengio 2012) whose best trial serves every source alike.

TabDDPM's tables are of a CatBoost that was tuned on real validation rows (Kotelnikov et al. 2023, section 5.2). Here a
fifth of the training file is held out; each trial grows MOST_TREES trees on the rest and is judged, after as many of them
as do best (early stopping), by its loss on that fifth: -log of the true class's probability, or the squared error. The
library's own defaults are one more candidate. The test file has no part in it.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from eval.tables.boosted import Trees, booster, taken
from eval.tables.config import BOOSTED
from eval.tables.models import Problem, native

MOST_TREES = 500


def tune(
    problem: Problem, models: list[str], real: Float[np.ndarray, "n c"], *, trials: int, seed: int
) -> dict[str, Trees | None]:
    """The best trees of every boosted model among `models`; None: its defaults. Nothing without trials, or of few rows."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(real))
    held, known = real[order[: len(real) // 5]], real[order[len(real) // 5 :]]
    if problem.classes:  # what no trial has seen none can foretell
        held = held[np.isin(held[:, problem.target], known[:, problem.target])]
    if not trials or not problem.features or not len(held) or len(np.unique(known[:, problem.target])) < 2:
        return {}
    asked = [draw_trees(random) for _ in range(trials)]
    found: dict[str, Trees | None] = {}
    for name in [name for name in models if name in BOOSTED]:
        candidates = tqdm([None, *asked], f"tuning {name}", leave=False)
        tried = [_tried(problem, name, known, held, trees=trees, seed=seed) for trees in candidates]
        found[name] = min(tried, key=lambda one: one[0])[1]
    return found


def draw_trees(random: np.random.Generator) -> Trees:
    """One trial: depths evenly, rates and l2 evenly in their logarithm."""
    rate, l2 = np.exp(random.uniform(np.log([0.01, 0.1]), np.log([0.3, 10.0])))
    return Trees(MOST_TREES, int(random.integers(3, 9)), float(rate), float(l2))


def _tried(
    problem: Problem, name: str, known: np.ndarray, held: np.ndarray, *, trees: Trees | None, seed: int
) -> tuple[float, Trees | None]:
    """The loss on the held-out rows, and the trees of which that is."""
    x, asked = (taken(name, side, problem.categorical) for side in native(problem, known, held))
    y, truth, classes = known[:, problem.target], held[:, problem.target], problem.classes > 0
    model = booster(name, problem.categorical, classes=classes, seed=seed, trees=trees)
    model.fit(x, y.astype(int) if classes else (y - y.mean()) / y.std())
    stages = model.staged_predict_proba(asked) if classes else model.staged_predict(asked)
    if classes:
        place = np.arange(len(held)), np.searchsorted(model.classes_, truth)
        losses = [float(-np.log(np.maximum(answers[place], 1e-15)).mean()) for answers in stages]
    else:
        losses = [float(np.square(answers - (truth - y.mean()) / y.std()).mean()) for answers in stages]
    if trees is None:
        return losses[-1], None
    best = int(np.argmin(losses))
    return losses[best], replace(trees, count=best + 1)
