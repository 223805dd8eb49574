import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from data.components import instances
from data.outline import outline


def filled(corners: list[tuple[int, int]], height: int, width: int) -> np.ndarray:
    """Pixels whose centre has an odd number of upright edges to its left."""
    crossings = np.zeros((height, width), int)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        assert (x0 == x1) != (y0 == y1)
        if x0 == x1:
            crossings[min(y0, y1) : max(y0, y1), x0:] += 1
    return crossings % 2 == 1


def test_a_rectangle_has_four_corners():
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:6] = True
    assert outline(mask) == [(2, 1), (6, 1), (6, 3), (2, 3)]


def test_pixels_that_touch_by_a_corner_are_one_outline():
    assert outline(np.eye(2, dtype=bool)) == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (1, 2), (1, 1), (0, 1)]
    assert outline(np.eye(2, dtype=bool)[::-1]) == [(1, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 1), (1, 1)]


@given(label_map=hnp.arrays(np.uint8, (7, 8), elements=st.sampled_from([0, 1, 1])))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_the_outline_covers_the_component_and_its_holes(label_map):
    for instance in instances(label_map):
        assert np.array_equal(filled(outline(instance.mask), 7, 8), ndimage.binary_fill_holes(instance.mask))
