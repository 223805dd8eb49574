"""`python -m eval real=FILE` as a user meets it: the files it writes, the verdict, and odd tables."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from eval_table_files import COLUMNS, rows, write

from eval.__main__ import main
from eval.tables.table import Column

FAST = ["floor_repeats=8", "draws=100", "seeds=1", "models=[linear]"]


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    """A fifth of the classifier's trees: they are most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.tables.c2st.TREES", 20)
        yield


def run(folder: Path, files, *options, columns=COLUMNS):
    given = [f"{key}={write(folder / f'{key}.csv', values, columns)}" for key, values in files.items()]
    assert main([*given, f"out={folder / 'out'}", *options]) == 0
    return json.loads((folder / "out" / "card.json").read_text()), (folder / "out" / "report.html").read_text()


def answers(card):
    return {question["question"]: question["answer"] for question in card["verdict"]["questions"]}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    files = {"real": rows(160, 10), "synthetic": rows(160, 11), "test": rows(160, 12)}
    return folder / "out", *run(folder, files, "target=label", *FAST)


def test_real_rows_pass_for_real_rows(honest):
    _, card, _ = honest
    assert answers(card)["Faithful?"] == "Yes"
    assert answers(card)["Varied?"] == "Yes"
    assert card["privacy"]["verdict"] == "passes"
    assert card["verdict"]["headline"].startswith(
        "Not to be told from the real rows by these measures; no sign of copies"
    )


def test_a_replay_of_the_training_rows_wins_everything_but_privacy(honest):
    out, card, _ = honest
    metrics = json.loads((out / "metrics.json").read_text())
    replay = metrics["baselines"]["replay"]
    for name, figure in replay.items():
        excess = figure["excess"]
        worse = excess["high"] < 0 if figure["higher_is_better"] else excess["low"] > 0
        assert not worse, name
    study = {arm["arm"]: arm for arm in card["utility"]["arms"]}
    gap = study["replay"]["minus_real"][card["utility"]["metrics"][0]]
    assert gap["high"] >= 0
    audit = metrics["privacy_of_baselines"]["replay"]
    assert audit["verdict"] == "fails"
    assert audit["duplicates"]["exact"] == 160
    assert audit["evidence"][0]["dcr"]["value"] > 0.9
    assert audit["membership"]["auc"]["low"] > 0.5
    compared = {row["source"]: row for row in card["compared"]}
    assert (compared["replay"]["privacy"], compared["replay"]["exact"]) == ("fails", 1.0)
    assert compared["smote"]["dcr_share"] > 0.6
    assert compared["independent"]["figures"]["c2st_auc"] > 0.75
    assert compared["independent"]["figures"]["shape_error"] < 1.5 * compared["real"]["figures"]["shape_error"]


def test_the_report_is_one_file_with_its_pictures(honest):
    _, card, page = honest
    assert page.count('<svg class="marginal"') == 4
    assert page.count('<rect class="cell"') == 16
    assert "http" not in page
    assert "<script" not in page
    assert len(card["closest"]["pairs"]) == 8
    assert "Models: linear. None is tuned." in page
    for words in (
        "Beside real rows and baselines",
        "Trained on synthetic rows, tested on real ones",
        "no proof of privacy",
    ):
        assert words in page


def test_rows_far_from_real_ones_are_said_to_be(tmp_path, capsys):
    far = rows(120, 1, shift=3.0)
    far[:, 3] = np.random.default_rng(0).permutation(np.arange(120) % 2)
    files = {"real": rows(120, 0), "synthetic": far, "test": rows(80, 2)}
    card, _ = run(tmp_path, files, "baselines=[]", *FAST, "target=label")
    assert answers(card)["Faithful?"] == "No"
    assert "classifier tells them from real rows" in card["verdict"]["questions"][0]["doubted"]
    assert answers(card)["Same mix?"] == "Differs"
    assert answers(card)["Useful?"] == "Hardly"
    printed = capsys.readouterr().out
    assert re.search(r"c2st_auc +0\.9", printed)
    assert "Far from the real rows" in printed


def odd(name, n, seed):
    random = np.random.default_rng(seed)
    values = rows(n, seed)
    if name == "missing":
        values[random.uniform(size=values.shape) < [0.2, 0.0, 0.0, 0.0]] = np.nan
        return values, (Column("x"), *COLUMNS[1:])
    chosen = {"no number": [2, 3], "no category": [0, 1], "one column": [0], "one name": [2]}[name]
    return values[:, chosen], tuple(COLUMNS[i] for i in chosen)


@pytest.mark.parametrize("name", ["missing", "no number", "no category", "one column", "one name"])
def test_odd_tables(tmp_path, name):
    files = {key: odd(name, 60, seed)[0] for seed, key in enumerate(("real", "synthetic", "test"))}
    columns = odd(name, 60, 0)[1]
    card, page = run(
        tmp_path, files, f"target={columns[-1].name}", "baselines=[smote,independent]", *FAST[1:], "floor_repeats=3", columns=columns
    )  # fmt: skip
    assert card["privacy"]["verdict"] != "fails", card["privacy"]["sentences"]
    assert ("Pairs of columns" in page) == (len(columns) > 1)
    assert "NaN" not in (tmp_path / "out" / "card.json").read_text()


def test_several_files_without_a_target_or_other_real_rows(tmp_path, capsys):
    for k in range(2):
        write(tmp_path / f"s{k}.csv", rows(40, k + 1))
    real = write(tmp_path / "r.csv", rows(80, 0))
    given = [f"real={real}", f"synthetic=[{tmp_path / 's0.csv'},{tmp_path / 's1.csv'}]", f"out={tmp_path / 'out'}"]
    assert main([*given, "baselines=[]", "floor_repeats=3"]) == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert [file["rows"] for file in card["provenance"]["synthetic"]] == [40, 40]
    assert answers(card)["Useful?"] == "Not measured"
    assert "utility" not in card
    printed = capsys.readouterr().out
    assert "2 synthetic files are taken as samples of one generator" in printed
    assert "Without test=FILE" in printed


def test_tuned_models_are_named_and_what_they_were_tuned_to(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("eval.tables.tune.MOST_TREES", 5)
    files = {"real": rows(80, 0), "synthetic": rows(60, 1), "test": rows(60, 2)}
    options = ["target=label", "baselines=[]", *FAST[:3], "models=[linear,boosting]"]
    card, page = run(tmp_path, files, *options, "tune=2")
    said = card["utility"]["said_of_models"]
    assert said.startswith("Models: linear, boosting. Tuned in 2 trials on a fifth of the training file")
    assert card["utility"]["models"] == ["linear", "boosting"]
    assert list(card["utility"]["tuned"]) == ["boosting"]
    assert said in page
    assert said in capsys.readouterr().out
    for refused, message in ((["models=[linear]"], "none of models"), (["tune=-1"], "must be 0 or more")):
        given = [f"{key}={tmp_path / f'{key}.csv'}" for key in files]
        assert main([*given, f"out={tmp_path / 'o'}", *options[:-1], "tune=2", *refused]) == 2
        assert message in capsys.readouterr().err


def test_a_test_file_of_one_class_is_refused(tmp_path, capsys):
    test = rows(40, 2)
    test[:, 3] = 1
    paths = [write(tmp_path / f"{k}.csv", v) for k, v in (("r", rows(40, 0)), ("s", rows(40, 1)), ("t", test))]
    given = [f"{key}={path}" for key, path in zip(("real", "synthetic", "test"), paths, strict=True)]
    assert main([*given, "target=label", f"out={tmp_path / 'o'}", *FAST, "baselines=[]"]) == 2
    assert "its target label has one value alone" in capsys.readouterr().err
