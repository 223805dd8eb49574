"""Images of one scene or patient: dealt out, split, redrawn and calibrated by together, and what goes wrong otherwise."""

from collections import Counter

import numpy as np
import pytest

from eval.distributions import bootstrap_error
from eval.floor import measure_floors, smaller_half
from eval.group_draws import deal, fill, one_of_each, redrawn
from eval.kernel import kernel_distance, mmd2
from eval.privacy import ALPHA, audit, dcr_share
from eval.privacy_groups import SetGroups
from eval.tolerant import feature_distances

SIZES = [1, 1, 1, 2, 2, 3, 4, 5, 6, 9]


@pytest.fixture(autouse=True)
def few_relabellings(monkeypatch):
    monkeypatch.setattr("eval.privacy.RELABELLINGS", 119)


def numbers(sizes):
    """The group of each image, for groups of these sizes."""
    return np.repeat(np.arange(len(sizes)), sizes)


def scenes(sizes, seed, within=0.1, d=3):
    """Images of groups that lie closer to each other than groups do, and their groups."""
    random, groups = np.random.default_rng(seed), numbers(sizes)
    return random.standard_normal((len(sizes), d))[groups] + within * random.standard_normal((len(groups), d)), groups


def judged(synthetic, train, holdout, grouped, seed=0):
    """`train` and `holdout` (or None) as `scenes` gives them."""
    to_train = feature_distances(synthetic, train[0])
    groups = SetGroups("scene", train[1], None if holdout is None else holdout[1]) if grouped else None
    if holdout is None:
        among = feature_distances(train[0], train[0])
        np.fill_diagonal(among, np.inf)
        return audit("test", to_train, among, None, seed=seed, groups=groups)
    calibrating, to_holdout = feature_distances(holdout[0], train[0]), feature_distances(synthetic, holdout[0])
    return audit("test", to_train, calibrating, to_holdout, seed=seed, groups=groups)


def test_whole_groups_are_dealt_out_and_as_many_images():
    groups, random = numbers(SIZES), np.random.default_rng(0)
    chosen = groups < 6  # 6 groups of 10 images: other sixes of them have 10, too
    for _ in range(50):
        names = deal(groups, chosen, random)
        assert all(len(set(names[groups == group])) == 1 for group in range(len(SIZES)))
        assert len(np.unique(groups[names])) == 6
        assert names.sum() == 10
    big = groups == 9
    assert {int(groups[deal(groups, big, random)][0]) for _ in range(20)} == {9}, "no other group has as many images"


def test_groups_of_one_size_change_names_equally_often():
    groups, random = numbers([2] * 6 + [5] * 2), np.random.default_rng(0)
    dealt = [tuple(np.unique(groups[deal(groups, groups % 7 < 2, random)])) for _ in range(1500)]  # 0, 1 and 7
    found = Counter(dealt)
    assert all(len(set(names) & {6, 7}) == 1 for names in found)
    assert len(found) == 15 * 2
    assert max(found.values()) < 2 * min(found.values())


def test_halves_are_as_near_to_halves_as_groups_allow():
    groups, random = numbers([*SIZES, 40]), np.random.default_rng(0)
    for count, best in ((17, 17), (36, 34), (37, 34), (40, 40)):
        names = fill(groups, count, random)
        assert names.sum() == best
        assert all(len(set(names[groups == group])) == 1 for group in range(len(SIZES)))
    assert smaller_half(74, groups, repeats=5, seed=0) == 34
    assert smaller_half(74, None, repeats=5, seed=0) == smaller_half(74, np.arange(74), repeats=5, seed=0) == 37


def test_one_image_of_each_group_and_every_image_in_turn():
    groups = numbers(SIZES)[::-1].copy()
    drawn = [one_of_each(groups, np.random.default_rng(seed)) for seed in range(200)]
    assert all(sorted(groups[rows]) == list(range(len(SIZES))) for rows in drawn)
    assert np.unique(np.concatenate(drawn)).tolist() == list(range(len(groups)))


def test_a_bootstrap_of_groups_has_the_error_of_the_mean_of_groups():
    """The variance of the mean over g groups of equal size is var(group means, ddof=1) / g, if nothing varies within."""
    groups = numbers([4] * 30)
    rows = np.random.default_rng(0).standard_normal(30)[groups][:, None]
    weights = redrawn(groups, np.random.default_rng(0))
    assert weights.sum() == 4 * 29
    error = bootstrap_error(lambda one, _: float(one.mean()), rows, np.zeros((5, 1)), seed=1, groups=groups)
    assert error == pytest.approx(rows[::4].std(ddof=1) / np.sqrt(30), rel=0.2)  # of 100 draws


def test_the_jackknife_of_the_kernel_distance_leaves_out_whole_groups():
    random, groups = np.random.default_rng(0), numbers([1, 3, 2, 5])[::-1].copy()
    x, y = random.standard_normal((11, 4)), random.standard_normal((7, 4))
    whole, left = mmd2(x, y), [mmd2(x[groups != group], y) for group in range(4)]
    each = [mmd2(x, np.delete(y, i, axis=0)) for i in range(7)]
    found = kernel_distance(x, y, groups=groups)
    assert found.value == pytest.approx(whole, rel=1e-12)
    assert found.standard_error == pytest.approx(np.sqrt(3 * np.var(left) + 6 * np.var(each)), rel=1e-9)
    assert "groups" in found.method


def test_floors_have_no_group_on_both_sides():
    groups = np.random.default_rng(0).permutation(numbers(SIZES))
    rows, seen = np.arange(float(len(groups)))[:, None], []

    def record(one, other):
        seen.append((set(one[:, 0]), set(other[:, 0])))
        return 0.0

    [floor] = measure_floors(record, rows, 100 + rows, repeats=6, seed=0, groups=groups)
    assert floor.n == 17
    for (one, other), (again, drawn) in zip(seen[::2], seen[1::2], strict=True):
        assert one == again
        assert len(one) == len(other) == len(drawn) == 17
        assert {*groups[[int(row) for row in one]]}.isdisjoint(groups[[int(row) for row in other]])
    with pytest.raises(ValueError, match="of groups that leave 2 on one side"):
        measure_floors(record, rows[:10], rows, repeats=6, seed=0, groups=numbers([8, 1, 1]))


def test_a_floor_between_halves_of_scenes_is_what_new_scenes_meet():
    """|mean A - mean B|^2 of 2 x 10 scenes is 2 d / 10; of 2 x 120 images of them all 2 d / 120 times 12 x 19 / 239."""
    floors = {True: [], False: []}
    for seed in range(30):
        real, groups = scenes([12] * 20, seed, within=0.01, d=10)
        new = scenes([12] * 10, 100 + seed, within=0.01, d=10)[0]
        for grouped in floors:
            [floor] = measure_floors(
                lambda a, b: float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum()), real, new, repeats=5, seed=seed,
                groups=groups if grouped else None,
            )  # fmt: skip
            assert floor.n == 120
            floors[grouped].append((floor.floor.mean, floor.matched.mean))
    for grouped, expected in ((True, 2.0), (False, 0.159)):
        assert np.mean([floor for floor, _ in floors[grouped]]) == pytest.approx(expected, rel=0.25)
    assert np.mean([matched for _, matched in floors[True]]) == pytest.approx(2.0, rel=0.25)


def test_dcr_share_of_groups_heeds_the_sizes_of_every_deal(monkeypatch):
    """Groups that never have as many images: each deal is what dcr_share of its own sets says, the mean over all parts."""
    monkeypatch.setattr("eval.privacy.RELABELLINGS", 40)
    (train, one), (holdout, other) = scenes([7, 4], 0, within=1), scenes([5, 5, 5], 1, within=1)
    synthetic = scenes([1] * 30, 2)[0]
    found = dcr_share(
        feature_distances(synthetic, train), feature_distances(synthetic, holdout), seed=3,
        groups=SetGroups("scene", one, other),
    )  # fmt: skip
    both, groups = np.concatenate([train, holdout]), np.concatenate([one, 2 + other])
    random = np.random.default_rng(3)
    random.permutation(len(both))
    chance, sizes = [], set()
    for _ in range(40):
        names = deal(groups, np.arange(len(both)) < 11, random)
        sizes.add(int(names.sum()))
        sets = feature_distances(synthetic, both[names]), feature_distances(synthetic, both[~names])
        chance.append(dcr_share(*sets, seed=0).value)
    assert sizes == {10, 11}
    assert found.value == dcr_share(*(feature_distances(synthetic, x) for x in (train, holdout)), seed=0).value
    assert found.expected == pytest.approx(np.mean(chance), abs=1e-6)
    assert found.p_value == pytest.approx((1 + (np.array(chance) >= found.value - 1e-6).sum()) / 41, rel=1e-9)


@pytest.fixture(scope="module")
def honest():
    """120 audits of an honest generator, whose samples are of new scenes: 24 scenes trained on, 8 held out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.privacy.RELABELLINGS", 119)
        found = {True: [], False: []}
        for i in range(120):
            sets = scenes([4] * 24, 3 * i), scenes([4] * 8, 3 * i + 1)
            synthetic = scenes([1] * 40, 3 * i + 2)[0]
            for grouped in found if i < 40 else (True,):
                found[grouped].append(judged(synthetic, *sets, grouped, seed=i))
        return found


def test_honest_generators_of_scenes_fail_as_often_as_the_level_says(honest):
    for name in ("near", "copies", "dcr"):
        p_values = np.array([getattr(evidence, name).p_value for evidence in honest[True]])
        assert (p_values < ALPHA).sum() <= 5, "of binomial(120, 0.01) more come in 1 of 600 cases"
        assert 11 <= (p_values < 0.2).sum() <= 38, "binomial(120, 0.2), one in 1,000 on either side"
    assert sum(evidence.verdict == "fails" for evidence in honest[True]) <= 6
    value, expected = (
        np.mean([getattr(evidence.dcr, key) for evidence in honest[True]]) for key in ("value", "expected")
    )
    assert value == pytest.approx(expected, abs=0.02)


def test_images_dealt_out_singly_fail_them(honest):
    assert sum(evidence.dcr.p_value < ALPHA for evidence in honest[False]) > 12
    assert sum(evidence.verdict == "fails" for evidence in honest[False]) > 12


def test_memorisers_of_scenes_fail():
    for seed in range(5):
        train, holdout = scenes([4] * 24, 3 * seed), scenes([4] * 24, 3 * seed + 1)
        noise = 1e-3 * np.random.default_rng(seed).standard_normal((40, 3))
        replayed = train[0][np.random.default_rng(seed).integers(0, 96, 40)] + noise
        evidence = judged(replayed, train, holdout, True, seed)
        assert evidence.verdict == "fails"
        assert evidence.dcr is not None
        assert evidence.dcr.p_value < ALPHA
        assert evidence.copies.p_value < ALPHA


def test_new_images_of_training_scenes_are_reported():
    """No image is copied: the samples are as far from the training images as other images of these scenes are."""
    train, holdout = scenes([4] * 24, 0), scenes([4] * 24, 1)
    centres = scenes([1] * 24, 0, within=0)[0]
    random = np.random.default_rng(2)
    new = centres[random.integers(0, 24, 60)] + 0.1 * random.standard_normal((60, 3))
    evidence = judged(new, train, holdout, True)
    assert evidence.dcr is not None
    assert evidence.dcr.value > 0.9
    assert evidence.verdict == "fails"
    assert "; new images of the training groups would fail, too (whole groups" in evidence.words


def test_a_few_copies_more_than_it_names_are_seen_and_a_few_less_are_not():
    failed = {-6: 0, 6: 0}
    for i in range(10):
        train, holdout = scenes([3] * 30, 3 * i, within=0.5), scenes([3] * 30, 3 * i + 1, within=0.5)
        honest = scenes([1] * 80, 3 * i + 2, within=0.5)[0]
        named = round(80 * judged(honest, train, holdout, True).detectable)
        for more in failed:
            copied = honest.copy()
            copied[: max(0, named + more)] = train[0][: max(0, named + more)]
            failed[more] += judged(copied, train, holdout, True).verdict == "fails"
    assert failed[-6] <= 2
    assert failed[6] >= 8


def test_groups_that_cannot_be_dealt_out_leave_the_test_without_a_word():
    """Pairs trained on and fours held out have no other deal of as many groups and images; nor do 3 and 3 groups, often."""
    for sizes in ([2] * 20, [4] * 20), ([5] * 3, [5] * 3):
        train, holdout = scenes(sizes[0], 0), scenes(sizes[1], 1)
        evidence = judged(train[0], train, holdout, True)
        assert evidence.dcr is not None
        assert evidence.dcr.value == evidence.dcr.critical == 1
        assert evidence.dcr.p_value > ALPHA
        assert "too few or too unlike in size to be dealt out" in evidence.words


def test_without_a_holdout_images_are_measured_by_other_scenes():
    """Two images of each scene, nearly alike: among all images they would make every threshold nought."""
    found = {True: [], False: []}
    for i in range(20):
        train, new = scenes([2] * 40, 2 * i, within=1e-3), scenes([1] * 60, 2 * i + 1)[0]
        for grouped in found:
            found[grouped].append(judged(new, train, None, grouped, seed=i))
    assert max(evidence.threshold for evidence in found[False]) < 0.01 < min(e.threshold for e in found[True])
    assert sum(evidence.verdict == "fails" for evidence in found[True]) <= 2
    assert "one image of each of 40 groups by scene calibrates" in found[True][0].words
    train = scenes([70, 3, 3], 0)
    assert np.isfinite(judged(train[0][:20], train, None, True).copy_threshold), "few images are of other scenes"


def test_what_is_said_and_written_of_groups():
    evidence = judged(scenes([1] * 40, 2)[0], scenes([4] * 24, 0), scenes([4] * 24, 1), True)
    assert (
        "(whole groups by scene dealt out, not images; one image of each of the holdout's 24 calibrates)"
        in evidence.words
    )
    assert evidence.to_json()["groups"] == {"by": "scene", "train": 24, "holdout": 24}
    assert "groups" not in judged(scenes([1] * 40, 2)[0], scenes([4] * 24, 0), scenes([4] * 24, 1), False).to_json()
