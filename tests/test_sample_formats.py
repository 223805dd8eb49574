"""The formats that sample.py makes of its samples, as a user of them meets them."""

from dataclasses import replace

import numpy as np
import pytest
from mode_files import JOINT, label_maps
from test_sample import rows
from tiny_checkpoint import write_checkpoint

from data.decode import decode
from data.image_set import ImageSpec
from data.intensity import IntensityConfig


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
