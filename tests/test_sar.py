import numpy as np
import pytest
from scipy.integrate import trapezoid

from data.sar import CLASSES, SarSimConfig, intensity, simulate
from data.sar_clutter import frequencies, gamma_field, gaussian_field, low_pass, wave_train
from data.sar_ships import Ship, hull, point_response, point_spread, scatterers, wake_gain


@pytest.fixture(scope="module")
def scenes():
    return [simulate(SarSimConfig(), i) for i in range(150)]


def test_item_is_a_function_of_seed_and_index_alone():
    config = SarSimConfig(seed=3)
    first, other_index = simulate(config, 7), simulate(config, 8)
    simulate(config, 0)
    again, other_seed = simulate(SarSimConfig(seed=3, num_images=9), 7), simulate(SarSimConfig(seed=4), 7)
    np.testing.assert_array_equal(first.physical, again.physical)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.class_label, first.boxes) == (again.class_label, again.boxes)
    for other in (other_index, other_seed):
        assert np.mean(first.physical == other.physical) < 0.01


@pytest.mark.parametrize("size", [16, 64, [40, 72], [33, 17], 128])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_every_class_at_any_size(size, label):
    shares = [float(i == label) for i in range(3)]
    config = SarSimConfig(image_size=size, class_probabilities=shares, empty_fraction=0.0)
    for index in range(4):
        scene = simulate(config, index)
        assert scene.physical.shape == scene.mask.shape == ((size, size) if isinstance(size, int) else tuple(size))
        assert scene.physical.dtype == np.float64
        assert np.isfinite(scene.physical).all()
        assert scene.physical.min() >= 0
        assert scene.class_label == label


def test_classes_and_numbers_of_ships(scenes):
    labels = np.array([scene.class_label for scene in scenes])
    ships = np.array([len(scene.boxes) for scene in scenes])
    assert set(labels) == set(range(len(CLASSES)))
    assert np.argmax(np.bincount(labels)) == CLASSES.index("open_sea")
    assert set(ships) == {0, 1, 2, 3}
    assert np.mean(ships == 0) < 0.1


def test_empty_fraction_one_leaves_all_ships_out():
    scene = simulate(SarSimConfig(empty_fraction=1.0), 0)
    assert scene.boxes == []
    assert not scene.mask.any()


def test_boxes_bound_the_mask_tightly(scenes):
    for scene in scenes:
        covered = np.zeros_like(scene.mask)
        for x, y, w, h in scene.boxes:
            inside = scene.mask[y : y + h, x : x + w]
            assert inside.shape == (h, w)
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.any()
            covered[y : y + h, x : x + w] = True
        assert not (scene.mask & ~covered).any()


def test_ships_are_prominent_and_of_the_configured_length(scenes):
    ratios, lengths = [], []
    for scene in scenes:
        if scene.boxes and scene.class_label == CLASSES.index("open_sea"):
            ratios.append(scene.physical[scene.mask].mean() / scene.physical[~scene.mask].mean())
            lengths += [np.hypot(w, h) for _, _, w, h in scene.boxes]
    assert np.min(ratios) > 2.5
    assert np.median(ratios) > 8
    assert np.min(lengths) > 6
    assert np.max(lengths) < 36


def test_lengths_grow_with_the_image():
    def longest(size):
        config = SarSimConfig(image_size=size, ship_length=[20.0, 20.0], class_probabilities=[1.0, 0.0, 0.0])
        return np.median([np.hypot(*box[2:]) for i in range(12) for box in simulate(config, i).boxes])

    assert longest(128) / longest(64) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("order", [0.5, 2.0, 20.0])
def test_gamma_field_has_the_moments_of_the_gamma_law(order):
    x = gamma_field(order, np.random.default_rng(0).standard_normal((1000, 1000)))
    # E[x^n] = Gamma(order + n) / (Gamma(order) order^n)
    assert x.mean() == pytest.approx(1, rel=0.01)
    assert (x**2).mean() == pytest.approx(1 + 1 / order, rel=0.015)
    assert (x**3).mean() == pytest.approx((1 + 1 / order) * (1 + 2 / order), rel=0.04)


@pytest.mark.parametrize(("nu", "looks"), [(1.0, 1.0), (4.0, 2.5), (30.0, 8.0)])
def test_clutter_is_k_distributed_when_both_factors_are_correlated(nu, looks):
    rng, shape = np.random.default_rng(1), (1024, 1024)
    texture = gamma_field(nu, gaussian_field(rng, shape, low_pass(shape, 2.0)))
    clutter = texture * gamma_field(looks, gaussian_field(rng, shape, low_pass(shape, 0.5)))
    assert clutter.mean() == pytest.approx(1, rel=0.03)
    # Second and third moments of the K-distribution.
    second = (1 + 1 / nu) * (1 + 1 / looks)
    assert (clutter**2).mean() == pytest.approx(second, rel=0.05)
    assert (clutter**3).mean() == pytest.approx(second * (1 + 2 / nu) * (1 + 2 / looks), rel=0.15)


@pytest.mark.parametrize("looks", [1.0, 4.0, 16.0])
def test_sea_without_texture_has_as_many_looks_as_configured(looks):
    config = SarSimConfig(
        image_size=256,
        class_probabilities=[1.0, 0.0, 0.0],
        empty_fraction=1.0,
        looks=[looks, looks],
        texture_order=[1e6, 1e6],
    )
    patches = np.concatenate([simulate(config, i).physical.reshape(256, 16, 16).swapaxes(0, 1) for i in range(4)]) ** 2
    # Strips of 16 columns, over which the trend in range is flat. ENL = mean^2 / variance.
    enl = patches.mean(axis=(1, 2)) ** 2 / patches.var(axis=(1, 2))
    assert np.mean(enl) == pytest.approx(looks, rel=0.05)


@pytest.mark.parametrize("shape", [(64, 64), (63, 65), (40, 128)])
def test_gaussian_field_has_unit_variance_and_the_spectrum_asked_for(shape):
    power = wave_train(shape, wavelength=8.0, direction=0.6, along=12.0, across=8.0)
    rng = np.random.default_rng(2)
    fields = [gaussian_field(rng, shape, power) for _ in range(400)]
    assert np.mean(np.square(fields)) == pytest.approx(1, rel=0.05)
    spectrum = np.mean([np.abs(np.fft.rfft2(field)) ** 2 for field in fields], axis=0)
    strong = power > 0.05 * power.max()
    np.testing.assert_allclose(
        (spectrum / spectrum[strong].sum())[strong], (power / power[strong].sum())[strong], rtol=0.4
    )
    fy, fx = frequencies(shape)
    row, column = np.unravel_index(np.argmax(power), power.shape)
    assert np.hypot(fy[row, 0], fx[0, column]) == pytest.approx(1 / 8, abs=0.02)


@pytest.mark.parametrize(("weighting", "sidelobe_db"), [(1.0, -13.26), (0.75, -21.21), (0.54, -42.68)])
def test_point_spread_peak_zeros_and_first_sidelobe(weighting, sidelobe_db):
    distance = np.linspace(0, 30, 30001)
    response = np.abs(point_spread(distance, 1.5, weighting))
    assert response[0] == pytest.approx(1, abs=1e-6)
    window = np.linspace(-0.5, 0.5, 20001)  # the response is the window's transform
    expected = trapezoid((weighting + (1 - weighting) * np.cos(2 * np.pi * window)) * np.cos(2 * np.pi * window * 1.3))
    total = trapezoid(weighting + (1 - weighting) * np.cos(2 * np.pi * window))
    assert point_spread(np.array([1.3 * 1.5]), 1.5, weighting)[0] == pytest.approx(expected / total, abs=1e-5)
    first_zero = np.argmax(np.diff(response) > 0)
    assert 20 * np.log10(response[first_zero:].max()) == pytest.approx(sidelobe_db, abs=0.05)


def test_point_response_of_one_point_is_its_separable_point_spread():
    point = np.array([[20.3], [11.8], [3.0]])  # x, y, amplitude
    image = point_response(np.random.default_rng(0), point, (32, 48), looks=3, resolution=1.3, weighting=0.7)
    x, y = point_spread(np.arange(48) - 20.3, 1.3, 0.7), point_spread(np.arange(32) - 11.8, 1.3, 0.7)
    np.testing.assert_allclose(image, 9 * np.outer(y, x) ** 2, rtol=1e-9, atol=1e-12)


def test_ship_amplitude_is_its_root_mean_square_over_the_hull():
    ship = Ship(64.0, 64.0, 40.0, 8.0, heading=0.5, amplitude=10.0)
    energy = [(scatterers(np.random.default_rng(i), ship)[2] ** 2).sum() for i in range(3)]
    np.testing.assert_allclose(energy, 10**2 * 40 * 8)


def test_motion_smears_in_azimuth_alone_and_keeps_the_energy():
    still, moving = (Ship(64.0, 64.0, 40.0, 8.0, heading=0.0, amplitude=10.0, smear=smear) for smear in (0.0, 12.0))
    x, y, amplitude = scatterers(np.random.default_rng(0), moving)
    x0, y0, amplitude0 = scatterers(np.random.default_rng(0), still)
    assert (amplitude**2).sum() == pytest.approx((amplitude0**2).sum())
    assert (x.min(), x.max()) == (x0.min(), x0.max())
    assert np.ptp(y0) < 8 < np.ptp(y) < 8 + 12


def test_hull_has_its_length_beam_and_heading():
    ship = Ship(50.0, 40.0, 60.0, 10.0, heading=np.pi / 2, amplitude=1.0)
    y, x = np.nonzero(hull(ship, (100, 100)))
    assert np.ptp(y) == pytest.approx(60, abs=2)
    assert np.ptp(x) + 1 == pytest.approx(10, abs=1.5)
    assert np.sum(y == y.max()) < np.sum(y == y.min())  # the bow is the narrow end


def test_wake_lies_astern_and_stays_positive():
    ship = Ship(80.0, 50.0, 20.0, 4.0, heading=0.0, amplitude=1.0, wake=0.8)
    gain = wake_gain(ship, (100, 100))
    assert gain.min() > 0
    np.testing.assert_array_equal(gain[:, 71:], 1)
    assert gain[50, 40] < 0.9
    assert gain[:, 40].max() > 1.2


def test_intensity_map_is_invertible_and_used_in_full(scenes):
    mapping = intensity(SarSimConfig())
    unit = np.linspace(0, 1, 256)
    np.testing.assert_allclose(mapping.forward(mapping.inverse(unit)), unit, atol=1e-12)
    values = np.array([mapping.forward(scene.physical) for scene in scenes])
    assert np.mean(values == 0) < 0.25
    assert np.mean(values == 1) < 0.02
    assert np.quantile(values, 0.999) > 0.9


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"name": "mri_sim"}, "data.name=mri_sim"),
        ({"image_size": 8}, "at least 16"),
        ({"image_size": [64]}, "data.image_size"),
        ({"num_images": 0}, "data.num_images=0"),
        ({"seed": -1}, "data.seed=-1"),
        ({"class_probabilities": [0.5, 0.5]}, "data.class_probabilities"),
        ({"class_probabilities": [0.5, 0.6, -0.1]}, "data.class_probabilities"),
        ({"max_ships": 0}, "data.max_ships=0"),
        ({"empty_fraction": 1.5}, "data.empty_fraction=1.5"),
        ({"ship_length": [30.0, 8.0]}, "data.ship_length"),
        ({"ship_length": [8.0, 80.0]}, "at most 50"),
        ({"looks": [0.0, 4.0]}, "data.looks"),
        ({"texture_order": [1.0]}, "data.texture_order"),
        ({"resolution": 0.5}, "data.resolution=0.5"),
        ({"weighting": [0.3, 1.0]}, "data.weighting"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        SarSimConfig(**setting)
