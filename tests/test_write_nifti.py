"""Samples as NIfTI volumes: what our own reader reads back is what the files held, value for value."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from test_label_writers import NAMES, SPECS, drawn, label_maps

from data.decode import decode
from data.image_set import ImageSpec
from data.libraries import medical
from data.nifti import NiftiConfig, list_nifti
from data.sample_files import SampleFiles, read_label_map
from data.write_nifti import write_nifti, write_nifti_stack


def read_back(out: Path, *, labelled: bool = True) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    labels = str(out / "labels") if labelled else None
    listing = list_nifti(NiftiConfig(path=str(out / "images"), labels=labels, axis="axial", empty_slices="keep"))
    assert not listing.foreign
    read = {entry.name: entry.read() for entry in listing.entries}
    return {name: (item.image, item.label_map) for name, item in read.items()}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_volumes_hold_exactly_what_the_files_hold(tmp_path, spec):
    samples = drawn(tmp_path / "samples", spec, label_maps())
    stacks = {"patient/a": samples[:3], "b": samples[3:]}
    assert write_nifti(tmp_path / "set", stacks, NAMES) == tmp_path / "set"
    items = read_back(tmp_path / "set")
    assert list(items) == ["b/0000", "patient/a/0000", "patient/a/0001", "patient/a/0002"]
    for name, (image, label_map) in items.items():
        stack, _, k = name.rpartition("/")
        sample = stacks[stack][int(k)]
        assert image.dtype == decode(sample.image).dtype == (spec.file_dtype or spec.dtype)
        assert np.array_equal(image, decode(sample.image))
        assert np.array_equal(label_map, read_label_map(sample))
    named = json.loads((tmp_path / "set" / "labels.json").read_text(encoding="utf-8"))
    assert named == {str(k): name for k, name in enumerate(NAMES)}
    again = list_nifti(NiftiConfig(path=str(tmp_path / "set" / "images"), labels=str(tmp_path / "set" / "labels")))
    assert again.label_names == NAMES


def test_images_alone_have_no_labels(tmp_path):
    samples = [SampleFiles(s.name, s.image) for s in drawn(tmp_path / "samples", SPECS["8 bits"], label_maps())]
    write_nifti(tmp_path / "set", {"samples": samples}, [])
    assert len(read_back(tmp_path / "set", labelled=False)) == 4
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["images"]


def test_a_volume_lies_as_radiologists_expect(tmp_path):
    samples = drawn(tmp_path / "samples", ImageSpec(1, 24, 16, "uint8"), label_maps())
    write_nifti(tmp_path / "set", {"a": samples}, NAMES)
    volume = nib.load(tmp_path / "set" / "images" / "a.nii.gz")
    assert nib.aff2axcodes(volume.affine) == ("L", "P", "S")
    height, width = label_maps().shape[1:]
    assert volume.shape == (width, height, 4)


def test_writing_again_is_harmless_and_never_half_done(tmp_path, monkeypatch):
    samples = drawn(tmp_path / "samples", SPECS["8 bits"], label_maps())
    write_nifti(tmp_path / "set", {"a": samples}, NAMES)
    before = (tmp_path / "set" / "labels" / "a.nii.gz").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("data.write_nifti.write_nifti_stack", lambda path, _: (path.write_bytes(b"half"), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            write_nifti(tmp_path / "set", {"a": samples}, NAMES)
    assert (tmp_path / "set" / "labels" / "a.nii.gz").read_bytes() == before
    assert len(read_back(tmp_path / "set")) == 4
    write_nifti(tmp_path / "set", {"a": samples}, NAMES)
    assert len(read_back(tmp_path / "set")) == 4
    assert [p.name for p in (tmp_path / "set").rglob(".tmp-*")] == []


def test_what_a_volume_cannot_hold_and_what_is_missing(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="32768 slices, and a NIfTI volume has at most 32767: use another format"):
        write_nifti_stack(tmp_path / "a.nii", np.zeros((2**15, 1, 1), np.uint8))
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(ValueError, match=r"nibabel is not installed: pip install .*\[medical\]"):
        medical("nibabel")
