"""Sheets of pictures: how large, what stands where, captions, the legend; and what grid.png puts beside what."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import generation.grid
from conf.sample_schema import SampleConfig
from data.image_set import ImageSpec, to_floats
from data.label_encoding import LabelEncodingConfig, encode
from data.overlay import COLOURS, coloured, with_hole
from data.sample_files import SampleFiles, write_label_map
from data.sheet import Panel, enlargement, sheet, shortened
from data.writers import image_grid, write_image
from generation.request import Request

GREY = np.full((1, 64, 64), 100, np.uint8)
NAMES = ["background", "ship", "buoy", "a quay of stone"]


def with_labels(*labels: int) -> Panel:
    label_map = np.zeros((64, 64), np.uint8)
    for k, label in enumerate(labels):
        label_map[20, 10 * k + 10] = label
    return Panel(GREY, label_map)


def count(picture: np.ndarray, colour: tuple[int, ...]) -> int:
    return int((picture == np.array(colour)[:, None, None]).all(0).sum())


# --- size and place ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "factor"), [((28, 28), 5), ((48, 64), 2), ((64, 64), 2), ((100, 100), 1), ((500, 300), 1)]
)
def test_small_images_are_enlarged_by_a_whole_number(size: tuple[int, int], factor: int) -> None:
    assert enlargement(*size) == factor
    assert enlargement(*size, least=2) == max(2, factor)


def test_bare_images_are_the_grid_of_the_enlarged_ones() -> None:
    images = np.random.default_rng(0).integers(0, 65536, (5, 1, 32, 32)).astype(np.uint16)
    large = images.repeat(4, axis=2).repeat(4, axis=3)
    assert np.array_equal(sheet([[Panel(image)] for image in images]), image_grid(large).repeat(3, axis=0))


def test_rows_stand_side_by_side_and_a_short_one_ends_in_white() -> None:
    drawn = sheet([[Panel(GREY), Panel(GREY + 50)], [Panel(GREY + 100)]])
    assert drawn.shape == (3, 128 + 10 + 128, 128 + 2 + 128)
    assert (drawn[:, :128, :128] == 100).all()
    assert (drawn[:, :128, 130:] == 150).all()
    assert (drawn[:, 138:, :128] == 200).all()
    assert (drawn[:, 138:, 128:] == 255).all()


# --- text -------------------------------------------------------------------------------------------------------------


def test_a_caption_stands_below_its_panel_in_black_on_white() -> None:
    drawn = sheet([[Panel(GREY, None, "T72"), Panel(GREY)]])
    assert drawn.shape == (3, 128 + 16, 258)
    assert (drawn[:, :128, :128] == 100).all()
    dark = np.nonzero((drawn[0, 128:] < 64).any(0))[0]
    assert 40 < dark.min() < dark.max() < 88  # three letters in the middle of 128 pixels


def test_a_long_text_loses_its_middle_and_fits() -> None:
    assert shortened("a\nname", 200) == "a name"
    short = shortened("given: hippocampus_001/anterior/0012", 128)
    assert short.startswith("given: h")
    assert short.endswith("/0012")
    assert "…" in short
    assert shortened("given: hippocampus_001/anterior/0013", 128) != short
    assert len(shortened("a name", 1)) <= 2
    assert shortened("", 10) == ""


def test_the_legend_names_the_labels_that_are_drawn_in_their_colours() -> None:
    bare, drawn = sheet([[Panel(GREY)]], NAMES), sheet([[with_labels(1, 3)]], NAMES)
    assert bare.shape == (3, 128, 128)
    legend = drawn[:, : drawn.shape[1] - 128]
    assert legend.shape == (3, 32, 128)  # the second name is too wide to stand beside the first
    assert [count(legend, COLOURS[label - 1]) for label in (1, 2, 3)] == [100, 0, 100]
    one_line = sheet([[with_labels(1), with_labels(3)]], NAMES)
    assert one_line.shape == (3, 16 + 128, 258)
    assert [count(one_line[:, :16], COLOURS[label - 1]) for label in (1, 2, 3)] == [100, 0, 100]


def test_boxes_and_outlines_are_drawn_at_twice_the_size_or_more() -> None:
    drawn = sheet([[with_labels(2)]], NAMES)[:, 16:]
    assert count(drawn, COLOURS[1]) == 4 * 4 - 2 * 2  # one pixel of the map, outlined as its box is framed
    large = np.zeros((300, 300), np.uint8)
    large[0, 0] = 1
    assert sheet([[Panel(np.zeros((3, 300, 300), np.uint8), large)]], NAMES).shape == (3, 616, 600)


# --- what was given ---------------------------------------------------------------------------------------------------


def test_a_label_map_is_painted_and_a_hole_is_chequered() -> None:
    label_map = np.array([[0, 1], [2, 8]], np.uint8)
    painted = coloured(label_map)
    assert painted[:, 0, 0].tolist() == [0, 0, 0]
    assert [tuple(painted[:, y, x]) for y, x in ((0, 1), (1, 0), (1, 1))] == [COLOURS[0], COLOURS[1], COLOURS[0]]
    hole = np.zeros((64, 64), bool)
    hole[8:24, 8:24] = True
    image = with_hole(GREY, hole)
    assert image.shape == (3, 64, 64)
    assert (image[:, ~hole] == 100).all()
    assert np.unique(image[:, hole]).tolist() == [190, 255]
    assert (image[:, 8:12, 8:12] == image[:, 8:9, 8:9]).all()
    assert image[0, 8, 8] != image[0, 8, 12]


SPEC = ImageSpec(1, 8, 8, label_names=["background", "ship"], label_encoding=LabelEncodingConfig("onehot"))
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8)).astype(np.uint8)
MAPS = np.zeros((2, 8, 8), np.uint8)
MAPS[0, 2:4, 2:4] = MAPS[1, 5:, 5:] = 1
HOLE = torch.ones(2, 1, 8, 8, dtype=torch.bool)
HOLE[:, :, :4] = False


def rows_of_grid(folder: Path, monkeypatch, request: Request, indices: list[int], spec: ImageSpec = SPEC, **options):
    """The panels of grid.png, row by row, of samples number `indices`; all samples are alike."""
    write_image(folder / "sample.png", PIXELS[0], spec)
    write_label_map(folder / "labels.png", MAPS[0])
    attributes = {"class": "cat", "plane": "axial"} if spec.attributes else {}
    made = SampleFiles("sample", folder / "sample.png", folder / "labels.png", attributes)
    rows = [{"index": i, "strength": 0.25} for i in indices]
    drawn = []
    monkeypatch.setattr(generation.grid, "sheet", lambda rows, names: drawn.append((rows, names)) or GREY)
    generation.grid.write_grid(folder / "grid.png", SampleConfig(**options), spec, request, rows, [made] * len(rows))
    assert (folder / "grid.png").is_file()
    ((panels, names),) = drawn
    assert names == spec.label_names
    return panels


def test_each_sample_stands_beside_its_source_eight_in_a_row(tmp_path: Path, monkeypatch) -> None:
    request = Request(np.zeros((20, 0), np.int64), [], ["a", "b/c"], 10, image=to_floats(PIXELS))
    options = {"mode": "vary", "images": "x", "num_per_image": 10, "strength": [0.25, 0.5]}
    rows = rows_of_grid(tmp_path, monkeypatch, request, [*range(9), 15], **options)
    assert [len(row) for row in rows] == [9, 2, 2]
    assert [row[0].caption for row in rows] == ["given: a", "given: a", "given: b/c"]
    assert all(np.array_equal(row[0].pixels, PIXELS[k]) for row, k in zip(rows, (0, 0, 1), strict=True))
    assert all(row[0].label_map is None for row in rows)
    assert all(np.array_equal(panel.label_map, MAPS[0]) for row in rows for panel in row[1:])
    assert {panel.caption for row in rows for panel in row[1:]} == {"strength 0.25"}


@pytest.mark.parametrize("mode", ["from_labels", "inpaint"])
def test_a_given_label_map_is_shown_and_a_hole_in_its_image(mode: str, tmp_path: Path, monkeypatch) -> None:
    label, image = encode(MAPS, SPEC.label_encoding, 2), to_floats(PIXELS) if mode == "inpaint" else None
    known = HOLE if mode == "inpaint" else None
    request = Request(np.zeros((2, 0), np.int64), [], ["a", "b"], image=image, label=label, known=known)
    given = {"images": "x", "labels": "y", "mask": "z"} if mode == "inpaint" else {"labels": "y"}
    rows = rows_of_grid(tmp_path, monkeypatch, request, [0, 1], SPEC, mode=mode, **given)
    for k, (source, sample) in enumerate(rows):
        assert sample.caption == ""
        if mode == "from_labels":
            assert np.array_equal(source.pixels, coloured(MAPS[k]))
            assert source.label_map is None
        else:
            assert np.array_equal(source.pixels, with_hole(PIXELS[k], ~HOLE[k, 0].numpy()))
            assert np.array_equal(source.label_map, MAPS[k])


def test_a_map_composed_from_a_given_one_says_so(tmp_path: Path, monkeypatch) -> None:
    request = Request(np.zeros((2, 0), np.int64), [], ["a", "a"], label=encode(MAPS, SPEC.label_encoding, 2))
    options = {"mode": "from_labels", "labels": "y", "num_per_image": 2, "add_objects": 1}
    rows = rows_of_grid(tmp_path, monkeypatch, request, [0, 1], SPEC, **options)
    assert [row[0].caption for row in rows] == ["made from: a"] * 2


def test_new_images_have_their_attributes_below_and_64_are_shown(tmp_path: Path, monkeypatch) -> None:
    spec = dataclasses.replace(SPEC, attributes={"class": ["cat"], "plane": ["axial"]}, label_names=[])
    request = Request(np.zeros((70, 2), np.int64), [])
    rows = rows_of_grid(tmp_path, monkeypatch, request, list(range(70)), spec)
    assert [len(row) for row in rows] == [1] * 64
    assert rows[0][0].caption == "cat, axial"
    assert rows[0][0].label_map is None
