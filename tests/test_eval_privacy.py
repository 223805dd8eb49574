"""The privacy audit: what chance does is what it says, copies are seen however disguised, and honest samplers pass."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from eval.privacy import ALPHA, audit, dcr_share
from eval.privacy_audit import Privacy
from eval.tolerant import feature_distances, small, tolerant_distances


@pytest.fixture(autouse=True)
def few_relabellings(monkeypatch):
    monkeypatch.setattr("eval.privacy.RELABELLINGS", 199)


def points(n, seed, d=6):
    """Clouds of different width: some points are the nearest of many."""
    random = np.random.default_rng(seed)
    return random.standard_normal((n, d)) * random.lognormal(0, 0.8, (n, 1))


def judged(synthetic, train, holdout, distances=feature_distances, seed=0, covered=1.0):
    """With a holdout, or None."""
    to_train = distances(synthetic, train)
    if holdout is None:
        among = distances(train, train)
        np.fill_diagonal(among, np.inf)
        return audit("test", to_train, among, None, seed=seed, covered=covered)
    to_holdout = distances(synthetic, holdout)
    return audit("test", to_train, distances(holdout, train), to_holdout, seed=seed, covered=covered)


def test_dcr_share_is_the_mean_over_all_draws():
    """... of a set of the holdout's size, by drawing."""
    train, holdout, synthetic = points(30, 0), points(10, 1), points(50, 2)
    to_train, to_holdout = feature_distances(synthetic, train), feature_distances(synthetic, holdout)
    random, drawn = np.random.default_rng(3), []
    for _ in range(1500):
        part = random.choice(30, 10, replace=False)
        drawn.append((to_train[:, part].min(axis=1) < to_holdout.min(axis=1)).mean())
    assert dcr_share(to_train, to_holdout, seed=0).value == pytest.approx(np.mean(drawn), abs=0.015)
    mirrored = dcr_share(to_holdout, to_train, seed=0)
    assert mirrored.value == pytest.approx(1 - np.mean(drawn), abs=0.015)


def test_equal_distances_favour_no_set():
    ones = np.ones((40, 20), np.float32)
    assert 0.2 < np.mean([dcr_share(ones, ones, seed=seed).value for seed in range(20)]) < 0.8


@pytest.mark.parametrize(("n_train", "n_holdout"), [(120, 120), (200, 25), (40, 160)])
def test_honest_samplers_fail_as_often_as_the_level_says(n_train, n_holdout):
    found = [
        judged(points(80, 3 * i), points(n_train, 3 * i + 1), points(n_holdout, 3 * i + 2), seed=i) for i in range(40)
    ]
    for name in ("copies", "near", "dcr"):
        tests = [getattr(evidence, name) for evidence in found]
        assert sum(test.p_value < ALPHA for test in tests) <= 3  # of 40
        assert sum(test.p_value < 0.2 for test in tests) <= 16
        assert np.mean([test.value for test in tests]) == pytest.approx(tests[0].expected, abs=0.04)
    inside = [evidence.dcr.low <= 0.5 <= evidence.dcr.high for evidence in found]
    assert np.mean(inside) > 0.88


def test_without_a_holdout_honest_samplers_seldom_fail():
    found = [judged(points(100, 2 * i), points(120, 2 * i + 1), None) for i in range(40)]
    assert sum(evidence.verdict == "fails" for evidence in found) <= 2
    assert found[0].dcr is None


def test_blurred_samples_are_near_but_no_copies():
    """Shrunk towards the mean they are nearer to all real images, and are not taken for copies."""
    found = [
        judged(0.6 * points(200, 3 * i), points(200, 3 * i + 1), points(200, 3 * i + 2), seed=i) for i in range(20)
    ]
    assert np.mean([evidence.near.value for evidence in found]) > 0.02
    assert sum(evidence.verdict == "fails" for evidence in found) <= 1


def test_samples_unlike_real_images_stand_out_from_as_much_of_a_larger_holdout():
    """With heavy tails many lie alone beside a real image; of a holdout of 400 as many count as there are of training."""
    random = np.random.default_rng(9)
    found = []
    for i in range(20):
        samples = points(150, 3 * i) * random.lognormal(0, 1, (150, 1))
        found.append(judged(samples, points(100, 3 * i + 1), points(400, 3 * i + 2), seed=i))
    x, y = (np.mean(shares) for shares in zip(*((e.copies.value, e.control) for e in found), strict=True))
    assert x > 0.02, "more stand out than among real images"
    assert y > x / 2, "among all 400 it would be a tenth"
    assert sum(evidence.copied for evidence in found) <= 1


@pytest.mark.parametrize("n_holdout", [120, 400, None])
def test_as_many_copies_as_it_names_are_seen_in_half_of_all_cases(n_holdout):
    failed = {0: 0, -4: 0, 4: 0}
    for i in range(16):
        synthetic, train = points(100, 3 * i), points(120, 3 * i + 1)
        holdout = None if n_holdout is None else points(n_holdout, 3 * i + 2)
        named = round(100 * judged(synthetic, train, holdout).detectable)
        for more in failed:
            copied = synthetic.copy()
            copied[: max(0, named + more)] = train[: max(0, named + more)]
            failed[more] += judged(copied, train, holdout).verdict == "fails"
    assert failed[-4] <= 4
    assert failed[0] >= 5
    assert failed[4] >= 14


def test_copies_of_images_that_were_not_looked_at_count_as_unseen():
    sets = points(200, 0), points(200, 1), points(200, 2)
    whole, half = judged(*sets), judged(*sets, covered=0.5)
    assert half.detectable == pytest.approx(2 * whole.detectable)
    assert (whole.verdict, judged(*sets, covered=0.1).verdict) == ("passes", "cannot be told")
    assert "looked at: 50% of the training images" in half.words
    assert "looked at" not in whole.words


def test_a_few_copies_and_copies_of_one_image_fail():
    train, holdout, synthetic = points(200, 0), points(200, 1), points(200, 2)
    synthetic[:20] = train[:20]
    several = judged(synthetic, train, holdout)
    assert several.verdict == judged(synthetic, train, None).verdict == "fails"
    assert 0.1 <= several.copies.value < 0.14
    synthetic[:20] = train[0]
    assert judged(synthetic, train, holdout).verdict == "fails"


def test_a_small_holdout_cannot_tell():
    train, holdout, synthetic = points(200, 0), points(12, 1), points(200, 2)
    evidence = judged(synthetic, train, holdout)
    assert evidence.verdict == "cannot be told"
    assert "12 images" in evidence.words


def test_the_closest_pairs_show_each_training_image_once():
    index, distance = np.array([4, 4, 2, 4, 0]), np.array([0.2, 0.1, 0.4, 0.3, 0.05])
    found = Privacy([], None, index, distance)
    assert found.closest(9).tolist() == [4, 1, 2]
    assert found.closest(2).tolist() == [4, 1]


def test_distances_by_brute_force():
    random = np.random.default_rng(0)
    queries, references = random.random((3, 12, 12)).astype(np.float32), random.random((4, 12, 12)).astype(np.float32)
    for i, query in enumerate(queries):
        turned = [np.rot90(view, k) for view in (query, query[:, ::-1]) for k in range(4)]
        windows = [view[y : y + 8, x : x + 8] for view in turned for y in range(5) for x in range(5)]
        for j, reference in enumerate(references):
            expected = min(np.sqrt(np.square(window - reference[2:10, 2:10]).mean()) for window in windows)
            assert tolerant_distances(queries, references)[i, j] == pytest.approx(expected, rel=1e-4)


def test_images_that_are_not_square_and_tiny_ones():
    images = np.random.default_rng(0).random((5, 8, 20)).astype(np.float32)
    distances = tolerant_distances(np.roll(images[:, ::-1], 1, axis=2), images)
    assert (distances.argmin(axis=1) == np.arange(5)).all()
    assert distances.diagonal().max() == 0
    assert tolerant_distances(images[:, :1, :3], images[:, :1, :3]).diagonal().max() == 0


def test_small_contrast_is_not_drowned():
    images = (0.5 + 1e-4 * np.random.default_rng(0).standard_normal((20, 16, 16))).astype(np.float32)
    assert tolerant_distances(images, images).argmin(axis=1).tolist() == list(range(20))


def test_thumbnails_shrink_to_32():
    rows = np.random.default_rng(0).random((3, 64 * 48)).astype(np.float32)
    assert small(rows, (64, 48)).shape == (3, 32, 24)
    assert (small(rows[:, : 20 * 16], (20, 16)).reshape(3, -1) == rows[:, : 20 * 16]).all()


def fields(n, seed):
    """Smooth random fields, 32 x 32."""
    random = np.random.default_rng(seed)
    images = np.stack([gaussian_filter(random.standard_normal((32, 32)), 2.5, mode="wrap") for _ in range(n)])
    return (0.5 + images / (6 * images.std())).astype(np.float32)


DISGUISES = {
    "none": lambda images, random: images,
    "noise": lambda images, random: images + 0.02 * random.standard_normal(images.shape).astype(np.float32),
    "flips": lambda images, random: images[:, ::-1, ::-1],
    "shifts": lambda images, random: np.roll(images, (2, -1), axis=(1, 2)),
    "all": lambda images, random: (
        np.roll(images[:, ::-1], (1, 2), axis=(1, 2)) + 0.02 * random.standard_normal(images.shape).astype(np.float32)
    ),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("with_holdout", [True, False])
def test_replay_fails_however_disguised(disguise, with_holdout):
    train = fields(80, 0)
    replayed = DISGUISES[disguise](train[:50], np.random.default_rng(2))
    evidence = judged(replayed, train, fields(80, 1) if with_holdout else None, tolerant_distances)
    assert evidence.verdict == "fails"
    assert evidence.copies.value > 0.95


@pytest.mark.parametrize("with_holdout", [True, False])
def test_fresh_fields_pass(with_holdout):
    for seed in (0, 3, 6):
        holdout = fields(110, seed + 1) if with_holdout else None
        evidence = judged(fields(160, seed), fields(110, seed + 2), holdout, tolerant_distances)
        assert evidence.verdict == "passes", evidence.words
