"""Label maps go where their images go: fitted, counted, cached beside them, flipped and turned with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.augment import augment
from data.fit import FITS, coverage, fit_hole, fit_image, fit_label_map, geometry, unfit_label_map
from data.image_set import ImageSet, ImageSpec, to_floats, to_item_arrays
from data.intensity import IntensityConfig
from data.label_encoding import LabelEncodingConfig
from data.label_map import describe_labels, look_at_labels

ONEHOT = LabelEncodingConfig("onehot")


def square(height: int, width: int, top: int, left: int, side: int, value: int = 1) -> np.ndarray:
    label_map = np.zeros((height, width), np.uint8)
    label_map[top : top + side, left : left + side] = value
    return label_map


def test_coverage_by_hand():
    assert np.allclose(coverage(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    assert np.allclose(coverage(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    assert np.allclose(coverage(2, 3), [[1, 0], [0.5, 0.5], [0, 1]])
    assert np.allclose(coverage(301, 64).sum(1), 1)


@pytest.mark.parametrize("fit", FITS)
def test_a_map_of_the_right_size_is_left_alone(fit):
    label_map = np.random.default_rng(0).integers(0, 5, (6, 9)).astype(np.uint8)
    assert np.array_equal(fit_label_map(label_map, (6, 9), fit), label_map)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (37, 41), (96, 200)])
def test_a_map_lies_where_its_image_lies(fit, shape):
    """A bright square whose map is itself: after fitting, the image is bright where the map says so."""
    if fit == "center_crop" and min(shape) < 32:
        pytest.skip("never enlarges")
    label_map = square(*shape, shape[0] // 2 - 9, shape[1] // 2 - 7, 16)
    size = (32, 32)
    image = fit_image(label_map[None].astype(np.float64) * 100, size, fit)[0]
    fitted = fit_label_map(label_map, size, fit)
    assert fitted.any()
    assert (image[fitted == 1] > 20).all()
    assert (image[fitted == 0] < 50).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(32, 32), (64, 128), (128, 64), (96, 96)])
def test_a_map_laid_back_covers_what_it_was_fitted_from(fit, shape):
    """At a whole number of pixels a pixel, laying back loses nothing but what lay outside of the image."""
    fitted = np.random.default_rng(1).integers(0, 4, (32, 32)).astype(np.uint8)
    back = unfit_label_map(fitted, shape, fit)
    assert back.shape == shape
    moved = geometry(shape, (32, 32), fit)
    inside = np.zeros((32, 32), bool)
    inside[max(0, moved.top) : moved.top + moved.height, max(0, moved.left) : moved.left + moved.width] = True
    assert inside.all() == (fit != "pad" or shape[0] == shape[1])
    assert np.array_equal(fit_label_map(back, (32, 32), fit), np.where(inside, fitted, 0))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(32, 32), (40, 64), (97, 53), (200, 200), (20, 24)])
def test_outside_a_fitted_hole_nothing_is_left_of_what_was_in_it(fit, shape):
    if fit == "center_crop" and min(shape) < 32:
        pytest.skip("never enlarges")
    hole = square(*shape, shape[0] // 2 - 4, shape[1] // 2 - 3, 7) > 0
    flat = np.full((1, *shape), 0.5)
    there, gone = (fit_image(np.where(hole, value, flat), (32, 32), fit)[0] for value in (0.5, 0.0))
    fitted = fit_hole(hole, (32, 32), fit)
    assert fitted.any()
    assert not fitted.all()
    assert np.allclose(there[~fitted], gone[~fitted], rtol=0, atol=1e-12)


def test_what_was_cut_off_is_background_when_a_map_is_laid_back():
    back = unfit_label_map(np.full((2, 2), 3, np.uint8), (4, 8), "crop")
    assert back.tolist() == [[0, 0, 3, 3, 3, 3, 0, 0]] * 4


@pytest.mark.parametrize(("covered", "value"), [(2, 0), (3, 1), (9, 1)])
def test_a_third_of_a_pixel_is_foreground(covered, value):
    label_map = np.zeros((3, 3), np.uint8)
    label_map.flat[:covered] = 1
    assert fit_label_map(label_map, (1, 1), "resize")[0, 0] == value


def test_the_value_that_covers_most_wins_and_none_is_invented():
    label_map = np.array([[1, 5, 5], [0, 5, 1], [0, 0, 0]], np.uint8)
    assert fit_label_map(label_map, (1, 1), "resize")[0, 0] == 5  # not their mean
    assert fit_label_map(np.array([[3, 7]], np.uint8), (1, 1), "resize")[0, 0] == 3  # a tie: the lower
    rng = np.random.default_rng(0)
    label_map = rng.choice([0, 2, 200], (50, 70)).astype(np.uint8)
    for fit in ("crop", "pad", "resize"):
        assert set(np.unique(fit_label_map(label_map, (23, 31), fit))) <= {0, 2, 200}


def test_pad_surrounds_a_map_with_background():
    fitted = fit_label_map(np.full((10, 30), 4, np.uint8), (30, 30), "pad")
    assert (fitted[10:20] == 4).all()
    assert (fitted[:10] == 0).all()
    assert (fitted[20:] == 0).all()


def test_enlarging_by_a_whole_number_repeats():
    label_map = np.array([[0, 1], [2, 0]], np.uint8)
    assert np.array_equal(fit_label_map(label_map, (6, 6), "resize"), label_map.repeat(3, 0).repeat(3, 1))


def test_objects_are_counted_and_those_that_fitting_loses():
    label_map = square(80, 160, 30, 70, 20)  # stays
    label_map |= square(80, 160, 10, 2, 8)  # outside the middle square: cut off
    label_map |= square(80, 160, 70, 60, 1)  # one pixel of an hundred
    label_map |= square(80, 160, 34, 74, 4, value=3)  # of another value, inside the first: 3 = 1 | 3
    seen = look_at_labels(label_map, (8, 8), "crop", values=4)
    assert seen.objects == {1: 3, 3: 1}
    assert (seen.cut_off, seen.vanished) == (1, 2)  # the small square of 3 covers 4 of 100 pixels at a time
    kept = look_at_labels(label_map, (80, 160), "crop", values=4)
    assert (kept.cut_off, kept.vanished) == (0, 0)
    assert look_at_labels(None, (8, 8), "crop", values=4).objects == {}
    with pytest.raises(ValueError, match="holds 3, and there are names for 0 to 2"):
        look_at_labels(label_map, (8, 8), "crop", values=3)


def test_touching_corners_make_one_object():
    assert look_at_labels(np.eye(8, dtype=np.uint8), (8, 8), "crop", values=2).objects == {1: 1}


def test_the_report_counts_objects_images_and_losses():
    names = ["background", "ship", "buoy"]
    label_map = square(64, 64, 5, 5, 20) | square(64, 64, 50, 50, 1, value=2)
    seen = [look_at_labels(m, (8, 8), "resize", values=3) for m in (label_map, None, np.zeros((64, 64), np.uint8))]
    assert describe_labels(seen, names, "resize") == [
        "Label maps: ship 1 objects in 1 images, buoy 1 objects in 1 images",
        "2 images are all background (1 without any label)",
        "data.fit=resize loses 1 of 2 objects (0 cut off, 1 too small at this size)",
    ]


def labelled(n: int = 5, dtype: str = "uint8") -> ImageSet:
    """Image i is i everywhere but for a corner; its map is i % 3 in another corner."""
    pixels = np.zeros((n, 2, 4, 4), dtype)
    pixels[:, 0] = np.arange(n)[:, None, None]
    pixels[:, 0, 0, 0] = 100
    pixels[:, 1, 0, 3] = np.arange(n) % 3
    spec = ImageSpec(1, 4, 4, dtype, IntensityConfig(), {"plane": ["a", "b"]}, None, ["background", "x", "y"], ONEHOT)
    return ImageSet(pixels, np.array([[0], [-1], [1], [0], [1]]), [str(i) for i in range(n)], spec)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_label_map_is_no_channel_of_the_image(dtype):
    images = labelled(dtype=dtype)
    assert images.integers([3, 4]).shape == (2, 1, 4, 4)
    assert images.label_maps([4, 1])[:, 0, 3].tolist() == [1, 1]
    batch = images.subset([4, 2]).batch([1, 0])
    assert batch.x_0.shape == (2, 3, 4, 4)
    assert torch.equal(batch.x_0[:, :1], to_floats(images.integers([2, 4])))
    assert batch.x_0[:, 1:, 0, 3].tolist() == [[-1, 1], [1, -1]]  # y, x
    assert (batch.x_0[:, 1:, 1:] == -1).all()
    pixels, label_maps = to_item_arrays(batch.x_0, images.spec)
    assert np.array_equal(pixels, images.integers([2, 4]))
    assert label_maps is not None
    assert np.array_equal(label_maps, images.label_maps([2, 4]))
    assert batch.class_label is not None
    assert batch.class_label.tolist() == [[1], [1]]


def test_an_unknown_attribute_has_its_null_number():
    images = labelled()
    assert images.spec.null_label == [2]
    class_label = images.batch([0, 1]).class_label
    assert class_label is not None
    assert class_label.tolist() == [[0], [2]]
    assert class_label.dtype == torch.int64


def test_the_encoded_map_turns_with_the_image():
    """Whatever the draw, an image that says where the label is still says so."""
    images = labelled(64)
    pixels = images.pixels.copy()
    pixels[:, 0] = np.where(pixels[:, 1] > 0, 255, 0)
    batch = ImageSet(pixels, None, images.names, replace(images.spec, attributes={})).batch(range(64))
    turned = augment(batch.x_0, torch.Generator().manual_seed(7), hflip=True, vflip=True, rot90=True)
    assert torch.equal(turned[:, 0], turned[:, 1:].amax(dim=1))
    assert not torch.equal(turned, batch.x_0)


def test_the_spec_reads_its_older_form_and_keeps_its_keys():
    spec = ImageSpec(1, 4, 4, attributes={"class": ["a", "b"]})
    assert spec.classes == ["a", "b"]
    new = ("attributes", "label_names", "label_values", "label_encoding", "label_channels", "counts")
    old = {k: v for k, v in spec.to_dict().items() if k not in new}
    assert ImageSpec.from_dict({**old, "classes": ["a", "b"]}) == spec
    assert ImageSpec.from_dict({**old, "classes": []}) == ImageSpec(1, 4, 4)
    assert spec.key_form() == {**old, "classes": ["a", "b"]}
    whole = ImageSpec(1, 4, 4, attributes={"class": ["a"], "plane": ["x"]}, label_names=["background", "ship"])
    assert ImageSpec.from_dict(whole.to_dict()) == whole
    assert whole.key_form() == {k: v for k, v in whole.to_dict().items() if k in {*old, "attributes", "label_names"}}
