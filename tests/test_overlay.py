import numpy as np
import pytest

from data.item import Box
from data.overlay import COLOURS, overlay
from data.writers import image_grid

GREY = np.full((1, 6, 8), 100, np.uint8)


def coloured(canvas: np.ndarray, label: int) -> np.ndarray:
    return (canvas == np.array(COLOURS[label - 1])[:, None, None]).all(0)


def test_without_labels_it_is_the_image_enlarged():
    image = np.random.default_rng(0).integers(0, 65536, (1, 3, 4)).astype(np.uint16)
    large = overlay(image, scale=3)
    assert large.shape == (3, 9, 12)
    assert large.dtype == np.uint8
    assert np.array_equal(large[:, 1::3, 1::3], np.repeat(np.rint(image / 257), 3, axis=0))
    colour = np.random.default_rng(0).integers(0, 256, (3, 3, 4)).astype(np.uint8)
    assert np.array_equal(overlay(colour, scale=1), colour)


def test_an_image_thrice_as_high_as_wide_takes_its_label_map():
    drawn = overlay(np.zeros((1, 24, 8), np.uint8), np.pad(np.ones((1, 1), np.uint8), ((9, 14), (3, 4))), scale=2)
    assert drawn.shape == (3, 48, 16)
    assert coloured(drawn, 1).sum() == 4 * 4 - 2 * 2


def test_a_region_is_outlined_and_stays_visible():
    label_map = np.zeros((6, 8), np.uint8)
    label_map[2, 3] = 2
    canvas = overlay(GREY, label_map, scale=4)
    line = coloured(canvas, 2)
    assert line.sum() == 6 * 6 - 4 * 4
    assert line[7:13, 11:17].sum() == line.sum()
    assert (canvas[:, ~line] == 100).all()


def test_a_box_is_framed_and_cut_at_the_edge():
    canvas = overlay(GREY, None, [Box(2.0, 1.0, 3.0, 2.0, 1)], scale=4)
    frame = coloured(canvas, 1)
    assert frame.sum() == 2 * 14 + 2 * 8
    assert not frame[4:12, 8:20].any()
    whole = coloured(overlay(GREY, None, [Box(0.0, 0.0, 8.0, 6.0, 1)], scale=2), 1)
    assert whole.sum() == 2 * (12 + 16) - 4


def test_overlays_make_a_grid_and_every_label_has_a_colour():
    label_map = np.zeros((6, 8), np.uint8)
    label_map[3, 3] = 255
    pictures = np.stack([overlay(GREY, label_map), overlay(GREY)])
    assert image_grid(pictures, columns=2, gap=1).shape == (3, 18, 49)
    assert (pictures[0] != pictures[1]).any()
    with pytest.raises(ValueError, match="scale=0"):
        overlay(GREY, scale=0)
