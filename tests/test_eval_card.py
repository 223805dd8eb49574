"""The card's verdict by its rules, and where its images come from."""

import hashlib
import json

import pytest
from card_files import audit, figure, metrics, origin, study

from eval.card import build_card, question_of, title_of
from eval.comparison import open_comparison
from eval.config import config_from_args
from eval.html_studies import utility
from eval.meanings import MEANINGS
from eval.provenance import fingerprint, provenance
from eval.study_file import read_study


def verdict_of(utility=None, **changes):
    verdict = build_card(metrics(**changes), origin(), utility)["verdict"]
    return verdict["headline"], {question["question"]: question for question in verdict["questions"]}


@pytest.fixture
def studied(tmp_path):
    def read(*gaps, seeds=2):
        (tmp_path / "utility.json").write_text(json.dumps(study(*gaps, seeds=seeds)))
        return read_study(tmp_path / "utility.json")

    return read


def test_real_images_among_themselves_are_faithful_and_varied():
    headline, questions = verdict_of()
    assert [questions[name]["answer"] for name in ("Faithful?", "Varied?")] == ["Yes", "Yes"]
    assert questions["Free of copies?"]["answer"] == "No sign of any"
    assert questions["Useful?"]["answer"] == "Not measured"
    assert headline.startswith("Not to be told from the real images")
    assert "Same mix?" not in questions


def test_a_lost_mode_leaves_them_faithful_but_not_varied():
    _, questions = verdict_of(recall=figure(0.7, 0.9, higher=True))
    assert questions["Faithful?"]["answer"] == "Yes"
    assert questions["Varied?"]["level"] == "partly"
    assert "70 % of the real images lie among the synthetic ones" in questions["Varied?"]["trusted"]
    assert "1 of 2 measures at n = 100" in questions["Varied?"]["doubted"]
    headline, questions = verdict_of(recall=figure(0.44, 0.9, higher=True))
    assert questions["Varied?"]["answer"] == "No"
    assert headline.startswith("Far from the real images")


def test_a_distance_alone_makes_them_partly_faithful():
    headline, questions = verdict_of(frechet_random=figure(0.5, 0.1))
    assert (questions["Faithful?"]["answer"], questions["Varied?"]["answer"]) == ("Partly", "Yes")
    assert headline.startswith("Close to the real images, but not the same")


def test_a_figure_better_than_its_floor_counts_for_nothing():
    assert verdict_of(precision=figure(0.99, 0.9, higher=True))[1]["Faithful?"]["answer"] == "Yes"


def test_what_would_go_unseen_cannot_be_told():
    headline, questions = verdict_of(precision=figure(0.9, 0.9, 0.1, higher=True, n=6))
    assert questions["Faithful?"]["answer"] == "Cannot be told"
    assert "precision would go unseen" in questions["Faithful?"]["doubted"]
    assert headline.startswith("Too few images to tell")
    assert verdict_of(precision=figure(0.9, 0.9, 0.08, higher=True))[1]["Faithful?"]["answer"] == "Yes"


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"nearest": metrics()["nearest"] | {"copies": 1}, "privacy": audit("passes")}, "No"),
        ({"privacy": audit("fails")}, "No"),
        ({"privacy": audit("passes")}, "No sign of any"),
        ({"privacy": audit("passes", "training")}, "None seen"),
        ({"privacy": audit("fails", "training")}, "No"),
        ({"privacy": audit("cannot be told")}, "Cannot be told"),
        ({"privacy": audit("cannot be told"), "share_near_real": figure(0.2, 0.03)}, "In doubt"),
        ({"share_near_real": figure(0.2, 0.03)}, "No sign of any"),
    ],
)
def test_copies(changes, answer):
    headline, questions = verdict_of(**changes)
    assert questions["Free of copies?"]["answer"] == answer
    assert ("Not to be shared" in headline) == (answer == "No")


def test_use_is_told_by_the_best_arm_against_the_best_control(studied):
    found = verdict_of(studied((0.01, -0.03, 0.05), (0.06, 0.02, 0.1)))[1]["Useful?"]
    assert (found["answer"], found["doubted"]) == ("Yes", "Warning: few.")
    headline, questions = verdict_of(studied((0.01, -0.03, 0.05)))
    assert questions["Useful?"]["answer"] == "No gain seen"
    assert (
        "+1: AP50 +0.010 [-0.030, +0.050] over the best control, oversampled, with 2 seeds"
        in (questions["Useful?"]["doubted"])
    )
    assert headline.endswith("no gain seen for training.")
    assert questions["Useful?"]["doubted"].endswith("Warning: few.")
    assert verdict_of(studied((-0.05, -0.08, -0.02)))[1]["Useful?"]["answer"] == "A loss"
    assert verdict_of(studied())[1]["Useful?"]["answer"] == "Not measured"


def test_the_best_of_several_arms_must_gain_more_than_one_alone(studied):
    barely = (0.06, 0.002, 0.118)
    assert verdict_of(studied(barely))[1]["Useful?"]["answer"] == "Yes"
    found = verdict_of(studied((0.0, -0.1, 0.1), barely))[1]["Useful?"]
    assert found["answer"] == "No gain seen"
    # 1.96 becomes the normal quantile at 1 - 0.0125, 2.2414: 0.058 * 2.2414 / 1.96 = 0.0663
    assert "+2: AP50 +0.060 [-0.006, +0.126, widened for the choice among 2 arms]" in found["doubted"]


def test_one_seed_tells_nothing_of_others(studied):
    headline, questions = verdict_of(studied((0.06, 0.02, 0.1), seeds=1))
    assert questions["Useful?"]["answer"] == "Cannot be told"
    assert headline.endswith("; their use cannot be told.")
    assert "with 1 seed, tested on" in questions["Useful?"]["doubted"]


def test_the_n_of_figures_that_differ_in_it_is_given_as_a_range():
    _, questions = verdict_of(sar_looks=figure(0.5, 0.1, n=200))
    assert (
        "Told from real images by 1 of 4 measures at n = 100 to 200: SAR: equivalent looks."
        in questions["Faithful?"]["doubted"]
    )


def test_the_mix_is_asked_for_where_it_was_measured():
    _, questions = verdict_of(bias_class=figure(0.3, 0.1), bias_intensity=figure(0.1, 0.1))
    assert questions["Same mix?"]["doubted"] == "Other than in the real images: shares of class."
    assert questions["Faithful?"]["answer"] == "Yes"
    assert verdict_of(bias_class=figure(0.1, 0.1))[1]["Same mix?"]["answer"] == "Yes"


def test_every_figure_has_a_title_and_a_question():
    titles = [title_of(name) for name in [*MEANINGS, "fid_infinity", "skew_class", "bias_attribute_plane"]]
    assert len(set(titles)) == len(titles)
    assert title_of("frechet_random_infinity") == "Fréchet distance, random features, extrapolated"
    assert [question_of(n) for n in ("kid", "recall", "share_near_real", "skew_x")] == [
        "faithful",
        "varied",
        "copies",
        "mix",
    ]


def test_the_card_is_plain_json_and_names_what_it_lacks(studied):
    plain = build_card(metrics(), origin())
    assert json.loads(json.dumps(plain)) == plain
    assert not {"by_class", "bias", "utility"} & plain.keys()
    assert plain["copies"]["closest"] == audit("passes")["closest"]
    rich = build_card(
        metrics(by_class={"a": {"recall": figure(0.5, 0.9, higher=True)}}, bias={}),
        origin(),
        studied((0.1, 0.0, 0.2)),
    )
    assert rich["by_class"]["a"][0]["worse"] is True
    assert (rich["privacy"]["calibration"], "nearest" in rich) == ("holdout", False)
    assert [row["expected"] for row in rich["privacy"]["rows"]] == [0.01, 0.01, 0.5, 0.5, 0.01]
    assert "runs" not in rich["utility"]


def test_what_the_intervals_take_as_independent_is_said_in_the_verdict_and_on_the_page(studied, tmp_path):
    plain = studied((0.1, 0.05, 0.2), (0.0, -0.1, 0.1))
    assert "test_groups" not in plain
    (tmp_path / "g.json").write_text(
        json.dumps(study((0.1, 0.05, 0.2)) | {"test_groups": {"by": "scene", "count": 24}})
    )
    grouped = read_study(tmp_path / "g.json")
    assert grouped["test_groups"] == {"by": "scene", "count": 24}
    for found, words in (
        (plain, "tested on 100 real images, taken as independent of each other."),
        (grouped, "tested on 100 real images, drawn as 24 groups by scene."),
    ):
        useful = verdict_of(found)[1]["Useful?"]
        assert words in useful["trusted"] + useful["doubted"]
        assert words in utility(found)


@pytest.mark.parametrize(
    "content", ["[]", "{}", "no", '{"task": "x", "arms": [], "test_groups": 3}', '{"task": "x", "arms": []}']
)
def test_a_file_that_is_no_study_is_named(tmp_path, content):
    (tmp_path / "u.json").write_text(content)
    with pytest.raises(ValueError, match="u.json: not what python -m eval.utility writes"):
        read_study(tmp_path / "u.json")


def test_the_fingerprint_is_of_what_is_in_the_files_not_of_their_names():
    assert fingerprint(["b", "a"]) == fingerprint(["a", "b"]) == hashlib.sha256(b"a\nb").hexdigest()
    assert fingerprint(["a"]) != fingerprint(["a", "a"])


def test_provenance_is_read_beside_the_images(tmp_path, images):
    samples = tmp_path / "samples"
    (samples / "images").mkdir(parents=True)
    rows = []
    for i, path in enumerate(sorted(images.iterdir())[:4]):
        (samples / "images" / path.name).write_bytes(path.read_bytes())
        rows.append(
            {"file": f"images/{path.name}", "checkpoint": "abc", "sampler": "ddim", "seed": i % 2, "class": None}
        )
    (samples / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (samples / "request.json").write_text('{"num_samples": 4}')
    config = config_from_args([f"real={images}", f"synthetic={samples}", f"out={tmp_path / 'out'}"])
    found = provenance(open_comparison(config))
    assert (found["synthetic"]["checkpoint"], found["synthetic"]["seed"]) == (["abc"], ["0", "1"])
    assert found["synthetic"]["request"] == {"num_samples": 4}
    assert found["synthetic"]["images"] == 4
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in images.iterdir()]
    assert found["real"] == {"folder": str(images), "images": 12, "sha256": fingerprint(hashes)}
    assert found["config"]["synthetic"] == str(samples)
    assert "holdout" not in found
    (samples / "request.json").write_text("not JSON")
    assert "request" not in provenance(open_comparison(config))["synthetic"]
