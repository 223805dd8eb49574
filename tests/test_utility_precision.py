"""Average precision of resampled test sets against pycocotools on sets that are written out."""

import numpy as np
import pytest
from utility_files import scene

pytest.importorskip("pycocotools.cocoeval")
from eval.utility.detection.precision import average_precision, evaluate


def random_set(seed: int, images: int = 14, labels: int = 1) -> tuple[list, list]:
    """Scenes, and detections that are moved copies of their boxes, false ones and misses."""
    rng = np.random.default_rng(seed)
    scenes, detections = [], []
    for i in range(images):
        corner = rng.uniform(0, 70, (rng.integers(0, 6), 2))
        boxes = np.concatenate([corner, corner + rng.uniform(6, 30, corner.shape)], axis=1)
        label = rng.integers(1, labels + 1, len(boxes)).tolist()
        scenes.append(scene(boxes.tolist(), labels=label, crowd=[i % 5 == 0 and k == 0 for k in range(len(boxes))]))
        moved = boxes + rng.normal(0, 2.0, boxes.shape)
        found = [[x0, y0, x1 - x0, y1 - y0, rng.random(), k] for (x0, y0, x1, y1), k in zip(moved, label, strict=True)]
        false = [
            [*rng.uniform(0, 60, 2), 12.0, 9.0, 0.7 * rng.random(), int(rng.integers(1, labels + 1))] for _ in range(3)
        ]
        detections.append([row for row in found if rng.random() < 0.8] + false)
    return scenes, detections


@pytest.mark.parametrize("labels", [1, 3])
def test_of_the_whole_set_it_is_what_pycocotools_says(labels):
    scenes, detections = random_set(1, labels=labels)
    scores, matches = evaluate(detections, scenes, labels)
    assert 0.1 < scores["AP"] < scores["AP50"] < 0.95
    assert average_precision(matches, np.ones(len(scenes), int)) == pytest.approx(
        [scores["AP50"], scores["AP"]], abs=1e-12
    )


def test_of_a_resampled_set_it_is_what_pycocotools_says_of_the_copies():
    scenes, detections = random_set(2)
    matches = evaluate(detections, scenes, 1)[1]
    rng = np.random.default_rng(3)
    for _ in range(5):
        chosen = rng.integers(len(scenes), size=len(scenes))
        copies = evaluate([detections[i] for i in chosen], [scenes[i] for i in chosen], 1)[0]
        fast = average_precision(matches, np.bincount(chosen, minlength=len(scenes)))
        assert fast == pytest.approx([copies["AP50"], copies["AP"]], abs=1e-12)


def test_by_hand():
    scenes = [scene([[10, 10, 20, 20], [50, 50, 60, 70]])]
    perfect = [[[10, 10, 10, 10, 0.9, 1], [50, 50, 10, 20, 0.8, 1]]]
    assert evaluate(perfect, scenes, 1)[0] == pytest.approx({"AP50": 1.0, "AP": 1.0})
    half = [[[10, 10, 10, 10, 0.9, 1]]]  # precision 1 up to recall 0.5: 51 of 101 recalls
    assert evaluate(half, scenes, 1)[0]["AP50"] == pytest.approx(51 / 101)
    late = [[[80, 80, 9, 9, 0.95, 1], [10, 10, 10, 10, 0.9, 1], [50, 50, 10, 20, 0.8, 1]]]
    assert evaluate(late, scenes, 1)[0]["AP50"] == pytest.approx(2 / 3)
    loose = [[[10, 10, 10, 6.6, 0.9, 1], [50, 50, 10, 13.2, 0.8, 1]]]  # IoU 0.66: hits at 0.5, 0.55, 0.6 and 0.65
    assert evaluate(loose, scenes, 1)[0] == pytest.approx({"AP50": 1.0, "AP": 0.4})


def test_nothing_found_and_nothing_drawn_are_0():
    scenes = [scene([[10, 10, 20, 20]]), scene([])]
    scores, matches = evaluate([[], []], scenes, 1)
    assert scores == {"AP50": 0.0, "AP": 0.0}
    assert average_precision(matches, np.array([1, 1])).tolist() == [0.0, 0.0]
    found = evaluate([[[10, 10, 10, 10, 0.9, 1]], []], scenes, 1)[1]
    assert average_precision(found, np.array([0, 2])).tolist() == [0.0, 0.0]
    assert average_precision(found, np.array([2, 0])).tolist() == [1.0, 1.0]


def test_a_label_without_objects_does_not_count():
    scenes = [scene([[10, 10, 20, 20]], labels=[2])]
    found = [[[10, 10, 10, 10, 0.9, 2], [40, 40, 10, 10, 0.99, 1]]]
    scores, matches = evaluate(found, scenes, 3)
    assert scores["AP50"] == pytest.approx(1.0)
    assert average_precision(matches, np.array([1]))[0] == 1.0


def test_its_absence_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.coco", None)
    with pytest.raises(ValueError, match=r"pycocotools is not installed: pip install .*\[labels\]"):
        evaluate([[]], [scene([[1, 1, 5, 5]])], 1)
