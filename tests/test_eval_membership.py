"""The membership attack: closed forms of its figures, and what it refuses."""

import json

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from eval.membership import attack, auc, scores, tpr_at_fpr
from eval.privacy_groups import SetGroups


@pytest.mark.parametrize("d", [0.0, 0.5, 1.5])
def test_auc_of_two_gaussians(d):
    """Phi(d / sqrt 2)."""
    random = np.random.default_rng(0)
    found = auc(random.standard_normal(20_000) + d, random.standard_normal(20_000))
    assert found.value == pytest.approx(norm.cdf(d / np.sqrt(2)), abs=0.006)
    assert found.high - found.low < 0.012


def test_auc_by_counting_pairs():
    random = np.random.default_rng(0)
    members, others = random.integers(0, 6, 30).astype(float), random.integers(0, 6, 40).astype(float)
    pairs = (members[:, None] > others) + 0.5 * (members[:, None] == others)
    assert auc(members, others).value == pytest.approx(pairs.mean())
    a, b = pairs.mean(axis=1).var(ddof=1) / 30, pairs.mean(axis=0).var(ddof=1) / 40
    found = auc(members, others)
    welch = (a + b) ** 2 / (a**2 / 29 + b**2 / 39)
    assert found.high - found.low == pytest.approx(2 * student.ppf(0.975, welch) * np.sqrt(a + b))


def test_exchangeable_scores_are_inside_at_the_nominal_rate():
    random = np.random.default_rng(1)
    inside, found_by_chance = [], []
    for _ in range(400):
        members, others = random.exponential(size=50), random.exponential(size=80)
        found = auc(members, others)
        inside.append(found.low <= 0.5 <= found.high)
        found_by_chance.append((members > np.sort(others)[-1]).mean())
    assert 0.92 < np.mean(inside) < 0.98
    assert np.mean(found_by_chance) == pytest.approx(1 / 81, abs=0.004)


def test_perfect_separation_and_ties(monkeypatch):
    monkeypatch.setattr("eval.membership.RESAMPLES", 50)
    members, others = np.arange(100.0, 140.0), np.arange(50.0)
    found = auc(members, others)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.88 < found.low < 0.92
    assert auc(others, members).value == 0.0
    rate, p_value = tpr_at_fpr(members, others, seed=0)
    assert (rate.value, rate.low) == (1.0, 1.0)
    assert rate.expected == pytest.approx(1 / 51)
    assert p_value < 1e-6
    ties = auc(np.ones(40), np.ones(50))
    assert (ties.value, ties.low, ties.high) == (0.5, 0.5, 0.5)
    rate, p_value = tpr_at_fpr(np.ones(40), np.ones(50), seed=0)
    assert (rate.value, p_value) == (0.0, 1.0)


def test_one_per_cent_of_the_others_at_most():
    members, others = np.full(10, 300.5), np.arange(301.0)  # of these the third highest is 298
    assert tpr_at_fpr(members - 2, others, seed=0)[0].value == 1.0  # two of 301 are above
    assert tpr_at_fpr(members - 3, others, seed=0)[0].value == 0.0


def test_each_loss_counts_alike_whatever_its_scale():
    random = np.random.default_rng(0)
    losses = random.standard_normal((2, 60, 2))
    members, others = scores(*losses)
    again, others_again = scores(*(losses * [1.0, 1000.0] + 5))
    np.testing.assert_allclose(np.concatenate([members, others]), np.concatenate([again, others_again]), atol=1e-9)
    lower, _ = scores(losses[0] - 1, losses[1])
    assert lower.mean() > members.mean()
    assert np.isfinite(scores(np.ones((4, 1)), np.ones((4, 1)))[0]).all()


def write(path, losses, *, first=0, **changes):
    images = [
        {"file": f"{i:03d}", "sha256": f"{first + i:064x}", "losses": list(row)}
        for i, row in enumerate(losses.tolist())
    ]
    file = {"format_version": 1, "checkpoint": "c", "settings": {"seed": 0, "timesteps": [5]}, "images": images}
    path.write_text(json.dumps(file | changes))
    return path


def test_a_model_that_knows_its_images_fails_and_a_stranger_does_not(tmp_path):
    random = np.random.default_rng(0)
    train, holdout = random.standard_normal((2, 400, 3))
    known = attack(write(tmp_path / "t", train - 1), write(tmp_path / "h", holdout, first=1000), seed=0)
    assert known.verdict == "fails"
    assert known.auc.value == pytest.approx(norm.cdf(np.sqrt(3 / 2)), abs=0.04)
    assert known.tpr.low > known.tpr.expected
    open_ = attack(write(tmp_path / "t", train), write(tmp_path / "h", holdout, first=1000), seed=0)
    assert open_.verdict == "passes"
    few = attack(write(tmp_path / "t", train[:9]), write(tmp_path / "h", holdout[:9], first=1000), seed=0)
    assert few.verdict == "cannot be told"
    assert "AUC" in few.words


BAD = {
    "is 003 of": {"first": 3},
    "have another checkpoint": {"first": 50, "checkpoint": "d"},
    "have another timesteps": {"first": 50, "settings": {"seed": 0, "timesteps": [6]}},
    "holds no losses": {"first": 50, "images": [{"file": "a"}]},
    "holds 0 images": {"first": 50, "images": []},
}


@pytest.mark.parametrize("message", BAD)
def test_files_that_cannot_be_held_against_each_other(tmp_path, message):
    losses = np.random.default_rng(0).random((8, 2))
    one, other = write(tmp_path / "t", losses), write(tmp_path / "h", losses, **BAD[message])
    if message == "holds 0 images":
        message = "holds no losses"
    with pytest.raises(ValueError, match=message):
        attack(one, other, seed=0)


def test_files_that_are_none(tmp_path):
    losses = write(tmp_path / "t", np.random.default_rng(0).random((8, 2)))
    (tmp_path / "text").write_text("no json")
    for name, message in (("text", "holds no losses"), ("gone", "No such file")):
        with pytest.raises(ValueError, match=message):
            attack(losses, tmp_path / name, seed=0)
    with pytest.raises(ValueError, match="holds no losses"):
        attack(losses, write(tmp_path / "nan", np.full((8, 2), np.nan), first=50), seed=0)
    with pytest.raises(ValueError, match="holds 2 images"):
        attack(losses, write(tmp_path / "two", np.random.default_rng(0).random((2, 2)), first=50), seed=0)


def clustered(random, members, others, size):
    """Scores of images of which those of one scene are alike, and the scenes, numbered from 0 on both sides."""
    sides = [np.repeat(random.standard_normal(count), size) for count in (members, others)]
    scores = [side + 0.5 * random.standard_normal(len(side)) for side in sides]
    return *scores, SetGroups("scene", *(np.repeat(np.arange(count), size) for count in (members, others)))


def test_images_that_stand_alone_are_groups_of_one():
    members, others, groups = clustered(np.random.default_rng(0), 40, 50, 1)
    assert auc(members, others, groups) == auc(members, others)


def test_images_of_one_scene_are_no_more_evidence_than_the_scene():
    """The interval is then that of the scenes; each image taken by itself, it is too narrow."""
    random = np.random.default_rng(0)
    of_scenes, of_images = [], []
    for _ in range(300):
        members, others, groups = clustered(random, 10, 6, 8)
        for inside, found in ((of_scenes, auc(members, others, groups)), (of_images, auc(members, others))):
            inside.append(found.low <= 0.5 <= found.high)
    assert np.mean(of_scenes) > 0.9
    assert np.mean(of_images) < 0.6


def test_members_found_by_chance_with_their_scene(monkeypatch):
    monkeypatch.setattr("eval.membership.RESAMPLES", 2)
    monkeypatch.setattr("eval.membership.DEALS", 99)
    random = np.random.default_rng(0)
    of_scenes, of_images, shares = [], [], []
    for _ in range(100):
        members, others, groups = clustered(random, 10, 6, 8)
        found, p_value = tpr_at_fpr(members, others, seed=0, groups=groups)
        of_scenes.append(p_value)
        shares.append((found.value, found.expected))
        of_images.append(tpr_at_fpr(members, others, seed=0)[1])
    value, expected = np.mean(shares, axis=0)
    assert expected == pytest.approx(value, abs=0.025), "three times the 1 / 49 of images that stand alone"
    assert expected > 0.045
    assert np.mean(np.array(of_scenes) <= 0.05) < 0.1
    assert np.mean(np.array(of_images) <= 0.05) > 0.15
    members, others, groups = clustered(random, 10, 6, 8)
    found = tpr_at_fpr(members + 9, others, seed=0, groups=groups)
    assert (found[0].value, found[1]) == (1.0, 0.01), "the lowest rank among 99 deals"
