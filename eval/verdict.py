"""The verdict in words: what can be trusted of the synthetic images and what not, by rules that the page states."""

from statistics import NormalDist
from typing import Any

from eval.study_file import tested_on

LEAST_REACH = 0.5  # of the floor: where a share falls below, the answer is no
UNSEEN_LOSS = 0.2  # of the floor: where as much could be lost unseen, a yes cannot be given

RULES = [
    "Every figure is compared with its floor: the same figure between two disjoint sets of n real images. It tells the sets "
    "apart where the difference to the floor keeps its sign from the 5th to the 95th percentile over the random draws.",
    "Faithful: yes where no measure of likeness tells the sets apart; no where one does and precision or density reaches less "
    f"than {LEAST_REACH:.0%} of its floor; else partly. Varied: the same by recall and coverage.",
    f"Instead of a yes it is said that it cannot be told where a loss of {UNSEEN_LOSS:.0%} of one of these shares could have "
    "gone unseen at this n.",
    "Free of copies, of the real images given, which must be those that were trained on: no where a synthetic image is one "
    "of them, or the privacy audit fails. Where it passes there is no sign of any; without a holdout none are seen, which "
    "proves less. Where it cannot tell, it is in doubt if more synthetic images lie near a real one than real images do.",
    "Same mix: yes where no figure of bias tells the sets apart, else it differs. Shares that were asked for when sampling "
    "say what was asked for.",
    "Useful: by the synthetic arm with the best mean against the best arm that saw no synthetic image. The best of several "
    "looks good by chance, too, so the 95 % interval of the difference is widened as if for all synthetic arms at once "
    "(Bonferroni). Yes where it lies above 0, a loss where it lies below, else no gain is seen. One seed cannot tell.",
]

Question = dict[str, Any]


def judge(card: dict[str, Any]) -> dict[str, Any]:
    """The "verdict" of a card whose other sections are there."""
    faithful = likeness(card, "faithful", ("precision", "density"))
    varied = likeness(card, "varied", ("recall", "coverage"))
    copies, useful = _copies(card), _useful(card.get("utility"))
    mix = [_mix(card)] if any(figure["question"] == "mix" for figure in card["figures"]) else []
    questions, exact = [faithful, varied, copies, useful, *mix], card["copies"]["exact"]
    rules = [rule for rule in RULES if mix or not rule.startswith("Same mix")]
    return {"headline": _headline(faithful, varied, copies, useful, exact), "questions": questions, "rules": rules}


def _headline(faithful: Question, varied: Question, copies: Question, useful: Question, exact: int) -> str:
    if copies["level"] == "no":
        return f"Not to be shared: {'copies of real images were found' if exact else 'the privacy audit fails'}."
    no_copies = {"yes": "no sign of copies", "partly": "no copies seen", "open": "copies cannot be ruled out"}
    if copies["answer"] == "In doubt":
        no_copies["partly"] = "perhaps with copies among them"
    use = {
        "yes": "of use for training",
        "no": useful["answer"].lower() + " for training",
        "open": "their use " + useful["answer"].lower(),
    }
    return f"{likeness_words(faithful, varied)}; {no_copies[copies['level']]}; {use[useful['level']]}."


def likeness_words(faithful: Question, varied: Question, things: str = "images") -> str:
    """How near both answers put the synthetic images, or whatever `things` are, to the real ones."""
    levels = {faithful["level"], varied["level"]}
    if "no" in levels:
        return f"Far from the real {things}"
    if levels == {"yes"}:
        return f"Not to be told from the real {things} by these measures"
    return f"Close to the real {things}, but not the same" if "partly" in levels else f"Too few {things} to tell"


def answered(question: str, answer: str, level: str, *, trusted: str = "", doubted: str = "") -> Question:
    """A question of the verdict with its answer."""
    return {"question": question, "answer": answer, "level": level, "trusted": trusted, "doubted": doubted}


def likeness(card: dict[str, Any], question: str, shares: tuple[str, ...], things: str = "images") -> Question:
    """Faithful or varied: by the question's figures, of which `shares` (higher is better) say how far off they are."""
    figures = [figure for figure in card["figures"] if figure["question"] == question]
    worse = [figure for figure in figures if figure["worse"]]
    known = {figure["name"]: figure for figure in figures if figure["name"] in shares}
    title, n = f"{question.capitalize()}?", _sizes(figures)
    reached = " ".join(_SENTENCES[name](figure, things) for name, figure in known.items())
    if worse:
        names = ", ".join(figure["title"] for figure in worse)
        told = f"Told from real {things} by {len(worse)} of {len(figures)} measures at n = {n}: {names}."
        low = [f for f in known.values() if f["worse"] and f["synthetic"]["mean"] < LEAST_REACH * f["floor"]["mean"]]
        if low:
            return answered(title, "No", "no", doubted=f"{reached} {told}")
        return answered(title, "Partly", "partly", trusted=reached, doubted=told)
    blind = [f for f in known.values() if -f["excess"]["low"] >= UNSEEN_LOSS * f["floor"]["mean"]]
    if blind:
        names = " and ".join(figure["title"].lower() for figure in blind)
        doubted = f"No measure tells a difference, but at n = {n} a loss of {percent(UNSEEN_LOSS)} of {names} would go unseen."
        return answered(title, "Cannot be told", "open", doubted=doubted)
    return answered(title, "Yes", "yes", trusted=f"{reached} No measure tells a difference at n = {n}.")


def _sizes(figures: list[dict[str, Any]]) -> str:
    """The n of the figures, which is smaller where only half of the real images can be used (features=domain)."""
    sizes = [figure["n"] for figure in figures]
    low, high = min(sizes), max(sizes)
    return f"{low}" if low == high else f"{low} to {high}"


def percent(value: float) -> str:
    """A share in per cent, small ones with three digits."""
    return f"{100 * value:.3g} %" if 0 < value < 0.1 else f"{100 * value:.0f} %"


_SENTENCES = {
    "precision": lambda f, things: (
        f"{percent(f['synthetic']['mean'])} of the synthetic {things} lie among the real ones; other real {things} reach "
        f"{percent(f['floor']['mean'])}."
    ),
    "density": lambda f, things: (
        f"They lie {f['synthetic']['mean'] / f['floor']['mean']:.2f} times as densely there."
        if f["floor"]["mean"] > 0
        else ""
    ),
    "recall": lambda f, things: (
        f"{percent(f['synthetic']['mean'])} of the real {things} lie among the synthetic ones; among other real {things} it "
        f"is {percent(f['floor']['mean'])}."
    ),
    "coverage": lambda f, things: (
        f"{percent(f['synthetic']['mean'])} have a synthetic one close by; {percent(f['floor']['mean'])} another real one."
    ),
}


def failed_audit(title: str, audit: dict[str, Any]) -> Question:
    """A no that names the tests of a privacy audit that fail."""
    failed = [sentence for sentence in audit["sentences"] if ": fails: " in sentence]
    return answered(title, "No", "no", doubted=f"The privacy audit fails: {'; '.join(failed)}.")


def _copies(card: dict[str, Any]) -> Question:
    title, exact, audit = "Free of copies?", card["copies"]["exact"], card["privacy"]
    if exact:
        are = "image is an exact copy of a real one" if exact == 1 else "images are exact copies of real ones"
        return answered(title, "No", "no", doubted=f"{exact} synthetic {are}.")
    if audit["verdict"] == "fails":
        return failed_audit(title, audit)
    if audit["verdict"] == "passes":
        passed = "The privacy audit passes: how many copies it would have noticed is said with it, below."
        if audit["calibration"] == "holdout":
            return answered(title, "No sign of any", "yes", trusted=passed)
        limits = "It had no holdout, so it does not know how near images that nobody copied would lie."
        return answered(title, "None seen", "partly", trusted=passed, doubted=limits)
    near = next(figure for figure in card["figures"] if figure["question"] == "copies")
    share = (
        f"{percent(near['synthetic']['mean'])} lie as near to a real image as the closest 1 % of the real images to each "
        f"other; of new real images {percent(near['floor']['mean'])} do."
    )
    unknown = "The privacy audit cannot tell: see below."
    if near["worse"]:
        return answered(title, "In doubt", "partly", doubted=f"{share} {unknown}")
    return answered(title, "Cannot be told", "open", trusted=share, doubted=unknown)


def _mix(card: dict[str, Any]) -> Question:
    figures = [figure for figure in card["figures"] if figure["question"] == "mix"]
    worse = [figure["title"].lower() for figure in figures if figure["worse"]]
    if not worse:
        same = ", ".join(figure["title"].lower() for figure in figures)
        return answered("Same mix?", "Yes", "yes", trusted=f"No difference is told in {same} at n = {_sizes(figures)}.")
    return answered("Same mix?", "Differs", "partly", doubted=f"Other than in the real images: {', '.join(worse)}.")


def _useful(study: dict[str, Any] | None) -> Question:
    arms = [arm for arm in (study or {}).get("arms", []) if arm["kind"] == "synthetic" and arm["minus_best_control"]]
    if study is None or not arms:
        return answered(
            "Useful?", "Not measured", "open", doubted="No model was trained with and without these images."
        )
    metric = study["metrics"][0]
    best = max(arms, key=lambda arm: arm["scores"][metric]["mean"])
    difference, low, high = _best_of(len(arms), best["minus_best_control"][metric])
    chosen = f", widened for the choice among {len(arms)} arms" if len(arms) > 1 else ""
    said = (
        f"{best['arm']}: {metric} {difference:+.3f} [{low:+.3f}, {high:+.3f}{chosen}] over the best control, "
        f"{study['best_control']}, with {study['seeds']} seed{'s' * (study['seeds'] != 1)}, "
        f"tested on {tested_on(study)}."
    )
    warnings = [f"W{sentence[1:]}." for sentence in study["verdict"] if sentence.startswith("warning: ")]
    if study["seeds"] == 1:
        unknown = " ".join([f"{said} What another seed would give is not known.", *warnings])
        return answered("Useful?", "Cannot be told", "open", doubted=unknown)
    if low > 0:
        return answered("Useful?", "Yes", "yes", trusted=said, doubted=" ".join(warnings))
    return answered("Useful?", "A loss" if high < 0 else "No gain seen", "no", doubted=" ".join([said, *warnings]))


def _best_of(arms: int, gap: dict[str, float]) -> tuple[float, float, float]:
    """The difference of the best of so many arms, and its 95 % interval after Bonferroni.

    Each side is widened by the ratio of the normal quantiles at 0.025 / arms and 0.025.
    """
    factor = NormalDist().inv_cdf(1 - 0.025 / arms) / NormalDist().inv_cdf(0.975)
    middle = gap["difference"]
    return middle, middle - factor * (middle - gap["low"]), middle + factor * (gap["high"] - middle)
