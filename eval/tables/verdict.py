"""The verdict on a table in words, by rules that the page states; likeness is judged as for images (eval.verdict)."""

from typing import Any

from eval.tables.study import SYNTHETIC
from eval.verdict import LEAST_REACH, UNSEEN_LOSS, Question, answered, failed_audit, likeness, likeness_words, percent

TOLD_APART = 0.8  # an area under the curve from which on the answer is no
AS_GOOD, HARDLY = 0.9, 0.5  # of what real rows teach

RULES = [
    "Every figure is shown beside its floor: the same figure between two disjoint sets of n real rows, those of the test file "
    "included. It tells synthetic rows from real ones where it is further off than chance would have it, were these names dealt "
    "out anew by lot among all rows; for the classifier, by the spread of the area over rows. Of 20 honest files one or two are "
    "told by some figure.",
    "Faithful: yes where no measure of likeness tells the sets apart; no where one does and precision or density reaches less "
    f"than {LEAST_REACH:.0%} of its floor, or the classifier's area is {TOLD_APART} or more; else partly. Varied: yes, partly or "
    f"no by recall, coverage and β-recall, no where recall or coverage reaches less than {LEAST_REACH:.0%} of its floor.",
    f"Instead of a yes it is said that it cannot be told where a loss of {UNSEEN_LOSS:.0%} of one of these shares could have "
    "gone unseen at this n.",
    "Free of copies: no where the privacy audit fails, no sign of any where it passes: exact copies, rows near to one training "
    "row or nearer to them than to rows of a holdout, and an attack by distance, each beside what chance gives.",
    f"Useful: by models trained on synthetic rows alone and tested on real ones. Yes where they keep {AS_GOOD:.0%} or more of "
    f"what real rows teach beyond guessing, with all of the 95 % interval; else, where the interval shows a loss, no below "
    f"{HARDLY:.0%} and partly from there on; else it cannot be told. “As well as real rows” takes a yes and an interval of the "
    "loss that holds 0: that interval alone says that no loss was seen, and so do a few test rows of any rows.",
    "Same mix: yes where no figure of shares or subgroups tells the sets apart, else it differs.",
]


def judge(card: dict[str, Any]) -> dict[str, Any]:
    """The "verdict" of a table's card whose other sections are there."""
    faithful = _faithful(card)
    varied = likeness(card, "varied", ("recall", "coverage"), "rows")
    copies, (use, taught) = _copies(card["privacy"]), useful(card.get("utility"))
    mix = [_mix(card)] if any(figure["question"] == "mix" for figure in card["figures"]) else []
    rules = RULES if mix else RULES[:-1]
    return {
        "headline": _headline(faithful, varied, copies, taught), "questions": [faithful, varied, copies, use, *mix],
        "rules": rules,
    }  # fmt: skip


def _faithful(card: dict[str, Any]) -> Question:
    found = likeness(card, "faithful", ("precision", "density"), "rows")
    told = next(figure for figure in card["figures"] if figure["name"] == "c2st_auc")
    area = f"A classifier tells them from real rows with an area under the curve of {told['synthetic']['mean']:.2f}."
    if told["worse"] and told["synthetic"]["mean"] >= TOLD_APART:
        return found | {
            "answer": "No",
            "level": "no",
            "trusted": "",
            "doubted": f"{area} {found['trusted']} {found['doubted']}",
        }
    side = "doubted" if told["worse"] else "trusted"
    return found if not told["worse"] else found | {side: f"{area} {found[side]}"}


def _headline(faithful: Question, varied: Question, copies: Question, taught: str) -> str:
    if copies["level"] == "no":
        return "Not to be shared: the privacy audit fails."
    no_copies = {"yes": "no sign of copies", "open": "copies cannot be ruled out"}[copies["level"]]
    return f"{likeness_words(faithful, varied, 'rows')}; {no_copies}; {taught}."


def _copies(audit: dict[str, Any]) -> Question:
    title, seen = "Free of copies?", audit["sentences"][0]
    if audit["verdict"] == "fails":
        return failed_audit(title, audit)
    if audit["verdict"] == "passes":
        return answered(
            title, "No sign of any", "yes", trusted="The privacy audit passes: what it would have noticed is said below.",
            doubted="Distances and a weak attack are no proof of privacy.",
        )  # fmt: skip
    return answered(
        title, "Cannot be told", "open", trusted=f"{seen}.", doubted="The privacy audit cannot tell: see below."
    )


def useful(study: dict[str, Any] | None) -> tuple[Question, str]:
    """The question of use, and its part of the headline; `study` is the card's "utility"."""
    if study is None:
        doubted = "No model was trained on these rows: give target= and test=."
        return answered("Useful?", "Not measured", "open", doubted=doubted), "their use is open"
    kept, said = study["kept"][SYNTHETIC], f"Models {study['verdict'][0]}."
    if kept is None:
        doubted = f"Real rows teach no more than guessing. {said}"
        words = "their use is open, as real rows teach no more than guessing"
        return answered("Useful?", "Cannot be told", "open", doubted=doubted), words
    gap = next(arm["minus_real"] for arm in study["arms"] if arm["arm"] == SYNTHETIC)[study["metrics"][0]]
    answer, level, words = _taught(kept, gap)
    share = f"{percent(kept['difference'])} [{percent(kept['low'])}, {percent(kept['high'])}] of what real rows teach is kept. "
    side = "trusted" if level == "yes" else "doubted"
    amount = f"{percent(kept['difference'])}, {_loss(gap)} of {study['metrics'][0].partition(',')[0]}"
    return answered("Useful?", answer, level, **{side: share + said}), f"{words} ({amount})"


def _taught(kept: dict[str, float], gap: dict[str, float]) -> tuple[str, str, str]:
    """Answer, level and words, by the intervals of what is kept and of the score less that of real rows."""
    if gap["low"] > 0:
        return "Yes", "yes", "they teach models more than real rows do"
    lost = gap["high"] < 0
    if kept["low"] >= AS_GOOD:
        as_well = "almost as well as real rows" if lost else "as well as real rows, as far as these test rows tell"
        return "Yes", "yes", f"they teach models {as_well}"
    if not lost:
        return "Cannot be told", "open", "whether they teach models as well as real rows cannot be told"
    if kept["difference"] < HARDLY:
        return "Hardly", "no", "they teach models little"
    return "Partly", "partly", "they teach models less than real rows do"


def _loss(gap: dict[str, float]) -> str:
    """The difference to real rows as an amount with its interval."""
    word, sign, ends = ("gain", 1, ("low", "high")) if gap["difference"] > 0 else ("loss", -1, ("high", "low"))
    amount, low, high = (round(sign * gap[end], 3) + 0.0 for end in ("difference", *ends))  # + 0.0: no -0.000
    return f"a {word} of {amount:.3f} [{low:.3f}, {high:.3f}]"


def _mix(card: dict[str, Any]) -> Question:
    figures = [figure for figure in card["figures"] if figure["question"] == "mix"]
    worse = [figure["title"].lower() for figure in figures if figure["worse"]]
    lost = [f"{entry['column']} = {entry['category']}" for entry in card.get("lost_categories", []) if entry["lost"]]
    missing = f" Lost: {', '.join(lost[:5])}{' and others' * (len(lost) > 5)}." if lost else ""
    if not worse and not lost:
        same = ", ".join(figure["title"].lower() for figure in figures)
        return answered("Same mix?", "Yes", "yes", trusted=f"No difference is told in {same} at n = {figures[0]['n']}.")
    said = f"Other than in the real rows: {', '.join(worse)}." if worse else ""
    return answered("Same mix?", "Differs", "partly", doubted=(said + missing).strip())
