"""The formats that sample.py makes of its samples, as a user of them meets them."""

from dataclasses import replace

import numpy as np
import pytest
from label_files import grey, save
from mode_files import JOINT, label_maps
from test_nifti import save as save_nifti
from test_sample import rows
from tiny_checkpoint import write_checkpoint

from data.coco import CocoConfig, list_coco
from data.components import instances
from data.decode import decode
from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.masks import MasksConfig, list_masks
from data.yolo import YoloConfig, list_yolo


def test_masks_hold_the_values_that_the_checkpoint_knows(draw, tmp_path):
    spec = replace(JOINT, label_values=[0, 128, 255])
    out = draw(write_checkpoint(tmp_path / "joint.pt", spec), "num_samples=4", "format=masks")
    drawn = np.stack([*label_maps(out).values()])
    assert {*np.unique(drawn)} == {0, 1, 2}
    files = [out / "masks" / f"{row['class']}/{row['index']:06d}.png" for row in rows(out)]
    assert np.array_equal(np.concatenate([decode(file) for file in files]), np.array([0, 128, 255])[drawn])


REAL = ImageSpec(
    1, 8, 8, "uint16", IntensityConfig(low=-2.5, high=7.5), file_dtype="float32", label_names=["background", "a"]
)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (REAL, "the images are TIFF files of float32, which few detectors read: eight_bit_copies=true"),
        (replace(JOINT, dtype="uint16"), "the images are PNG files of uint16, which few detectors read"),
        (JOINT, None),
    ],
)
def test_images_that_few_detectors_read_are_told_of(spec, says, draw, tmp_path, capsys):
    checkpoint = write_checkpoint(tmp_path / "joint.pt", spec)
    for form, end in (("yolo", "writes 8-bit PNGs instead"), ("coco", "adds 8-bit PNGs with annotations_8bit.json")):
        draw(checkpoint, "num_samples=1", f"format={form}", out=form)
        told = capsys.readouterr().out
        assert "few detectors read" not in told if says is None else says in told and end in told
        draw(checkpoint, "num_samples=1", f"format={form}", "eight_bit_copies=true", out=form)
        assert "few detectors read" not in capsys.readouterr().out


# --- annotations of the files that were given ---------------------------------------------------------------------------


@pytest.fixture
def originals(tmp_path):
    """Files of several sizes and suffixes, one of the model's size, in two folders."""
    for i, (name, shape) in enumerate({"cat/a.png": (8, 8), "cat/b.tif": (12, 30), "dog/c.bmp": (24, 17)}.items()):
        save(tmp_path / "mine" / name, grey(*shape, seed=i))
    return tmp_path / "mine"


@pytest.mark.parametrize("name", ["coco", "masks", "yolo"])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_annotations_go_with_the_files_that_were_given(name, fit, draw, originals, tmp_path, capsys):
    spec = replace(JOINT, label_values=[0, 128, 255])
    checkpoint = write_checkpoint(tmp_path / "joint.pt", spec, fit=fit)
    options = ["mode=annotate", f"images={originals}", "class_label=dog", "original_size=true", f"format={name}"]
    before = {path: path.read_bytes() for path in originals.rglob("*.*")}
    out = draw(checkpoint, *options)
    assert ("2 of 3 images were cut" in capsys.readouterr().out) == (fit == "crop")
    assert {path: path.read_bytes() for path in originals.rglob("*.*")} == before
    expected = {
        row["source"]: decode(out / row.get("label_map_original_size", row["label_map"]))[0] for row in rows(out)
    }
    assert len([label_map for label_map in expected.values() if label_map.any()]) == 3
    if name == "coco":
        listing = list_coco(CocoConfig(path=str(originals), annotations=str(out / "original_size/annotations.json")))
        assert [entry.name for entry in listing.entries] == ["cat/a.png", "cat/b.tif", "dog/c.bmp"]
        assert "synthetic" not in (out / "original_size/annotations.json").read_text()  # the images are the user's own
    elif name == "masks":
        listing = list_masks(MasksConfig(path=str(originals), masks=str(out / "original_size/masks")))
        assert {*np.unique(decode(out / "original_size/masks/cat/b.png"))} <= {0, 128, 255}
    else:
        listing = list_yolo(YoloConfig(path=str(out / "original_size/yolo")))
        assert len(listing.entries) == 3
    for entry in listing.entries:
        item, key = entry.read(), entry.name.removeprefix("images/train/").rpartition(".")[0]
        assert item.image.tolist() == decode(originals / entry.name.removeprefix("images/train/")).tolist()
        assert item.label_map is not None
        if name != "yolo":
            assert np.array_equal(item.label_map, expected[key])
            continue
        lines = (out / "original_size/yolo/labels/train" / f"{key}.txt").read_text().splitlines()
        h, w = expected[key].shape
        for line, instance in zip(lines, instances(expected[key]), strict=True):
            _, x, y, width, height = map(float, line.split())
            box = instance.box
            assert (x * w - width * w / 2, y * h - height * h / 2) == pytest.approx((box.x, box.y), abs=1e-5)
            assert (width * w, height * h) == pytest.approx((box.width, box.height), abs=1e-5)
    draw(checkpoint, *[option for option in options if option != "original_size=true"])  # again, of the samples
    made = {"coco": "annotations.json", "masks": "masks/dog/cat/a.png", "yolo": "yolo/labels/train/dog/cat/a.txt"}[name]
    assert (out / made).exists()


def test_volumes_have_no_files_to_annotate(draw, tmp_path, capsys):
    save_nifti(tmp_path / "scans" / "a.nii.gz", np.random.default_rng(0).integers(0, 256, (8, 8, 2)).astype(np.uint8))
    checkpoint = write_checkpoint(tmp_path / "joint.pt", JOINT, "nifti", axis="axial")
    draw(checkpoint, "mode=annotate", f"images={tmp_path / 'scans'}", "original_size=true", "format=coco", exit_code=2)
    assert "original_size=true is for image files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
