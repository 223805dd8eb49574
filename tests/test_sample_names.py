"""Samples are called as what they start from, so that labels/ of one call goes with the images of another."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from label_files import grey, load, save
from mode_files import ATTRIBUTES, JOINT, LABELS, PLAIN, label_maps, options_of, write_given
from test_mode_options import one_error
from test_nifti import save as save_nifti
from test_sample import assert_alike, pictures, rows
from tiny_checkpoint import write_checkpoint

from data.decode import decode
from data.fit import unfit_label_map
from data.given_files import Given
from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.nifti import NiftiConfig, list_nifti
from generation.naming import named_after, numbered

RNG = np.random.default_rng(0)
SCANS = ImageSpec(1, 8, 8, "uint16", IntensityConfig(high=1.0), file_dtype="float32", **LABELS)


def given(*names: str, volume: bool = False) -> list[Given]:
    return [Given(n, n, lambda: np.zeros(1), {}, n.rpartition("/")[0] if volume else None) for n in names]


@pytest.fixture
def scans(tmp_path: Path) -> dict[str, Path]:
    """Volumes of 3 and 2 slices, of a size that is not the model's, with masks."""
    for name, n in (("p1", 3), ("p2", 2)):
        save_nifti(tmp_path / "scans" / f"{name}.nii.gz", RNG.normal(size=(6, 10, n)).astype(np.float32))
        save_nifti(tmp_path / "masks" / f"{name}.nii.gz", RNG.integers(0, 3, (6, 10, n)).astype(np.uint8))
    return {"images": tmp_path / "scans", "labels": tmp_path / "masks"}


@pytest.fixture
def of_scans(tmp_path: Path) -> Path:
    options = {"axis": "axial", "percentiles": [0.5, 99.5], "fit": "pad", "empty_slices": "drop", "labels": "gone"}
    return write_checkpoint(tmp_path / "scans.pt", SCANS, "nifti", label_names=["ship", "buoy"], **options)


# --- names ------------------------------------------------------------------------------------------------------------


def test_numbers_stand_in_class_folders():
    assert numbered(["cat", "", "dog"]) == ["cat/000000", "000001", "dog/000002"]


def test_one_sample_has_the_name_of_its_source_and_several_a_number_behind_it():
    assert named_after(given("a", "b/c"), ["", ""], 1)[0] == ["a", "b/c"]
    assert named_after(given("a", "b"), [""] * 4, 2)[0] == ["a_00", "a_01", "b_00", "b_01"]
    assert named_after(given("a"), [""] * 101, 101)[0][-1] == "a_100"
    assert named_after(given("v/0", "v/1", volume=True), [""] * 4, 2)[1] == ["v_00", "v_01"] * 2


def test_the_folder_of_the_class_stands_above_but_not_twice():
    assert named_after(given("cat/a", "dog/a"), ["cat", "dog"], 1)[0] == ["cat/a", "dog/a"]
    assert named_after(given("a", "b"), ["cat", "cat"], 1)[0] == ["cat/a", "cat/b"]
    assert named_after(given("a", "cat/a"), ["cat", "cat"], 1)[0] == ["cat/a", "cat/cat/a"]
    assert named_after(given("v/0", volume=True), ["cat"], 1) == (["cat/v/0"], ["cat/v"])


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a//b", "./a", "a/"])
def test_names_stay_below_the_folder(name):
    with pytest.raises(ValueError, match="cannot be the name of a file of samples"):
        named_after(given(name), [""], 1)


def test_two_samples_never_share_a_name():
    with pytest.raises(ValueError, match="2 samples would be called cat/a"):
        named_after(given("a", "cat/a"), ["cat", ""], 1)


# --- files ------------------------------------------------------------------------------------------------------------


def test_annotations_come_in_the_size_of_the_images_too(draw, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "x.pt", replace(JOINT, attributes={}, counts={}))
    for name, shape in (("a", (8, 8)), ("b", (16, 24))):
        save(tmp_path / "set" / f"{name}.png", grey(*shape))
    out = draw(checkpoint, "mode=annotate", f"images={tmp_path / 'set'}", "num_per_image=2")
    for row in rows(out):
        own, large = (decode(out / row[key])[0] for key in ("label_map", "label_map_original_size"))
        assert np.array_equal(large, own if row["source"] == "a" else unfit_label_map(own, (16, 24), "crop"))
    (out / row["label_map_original_size"]).unlink()
    assert draw(checkpoint, "mode=annotate", f"images={tmp_path / 'set'}", "num_per_image=2") == out
    assert (out / row["label_map_original_size"]).exists()


@pytest.mark.parametrize("mode", ["from_labels", "annotate", "vary", "inpaint"])
def test_files_are_called_as_their_sources(mode, draw, tmp_path):
    checkpoint, files = write_checkpoint(tmp_path / "joint.pt", JOINT), write_given(tmp_path / "given")
    out = draw(checkpoint, *options_of(mode, files))
    assert [row["file"] for row in rows(out)] == [f"images/{i:03d}.png" for i in range(3)]
    assert [row["label_map"] for row in rows(out)] == [f"labels/{i:03d}.png" for i in range(3)]
    out = draw(checkpoint, *options_of(mode, files), "num_per_image=2", "class_label=dog", out="dogs")
    names = [f"dog/{i:03d}_{k:02d}.png" for i in range(3) for k in range(2)]
    assert [row["file"] for row in rows(out)] == [f"images/{name}" for name in names]
    assert [row["source"] for row in rows(out)] == [name[4:7] for name in names]
    assert [row["index"] for row in rows(out)] == list(range(6))


def test_labels_of_an_annotation_go_with_the_originals(draw, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "joint.pt", JOINT)
    for i, name in enumerate(("cat", "dog", "dog")):
        save(tmp_path / "set" / name / f"x{i}.png", grey(12, 9, seed=i))
    annotated = draw(checkpoint, "mode=annotate", f"images={tmp_path / 'set'}", out="annotated")
    assert [row["file"] for row in rows(annotated)] == [f"images/{n}.png" for n in ("cat/x0", "dog/x1", "dog/x2")]
    out = draw(checkpoint, "mode=vary", f"images={tmp_path / 'set'}", f"labels={annotated / 'labels'}")
    assert_alike(label_maps(out), label_maps(annotated))
    assert [row["class"] for row in rows(out)] == ["cat", "dog", "dog"]


def test_names_of_an_earlier_version_do_not_mix_with_those_of_sources(draw, tmp_path, capsys):
    checkpoint, files = write_checkpoint(tmp_path / "plain.pt", PLAIN), write_given(tmp_path / "given")
    out = draw(checkpoint, *options_of("vary", files))
    request = (out / "request.json").read_text()
    assert "names_sha256" in request
    (out / "request.json").write_text(request.replace('"names_sha256"', '"other"'))
    draw(checkpoint, *options_of("vary", files), exit_code=2)
    assert "holds samples made with another names_sha256: name another folder" in capsys.readouterr().err


def test_a_name_out_of_an_archive_does_not_lead_out_of_the_folder(draw, tmp_path, capsys):
    np.savez(tmp_path / "set.npz", image=np.stack([grey(), grey(seed=1)]), name=["a", "../b"])
    checkpoint = write_checkpoint(tmp_path / "joint.pt", ImageSpec(1, 8, 8, **LABELS), "npz")
    draw(checkpoint, "mode=annotate", f"images={tmp_path / 'set.npz'}", exit_code=2)
    assert "'../b' cannot be the name of a file of samples" in one_error(capsys)
    assert not (tmp_path / "out").exists()


# --- volumes in, volumes out ------------------------------------------------------------------------------------------


def read_back(out: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    paths = {"path": str(out / "nifti" / "images"), "labels": str(out / "nifti" / "labels")}
    listing = list_nifti(NiftiConfig(axis="axial", empty_slices="keep", **paths))
    assert not listing.foreign
    read = {entry.name: entry.read() for entry in listing.entries}
    return {name: (item.image, item.label_map) for name, item in read.items()}


def test_volumes_are_annotated_and_written_as_volumes(of_scans, scans, draw):
    out = draw(of_scans, "mode=annotate", f"images={scans['images']}", "format=nifti")
    names = ["p1/0000", "p1/0001", "p1/0002", "p2/0000", "p2/0001"]
    assert [row["file"] for row in rows(out)] == [f"images/{name}.tif" for name in names]
    assert [(row["source"], row["volume"]) for row in rows(out)] == [(name, name[:2]) for name in names]
    read = read_back(out)
    assert sorted(read) == names
    for row in rows(out):
        image, label_map = read[row["source"]]
        assert np.array_equal(image, decode(out / row["file"]))
        assert np.array_equal(label_map, decode(out / row["label_map"])[0])
    assert nib.load(out / "nifti" / "labels" / "p1.nii.gz").shape == (8, 8, 3)


@pytest.mark.parametrize("affine", [np.diag([1.0, 1, 1, 1]), np.diag([-1.0, 2, 1, 1]), np.eye(4)[[2, 0, 1, 3]]])
@pytest.mark.parametrize("axis", ["axial", "sagittal", ["axial", "coronal"], 1])
def test_annotations_lie_over_the_scans(axis, affine, draw, tmp_path):
    shape, scan = (6, 10, 7), tmp_path / "scans" / "sub" / "a.nii.gz"
    save_nifti(scan, RNG.normal(size=shape).astype(np.float32), affine)
    options = {"axis": axis, "fit": "pad", "labels": "gone", "value_range": [-9, 9]}
    checkpoint = write_checkpoint(tmp_path / "x.pt", SCANS, "nifti", label_names=["ship", "buoy"], **options)
    out = draw(checkpoint, "mode=annotate", f"images={tmp_path / 'scans'}", "format=nifti")
    kept = out / "nifti" / "annotations"
    for plane in axis if isinstance(axis, list) else [axis]:
        annotated = kept / ("sub/a.nii.gz" if plane == axis else f"sub/a_{plane}.nii.gz")
        image = nib.load(annotated)
        assert image.shape == shape
        assert image.get_data_dtype() == np.uint8
        assert np.array_equal(image.affine, affine)
        listing = list_nifti(NiftiConfig(axis=plane, path=str(scan), labels=str(annotated)))
        found = {entry.name.rpartition("/")[2]: entry.read().label_map for entry in listing.entries}
        own = [row for row in rows(out) if plane == axis or plane in row["source"]]
        assert len(own) == len(found)
        for row in own:
            number = row["source"][-4:]
            assert np.array_equal(found[number], decode(out / row["label_map_original_size"])[0])


def test_one_volume_of_a_time_series_is_annotated_in_its_place(draw, tmp_path):
    """And of files whose voxels nobody need read again: what is called .nii.gz may be not packed at all."""
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    scan = save_nifti(tmp_path / "scans" / "s.nii", RNG.normal(size=(6, 10, 3, 12)).astype(np.float32), affine)
    scan.rename(scan.with_suffix(".nii.gz"))
    options = {"labels": "gone", "label_names": ["ship", "buoy"], "volume_index": 7, "percentiles": [1, 99]}
    checkpoint = write_checkpoint(tmp_path / "x.pt", SCANS, "nifti", **options)
    out = draw(checkpoint, "mode=annotate", f"images={scan.parent}", "format=nifti")
    annotated = nib.load(out / "nifti" / "annotations" / "s.nii.gz")
    assert annotated.shape == (6, 10, 3)
    assert (annotated.affine == affine).all()
    maps = [decode(out / "labels_original_size" / "s" / f"{k:04d}.png")[0] for k in range(3)]
    assert (np.asarray(annotated.dataobj) == np.stack(maps)[:, ::-1].transpose(2, 1, 0)).all()


def test_a_single_volume_several_draws_and_an_interruption(of_scans, scans, draw):
    options = ["mode=vary", f"images={scans['images'] / 'p2.nii.gz'}", "num_per_image=2", "format=nifti"]
    out = draw(of_scans, *options)
    assert [row["file"] for row in rows(out)] == [f"images/p2/{k:04d}_{n:02d}.tif" for k in range(2) for n in range(2)]
    whole = read_back(out)
    assert sorted(whole) == ["p2_00/0000", "p2_00/0001", "p2_01/0000", "p2_01/0001"]
    lines = (out / "manifest.jsonl").read_text().splitlines()
    (out / "manifest.jsonl").write_text("\n".join(lines[:1]) + "\n")
    again = read_back(draw(of_scans, *options))
    for name, (image, label_map) in whole.items():
        assert image == pytest.approx(again[name][0], abs=1e-3)
        assert np.array_equal(label_map, again[name][1])


def test_masks_make_volumes_and_variations_keep_them(of_scans, scans, draw, tmp_path):
    drawn = draw(of_scans, "mode=from_labels", f"labels={scans['labels']}", "format=nifti")
    kept = draw(of_scans, "mode=vary", *(f"{k}={v}" for k, v in scans.items()), "format=nifti", out="kept")
    from_drawn, from_kept = read_back(drawn), read_back(kept)
    assert len(from_drawn) == 5
    for name, (_, label_map) in from_drawn.items():
        assert label_map.any()
        assert np.array_equal(label_map, from_kept[name][1])
    annotated = draw(of_scans, "mode=annotate", f"images={scans['images']}", out="annotated")
    options = [f"images={scans['images']}", f"labels={annotated / 'labels'}"]
    assert_alike(label_maps(annotated), label_maps(draw(of_scans, "mode=vary", *options, out="by_name")))
    mask = save(tmp_path / "mask.png", np.eye(8, dtype=np.uint8))
    filled = draw(of_scans, "mode=inpaint", f"images={scans['images']}", f"mask={mask}", out="filled")
    for row in rows(filled):
        same = decode(filled / row["file"]) == decode(annotated / row["file"])
        assert (same | (np.eye(8) == 1)).all()


def test_volumes_that_may_not_be_copied(of_scans, scans, draw):
    out = draw(of_scans, "num_samples=2", f"reject_copies={scans['images']}")
    assert all(row["nearest_real"] > 0 for row in rows(out))


@pytest.mark.parametrize("classes", [True, False], ids=["classes", "no class"])
def test_samples_of_no_volume_are_volumes_of_their_own(classes, draw, tmp_path, capsys):
    spec = ImageSpec(1, 8, 8, attributes=ATTRIBUTES if classes else {}, **LABELS)
    out = draw(write_checkpoint(tmp_path / "joint.pt", spec), "num_samples=5", "format=nifti")
    assert rows(out)[3]["file"] == ("images/dog/000003.png" if classes else "images/000003.png")
    assert "volume" not in rows(out)[0]
    stems = [Path(row["file"]).relative_to("images").with_suffix("").as_posix() for row in rows(out)]
    read = read_back(out)
    assert sorted(read) == sorted(f"{stem}/0000" for stem in stems)
    for i, stem in enumerate(stems):
        assert np.array_equal(read[f"{stem}/0000"][0][0], pictures(out)[i])
        assert np.array_equal(read[f"{stem}/0000"][1], label_maps(out)[i])
    loaded = load("nifti", out / "nifti/images", labels=str(out / "nifti/labels"), val_fraction=0.4)
    assert (len(loaded.train), len(loaded.val)) == (3, 2)  # each may be held out
    # fewer than there are already
    draw(tmp_path / "joint.pt", "num_samples=2", "format=nifti")
    assert len(read_back(out)) == 5
    assert "3 of the 5 samples in" in capsys.readouterr().out


def test_a_model_of_image_files_says_so_when_it_is_given_volumes(scans, draw, tmp_path, capsys):
    checkpoint = write_checkpoint(tmp_path / "plain.pt", PLAIN)
    draw(checkpoint, "mode=vary", f"images={scans['images']}", exit_code=2)
    assert "no image in it but NIfTI volumes: this checkpoint reads image files here" in one_error(capsys)


def test_nifti_without_nibabel_is_refused_before_anything_is_drawn(draw, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    draw(write_checkpoint(tmp_path / "plain.pt", PLAIN), "num_samples=2", "format=nifti", exit_code=2)
    assert "nibabel is not installed" in one_error(capsys)
    assert not (tmp_path / "out").exists()
