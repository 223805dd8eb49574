"""Samples to sets of a format and back, by other parsers than our own readers: depth, labels and boxes stay exact.

A reader joins the round trip by one line in PARSERS: from a folder to {name: Parsed}.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from data.coco import CocoConfig, list_coco
from data.components import instances
from data.decode import decode
from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.item import Box, Listing
from data.masks import MasksConfig, list_masks
from data.npz import NpzConfig, list_npz
from data.sample_files import SampleFiles, read_label_map, sample_files, write_label_map
from data.write_coco import run_lengths, write_coco
from data.write_masks import write_masks
from data.write_npz import write_npz
from data.write_yolo import write_yolo
from data.writers import read_pixels, write_image

# pycocotools' own masks under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

NAMES = ["background", "ship", "öl rig: 2"]
HEIGHT, WIDTH = 23, 14
SPECS = {
    "8 bits": ImageSpec(1, HEIGHT, WIDTH, "uint8"),
    "colour": ImageSpec(3, HEIGHT, WIDTH, "uint8"),
    "12 bits": ImageSpec(1, HEIGHT, WIDTH, "uint16", IntensityConfig("linear", 0.0, 4095.0), file_dtype="uint16"),
    "16 bits": ImageSpec(1, HEIGHT, WIDTH, "uint16", IntensityConfig("linear", 0.0, 65535.0)),
    "real": ImageSpec(1, HEIGHT, WIDTH, "uint16", IntensityConfig("linear", -2.5, 7.5), file_dtype="float32"),
    "dB": ImageSpec(2, HEIGHT, WIDTH, "uint16", IntensityConfig("db", -30.0, 10.0), file_dtype="float32"),
}


@dataclass
class Parsed:
    """What a parser found of a sample; None where its format, or the parser, has no such thing."""

    image: np.ndarray
    label_map: np.ndarray | None = None
    boxes: list[Box] | None = None


def parse_coco(out: Path) -> dict[str, Parsed]:
    coco = pytest.importorskip("pycocotools.coco").COCO(str(out / "annotations.json"))
    assert {k: category["name"] for k, category in coco.cats.items()} == dict(enumerate(NAMES[1:], start=1))
    items = {}
    for record in coco.loadImgs(coco.getImgIds()):
        label_map, boxes = np.zeros((record["height"], record["width"]), np.uint8), []
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=record["id"])):
            mask = coco.annToMask(annotation) > 0
            assert (mask.sum(), annotation["iscrowd"]) == (annotation["area"], 0)
            assert not label_map[mask].any()
            label_map[mask] = annotation["category_id"]
            boxes.append(Box(*map(float, annotation["bbox"]), annotation["category_id"]))
        path = out / "images" / record["file_name"]
        items[record["file_name"]] = Parsed(decode(path), label_map, boxes)
    return items


def parse_yolo(out: Path) -> dict[str, Parsed]:
    description = yaml.safe_load((out / "data.yaml").read_text(encoding="utf-8"))
    assert [description["names"][c] for c in range(description["nc"])] == NAMES[1:]
    folder, items = Path(description["path"]) / description["train"], {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        image, boxes = decode(path), []
        for line in (out / "labels/train" / name.with_suffix(".txt")).read_text().splitlines():
            c, x, y, w, h = map(float, line.split())
            w, h = w * WIDTH, h * HEIGHT
            boxes.append(Box(x * WIDTH - w / 2, y * HEIGHT - h / 2, w, h, int(c) + 1))
        items[name.as_posix()] = Parsed(image, None, boxes)
    return items


def parse_masks(out: Path) -> dict[str, Parsed]:
    assert json.loads((out / "labels.json").read_text(encoding="utf-8")) == {str(k): v for k, v in enumerate(NAMES)}
    items = {}
    for path in sorted(p for p in (out / "images").rglob("*") if p.is_file()):
        name = path.relative_to(out / "images")
        with Image.open(out / "masks" / name.with_suffix(".png")) as mask:
            assert mask.mode == "L"
            items[name.as_posix()] = Parsed(decode(path), np.asarray(mask))
    return items


def parse_npz(out: Path) -> dict[str, Parsed]:
    with np.load(out / "dataset.npz", allow_pickle=False) as arrays:
        assert arrays["label_names"].tolist() == NAMES
        rows = zip(arrays["name"].tolist(), arrays["image"], arrays["label_map"], strict=True)
        return {name: Parsed(image, label_map) for name, image, label_map in rows}


Write = Callable[[Path, list[SampleFiles], ImageSpec], Path]
WRITERS: dict[str, Write] = {
    "coco": lambda out, samples, spec: write_coco(out, samples, spec, NAMES),
    "yolo": lambda out, samples, spec: write_yolo(out, samples, spec, NAMES),
    "masks": lambda out, samples, spec: write_masks(out, samples, NAMES),
    "npz": lambda out, samples, spec: write_npz(out, samples, NAMES),
}


def by_our_reader(listing: Listing, out: Path) -> dict[str, Parsed]:
    """What our own reader of the format finds."""
    assert listing.label_names == NAMES
    items = {entry.name: entry.read() for entry in listing.entries}
    return {name: Parsed(item.image, item.label_map) for name, item in items.items()}


def read_coco(out: Path) -> dict[str, Parsed]:
    return by_our_reader(list_coco(CocoConfig(path=f"{out}/images", annotations=f"{out}/annotations.json")), out)


def read_masks(out: Path) -> dict[str, Parsed]:
    return by_our_reader(list_masks(MasksConfig(path=f"{out}/images", masks=f"{out}/masks", class_folders=True)), out)


def read_npz(out: Path) -> dict[str, Parsed]:
    return by_our_reader(list_npz(NpzConfig(path=f"{out}/dataset.npz")), out)


PARSERS: list[tuple[str, Callable[[Path], dict[str, Parsed]]]] = [
    ("coco", parse_coco),
    ("yolo", parse_yolo),
    ("masks", parse_masks),
    ("npz", parse_npz),
    ("coco", read_coco),
    ("masks", read_masks),
    ("npz", read_npz),
]


def label_maps() -> np.ndarray:
    """An empty map, a full one, ships that touch the edge, by a corner or another class, and one of a single pixel."""
    maps = np.zeros((4, HEIGHT, WIDTH), np.uint8)
    maps[1] = 2
    maps[2, :3, :2] = maps[2, 3:5, 2:4] = 1
    maps[2, 5:9, 2:4] = 2
    maps[2, 12:20, 4] = 1
    maps[3, HEIGHT - 1, WIDTH - 1] = 1
    return maps


def drawn(out: Path, spec: ImageSpec, maps: np.ndarray) -> list[SampleFiles]:
    """Samples in `out` as sample.py leaves them, from lines of its manifest."""
    rng, samples = np.random.default_rng(0), []
    for i, label_map in enumerate(maps):
        folder = "ship" if i % 2 else "none"
        (out / "images" / folder).mkdir(parents=True, exist_ok=True)
        (out / "labels").mkdir(exist_ok=True)
        shape = (spec.channels, *label_map.shape)
        pixels = rng.integers(0, np.iinfo(spec.dtype).max + 1, shape).astype(spec.dtype)
        path = write_image(out / "images" / folder / f"{i:06d}.png", pixels, spec)
        write_label_map(out / "labels" / f"{i:06d}.png", label_map)
        row = {
            "file": str(path.relative_to(out)),
            "label_map": f"labels/{i:06d}.png",
            "attributes": {"class": folder},
            "index": i,
        }
        samples.append(sample_files(out, json.loads(json.dumps(row))))
    return samples


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_written_is_read_back_exactly(tmp_path, spec, name, parse):
    maps = label_maps()
    samples = drawn(tmp_path / "samples", spec, maps)
    WRITERS[name](tmp_path / "set", samples, spec)
    items = parse(tmp_path / "set")
    assert sorted(Path(key).with_suffix("").as_posix() for key in items) == sorted(s.name for s in samples)
    for key, item in items.items():
        sample = next(s for s in samples if s.name == Path(key).with_suffix("").as_posix())
        label_map = read_label_map(sample)
        assert np.array_equal(label_map, maps[int(sample.image.stem)])
        assert item.image.dtype == decode(sample.image).dtype == (spec.file_dtype or spec.dtype)
        assert np.array_equal(item.image, decode(sample.image))
        if item.label_map is not None:
            assert np.array_equal(item.label_map, label_map)
        if item.boxes is not None:
            assert len(item.boxes) == len(instances(label_map))
            for box, instance in zip(item.boxes, instances(label_map), strict=True):
                assert vars(box) == pytest.approx(vars(instance.box), abs=1e-6)


@pytest.mark.parametrize("name", ["coco", "masks"])
def test_images_that_lie_where_they_belong_are_not_copied(tmp_path, name):
    samples = drawn(tmp_path, SPECS["8 bits"], label_maps())
    before = {path: path.stat().st_ino for path in (tmp_path / "images").rglob("*.png")}
    WRITERS[name](tmp_path, samples, SPECS["8 bits"])
    assert {path: path.stat().st_ino for path in (tmp_path / "images").rglob("*.png")} == before
    assert len(dict(PARSERS)[name](tmp_path)) == 4


@pytest.mark.parametrize("name", WRITERS)
def test_an_interrupted_writer_is_carried_on_by_the_same_call(tmp_path, monkeypatch, name):
    samples = drawn(tmp_path / "samples", SPECS["16 bits"], label_maps())
    out, calls = tmp_path / "set", []

    def stop_at_third(sample: SampleFiles) -> np.ndarray:
        calls.append(sample)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read_label_map(sample)

    with monkeypatch.context() as patch:
        patch.setattr(f"data.write_{name}.read_label_map", stop_at_third)
        with pytest.raises(KeyboardInterrupt):
            WRITERS[name](out, samples, SPECS["16 bits"])
    last = {"coco": "annotations.json", "yolo": "data.yaml", "masks": "labels.json", "npz": "dataset.npz"}[name]
    assert not (out / last).exists()
    assert WRITERS[name](out, samples, SPECS["16 bits"]) == out / last
    assert len(dict(PARSERS)[name](out)) == 4
    first = (out / last).read_bytes()
    assert WRITERS[name](out, samples, SPECS["16 bits"]).read_bytes() == first
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_a_yolo_set_never_has_an_image_twice(tmp_path):
    samples = drawn(tmp_path, SPECS["real"], label_maps())
    for eight_bit, suffix in ((False, ".tif"), (True, ".png"), (False, ".tif")):
        write_yolo(tmp_path / "yolo", samples, SPECS["real"], NAMES, eight_bit_copies=eight_bit)
        assert {path.suffix for path in (tmp_path / "yolo" / "images").rglob("*.*")} == {suffix}


@pytest.mark.parametrize("name", ["12 bits", "real", "dB", "8 bits", "colour"])
def test_eight_bit_copies_show_the_whole_range(tmp_path, name):
    spec = SPECS[name]
    samples = drawn(tmp_path, spec, label_maps())
    write_coco(tmp_path, samples, spec, NAMES, eight_bit_copies=True)
    write_yolo(tmp_path / "yolo", samples, spec, NAMES, eight_bit_copies=True)
    original, copied = (json.loads((tmp_path / f"annotations{end}.json").read_text()) for end in ("", "_8bit"))
    assert copied["annotations"] == original["annotations"]
    for sample, record in zip(samples, copied["images"], strict=True):
        copy = decode(tmp_path / "images_8bit" / record["file_name"])
        unit = read_pixels(sample.image, spec) / np.iinfo(spec.dtype).max
        assert copy.dtype == np.uint8
        assert np.array_equal(copy, np.rint(255 * unit[: 3 if spec.channels == 3 else 1]))
        assert np.array_equal(decode(tmp_path / "yolo/images/train" / record["file_name"]), copy)
    assert len(original["images"]) == len(parse_coco(tmp_path))


def test_coco_prints_no_warning_and_knows_the_class(tmp_path, capfd):
    samples = drawn(tmp_path, SPECS["8 bits"], label_maps())
    write_coco(tmp_path, samples, SPECS["8 bits"], NAMES)
    parse_coco(tmp_path)
    out, err = capfd.readouterr()
    assert err == ""
    assert "warn" not in out.lower()
    images = json.loads((tmp_path / "annotations.json").read_text())["images"]
    assert [image["attributes"] for image in images] == [{"class": "none"}, {"class": "ship"}] * 2


@given(mask=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans()))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_run_lengths_are_what_pycocotools_reads(mask):
    coder = pytest.importorskip("pycocotools.mask")
    counts = run_lengths(mask)
    assert sum(counts) == mask.size
    assert all(count > 0 for count in counts[1:])
    rle = coder.frPyObjects({"size": list(mask.shape), "counts": counts}, *mask.shape)
    assert np.array_equal(coder.decode(rle), mask)


def test_run_lengths_go_down_the_columns():
    assert run_lengths(np.array([[0, 1], [1, 1]], bool)) == [1, 3]
    assert run_lengths(np.array([[1, 0], [1, 0]], bool)) == [0, 2, 2]


def test_npz_holds_physical_values_and_classes(tmp_path):
    samples = drawn(tmp_path, SPECS["real"], label_maps())
    with np.load(write_npz(tmp_path, samples, NAMES)) as arrays:
        assert arrays["image"].shape == (4, 1, HEIGHT, WIDTH)
        assert arrays["image"].min() < -2.4
        assert arrays["image"].max() > 7.4
        assert arrays["class"].tolist() == ["none", "ship", "none", "ship"]
    bare = [SampleFiles(s.name, s.image) for s in samples]
    with np.load(write_npz(tmp_path, bare, [])) as arrays:
        assert sorted(arrays) == ["image", "name"]


@pytest.mark.parametrize("name", ["coco", "yolo", "masks", "npz"])
def test_a_sample_without_a_label_map_is_named(tmp_path, name):
    samples = drawn(tmp_path, SPECS["8 bits"], label_maps())
    samples[1] = SampleFiles(samples[1].name, samples[1].image)
    with pytest.raises(ValueError, match=r"images/ship/000001\.png has no label map"):
        WRITERS[name](tmp_path / "set", samples, SPECS["8 bits"])


def test_an_archive_keeps_attributes_that_few_samples_have_or_that_are_called_like_arrays(tmp_path):
    samples, names = drawn(tmp_path, SPECS["8 bits"], label_maps()), ("label", "mask", "name", "file", "attribute.x")
    given = [
        SampleFiles(s.name, s.image, s.label_map, {**dict.fromkeys(names, s.name), **({"plane": "top"} if i else {})})
        for i, s in enumerate(samples)
    ]
    path = write_npz(tmp_path / "set", given, NAMES)
    read = {entry.name: entry.attributes for entry in list_npz(NpzConfig(path=str(path))).entries}
    expected = {s.name: dict(s.attributes) for s in given}
    assert read == expected
