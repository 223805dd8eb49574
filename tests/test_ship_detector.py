"""The detector that benchmarks/joint_sar.py compares labels with."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from ship_detector import Detector, box_around, clutter, counts, detect, tune

from data.components import f1
from data.item import Box
from data.sar import SarSimConfig, intensity, simulate

SHARP = Detector(skirt=0.0)  # for rectangles, which no point spread function has widened


def scenes(count: int, seed: int) -> tuple[list[np.ndarray], list[list[Box]]]:
    config = SarSimConfig(seed=seed, class_probabilities=[1.0, 0.0, 0.0])
    drawn = [simulate(config, i) for i in range(count)]
    scale = intensity(config)
    images = [scale.low + (scale.high - scale.low) * scale.forward(scene.physical) for scene in drawn]
    return images, [[Box(*map(float, box), 1) for box in scene.boxes] for scene in drawn]


def rectangles(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    image = np.zeros(shape)
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w] = 20.0
    return image


@pytest.mark.parametrize("shape", [(64, 64), (40, 72)])
def test_rectangles_without_noise_are_found_exactly(shape):
    given = [(5, 6, 12, 3), (30, 5, 4, 14), (2, 30, 6, 2)]
    found = detect(rectangles(*given, shape=shape), SHARP)
    assert sorted((b.x, b.y, b.width, b.height) for b in found) == sorted(given)
    assert {b.label for b in found} == {1}


def test_what_is_too_small_too_long_or_cut_by_the_edge_is_no_ship():
    assert detect(rectangles((5, 5, 11, 1), (10, 20, 40, 3), (0, 30, 10, 3), (50, 60, 8, 4)), SHARP) == []
    assert detect(np.zeros((64, 64)), SHARP) == []
    at_sea = replace(SHARP, longest=96.0, at_edge=True)
    assert detect(rectangles((10, 20, 40, 3), (0, 30, 10, 3)), at_sea) == [
        Box(10.0, 20.0, 40.0, 3.0, 1),
        Box(0.0, 30.0, 10.0, 3.0, 1),
    ]


def test_a_box_holds_what_is_near_the_peak_less_the_skirt():
    image = rectangles((20, 20, 12, 6))
    image[17:29, 17:35] = np.maximum(image[17:29, 17:35], 7.0)  # 13 dB below the peak, and still above the clutter
    assert detect(image, SHARP) == [Box(20.0, 20.0, 12.0, 6.0, 1)]
    assert detect(image, Detector(skirt=0.75)) == [Box(20.75, 20.75, 10.5, 4.5, 1)]
    assert detect(image, Detector(skirt=0.0, depth=14.0)) == [Box(17.0, 17.0, 18.0, 12.0, 1)]


def test_a_thin_box_keeps_a_pixel_around_its_middle():
    mask = np.zeros((8, 8), bool)
    mask[3, 1:7] = True
    assert box_around(mask, 0.75) == Box(1.75, 3.0, 4.5, 1.0, 1)


def test_clutter_is_a_normal_laws_mean_and_standard_deviation():
    noise = np.random.default_rng(0).normal(-3.0, 2.0, (64, 64))
    noise[20:25, 20:40] = 30.0  # a ship, which must not count
    level, spread = clutter(noise, 41)
    assert level.mean() == pytest.approx(-3.0, abs=0.3)
    assert spread.mean() == pytest.approx(2.0, abs=0.3)


def test_counts_are_of_each_image():
    box, other = Box(1.0, 1.0, 4.0, 4.0, 1), Box(20.0, 20.0, 4.0, 4.0, 1)
    assert counts([[box], [], [other]], [[box, other], [box], []], 0.5).tolist() == [[1, 0, 1], [0, 0, 1], [0, 1, 0]]


def test_ships_on_the_open_sea():
    """Tuned on other scenes than it is judged on; about 0.98 in the long run (benchmarks/joint_sar.py)."""
    detector, of_tuning = tune(*scenes(40, seed=1))
    images, true = scenes(100, seed=0)
    found = [detect(image, detector) for image in images]
    assert f1(*counts(found, true, 0.5).sum(axis=0).tolist()) >= 0.9
    assert f1(*counts(found, true, 0.3).sum(axis=0).tolist()) >= 0.9
    assert of_tuning >= 0.9
