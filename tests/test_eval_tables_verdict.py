"""What is said of use follows the intervals."""

import pytest

from eval.tables.verdict import useful


def study(kept, gap):
    arm = {
        "arm": "synthetic",
        "minus_real": {"R2, mean of models": dict(zip(("low", "difference", "high"), gap, strict=True))},
    }
    shares = kept and dict(zip(("low", "difference", "high"), kept, strict=True))
    return {
        "metrics": ["R2, mean of models", "R2, linear"], "kept": {"synthetic": shares}, "verdict": ["said", "more"],
        "arms": [{"arm": "real", "minus_real": None}, arm],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "gap", "answer", "level", "headline"),
    [
        # of Insurance: 97 %, and the interval of the loss leaves out 0
        ((0.93, 0.97, 0.99), (-0.051, -0.026, -0.006), "Yes", "yes",
         "they teach models almost as well as real rows (97 %, a loss of 0.026 [0.006, 0.051] of R2)"),
        ((0.95, 0.99, 1.02), (-0.04, -0.01, 0.02), "Yes", "yes",
         "they teach models as well as real rows, as far as these test rows tell (99 %, a loss of 0.010 [-0.020, 0.040] of R2)"),
        ((0.95, 1.0, 1.02), (-0.04, 0.004, 0.02), "Yes", "yes",
         "they teach models as well as real rows, as far as these test rows tell (100 %, a gain of 0.004 [-0.040, 0.020] of R2)"),
        # an interval that holds 0 because there are few test rows is no sign of equality
        ((0.80, 0.97, 1.10), (-0.15, -0.02, 0.08), "Cannot be told", "open",
         "whether they teach models as well as real rows cannot be told (97 %, a loss of 0.020 [-0.080, 0.150] of R2)"),
        ((0.20, 0.40, 1.10), (-0.6, -0.4, 0.08), "Cannot be told", "open",
         "whether they teach models as well as real rows cannot be told (40 %, a loss of 0.400 [-0.080, 0.600] of R2)"),
        ((0.80, 0.85, 0.97), (-0.15, -0.1, -0.02), "Partly", "partly",
         "they teach models less than real rows do (85 %, a loss of 0.100 [0.020, 0.150] of R2)"),
        ((0.20, 0.30, 0.40), (-0.6, -0.5, -0.4), "Hardly", "no",
         "they teach models little (30 %, a loss of 0.500 [0.400, 0.600] of R2)"),
        ((1.01, 1.05, 1.10), (0.01, 0.03, 0.06), "Yes", "yes",
         "they teach models more than real rows do (105 %, a gain of 0.030 [0.010, 0.060] of R2)"),
        (None, (-0.1, 0.0, 0.1), "Cannot be told", "open", "their use is open, as real rows teach no more than guessing"),
    ],
)  # fmt: skip
def test_the_words_follow_the_intervals(kept, gap, answer, level, headline):
    question, words = useful(study(kept, gap))
    assert (question["answer"], question["level"], words) == (answer, level, headline)
    assert "Models said." in question["trusted"] + question["doubted"]


def test_what_was_not_measured_is_open():
    question, words = useful(None)
    assert (question["answer"], words) == ("Not measured", "their use is open")
