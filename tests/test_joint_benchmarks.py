"""What the benchmarks of joint checkpoints compute from label maps."""

import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import label_encodings
import labelled_results
from annotate_hippocampus import dice_of_volumes, summary, volume_of
from annotation import interval
from joint_sar import Labelled, boxes_of, compare, mask_iou
from supervised import segmentation_loss

from data.image_set import ImageSpec
from data.sample_files import SampleFiles, write_label_map
from data.writers import write_image


def square(x: int, y: int, side: int = 4) -> np.ndarray:
    mask = np.zeros((16, 16), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def test_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    low, high = interval(values, np.mean)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.02)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_boxes_are_scored_by_landscape_and_together():
    maps = [square(1, 1), square(5, 5), square(5, 5) * 0, square(3, 3)]
    images = Labelled([], maps, ["open_sea", "coast", "coast", "harbour"])
    drawn = boxes_of(
        [square(1, 1), square(7, 5), square(0, 0), square(3, 3, side=1)]
    )  # IoU 1, 1/3; too much; too small
    rows = compare(images, drawn)["boxes"]
    assert [rows[name]["iou 0.5"]["f1"] for name in rows] == pytest.approx([1.0, 0.0, 0.0, 1 / 3])
    assert rows["coast"]["iou 0.3"] | {"interval": None} == {"f1": 2 / 3, "tp": 1, "fp": 1, "fn": 0, "interval": None}
    assert [rows[name]["ships"] for name in rows] == [1, 1, 1, 3]


def test_mask_iou_of_all_pixels_and_of_each_image_with_ships():
    true = [square(1, 1), square(5, 5), square(0, 0) * 0]
    found = mask_iou(true, [square(1, 1), square(7, 5), square(0, 0)])["mask_iou"]
    assert found["pooled"] == pytest.approx((16 + 8 + 0) / (16 + 24 + 16))
    assert found["mean"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["images_with_ships"] == 2


def test_dice_is_of_whole_volumes():
    names = ["b/0000", "a/0000", "a/0001"]
    true = np.stack([square(0, 0) * 2, square(1, 1), square(2, 2)])
    drawn = np.stack([square(2, 0) * 2, square(1, 1), square(2, 2) * 0])
    scores = dice_of_volumes(drawn, true, np.array([volume_of(name) for name in names]), 3)
    np.testing.assert_allclose(scores, [[2 * 16 / (16 + 32), np.nan], [np.nan, 0.5]])
    better = np.array([[0.8, 0.6], [0.6, 0.8], [0.7, np.nan]])
    row = summary(better, better - 0.1)
    assert row["mean"] == pytest.approx([0.7, 0.7, 0.7])
    assert row["difference"] == pytest.approx([0.1] * 3)
    assert row["interval"][2] == pytest.approx([0.1, 0.1])
    assert row["standard_error"][0] == pytest.approx(0.1 / 3**0.5)


def test_segmentation_loss_is_least_at_the_truth():
    label = torch.from_numpy(np.stack([square(1, 1), square(5, 5) * 2])).long()
    sure = 20.0 * torch.nn.functional.one_hot(label, 3).movedim(-1, 1).float()
    assert segmentation_loss(sure, label).item() == pytest.approx(0.0, abs=1e-4)
    uniform = segmentation_loss(torch.zeros_like(sure), label).item()
    n = 2 * 16 * 16
    assert uniform == pytest.approx(np.log(3) + 1 - (2 * 16 / 3 + 1) / (n / 3 + 16 + 1), rel=1e-5)


def test_encodings_are_compared_by_mean_least_and_greatest():
    rows = [dict.fromkeys(label_encodings.COLUMNS, value) for value in (0.2, 0.4)]
    for row in rows:
        row[label_encodings.COLUMNS[-1]] = [1.5, 2.0]
    assert "| onehot | 0.300 (0.200 to 0.400) |" in label_encodings.markdown({"onehot": rows})
    assert label_encodings.markdown({"onehot": rows}).endswith("| 1.50 (2.00) |")


def test_samples_stand_beside_real_images_whether_they_hold_objects_or_not(tmp_path):
    spec = ImageSpec(1, 16, 16, label_names=["background", "ship"])
    real = MagicMock(integers=lambda chosen: np.zeros((len(chosen), 1, 16, 16), np.uint8))
    real.spec = spec
    real.label_maps = lambda chosen: np.stack([square(4, 4)] * len(chosen))
    real.__len__.return_value = 20
    write_label_map(tmp_path / "map.png", np.zeros((16, 16), np.uint8))
    image = write_image(tmp_path / "image.png", np.full((1, 16, 16), 9, np.uint8), spec)
    drawn = [SampleFiles(f"{i}", image, tmp_path / "map.png", {}) for i in range(20)]
    made = labelled_results.real_beside_drawn(real, drawn, np.random.default_rng(0))
    assert made.shape == (3, 16 + 5 * (128 + 16) + 4 * 10, 8 * 128 + 7 * 2), "five rows of eight, captions, one legend"
    assert (made[:, 16:144, 4 * 130 :: 130] == 9).all(), "right of the middle samples alone"
    assert (made[:, 16:144, :510] != 9).all()
