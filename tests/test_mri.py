"""Simulated head MRI: purity, physics against closed forms, ground truth that agrees with itself."""

import numpy as np
import pytest

from data.mri import CLASSES, PLANES, MriSimConfig, intensity, paint, simulate
from data.mri_anatomy import Layer, Tissue, brain_layers, cavity, outer_layers
from data.mri_distance import capsule, ellipsoid, smooth_field, smooth_union
from data.mri_signal import (
    RELAXATION,
    Scan,
    coil_shading,
    draw_scan,
    inversion_recovery,
    rician,
    spin_echo,
    tissue_signal,
)

T1, T2 = Scan(tr=500.0, te=14.0), Scan(tr=4500.0, te=100.0)
FLAIR = draw_scan("flair", np.random.default_rng(0))


def grid(plane: str, place: float, size: int = 160, pixel: float = 1.6) -> np.ndarray:
    """Points (3, size, size) of an untilted, unbent slice."""
    (column, row, normal), middle, _ = PLANES[plane]
    steps = (np.arange(size) - (size - 1) / 2) * pixel
    down, right = np.meshgrid(steps, steps, indexing="ij")
    points = np.multiply.outer(column, right) + np.multiply.outer(row, down)
    return points + (np.array(middle) + np.array(normal) * place)[:, None, None]


def head(points: np.ndarray, seed: int = 0) -> tuple[list[Layer], np.ndarray]:
    rng = np.random.default_rng(seed)
    cranium = cavity(points)
    return [*outer_layers(points, cranium, rng), *brain_layers(points, cranium, rng)], cranium


# Purity and shape


def test_an_item_depends_on_seed_and_index_alone():
    config = MriSimConfig(image_size=32)
    first = simulate(config, 7)
    simulate(config, 8)
    again = simulate(MriSimConfig(image_size=32, num_images=10), 7)
    assert np.array_equal(first.physical, again.physical)
    assert np.array_equal(first.tissue, again.tissue)
    assert first.boxes == again.boxes
    assert not np.array_equal(first.physical, simulate(config, 8).physical)
    assert not np.array_equal(first.physical, simulate(MriSimConfig(image_size=32, seed=1), 7).physical)


@pytest.mark.parametrize("size", [64, 1, [1, 7], [40, 72], [97, 33], 16])
def test_any_size(size):
    height, width = (size, size) if isinstance(size, int) else size
    for index in range(6):
        scene = simulate(MriSimConfig(image_size=size, lesion_fraction=1.0), index)
        assert scene.physical.shape == scene.tissue.shape == scene.mask.shape == (height, width)
        assert scene.physical.dtype == np.float64
        assert np.isfinite(scene.physical).all()
        assert scene.physical.min() >= 0
        assert scene.mask.any()


def test_size_changes_the_sampling_not_the_head():
    shares = [(simulate(MriSimConfig(image_size=n), 3).tissue > Tissue.AIR).mean() for n in (48, 96)]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)


# Signal equations


def test_spin_echo_values():
    assert spin_echo(0.8, 1000.0, 100.0, tr=1000.0, te=100.0) == pytest.approx(
        0.8 * (1 - np.exp(-1)) * np.exp(-1), rel=1e-12
    )
    assert spin_echo(1.0, 1000.0, 1e12, tr=1e9, te=0.0) == pytest.approx(1)


def test_inversion_recovery_values():
    assert inversion_recovery(1.0, 1000.0, 1e12, tr=1e9, te=0.0, ti=1000.0) == pytest.approx(
        1 - 2 * np.exp(-1), rel=1e-12
    )
    assert inversion_recovery(1.0, 1000.0, 1e12, tr=1e9, te=0.0, ti=1000 * np.log(2)) == pytest.approx(0, abs=1e-12)
    assert inversion_recovery(0.5, 900.0, 50.0, tr=1e9, te=50.0, ti=0.0) == pytest.approx(0.5 * np.exp(-1), rel=1e-12)


def test_contrast_agent_shortens_both_times():
    enhanced = Scan(tr=500.0, te=14.0, gadolinium=1.0)
    tumour = RELAXATION[Tissue.TUMOUR]._replace(gadolinium=1.0)
    t1, t2 = 1 / (1 / tumour.t1 + 4.5e-3), 1 / (1 / tumour.t2 + 5.5e-3)
    assert tissue_signal(tumour, enhanced) == pytest.approx(spin_echo(tumour.pd, t1, t2, 500.0, 14.0), rel=1e-12)
    assert tissue_signal(tumour, enhanced) > 1.5 * tissue_signal(tumour, T1)


@pytest.mark.parametrize(
    ("scan", "order"),
    [
        (T1, [Tissue.FAT, Tissue.WHITE, Tissue.DEEP_GREY, Tissue.GREY, Tissue.CSF, Tissue.AIR]),
        (T2, [Tissue.CSF, Tissue.EDEMA, Tissue.GREY, Tissue.DEEP_GREY, Tissue.WHITE, Tissue.BONE]),
        (FLAIR, [Tissue.EDEMA, Tissue.GREY, Tissue.WHITE, Tissue.CSF]),
    ],
)
def test_contrast_orders(scan, order):
    signals = [tissue_signal(RELAXATION[tissue], scan) for tissue in order]
    assert signals == sorted(signals, reverse=True)


def test_flair_nulls_fluid_whatever_its_times():
    for seed in range(20):
        scan = draw_scan("flair", np.random.default_rng(seed))
        assert tissue_signal(RELAXATION[Tissue.CSF], scan) < 1e-12


def test_every_tissue_has_parameters():
    assert set(RELAXATION) == set(Tissue)


# Noise and shading


def test_rician_background_is_rayleigh():
    noise = rician(np.zeros((500, 500)), 0.03, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(0.03 * np.sqrt(np.pi / 2), rel=0.01)
    assert noise.var() == pytest.approx(0.03**2 * (2 - np.pi / 2), rel=0.02)


@pytest.mark.parametrize("snr", [0.5, 1, 3, 20])
def test_rician_second_moment(snr):
    values = rician(np.full((500, 500), 0.1), 0.1 / snr, np.random.default_rng(1))
    assert (values**2).mean() == pytest.approx(0.1**2 + 2 * (0.1 / snr) ** 2, rel=0.01)


def test_background_of_a_scene_is_rayleigh():
    corners = []
    for index in range(40):
        corner = simulate(MriSimConfig(image_size=64, planes=["axial"]), index).physical[:5, :5]
        corners.append(corner.mean() / np.sqrt((corner**2).mean()))
    assert np.mean(corners) == pytest.approx(np.sqrt(np.pi) / 2, rel=0.02)  # Rayleigh: mean / rms


def test_shading_is_positive_smooth_and_off_at_zero():
    rng = np.random.default_rng(0)
    assert (coil_shading(9, 5, 0.0, rng) == 1).all()
    field = coil_shading(64, 64, 0.2, rng)
    assert field.min() > 0
    assert np.abs(np.diff(np.log(field), axis=0)).max() < 0.05


# Geometry


def test_sphere_distance_is_exact():
    points = grid("axial", 0.0, size=20, pixel=3.0)
    distance = ellipsoid(points, (1, 2, 3), (10, 10, 10))
    assert distance == pytest.approx(np.linalg.norm(points - np.array([1, 2, 3])[:, None, None], axis=0) - 10, abs=1e-6)


def test_capsule_and_union():
    points = np.array([[0.0, 0, 5, 12], [3, 0, 2, 0], [0, 0, 0, 0]])[:, None]  # (3, 1, 4)
    tube = capsule(points, (0, 0, 0), (10, 0, 0), (1, 1))
    assert tube == pytest.approx(np.array([[2.0, -1, 1, 1]]))
    assert smooth_union(tube, tube + 9, 2.0) == pytest.approx(tube)  # far apart: a plain minimum
    assert smooth_union(tube, tube, 2.0) == pytest.approx(tube - 0.5)  # together: filled by radius / 4


def test_smooth_field_has_unit_variance():
    rng = np.random.default_rng(0)
    fields = [smooth_field(grid("axial", 0.0, 40, 6.0), (10, 30), rng, channels=4, waves=24) for _ in range(30)]
    assert np.mean(fields) == pytest.approx(0, abs=0.05)
    assert np.var(fields) == pytest.approx(1, abs=0.15)


def test_a_sheet_thinner_than_a_pixel_keeps_its_area():
    place = np.tile((np.arange(40) + 0.3) * 4.0, (2, 1))  # pixels of 4 mm
    sheet = Layer(Tissue.FAT, np.abs(place - 80) - 0.5, 1.0)
    signal, tissue = paint([sheet], 4.0, T1)
    share = signal.sum(1) / tissue_signal(RELAXATION[Tissue.FAT], T1)
    assert share == pytest.approx(1.0 / 4.0, rel=1e-5)
    assert (tissue == Tissue.AIR).all()


@pytest.mark.parametrize("seed", range(4))
def test_tissues_are_nested(seed):
    """From the skin inwards: fat, bone, fluid, grey, white; ventricles deep inside."""
    layers, cranium = head(grid("axial", 20.0), seed)
    _, tissue = paint(layers, 1.6, T1)
    for line in (tissue[80], tissue[80][::-1], tissue[75]):
        found = [np.argmax(line == t) for t in (Tissue.FAT, Tissue.BONE, Tissue.GREY, Tissue.WHITE)]
        assert all(np.diff(found) > 0)
        assert (line[: found[0]] == Tissue.AIR).all()
    brain = np.isin(tissue, [Tissue.GREY, Tissue.WHITE, Tissue.DEEP_GREY, Tissue.VENTRICLE])
    assert (cranium[brain] < 0).all()
    assert (tissue[cranium > 1.2] < Tissue.CSF).all()
    ventricle = tissue == Tissue.VENTRICLE
    assert 20 < ventricle.sum() < 0.2 * brain.sum()
    assert cranium[ventricle].max() < -15
    around = ventricle.copy()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        around |= np.roll(ventricle, step, axis)
    assert np.isin(tissue[around], [Tissue.VENTRICLE, Tissue.WHITE, Tissue.DEEP_GREY, Tissue.GREY]).mean() > 0.95


@pytest.mark.parametrize(
    ("plane", "place", "expected"),
    [
        ("sagittal", 4.0, {Tissue.MARROW, Tissue.MUSCLE, Tissue.WHITE, Tissue.VENTRICLE, Tissue.PITUITARY}),
        ("axial", -34.0, {Tissue.EYE, Tissue.AIR, Tissue.GREY, Tissue.VENTRICLE, Tissue.MUSCLE}),
        ("coronal", 0.0, {Tissue.DEEP_GREY, Tissue.VENTRICLE, Tissue.MUSCLE, Tissue.DURA}),
    ],
)
def test_each_plane_shows_its_organs(plane, place, expected):
    _, tissue = paint(head(grid(plane, place))[0], 1.6, T1)
    assert {int(t) for t in expected} <= set(np.unique(tissue).tolist())


# Lesions


def test_lesion_mask_box_and_class_agree():
    config = MriSimConfig(image_size=[48, 64])
    labels = []
    for index in range(40):
        scene = simulate(config, index)
        labels.append(scene.class_label)
        ill = np.isin(scene.tissue, [Tissue.EDEMA, Tissue.TUMOUR, Tissue.NECROSIS])
        assert np.array_equal(ill, scene.mask)
        assert len(scene.boxes) == scene.class_label == scene.mask.any()
        for x, y, width, height in scene.boxes:
            inside = scene.mask[y : y + height, x : x + width]
            assert inside.sum() == scene.mask.sum()
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    assert CLASSES == ["healthy", "lesion"]
    assert 10 < sum(labels) < 30


def test_fractions_are_obeyed_at_their_ends():
    assert not any(simulate(MriSimConfig(image_size=16, lesion_fraction=0.0), i).class_label for i in range(10))
    flair = MriSimConfig(
        image_size=64, t2_fraction=0.0, flair_fraction=1.0, planes=["axial"], lesion_fraction=0.0, snr=1e4
    )
    t2 = MriSimConfig(
        image_size=64, t2_fraction=1.0, flair_fraction=0.0, planes=["axial"], lesion_fraction=0.0, snr=1e4
    )
    for config, fluid_is_dark in ((flair, True), (t2, False)):
        ratios = []
        for index in range(12):
            scene = simulate(config, index)
            fluid, white = scene.tissue == Tissue.VENTRICLE, scene.tissue == Tissue.WHITE
            if fluid.any():
                ratios.append(np.median(scene.physical[fluid]) / np.median(scene.physical[white]))
        assert bool(np.median(ratios) < 0.8) is fluid_is_dark


# Display and configuration


def test_intensity_round_trip():
    window = intensity(MriSimConfig())
    scene = simulate(MriSimConfig(), 0)
    inside = scene.physical <= window.high
    assert inside.mean() > 0.97
    assert window.inverse(window.forward(scene.physical))[inside] == pytest.approx(scene.physical[inside], abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mri"}, r"data.name=mri"),
        ({"image_size": 0}, r"data.image_size=0"),
        ({"num_images": 0}, r"data.num_images=0"),
        ({"seed": -1}, r"data.seed=-1"),
        ({"planes": []}, r"data.planes=\[\]: use one or more of axial, coronal, sagittal"),
        ({"planes": ["axial", "oblique"]}, r"oblique"),
        ({"t2_fraction": 1.5}, r"data.t2_fraction=1.5"),
        ({"t2_fraction": 0.6, "flair_fraction": 0.6}, r"data.t2_fraction \+ data.flair_fraction=1.2: at most 1"),
        ({"lesion_fraction": float("nan")}, r"data.lesion_fraction=nan"),
        ({"field_of_view": 0.0}, r"data.field_of_view=0.0"),
        ({"snr": -1.0}, r"data.snr=-1.0"),
        ({"shading": -0.1}, r"data.shading=-0.1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message) as error:
        MriSimConfig(**settings)
    assert "\n" not in str(error.value)
