"""What each figure of a table is called, what it says, and which question of the verdict it answers."""

from eval.card import Words

_TITLES = {
    "shape_error": "Shapes of columns",
    "trend_error": "Trends of pairs",
    "c2st_auc": "Told apart by a classifier (C2ST)",
    "alpha_precision": "α-precision",
    "beta_recall": "β-recall",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "bias_categories": "Shares of categories",
    "skew_categories": "Lost variety of categories",
    "bias_target": "Target in subgroups",
}

MEANINGS = {
    "shape_error": "How far the distribution of a column is off, on average: 0 is the same, 1 nothing in common. Columns drawn "
    "independently of each other are perfect here, so it is a first look and no more.",
    "trend_error": "How far pairs of columns are off in how they go together, on average: 0 is the same.",
    "c2st_auc": "How well boosted trees tell synthetic rows from real ones they have not seen: 0.5 not at all, 1 always, and "
    "a floor below 0.5 counts as 0.5. The sharpest of these measures, as it sees whatever sets the rows apart.",
    "alpha_precision": "Are synthetic rows as typical as real ones, neither too far out nor too close to the middle? 1 is ideal.",
    "beta_recall": "Is as much of the typical real rows reached by the typical synthetic ones? 1 is ideal.",
    "precision": "Share of synthetic rows that lie among the real ones, within the reach of a real row's nearest neighbours. 1 "
    "is ideal, the floor is what real rows reach.",
    "recall": "Share of real rows that lie among the synthetic ones: is all that there is drawn, too?",
    "density": "As precision, but counting how many real rows are near each synthetic one, so that a lone real row does not "
    "vouch for all around it; it may exceed 1.",
    "coverage": "Share of real rows with a synthetic one among their nearest.",
    "bias_categories": "What part of the rows would have to change their category for the shares to be the real ones, 0..1, on "
    "average over categorical columns.",
    "skew_categories": "Bits of entropy that the shares of categories lost: above the floor, what was frequent became more "
    "frequent, which is amplified bias.",
    "bias_target": "How far the target's rate in a subgroup (a category, a quarter of a number) is off: a share for a "
    "class, standard deviations for a number.",
}


def question_of(name: str) -> str:
    """Which question of the verdict a figure answers."""
    if name in ("recall", "coverage", "beta_recall"):
        return "varied"
    return "mix" if name.startswith(("bias_", "skew_")) else "faithful"


WORDS = Words(_TITLES.__getitem__, MEANINGS.__getitem__, question_of)
