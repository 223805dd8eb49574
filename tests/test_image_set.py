import numpy as np
import pytest
import torch

from data import DATASETS, data_config_from_dict, saved_data_config
from data.augment import augment
from data.image_set import ImagesConfig, ImageSet, ImageSpec, height_width, to_floats, to_integers
from data.intensity import IntensityConfig
from data.split import split


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_set(n: int, labels: list[int] | None = None) -> ImageSet:
    """Images whose every pixel is their number."""
    pixels = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 1, 4, 6)).copy()
    attributes = {} if labels is None else {"class": [f"class {i}" for i in range(max(labels) + 1)]}
    spec = ImageSpec(1, 4, 6, "uint8", IntensityConfig(), attributes)
    column = None if labels is None else np.array(labels)[:, None]
    return ImageSet(pixels, column, [f"{i}.png" for i in range(n)], spec)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_integer_survives_the_way_to_floats_and_back(dtype):
    every = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    floats = to_floats(every)
    assert floats.dtype == torch.float32
    assert floats.min() == -1
    assert floats.max() == 1
    assert np.array_equal(to_integers(floats, dtype), every)
    assert np.array_equal(to_integers(floats.double(), dtype), every)


def test_to_integers_clips_and_rounds_to_the_nearest():
    x = torch.tensor([-7.0, -1.0, -1 + 0.6 * 2 / 255, 0.9999, 3.0])
    assert to_integers(x, "uint8").tolist() == [0, 0, 1, 255, 255]
    assert to_integers(x.bfloat16(), "uint8").dtype == np.uint8


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_to_integers_refuses_what_is_not_a_number(bad):
    with pytest.raises(ValueError, match="diverged"):
        to_integers(torch.tensor([0.0, bad]), "uint8")


def test_batch_has_the_asked_images_in_order():
    images = image_set(5, [0, 1, 0, 1, 0])
    x_0, labels = images.batch([3, 0, 3])
    assert x_0.shape == (3, 1, 4, 6)
    assert x_0.dtype == torch.float32
    assert torch.equal(x_0[:, 0, 0, 0], torch.tensor([3.0, 0.0, 3.0]) / 127.5 - 1)
    assert labels is not None
    assert labels.tolist() == [[1], [0], [1]]
    assert image_set(5).batch(np.array([1])).class_label is None


def test_a_subset_of_a_subset_names_the_same_pixels_without_a_copy():
    images = image_set(6, [0, 1, 2, 0, 1, 2])
    part = images.subset([5, 3, 1]).subset([2, 0])
    assert part.names == ["1.png", "5.png"]
    assert part.class_labels is not None
    assert part.class_labels.tolist() == [[1], [2]]
    assert part.integers([0, 1])[:, 0, 0, 0].tolist() == [1, 5]
    assert part.pixels is images.pixels
    assert len(images.subset([])) == 0


def test_spec_survives_as_plain_types():
    spec = ImageSpec(3, 5, 7, "uint16", IntensityConfig("db", -20.0, 30.0), {"class": ["a", "b"]}, "float32")
    plain = spec.to_dict()
    assert plain["intensity"] == {"name": "db", "low": -20.0, "high": 30.0}
    assert ImageSpec.from_dict(plain) == spec
    del plain["label_values"]  # a checkpoint of before
    assert ImageSpec.from_dict(plain) == spec


@pytest.mark.parametrize(
    ("config", "value", "unit"),
    [
        (IntensityConfig("linear", -10.0, 30.0), 0.0, 0.25),
        (IntensityConfig("linear", 0.0, 4095.0), 4095.0, 1.0),
        (IntensityConfig("log", 1.0, 10000.0), 100.0, 0.5),
        (IntensityConfig("db", -20.0, 20.0), 1.0, 0.5),
        (IntensityConfig("db", 0.0, 40.0), 10.0, 0.5),
    ],
)
def test_intensity_by_hand(config, value, unit):
    assert config.forward(np.array([value])) == pytest.approx(unit, abs=1e-15)
    assert config.inverse(np.array([unit])) == pytest.approx(value, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("name", ["linear", "log", "db"])
def test_intensity_is_monotone_inverted_and_clipped(name):
    config = IntensityConfig(name, 0.5, 90.0)
    low, high = config.limits
    values = np.geomspace(low, high, 50)
    assert np.allclose(config.inverse(config.forward(values)), values, rtol=1e-12)
    assert (np.diff(config.forward(values)) > 0).all()
    assert config.forward(np.array([-5.0, 0.0, high * 2])).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"name": "gamma"}, "linear, log, db"),
        ({"low": 3.0, "high": 3.0}, "below"),
        ({"high": float("inf")}, "finite"),
        ({"name": "log", "low": 0.0}, "above 0"),
    ],
)
def test_bad_intensity(bad, says):
    with pytest.raises(ValueError, match=says):
        IntensityConfig(**bad)


def test_height_width():
    assert height_width(64) == (64, 64)
    assert height_width([48, 64]) == height_width((48, 64)) == (48, 64)


@pytest.mark.parametrize("bad", [0, -3, 6.5, "64", True, [64], [1, 2, 3], [64, 0], [64, 2.5], None])
def test_bad_image_size(bad):
    with pytest.raises(ValueError, match=r"data\.image_size"):
        height_width(bad)


def test_config_refuses_what_cannot_be():
    with pytest.raises(ValueError, match=r"data\.val_fraction"):
        ImagesConfig(val_fraction=1.0)
    with pytest.raises(ValueError, match=r"data\.rot90"):
        ImagesConfig(image_size=[32, 48], rot90=True)


def test_data_config_from_dict():
    images = {"folder", "coco", "yolo", "masks", "nifti", "dicom", "npz", "sar_sim", "mri_sim"}
    assert set(DATASETS) == images | {"table", "table_demo"}
    assert data_config_from_dict({"name": "folder", "path": "x", "image_size": [8, 9]}).image_size == [8, 9]
    with pytest.raises(ValueError, match=r"data\.name=foldr"):
        data_config_from_dict({"name": "foldr"})
    with pytest.raises(ValueError, match="image_siz"):
        data_config_from_dict({"name": "folder", "image_siz": 3})


def test_a_saved_config_may_hold_what_was_without_effect_and_is_refused_now():
    saved = {"name": "dicom", "path": "x", "nodata": 0, "complex": "amplitude"}
    with pytest.raises(ValueError, match=r"data\.nodata=0 has no effect on data=dicom: leave it out"):
        data_config_from_dict(saved)
    assert saved_data_config(saved).nodata == "error"
    assert saved_data_config({**saved, "name": "folder"}).nodata == 0
    with pytest.raises(ValueError, match=r"data\.name=foldr"):
        saved_data_config({"name": "foldr"})


def test_split_keeps_everything_once_and_takes_each_class_in_proportion():
    labels = [0] * 70 + [1] * 20 + [2] * 10
    images = image_set(100, labels)
    for seed in range(20):
        train, val = split(images, 0.1, seed)
        assert sorted(train.names + val.names) == sorted(images.names)
        assert val.class_labels is not None
        assert np.bincount(val.class_labels[:, 0], minlength=3).tolist() == [7, 2, 1]


def test_split_depends_on_its_seed_alone():
    images = image_set(50)
    assert split(images, 0.2, 3)[1].names == split(images, 0.2, 3)[1].names
    assert split(images, 0.2, 3)[1].names != split(images, 0.2, 4)[1].names


def test_every_image_can_be_held_out():
    images = image_set(6)
    assert {split(images, 0.1, seed)[1].names[0] for seed in range(200)} == set(images.names)


@pytest.mark.parametrize(
    ("n", "fraction", "held"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (10, 0.0, 0), (10, 0.01, 1), (10, 0.99, 9)]
)
def test_split_of_small_sets(n, fraction, held):
    train, val = split(image_set(n), fraction, 0)
    assert (len(train), len(val)) == (n - held, held)


def test_split_leaves_the_only_image_of_a_class_in_training():
    for seed in range(20):
        train, val = split(image_set(5, [0, 0, 0, 1, 2]), 0.4, seed)
        assert train.class_labels is not None
        assert set(train.class_labels[:, 0].tolist()) == {0, 1, 2}
        assert len(val) == 2
    assert len(split(image_set(3, [0, 1, 2]), 0.1, 0)[1]) == 1


def test_augment_draws_each_image_by_itself_and_every_case_occurs():
    image = torch.arange(9.0).reshape(1, 3, 3)
    turned = augment(image.repeat(400, 1, 1, 1), generator(0), hflip=True, vflip=True, rot90=True)
    seen = {tuple(x.flatten().tolist()) for x in turned}
    assert len(seen) == 8  # the symmetries of the square
    flipped = augment(image.repeat(400, 1, 1, 1), generator(0), hflip=True)
    kept = (flipped == image).flatten(1).all(dim=1)
    assert torch.equal(flipped[~kept][0], image.flip(-1))
    assert 150 < int(kept.sum()) < 250


def test_augment_does_only_what_is_switched_on():
    x_0 = torch.randn(16, 2, 4, 6, generator=generator(1))
    assert augment(x_0, generator(0)) is x_0
    mirrored = augment(x_0, generator(0), vflip=True)
    assert all(torch.equal(m, x) or torch.equal(m, x.flip(-2)) for m, x in zip(mirrored, x_0, strict=True))
    assert torch.equal(mirrored, augment(x_0, generator(0), vflip=True))
    with pytest.raises(ValueError, match="square"):
        augment(x_0, generator(0), rot90=True)
