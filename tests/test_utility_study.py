"""The study without any network: resuming, intervals with a known answer, the knee and the words."""

import errno
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from eval.groups import Groups
from eval.utility.claim import claim
from eval.utility.intervals import Interval, interval, resample
from eval.utility.study import Arm, Run, run_study
from eval.utility.summary import summarise, table

IMAGES = 400
ROOT = Path(__file__).parents[1]


class Coins:
    """A task whose arms get each test image right by chance; the score is the share that is right."""

    metrics = ("accuracy",)
    test_images = IMAGES

    def __init__(
        self, chances: dict[str, float], *, seed_noise: float = 0.0, recipe: int = 1, groups: Groups | None = None
    ) -> None:
        kinds = {"real": "baseline", "control": "control"}
        self.arms = {
            name: Arm(
                kinds.get(name, "synthetic"), "", {"train": 1, "val": 1}, int(name[1:]) if name[0] == "+" else None
            )
            for name in chances
        }
        self.chances, self.seed_noise, self.recipe, self.trained = chances, seed_noise, recipe, []
        self.test_groups = groups

    def identity(self, arm):
        return {"recipe": self.recipe, "chance": self.chances[arm]}

    def train_and_score(self, arm, seed):
        self.trained.append((arm, seed))
        noise = self.seed_noise * np.random.default_rng(seed).standard_normal()
        right = np.random.default_rng(99).random(IMAGES) < self.chances[arm] + noise  # the same images are hard for all
        return Run({"accuracy": float(right.mean())}, right.astype(int).tolist())

    def scorer(self, records):
        right = np.array(records)
        return lambda weights: np.array([weights @ right / weights.sum()])


def quiet(_):
    pass


def test_an_interrupted_study_goes_on_and_ends_as_one_that_was_not(tmp_path):
    chances = {"real": 0.5, "control": 0.5, "+2": 0.6}

    class Stopped(Coins):
        def train_and_score(self, arm, seed):
            if len(self.trained) == 4:
                raise KeyboardInterrupt
            return super().train_and_score(arm, seed)

    stopped, later, whole = Stopped(chances), Coins(chances), Coins(chances)
    with pytest.raises(KeyboardInterrupt):
        run_study(stopped, 3, tmp_path / "a", quiet)
    resumed = run_study(later, 3, tmp_path / "a", quiet)
    assert stopped.trained + later.trained == [(arm, seed) for seed in range(3) for arm in chances]
    assert not list((tmp_path / "a" / "runs").glob("*.partial"))
    expected = run_study(whole, 3, tmp_path / "b", quiet)
    for arm in chances:
        assert [run.scores for run in resumed[arm]] == [run.scores for run in expected[arm]]
        assert [run.records for run in resumed[arm]] == [run.records for run in expected[arm]]
    more = Coins(chances)
    assert len(run_study(more, 4, tmp_path / "a", quiet)["real"]) == 4
    assert more.trained == [(arm, 3) for arm in chances]


def test_a_run_that_another_process_is_at_is_left_to_it_and_waited_for(tmp_path):
    """The other process is played by a lock of our own, which is let go when this one has nothing else to do."""
    chances = {"real": 0.5, "+2": 0.6}
    other, mine = Coins(chances), Coins(chances)
    theirs = run_study(Coins(chances), 2, tmp_path / "whole", quiet)
    (tmp_path / "runs").mkdir()
    said = []
    with ExitStack() as held:
        assert held.enter_context(claim(tmp_path / "runs" / "real_0.lock"))

        def say(line):
            said.append(line)
            if line.startswith("waiting"):  # the other process writes its run, then leaves
                one = run_study(other, 1, tmp_path / "other", quiet)["real"][0]
                os.replace(tmp_path / "other" / "runs" / "real_0.json", tmp_path / "runs" / "real_0.json")
                held.close()
                assert one.scores == theirs["real"][0].scores

        shared = run_study(mine, 2, tmp_path, say, wait=0.0)
    assert mine.trained == [("+2", 0), ("real", 1), ("+2", 1)]
    assert said[0].startswith("[1/4] +2, seed 0")
    assert said[3:] == ["waiting for other processes: 1 of 4 runs"]
    assert {arm: [run.scores for run in runs] for arm, runs in shared.items()} == {
        arm: [run.scores for run in runs] for arm, runs in theirs.items()
    }
    assert not list((tmp_path / "runs").glob("*.lock"))


def test_a_run_whose_process_died_is_taken_over(tmp_path):
    """A killed process leaves the file of its lock, but not the lock."""
    (tmp_path / "runs").mkdir()
    lock = tmp_path / "runs" / "real_0.lock"
    code = "import os, sys, pathlib; from eval.utility.claim import claim; held = claim(pathlib.Path(sys.argv[1])); held.__enter__(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, str(lock)], cwd=ROOT).returncode == 9
    assert lock.is_file()
    mine = Coins({"real": 0.5})
    run_study(mine, 1, tmp_path, quiet)
    assert mine.trained == [("real", 0)]


@pytest.mark.skipif(sys.platform == "win32", reason="has no flock")
def test_where_the_file_system_has_no_locks_a_study_is_made_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")  # as Lustre without the option flock

    monkeypatch.setattr("fcntl.flock", refuse)
    mine = Coins({"real": 0.5})
    run_study(mine, 2, tmp_path, quiet)
    assert mine.trained == [("real", 0), ("real", 1)]
    assert not list((tmp_path / "runs").glob("*.lock"))


def test_a_changed_setting_is_refused_before_anything_is_trained(tmp_path):
    run_study(Coins({"real": 0.5}), 1, tmp_path, quiet)
    changed = Coins({"control": 0.5, "real": 0.5}, recipe=2)
    with pytest.raises(ValueError, match=r"real_0.json was made with recipe=1, now recipe=2: choose another out"):
        run_study(changed, 1, tmp_path, quiet)
    assert changed.trained == []
    for content in ("{", "[]", "{}", "3"):
        (tmp_path / "runs" / "real_0.json").write_text(content)
        with pytest.raises(ValueError, match=r"real_0.json: is not a run's file"):
            run_study(Coins({"real": 0.5}), 1, tmp_path, quiet)


def spread_of(scorers, images, draws=4000):
    worlds = resample(scorers, images, draws=draws)
    return (worlds[:, 1] - worlds[:, 0])[:, 0]


def share_right(right):
    return lambda weights: np.array([weights @ right / weights.sum()])


def test_over_images_the_spread_is_that_of_the_mean_of_paired_differences():
    rng = np.random.default_rng(0)
    one, other = (rng.random((2, 200)) < [[0.5], [0.7]]).astype(float)
    drawn = spread_of([[share_right(one)], [share_right(other)]], 200)
    assert drawn.std() == pytest.approx((other - one).std() / np.sqrt(200), rel=0.05)
    assert drawn.mean() == pytest.approx((other - one).mean(), abs=0.003)
    gap = interval((other - one).mean(), drawn)
    assert gap.high - gap.low == pytest.approx(2 * 1.96 * drawn.std(), rel=0.05)


@pytest.mark.parametrize("seeds", [2, 5])
def test_over_seeds_the_variance_is_the_unbiased_one_of_a_mean(seeds):
    gaps = np.random.default_rng(1).normal(0, 1, seeds)
    constant = [[lambda weights: np.zeros(1)] * seeds, [lambda weights, gap=gap: np.array([gap]) for gap in gaps]]
    assert spread_of(constant, 10).var() == pytest.approx(gaps.var(ddof=1) / seeds, rel=0.08)


def test_without_groups_each_image_is_drawn_by_itself_as_it_always_was():
    seen = []
    resample([[lambda drawn: seen.append(drawn) or np.zeros(1)]], 7, draws=3)
    rng = np.random.default_rng(0)
    for drawn in seen:
        assert np.array_equal(drawn, np.bincount(rng.integers(7, size=7), minlength=7))
        rng.integers(1, size=1)
    assert len(seen) == 3


def test_images_of_one_group_are_drawn_together_and_one_group_less_than_there_are():
    of_image, seen = np.array([0, 0, 1, 2, 2, 2]), []
    resample([[lambda drawn: seen.append(drawn) or np.zeros(1)]], 6, draws=50, groups=of_image)
    assert all(drawn[0] == drawn[1] and drawn[3] == drawn[4] == drawn[5] for drawn in seen)
    assert {int(drawn[0] + drawn[2] + drawn[3]) for drawn in seen} == {2}
    assert len({tuple(drawn) for drawn in seen}) == 6  # all ways to draw two of three with replacement


@pytest.mark.parametrize("copies", [1, 8])
def test_over_groups_the_variance_is_the_unbiased_one_of_a_mean_of_groups_however_many_copies_each_has(copies):
    gaps = np.random.default_rng(4).normal(0, 1, 6)
    none, each = np.zeros(6 * copies), np.repeat(gaps, copies)
    groups = np.repeat(np.arange(6), copies)
    worlds = resample([[share_right(none)], [share_right(each)]], len(each), draws=4000, groups=groups)
    assert (worlds[:, 1] - worlds[:, 0]).var() == pytest.approx(gaps.var(ddof=1) / 6, rel=0.08)


def test_pairs_share_their_images_and_seeds():
    right = (np.random.default_rng(2).random(50) < 0.5).astype(float)
    scorers = [[share_right(right * s) for s in (0.2, 0.5, 0.9)] for _ in range(2)]
    assert np.all(spread_of(scorers, 50, draws=200) == 0)


def summary_of(tmp_path, chances, seeds=5, **options):
    task = Coins(chances, **options)
    return summarise(task, run_study(task, seeds, tmp_path, quiet), draws=400), task


def test_a_gain_is_said_with_its_interval_and_the_knee_is_named(tmp_path):
    summary, task = summary_of(
        tmp_path, {"real": 0.5, "control": 0.6, "+1": 0.62, "+2": 0.8, "+5": 0.8}, seed_noise=0.01
    )
    assert summary["best_control"] == "control"
    assert summary["knee"] == 2
    assert summary["verdict"][0].startswith("+5: a gain over the best control, control (accuracy +0.")
    assert "; a gain over real (" in summary["verdict"][0]
    assert "knee: +2, beyond which nothing is gained" in summary["verdict"]
    last = summary["arms"][-1]
    means = {arm["arm"]: arm["scores"]["accuracy"]["mean"] for arm in summary["arms"]}
    assert last["minus_real"]["accuracy"]["difference"] == pytest.approx(means["+5"] - means["real"])
    assert last["minus_best_control"]["accuracy"]["difference"] == pytest.approx(means["+5"] - means["control"])
    assert summary["arms"][0]["minus_real"] is None
    assert json.loads(json.dumps(summary)) == summary
    lines = table(summary, task.metrics).splitlines()
    assert lines[0].split() == [
        *("arm", "train", "val", "accuracy", "accuracy", "minus", "real", "accuracy", "minus", "best", "control")
    ]
    assert lines[5].startswith("+5")
    assert lines[7:] == summary["verdict"]


def test_groups_widen_the_intervals_and_are_counted_and_named(tmp_path):
    chances = {"real": 0.5, "+1": 0.6}
    plain, _ = summary_of(tmp_path, chances)
    right = np.random.default_rng(99).random(IMAGES)
    hard = Groups("scene", np.argsort(np.argsort(right)) // 20)  # 20 groups of images that are equally hard
    grouped, task = summary_of(tmp_path, chances, groups=hard)
    gaps = [summary["arms"][1]["minus_real"]["accuracy"] for summary in (plain, grouped)]
    assert gaps[0]["difference"] == gaps[1]["difference"]
    assert gaps[1]["high"] - gaps[1]["low"] > 2 * (gaps[0]["high"] - gaps[0]["low"])
    assert "test_groups" not in plain
    assert grouped["test_groups"] == {"by": "scene", "count": 20}
    said = "intervals: 400 test images were drawn as the 20 groups that they form by scene"
    assert said in grouped["verdict"]
    assert said in table(grouped, task.metrics)
    assert not any("groups" in line for line in plain["verdict"])
    few, _ = summary_of(tmp_path, chances, groups=Groups("scene", np.arange(IMAGES) % 4))
    assert "warning: few groups (4): the intervals say little about others" in few["verdict"]


def test_no_gain_and_a_loss_are_said_too(tmp_path):
    summary, _ = summary_of(tmp_path, {"real": 0.6, "control": 0.5, "+1": 0.6, "+2": 0.4}, seed_noise=0.02)
    assert summary["best_control"] == "real"
    assert summary["verdict"][0].startswith("+2: a loss against the best control, real (accuracy -0.")
    assert summary["verdict"][1].startswith("+1: no gain over the best control, real (accuracy +0.000")
    assert summary["verdict"][2] == "knee: none"
    assert summary["knee"] is None


def test_an_arm_with_a_control_of_its_own_is_compared_with_it_too(tmp_path):
    task = Coins({"real": 0.5, "control": 0.8, "weighted": 0.55, "filled": 0.7})
    counts = {"train": 1, "val": 1}
    task.arms |= {"weighted": Arm("control", "", counts), "filled": Arm("synthetic", "", counts, None, "weighted")}
    summary = summarise(task, run_study(task, 5, tmp_path, quiet), draws=400)
    means = {arm["arm"]: arm["scores"]["accuracy"]["mean"] for arm in summary["arms"]}
    gap = summary["arms"][-1]["minus_own_control"]["accuracy"]
    assert gap["difference"] == pytest.approx(means["filled"] - means["weighted"])
    assert 0 < gap["low"] < gap["difference"] < gap["high"]
    assert summary["verdict"][0].startswith("filled: a loss against the best control, control (")
    assert summary["verdict"][1].startswith("filled against weighted, its own control: a gain in accuracy (+0.")
    head, *rows = table(summary, task.metrics).splitlines()
    assert head.endswith("accuracy minus its own control")
    assert [row.endswith("] to weighted") for row in rows[:4]] == [False, False, False, True]


def test_draws_that_cannot_tell_do_not_count():
    assert interval(0.5, np.array([0.4, np.nan, 0.6, np.nan])) == interval(0.5, np.array([0.4, 0.6]))


def test_controls_alone_have_no_verdict_and_few_seeds_and_stuck_ones_are_named(tmp_path):
    summary, _ = summary_of(tmp_path, {"real": 0.6, "control": 0.05}, seeds=2)
    assert summary["verdict"] == [
        "no synthetic arm was run; the best control is real",
        "warning: control did not converge with seed 0, 1: tune the recipe on validation before comparing",
        "warning: few seeds (2): the intervals say little about others",
    ]


def test_an_interval_leaves_out_0_or_not():
    assert [Interval(0.1, low, high).sign for low, high in ((0.01, 0.2), (-0.1, 0.2), (-0.2, -0.01), (0.0, 0.1))] == [
        1,
        0,
        -1,
        0,
    ]
