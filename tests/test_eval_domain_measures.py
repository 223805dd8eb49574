"""SAR and MRI measures against closed forms, and what they say of changes whose effect is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import ks_2samp, wasserstein_distance

from eval.distributions import bootstrap_error, kolmogorov, wasserstein
from eval.floor import measure_floors
from eval.mri_measures import MEASURES as MRI
from eval.mri_measures import foreground_percentiles, otsu_threshold
from eval.sar_measures import MEASURES as SAR
from eval.sar_measures import amplitude_cdf, cdf_distance, cooccurrence, equivalent_looks
from eval.spectrum import radial_spectrum, spectrum_distance, spectrum_shape

SIDE = 48
BY_NAME = {measure.name: measure for measure in (*SAR, *MRI)}


def speckle(n, *, looks=4.0, seed=0, side=SIDE):
    """Intensities of land, sea and a bright target under gamma speckle, (n, side, side) in 0..1 but for outliers."""
    random = np.random.default_rng(seed)
    land = gaussian_filter(random.standard_normal((n, side, side)), (0, 5, 5))
    mean = 0.1 + 0.06 * (land > 0)
    mean[:, side // 2 : side // 2 + 4, 10:18] = 0.8
    return mean * random.gamma(looks, 1 / looks, mean.shape)


def heads(n, seed=0):
    """Slices: a disc of tissue of random contrast on dark air with noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    radius = random.uniform(14, 20, (n, 1, 1))
    tissue = 0.4 + 0.1 * gaussian_filter(random.standard_normal((n, SIDE, SIDE)), (0, 1, 1)) * 3
    images = np.where(np.hypot(y, x) < radius, tissue, 0.02)
    return (images + 0.01 * random.standard_normal(images.shape)).clip(0, 1)


def rows(measure, images):
    return np.stack([measure.describe(image) for image in images])


def test_wasserstein_and_kolmogorov_are_those_of_scipy():
    random = np.random.default_rng(0)
    one, other = random.normal(0, 1, 40), random.exponential(1, 70)
    assert wasserstein(one, other) == pytest.approx(wasserstein_distance(one, other))
    assert kolmogorov(one, other) == pytest.approx(ks_2samp(one, other).statistic)
    assert wasserstein(one, one + 0.3) == pytest.approx(0.3)
    assert kolmogorov(one, one) == wasserstein(one, one) == 0


def test_bootstrap_error_of_a_mean():
    random = np.random.default_rng(0)
    one, other = random.normal(0, 2, (400, 1)), random.normal(0, 1, (100, 1))
    error = bootstrap_error(lambda a, b: float(a.mean() - b.mean()), one, other, seed=0)
    assert error == pytest.approx(np.sqrt(4 / 400 + 1 / 100), rel=0.25)


def test_amplitude_distance_of_a_shift_is_the_shift():
    random = np.random.default_rng(0)
    images = random.uniform(0.1, 0.6, (6, 32, 32))
    one, other = (np.stack([amplitude_cdf(image) for image in x]) for x in (images, images + 0.25))
    assert cdf_distance(one, other) == pytest.approx(0.25, abs=1e-3)
    assert cdf_distance(one, one) == 0


@pytest.mark.parametrize("looks", [1, 4, 16])
def test_looks_of_gamma_speckle(looks):
    flat = np.random.default_rng(0).gamma(looks, 1 / looks, (40, 64, 64))
    found = [equivalent_looks(image) for image in flat]
    assert np.mean(found) == pytest.approx(looks, rel=0.1)
    found = [equivalent_looks(image) for image in speckle(40, looks=looks, side=64)]
    assert np.mean(found) == pytest.approx(looks, rel=0.15)  # edges and a target do not spoil it
    assert equivalent_looks(7 * flat[0]) == pytest.approx(equivalent_looks(flat[0]))


def test_looks_of_amplitudes_are_about_four_times_as_many():
    amplitudes = np.sqrt(np.random.default_rng(0).gamma(1, 1, (60, 64, 64)))
    assert np.mean([equivalent_looks(image) for image in amplitudes]) == pytest.approx(1 / (4 / np.pi - 1), rel=0.05)


def test_looks_of_images_without_speckle():
    assert equivalent_looks(np.zeros((16, 16))) == equivalent_looks(np.ones((16, 16))) == 1e4
    half = np.zeros((32, 32))
    half[16:] = np.random.default_rng(0).gamma(4, 1 / 4, (16, 32))
    assert equivalent_looks(half) == pytest.approx(4, rel=0.5)
    with pytest.raises(ValueError, match="7x30 are too small for domain=sar"):
        equivalent_looks(np.ones((7, 30)))


def test_cooccurrence_by_hand():
    board = np.indices((8, 8)).sum(axis=0) % 2 * 1.0  # every neighbour is the other of two extremes
    assert cooccurrence(board) == pytest.approx((31**2, 1 / (1 + 31**2), -1))
    assert cooccurrence(np.full((8, 8), 0.3)) == (0, 1, 1)
    two = np.array([[0.0, 1.0], [0.0, 1.0]])  # of four pairs, two differ
    contrast, homogeneity, correlation = cooccurrence(two)
    assert contrast == 31**2 / 2
    assert homogeneity == pytest.approx((1 + 1 / (1 + 31**2)) / 2)
    assert correlation == pytest.approx(0)


@pytest.mark.parametrize("shape", [(64, 64), (48, 65)])
def test_white_noise_has_a_flat_spectrum(shape):
    noise = 3 * np.random.default_rng(0).standard_normal((150, *shape))
    mean = np.mean([radial_spectrum(image) for image in noise], axis=0)
    assert len(mean) == min(shape) // 2
    np.testing.assert_allclose(mean[1:], 9, rtol=0.12)  # the lowest ring lost its share with the mean


def test_a_wave_stands_at_its_frequency():
    wave = np.sin(2 * np.pi * 10 * np.arange(64) / 64)
    for image in (np.tile(wave, (64, 1)), np.tile(wave[:, None], (1, 64))):
        power = radial_spectrum(image)
        assert power.argmax() == 10 - 1
        assert power[8:11].sum() > 0.95 * power.sum()


def test_spectrum_forgets_gain_and_tells_blur():
    images = speckle(20)
    shapes = np.stack([spectrum_shape(image) for image in images])
    louder = np.stack([spectrum_shape(0.5 * image + 0.1) for image in images])
    assert spectrum_distance(shapes, louder) < 1e-6
    blurred = np.stack([spectrum_shape(gaussian_filter(image, 1)) for image in images])
    assert spectrum_distance(shapes, blurred) > 3
    assert np.isfinite(spectrum_shape(np.zeros((16, 16)))).all()


def test_otsu_splits_two_levels():
    random = np.random.default_rng(0)
    image = np.where(random.uniform(size=(64, 64)) < 0.2, 0.7, 0.1) + 0.02 * random.standard_normal((64, 64))
    assert 0.15 < otsu_threshold(image) < 0.65
    np.testing.assert_allclose(foreground_percentiles(image)[3], 0.7, atol=0.01)
    assert (foreground_percentiles(np.full((8, 8), 0.4)) == 0.4).all()


CHANGES = {
    "gain": lambda x: 0.8 * x,
    "blur": lambda x: gaussian_filter(x, (0, 1, 1)),
}
TOLD = {  # by which measure each change is told from the floor, and by which it is not
    "gain": (
        {"sar_amplitude", "mri_percentiles"},
        {"sar_looks", "sar_glcm_correlation", "sar_spectrum", "mri_spectrum"},
    ),
    "blur": ({"sar_looks", "sar_glcm_correlation", "sar_spectrum", "mri_spectrum"}, set()),
}


def floors_of(change):
    for measure in BY_NAME.values():
        make = speckle if measure.name.startswith("sar") else heads
        one, other = rows(measure, make(60)), rows(measure, change(make(30, seed=1)))
        [floor] = measure_floors(measure.distance, one, other, repeats=10, seed=0)
        yield measure.name, floor


@pytest.mark.parametrize("change", CHANGES)
def test_what_each_change_is_told_by(change):
    found = {name for name, floor in floors_of(CHANGES[change]) if floor.excess.low > 0}
    told, untold = TOLD[change]
    assert told - found == set()
    assert untold & found == set()


def test_images_of_one_source_are_near_the_floor():
    for name, floor in floors_of(lambda images: images):
        assert floor.matched.mean < 2 * floor.floor.mean, name


def test_blur_moves_the_spectrum_far_more_than_the_brightness():
    images = speckle(30)
    blurred = gaussian_filter(images, (0, 1, 1))
    assert abs(blurred.mean() / images.mean() - 1) < 0.01
    sar = BY_NAME["sar_spectrum"]
    assert sar.distance(rows(sar, images[:15]), rows(sar, blurred[15:])) > 10 * sar.distance(
        rows(sar, images[:15]), rows(sar, images[15:])
    )
