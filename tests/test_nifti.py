import gzip
import os
import struct
import sys
import tracemalloc
from contextlib import suppress
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import load_images
from data.attributes import with_groups
from data.item import Item, Listing
from data.nifti import NiftiConfig, list_nifti
from data.nifti_volume import read_volume
from data.write_nifti import write_nifti_stack

RNG = np.random.default_rng(0)
REAL_DATA = Path(os.environ.get("SPECKLE_DATA", Path(__file__).parents[2] / "shared" / "data"))
RAS = np.eye(4)


def listed(path: str, **options: Any) -> Listing:
    return list_nifti(NiftiConfig(path=path, **options))


def save(path: Path, voxels: np.ndarray, affine: np.ndarray | None = RAS, **header) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def save_scaled(path: Path, stored: np.ndarray, slope: float, intercept: float) -> Path:
    """What nibabel saves it rescales, so the two numbers go into the bytes (scl_slope, scl_inter at 112 and 116)."""
    save(path, stored)
    data = bytearray(path.read_bytes())
    data[112:120] = struct.pack("<ff", slope, intercept)
    path.write_bytes(data)
    return path


def voxels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, 256, shape).astype(dtype)


def items(listing: Listing) -> list[Item]:
    assert not listing.foreign
    return [entry.read() for entry in listing.entries]


def images(listing: Listing) -> np.ndarray:
    return np.stack([item.image for item in items(listing)])


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "volumes"
    path.mkdir()
    return path


def test_volumes_on_different_scales_are_told_of(folder):
    save(folder / "a.nii", np.full((2, 2, 2), 90, np.int16))
    save(folder / "b.nii", np.full((2, 2, 2), 270, np.int16))
    assert listed(str(folder)).notes == []
    save(folder / "c.nii", np.full((2, 2, 2), 4000, np.int16))
    assert "greatest values go from 90 to 4000 (data.percentiles=[0.5,99.5]" in listed(str(folder)).notes[0]
    assert listed(str(folder), percentiles=[0.5, 99.5]).notes == []


# Orientation


def test_a_plane_is_shown_as_radiologists_do(folder):
    body = np.zeros((4, 5, 6), np.uint8)  # x to the right, y to the front, z up
    body[3, 2, 3] = 1  # at the patient's right
    body[2, 4, 3] = 2  # at the front
    body[2, 2, 5] = 3  # at the top
    save(folder / "p.nii", body)
    axial, coronal, sagittal = (images(listed(str(folder), axis=a))[:, 0] for a in ("axial", "coronal", "sagittal"))
    assert axial.shape == (6, 5, 4)
    assert axial[3, 2, 0] == 1  # column 0 is the patient's right
    assert axial[3, 0, 1] == 2  # row 0 is the front
    assert axial[5, 2, 1] == 3  # the last slice is the top
    assert coronal.shape == (5, 6, 4)
    assert coronal[2, 2, 0] == 1  # column 0 is the patient's right
    assert coronal[4, 2, 1] == 2  # the last slice is the front
    assert coronal[2, 0, 1] == 3  # row 0 is the top
    assert sagittal.shape == (4, 6, 5)
    assert sagittal[3, 2, 2] == 1  # the last slice is the patient's right
    assert sagittal[2, 2, 0] == 2  # column 0 is the front
    assert sagittal[2, 0, 2] == 3  # row 0 is the top


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_however_a_volume_is_stored_its_planes_are_the_same(folder, tmp_path, plane, square):
    body, mask = voxels(3, 4, 5), RNG.integers(0, 3, (3, 4, 5)).astype(np.uint8)
    original = nib.Nifti1Image(body, np.diag([1.0, 2.0, 3.0, 1.0]))
    labels = nib.Nifti1Image(mask, original.affine)
    (tmp_path / "labels").mkdir()
    ways = [(axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)]
    for i, (axes, signs) in enumerate(ways):
        orientation = np.column_stack([axes, signs])
        nib.save(original.as_reoriented(orientation), folder / f"{i:02d}.nii")
        nib.save(labels.as_reoriented(orientation), tmp_path / "labels" / f"{i:02d}.nii")
    read = items(listed(str(folder), labels=str(tmp_path / "labels"), axis=plane, square_pixels=square))
    n = len(read) // 48
    assert len(read) == 48 * n
    for i, item in enumerate(read):
        np.testing.assert_array_equal(item.image, read[i % n].image)
        np.testing.assert_array_equal(item.label_map, read[i % n].label_map)
    millimetres = {"axial": (8, 3), "coronal": (15, 3), "sagittal": (15, 8)}[plane]  # rows and columns at 1, 2, 3 mm
    if square:  # to the finer spacing, which is 1 mm but in sagittal planes
        assert read[0].image.shape[1:] == tuple(round(mm / (2 if plane == "sagittal" else 1)) for mm in millimetres)
    else:
        everything = np.stack([item.image[0] for item in read[:n]])
        assert sorted(everything.ravel()) == sorted(body.ravel())


def test_an_oblique_volume_is_turned_to_the_nearest_axes_without_resampling(folder):
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = nib.affines.from_matvec(turn @ np.diag([-1, 1, 1]), [5, 6, 7])  # columns run to the left
    body = voxels(3, 4, 5)
    save(folder / "p.nii", body, affine)
    np.testing.assert_array_equal(images(listed(str(folder)))[2, 0], body[:, ::-1, 2].T)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_by_number_is_the_arrays_own(folder, axis):
    body = voxels(3, 4, 5)
    save(folder / "p.nii", body, np.diag([-1.0, 1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(images(listed(str(folder), axis=axis))[:, 0], np.moveaxis(body, axis, 0))


def test_a_volume_that_does_not_say_how_it_lies_has_axes_but_no_planes(folder):
    save(folder / "p.nii", voxels(3, 4, 5), None)
    assert "data.axis=0, 1 or 2" in listed(str(folder)).foreign[0][1]
    assert len(listed(str(folder), axis=0).entries) == 3


# Values


def test_slope_and_intercept_are_applied(folder):
    stored = voxels(2, 3, 4, dtype=np.int16)
    save_scaled(folder / "p.nii", stored, 0.5, -1000.0)
    image = images(listed(str(folder), axis=0))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[:, 0], stored * 0.5 - 1000.0)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        *[(kind, kind) for kind in ("uint8", "uint16", "int32", "float32", "float64")],
        *[(kind, "int32") for kind in ("int8", "int16", "uint32", "int64", ">i2")],
    ],
)
def test_every_stored_type_keeps_its_values(folder, stored, read):
    body = RNG.integers(0, 127, (2, 3, 4)).astype(stored)
    path = folder / "p.nii"
    nib.save(
        nib.Nifti1Image(
            body, RAS, dtype=body.dtype, header=nib.Nifti1Header(endianness=">" if stored[0] == ">" else "<")
        ),
        path,
    )
    image = images(listed(str(folder), axis=0))
    assert image.dtype.name == read
    np.testing.assert_array_equal(image[:, 0], body)


def test_volumes_of_different_types_come_in_the_widest(folder):
    save(folder / "a.nii", voxels(2, 3, 4))
    save(folder / "b.nii", voxels(2, 3, 4, dtype=np.float32))
    assert {item.image.dtype.name for item in items(listed(str(folder)))} == {"float32"}


def test_the_last_axis_is_channels_or_one_of_them_is_picked(folder):
    body = voxels(2, 3, 4, 5)
    save(folder / "p.nii", body)
    np.testing.assert_array_equal(images(listed(str(folder), axis=0)), body.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(images(listed(str(folder), axis=0, volume_index=3))[:, 0], body[..., 3])
    assert "data.volume_index=7" in listed(str(folder), volume_index=7).foreign[0][1]


def test_a_long_time_series_says_how_to_pick_one_volume(folder):
    save(folder / "p.nii", voxels(2, 3, 4, 30))
    assert "data.volume_index=0..29" in listed(str(folder)).foreign[0][1]


def test_each_volume_is_scaled_by_its_own_percentiles(folder):
    ramp = np.arange(101, dtype=np.uint16).reshape(101, 1, 1)
    save(folder / "a.nii", ramp)
    save(folder / "b.nii", np.stack([20 * ramp + 7, 3000 - ramp], axis=3))  # each channel by its own
    plain, listing = (listed(str(folder), axis=0, percentiles=p) for p in (None, [10, 90]))
    a, b = (np.stack([e.read().image for e in listing.entries if e.group == name]) for name in "ab")
    assert a.dtype == b.dtype == np.float32
    expected = (np.arange(101) - 10) / 80  # values beyond 0..1 are kept
    np.testing.assert_allclose(a[:, 0, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(b[:, :, 0, 0], np.stack([expected, expected[::-1]], 1), atol=1e-6)
    assert not {entry.digest for entry in plain.entries} & {entry.digest for entry in listing.entries}


def test_no_data_take_the_value_that_is_given(folder, tmp_path):
    body = voxels(4, 3, 5, dtype=np.float32)
    body[:, 1] = np.nan
    save(folder / "p.nii", body)
    assert "data.nodata=VALUE does so with NaN" in listed(str(folder), axis=0).foreign[0][1]
    filled = np.nan_to_num(body, nan=-7.0)
    read = listed(str(folder), axis=0, nodata=-7)
    np.testing.assert_array_equal(images(read)[:, 0], filled)
    assert read.entries[0].digest != listed(str(folder), axis=0, nodata=0).entries[0].digest
    low, high = np.percentile(filled, [10, 90])
    scaled = images(listed(str(folder), axis=0, nodata=-7, percentiles=[10, 90]))
    np.testing.assert_allclose(scaled[:, 0], (filled - low) / (high - low), rtol=1e-5, atol=1e-5)
    save(tmp_path / "labels" / "p.nii", body)
    reason = listed(str(folder), axis=0, nodata=0, labels=str(tmp_path / "labels")).foreign[0][1]
    assert reason == "its mask holds fractions: a mask holds whole numbers, 0 for the background"


def test_percentiles_of_a_flat_volume(folder):
    save(folder / "p.nii", ONES)
    assert "nothing to scale by" in listed(str(folder), percentiles=[1, 99]).foreign[0][1]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 1, 1), (4, 5, 1, 1, 1)])
def test_a_single_slice(folder, shape):
    body = voxels(*shape)
    save(folder / "p.nii", body)
    np.testing.assert_array_equal(images(listed(str(folder), axis=2))[0, 0], body.reshape(4, 5))


def test_nifti_2_and_uncompressed_bytes_under_a_gz_name(folder):
    body = voxels(3, 4, 5)
    nib.save(nib.Nifti2Image(body, RAS), folder / "p.nii")
    (folder / "p.nii").rename(folder / "p.nii.gz")
    np.testing.assert_array_equal(images(listed(str(folder), axis=0))[:, 0], body)


# Names, groups, slices


def test_names_groups_and_attributes(folder):
    save(folder / "a" / "x_T1w.nii.gz", voxels(2, 2, 2))
    save(folder / "sub-07" / "anat" / "sub-07_ses-1_T2w.nii", voxels(2, 2, 2))
    save(folder / "y_0001.nii", voxels(2, 2, 2))
    listing = listed(str(folder))
    assert [entry.name for entry in listing.entries] == [
        "a/x_T1w/0000", "a/x_T1w/0001", "sub-07/anat/sub-07_ses-1_T2w/0000", "sub-07/anat/sub-07_ses-1_T2w/0001",
        "y_0001/0000", "y_0001/0001",
    ]  # fmt: skip
    assert [entry.group for entry in listing.entries[::2]] == ["a/x", "sub-07", "y_0001"]
    assert not any(entry.attributes for entry in listing.entries)
    assert listing.label_names == []


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["p0/t1.nii", "p0/T2.nii.gz", "p1/flair.nii"], ["p0", "p0", "p1"]),
        (["t1.nii", "t2.nii"], [".", "."]),
        (["a_0000.nii", "a_0001.nii", "b_0000.nii", "b_0001.nii"], ["a", "a", "b", "b"]),  # nnU-Net
        (["a_0001.nii", "a_0002.nii"], ["a_0001", "a_0002"]),  # channels count from 0
        ([f"scan_{i:04d}.nii" for i in range(9)], [f"scan_{i:04d}" for i in range(9)]),  # too many for channels
        (["x/sub-1_t1w.nii", "sub-1/t1.nii"], ["sub-1", "sub-1"]),
    ],
)
def test_volumes_of_one_patient_by_their_names(folder, names, groups):
    for name in names:
        save(folder / name, voxels(2, 2, 1))
    of_volume = {entry.file: entry.group for entry in listed(str(folder)).entries}
    assert [of_volume[name] for name in names] == groups


def test_the_folder_of_a_slice_is_that_of_its_file(folder):
    for name in ("p0/a.nii", "p0/b.nii.gz", "x/p1/a.nii"):
        save(folder / name, voxels(2, 2, 2))
    grouped = with_groups(listed(str(folder), group="folder"), "folder")
    assert [entry.group for entry in grouped.entries[::2]] == ["p0", "p0", "x/p1"]


def test_a_list_names_volumes_with_their_endings_or_without(folder, tmp_path):
    for name in ("a.nii", "b.nii.gz", "s/c.nii.gz", "d.nii"):
        save(folder / name, voxels(2, 2, 2))
    lists = {field: str(tmp_path / field) for field in ("file_list", "val_list")}
    (tmp_path / "file_list").write_text("a.nii\ns/c.nii.gz\nd/0001\n")
    (tmp_path / "val_list").write_text("b.nii.gz\n")
    names = [entry.name for entry in listed(str(folder), **lists).entries]
    assert names == ["a/0000", "a/0001", "d/0001", "s/c/0000", "s/c/0001"]
    assert {entry.file for entry in listed(str(folder), val_list=lists["val_list"]).entries} == {
        "a.nii", "s/c.nii.gz", "d.nii",
    }  # fmt: skip
    (tmp_path / "val_list").write_text("s/c\n")
    with pytest.raises(ValueError, match=r"s/c/0000 is in data\.file_list and in data\.val_list \(2 such names\)"):
        listed(str(folder), **lists)
    (tmp_path / "val_list").write_text("c.nii.gz\n")
    with pytest.raises(ValueError, match=r"data\.val_list: c\.nii\.gz is not in"):
        listed(str(folder), **lists)


def test_a_table_says_who_the_patients_are(folder, tmp_path):
    for i in range(8):
        save(folder / f"{'ab'[i % 2]}{i // 2}.nii.gz", voxels(8, 8, 1))
    rows = "".join(f"{v}{i}{'.nii.gz' * (v == 'a')},P{i},{v}\n" for i in range(4) for v in "ab")
    (tmp_path / "table.csv").write_text(f"file,patient,visit\n{rows}")
    options = {"attributes": str(tmp_path / "table.csv"), "group": "patient", "image_size": 8, "val_fraction": 0.25}
    loaded = load_images(NiftiConfig(path=str(folder), **options), cache_dir=tmp_path / "cache")
    assert loaded.train.spec.attributes == {"visit": ["a", "b"]}
    assert [name[1] for name in loaded.val.names] == [loaded.val.names[0][1]] * 2
    assert "Groups by patient, none divided: 3 (6 images) to train on, 1 (2 images) held out." in loaded.report


def test_a_name_says_who_a_patient_is_elsewhere_under_bids_alone(tmp_path):
    options = {"val_path": str(tmp_path / "val"), "image_size": 8}
    for place in ("train", "val"):
        for name in ("case1", "case2"):
            save(tmp_path / place / f"{name}.nii", voxels(8, 8, 1))
    loaded = load_images(NiftiConfig(path=str(tmp_path / "train"), **options), cache_dir=tmp_path / "cache")
    assert loaded.report.endswith("Groups by patient, none divided: 2 (2 images) to train on, 2 (2 images) held out.")
    for place in ("train", "val"):
        for name in ("case1", "case2"):
            (tmp_path / place / f"{name}.nii").rename(tmp_path / place / f"sub-{name}_T1w.nii")
    with pytest.raises(ValueError, match=r"val/sub-case1_T1w/0000 is in training and in validation \(2 such images\)"):
        load_images(NiftiConfig(path=str(tmp_path), on_error="skip", **options), cache_dir=tmp_path / "cache")
    with pytest.raises(ValueError, match=r"patient sub-case1 is in training and in validation \(2 such groups\)"):
        load_images(NiftiConfig(path=str(tmp_path / "train"), **options), cache_dir=tmp_path / "cache")


def test_several_axes_are_an_attribute(folder):
    save(folder / "p.nii", voxels(2, 3, 4))
    listing = listed(str(folder), axis=["axial", "sagittal"])
    assert [e.name for e in listing.entries][3:5] == ["p/axial_0003", "p/sagittal_0000"]
    assert [e.attributes["plane"] for e in listing.entries] == ["axial"] * 4 + ["sagittal"] * 2
    assert len({e.digest for e in listing.entries}) == 6


def test_empty_slices_and_steps(folder, tmp_path):
    body, mask = voxels(20, 3, 4), np.zeros((20, 3, 4), np.uint8)
    mask[[3, 4, 5, 12]] = 1
    save(folder / "p.nii", body)
    save(tmp_path / "labels" / "p.nii", mask)

    def numbers(**options) -> list[int]:
        listing = listed(str(folder), labels=str(tmp_path / "labels"), axis=0, **options)
        return [int(entry.name[-4:]) for entry in listing.entries]

    assert numbers() == list(range(20))
    assert numbers(empty_slices="drop") == [3, 4, 5, 12]
    assert numbers(slice_step=4) == [0, 4, 8, 12, 16]
    assert numbers(slice_step=4, empty_slices="drop") == [4, 12]
    assert numbers(empty_slices=0.25) == [0, 3, 4, 5, 7, 11, 12, 16]  # 4 of the 16, evenly spaced


def test_without_masks_a_slice_of_one_value_is_empty(folder):
    body = voxels(4, 3, 5)
    body[1] = 7
    save(folder / "p.nii", body)
    kept = listed(str(folder), axis=0, empty_slices="drop").entries
    assert [entry.name for entry in kept] == ["p/0000", "p/0002", "p/0003"]


def test_nothing_but_empty_slices_is_an_error(folder):
    save(folder / "p.nii", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="data.empty_slices=drop: all slices of the 1 volumes are empty"):
        listed(str(folder), empty_slices="drop")


def test_a_digest_changes_with_volume_mask_and_slice(folder, tmp_path):
    def digests() -> list[str]:
        return [e.digest for e in listed(str(folder), labels=str(tmp_path / "labels"), axis=0).entries]

    body, mask = voxels(2, 2, 2), np.zeros((2, 2, 2), np.uint8)
    seen = []
    for value in (1, 2):
        body[0, 0, 0] = value
        save(folder / "p.nii", body)
        for label in (0, 1):
            mask[0, 0, 0] = label
            save(tmp_path / "labels" / "p.nii", mask)
            seen += digests()
    assert len(set(seen)) == 8


def test_a_volume_is_decoded_once_for_its_slices(folder):
    for name in "abcd":
        save(folder / f"{name}.nii.gz", voxels(30, 4, 4))
    read_volume.cache_clear()
    images(listed(str(folder), axis=0))
    assert read_volume.cache_info().misses == 8  # once to list, once to read


def test_a_volume_that_has_changed_is_an_error_not_another_slice(folder):
    save(folder / "p.nii", voxels(2, 2, 2))
    entry = listed(str(folder), axis=0).entries[1]
    save(folder / "p.nii", voxels(1, 2, 2))
    read_volume.cache_clear()
    with pytest.raises(ValueError, match="changed since it was listed"):
        entry.read()


# Masks


@pytest.mark.parametrize(
    ("volume", "mask", "group"),
    [
        ("x.nii.gz", "x.nii.gz", "x"),
        ("x.nii.gz", "x.nii", "x"),
        ("x.nii", "x_seg.nii.gz", "x"),
        ("x.nii", "x-labels.nii", "x"),
        ("s/BraTS_001_flair.nii.gz", "s/BraTS_001_seg.nii.gz", "s/BraTS_001"),
        ("la_003_0000.nii.gz", "la_003.nii.gz", "la_003"),  # nnU-Net
        ("scan_0001.nii", "scan_0001.nii", "scan_0001"),  # a number of the patient, not of a channel
    ],
)
def test_the_mask_of_a_volume_by_name(folder, tmp_path, volume, mask, group):
    save(folder / volume, voxels(2, 3, 4))
    values = RNG.integers(0, 4, (2, 3, 4))
    save(tmp_path / "labels" / mask, values.astype(np.float32))  # whole numbers stored as real ones
    listing = listed(str(folder), labels=str(tmp_path / "labels"), axis=0)
    np.testing.assert_array_equal([item.label_map for item in items(listing)], values)
    assert {entry.group for entry in listing.entries} == {group}


def test_one_volume_and_its_mask(folder, tmp_path):
    body, mask = voxels(3, 4, 5), RNG.integers(0, 3, (3, 4, 5)).astype(np.uint8)
    for name in ("a", "b"):
        save(folder / f"{name}.nii.gz", body)
    paths = {"path": str(folder / "a.nii.gz"), "labels": str(save(tmp_path / "any.nii", mask))}
    read = listed(**paths, axis=0)
    assert [entry.name for entry in read.entries] == ["a/0000", "a/0001", "a/0002"]
    np.testing.assert_array_equal([item.image[0] for item in items(read)], body)
    np.testing.assert_array_equal([item.label_map for item in items(read)], mask)
    beside = save(folder / "other.nii.gz", mask)
    assert len(listed(str(folder), labels=str(beside), axis=0).entries) == 6
    alone = list_nifti(NiftiConfig(path=str(beside), axis=0), are_masks=True)
    np.testing.assert_array_equal([item.label_map for item in items(alone)], mask)


def test_masks_beside_the_volumes_or_below_them(folder):
    for name in ("p_t1", "p_flair", "p_seg"):
        save(folder / f"{name}.nii", np.ones((2, 2, 2), np.uint8))
    listing = listed(str(folder), labels=str(folder), pattern="*_flair.nii")
    assert [entry.name for entry in listing.entries] == ["p_flair/0000", "p_flair/0001"]
    save(folder / "labels" / "p_t1.nii", np.ones((2, 2, 2), np.uint8))
    listing = listed(str(folder), labels=str(folder / "labels"), pattern="*_t1.nii")
    assert [entry.name for entry in listing.entries] == ["p_t1/0000", "p_t1/0001"]


def test_beside_the_volumes_nothing_called_like_a_volume_is_a_mask(folder):
    for k, name in enumerate(("scan", "scan_t1", "scan_seg")):
        save(folder / f"{name}.nii.gz", np.full((2, 2, 2), 5 - 2 * k, np.uint8))
    listing = listed(str(folder), labels=str(folder))
    assert [entry.name for entry in listing.entries] == [f"{v}/000{k}" for v in ("scan", "scan_t1") for k in range(2)]
    assert listing.label_names == ["background", "label_1"]
    assert {int(item.label_map.max()) for item in items(listing) if item.label_map is not None} == {1}
    (folder / "scan_seg.nii.gz").unlink()
    reasons = dict(listed(str(folder), labels=str(folder)).foreign)
    assert list(reasons) == ["scan.nii.gz", "scan_t1.nii.gz"]
    assert "looked for scan_t1_seg.nii.gz, scan_t1_mask.nii.gz" in reasons["scan_t1.nii.gz"]


def test_label_names(folder, tmp_path):
    labels = str(tmp_path / "labels")
    save(folder / "p.nii", voxels(2, 2, 2))
    save(tmp_path / "labels" / "p.nii", np.full((2, 2, 2), 2, np.uint8))
    assert listed(str(folder), labels=labels).label_names == ["background", "label_1", "label_2"]
    names = listed(str(folder), labels=labels, label_names=["head", "tail"]).label_names
    assert names == ["background", "head", "tail"]
    assert "data.label_names names 1..1" in listed(str(folder), labels=labels, label_names=["head"]).foreign[0][1]


def test_labels_json_names_the_values(folder, tmp_path):
    """In the folder of the masks or beside it; what it leaves out keeps its number, and data.label_names goes before it."""
    labels = tmp_path / "labels"
    save(folder / "p.nii", voxels(2, 2, 2))
    save(labels / "p.nii", np.full((2, 2, 2), 3, np.uint8))
    (tmp_path / "labels.json").write_text('{"0": "background", "1": "head", "3": "tail"}')
    listing = listed(str(folder), labels=str(labels))
    assert listing.label_names == ["background", "head", "label_2", "tail"]
    assert [int(item.label_map.max()) for item in items(listing)] == [3, 3]
    assert listed(str(folder), labels=str(labels / "p.nii")).label_names == ["background", "head", "label_2", "tail"]
    (labels / "labels.json").write_text('{"1": "a", "2": "b"}')
    assert "its mask holds 3, labels.json names 1..2" in listed(str(folder), labels=str(labels)).foreign[0][1]
    assert listed(str(folder), labels=str(labels), label_names=["x", "y", "z"]).label_names[3] == "z"
    for text, told in (('{"ship": "#ff0000"}', "masks hold numbers up to 255"), ("[1]", "is no palette")):
        (labels / "labels.json").write_text(text)
        with pytest.raises(ValueError, match=told):
            listed(str(folder), labels=str(labels))
    save(folder / "p_seg.nii", np.ones((2, 2, 2), np.uint8))
    (folder / "labels.json").write_text('{"1": "head"}')  # among the volumes it is no foreign file
    listing = listed(str(folder), labels=str(folder))
    assert (listing.foreign, listing.label_names) == ([], ["background", "head"])


def test_a_mask_whose_affine_differs_by_rounding_fits(folder, tmp_path):
    save(folder / "p.nii", voxels(2, 2, 2))
    save(
        tmp_path / "labels" / "p.nii",
        np.ones((2, 2, 2), np.uint8),
        RAS + 1e-4 * RNG.random((4, 4)) * [[1], [1], [1], [0]],
    )
    assert len(items(listed(str(folder), labels=str(tmp_path / "labels")))) == 2


# Square pixels


def test_pixels_become_square_only_if_asked(folder, tmp_path):
    body = np.repeat(np.linspace(0, 90, 10), 12).reshape(10, 12, 1).astype(np.uint8)  # a ramp along rows
    mask = (body >= 50).astype(np.uint8)
    affine = np.diag([3.0, 1.5, 5.0, 1.0])
    save(folder / "p.nii", body, affine)
    save(tmp_path / "labels" / "p.nii", mask, affine)
    plain = listed(str(folder), labels=str(tmp_path / "labels"), axis=2)
    square = listed(str(folder), labels=str(tmp_path / "labels"), axis=2, square_pixels=True)
    assert plain.entries[0].digest != square.entries[0].digest
    np.testing.assert_array_equal(plain.entries[0].read().image[0], body[..., 0])
    item = square.entries[0].read()
    assert item.image.dtype == np.uint8
    assert item.image.shape == (1, 20, 12)
    np.testing.assert_array_equal(item.label_map, np.repeat(mask[..., 0], 2, axis=0))
    assert (np.diff(item.image[0, :, 0].astype(int)) >= 0).all()
    axial = listed(str(folder), axis="axial", square_pixels=True).entries[0].read()  # rows are the 1.5 mm axis
    assert axial.image.shape == (1, 12, 20)


# What cannot be used


def header_bytes(path: Path, offset: int, fmt: str, *values) -> None:
    save(path, voxels(4, 4, 4))
    data = bytearray(path.read_bytes())
    struct.pack_into(fmt, data, offset, *values)
    path.write_bytes(data)


def cut_gzip(path: Path) -> None:
    save(path.with_name("p.nii.gz"), voxels(9, 9, 9))
    data = path.with_name("p.nii.gz").read_bytes()
    path.with_name("p.nii.gz").write_bytes(data[: len(data) // 2])


def wrong_checksum(path: Path) -> None:
    data = bytearray(gzip.compress(save(path, voxels(4, 4, 4)).read_bytes()))
    data[-8] ^= 1
    path.write_bytes(data)


def with_value(value: float):
    body = np.ones((4, 4, 4), np.float32)
    body[1, 2, 3] = value
    return lambda path: save(path, body)


def rgb(path: Path) -> None:
    save(path, np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])))


def with_mask(mask: np.ndarray, affine: np.ndarray = RAS):
    def make(path: Path) -> None:
        save(path, voxels(4, 4, 4))
        save(path.parents[1] / "labels" / "p.nii", mask, affine)

    return make


def broken_mask(path: Path) -> None:
    save(path, voxels(4, 4, 4))
    (path.parents[1] / "labels" / "p.nii").write_text("no mask")


ONES = np.ones((4, 4, 4), np.uint8)
BROKEN = {
    "empty": (lambda p: p.write_bytes(b""), "empty file"),
    "text": (lambda p: p.write_text("not an image " * 50), "not a NIfTI file"),
    "text named .nii.gz": (lambda p: p.with_name("p.nii.gz").write_text("hello"), "not a NIfTI file"),
    "gzip of text": (lambda p: p.write_bytes(gzip.compress(b"hello")), "not a NIfTI file"),
    "truncated gzip": (cut_gzip, "truncated or damaged"),
    "wrong checksum": (wrong_checksum, "truncated or damaged"),
    "header only": (lambda p: p.write_bytes(save(p, ONES).read_bytes()[:352]), "truncated: shape"),
    "half a header": (lambda p: p.write_bytes(save(p, ONES).read_bytes()[:200]), "not a NIfTI file"),
    "half the voxels": (lambda p: p.write_bytes(save(p, ONES).read_bytes()[:390]), "truncated: shape"),
    "pair magic": (lambda p: header_bytes(p, 344, "4s", b"ni1\0"), "not a NIfTI file"),
    "huge shape": (lambda p: header_bytes(p, 40, "<4h", 3, 32767, 32767, 32767), "truncated: shape"),
    "negative shape": (lambda p: header_bytes(p, 40, "<4h", 3, -4, 4, 4), "shape"),
    "zero shape": (lambda p: header_bytes(p, 40, "<4h", 3, 0, 4, 4), "shape"),
    "no dimensions": (lambda p: header_bytes(p, 40, "<h", 0), "shape"),
    "unknown type": (lambda p: header_bytes(p, 70, "<h", 999), "truncated or damaged"),
    "huge offset": (lambda p: header_bytes(p, 108, "<f", 1e9), "truncated: shape"),
    "slope without intercept": (lambda p: header_bytes(p, 112, "<ff", 2, np.nan), "truncated or damaged"),
    "overflowing slope": (lambda p: header_bytes(p, 112, "<ff", 3e38, 3e38), "NaN or infinite"),
    "singular affine": (lambda p: header_bytes(p, 280, "<12f", *[0] * 12), "affine is singular"),
    "NaN in the affine": (lambda p: header_bytes(p, 280, "<f", np.nan), "affine is singular"),
    "NaN": (with_value(np.nan), "NaN or infinite"),
    "infinity": (with_value(np.inf), "NaN or infinite"),
    "complex": (lambda p: save(p, np.ones((4, 4, 4), np.complex64)), "save the magnitude"),
    "colour": (rgb, "save real numbers"),
    "five dimensions": (lambda p: save(p, voxels(2, 2, 2, 2, 2)), "a volume has 3 dimensions"),
    "no mask": (lambda p: save(p.with_name("q.nii"), ONES), "no mask in"),
    "mask of another shape": (with_mask(np.ones((4, 4, 5), np.uint8)), r"mask has shape \(4, 4, 5\)"),
    "mask elsewhere": (with_mask(ONES, np.diag([1, 1, -1, 1])), "mask lies elsewhere"),
    "mask of other spacing": (with_mask(ONES, np.diag([1.1, 1, 1, 1])), "mask lies elsewhere"),
    "fractions in the mask": (with_mask(ONES * 0.5), "mask holds fractions"),
    "negative labels": (with_mask(-1 * ONES.astype(np.int16)), "labels are 0..255"),
    "large labels": (with_mask(300 * ONES.astype(np.int16)), "labels are 0..255"),
    "broken mask": (broken_mask, "not a NIfTI file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_volume_is_foreign_with_a_reason_in_one_line(folder, tmp_path, kind):
    make, expected = BROKEN[kind]
    save(tmp_path / "labels" / "p.nii", ONES)
    make(folder / "p.nii")
    save(folder / "good.nii", ONES)
    save(tmp_path / "labels" / "good.nii", ONES)
    tracemalloc.start()
    listing = listed(str(folder), labels=str(tmp_path / "labels"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {entry.name.split("/")[0] for entry in listing.entries} == {"good"}
    assert [entry.read().image.shape for entry in listing.entries] == [(1, 4, 4)] * 4
    ((_, reason),) = listing.foreign
    assert "\n" not in reason
    with pytest.raises(ValueError, match=expected):
        raise ValueError(reason)
    assert peak < 2e7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 3}, "data.axis=3"),
        ({"axis": []}, "data.axis="),
        ({"axis": ["axial", "axial"]}, "data.axis="),
        ({"empty_slices": "some"}, "data.empty_slices=some"),
        ({"empty_slices": 1.5}, "data.empty_slices=1.5"),
        ({"empty_slices": True}, "data.empty_slices=True"),
        ({"slice_step": 0}, "data.slice_step=0"),
        ({"volume_index": -1}, "data.volume_index=-1"),
        ({"complex": "amplitude"}, "data.complex=amplitude has no effect on data=nifti"),
        ({"percentiles": [99, 1]}, "data.percentiles="),
        ({"label_names": ["a"]}, "data.labels is missing: data.label_names"),
        ({"labels": ".", "label_names": ["a", "a"]}, "data.label_names="),
        ({"labels": ".", "label_names": ["background"]}, "data.label_names="),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        NiftiConfig(**options)
    with pytest.raises(ValueError, match=message):
        listed(".", **options)


def test_folders_that_hold_nothing_and_other_files(folder):
    with pytest.raises(ValueError, match="does not exist"):
        listed(str(folder / "missing"))
    with pytest.raises(ValueError, match="no NIfTI volumes"):
        listed(str(folder))
    save(folder / "p.nii", ONES)
    save(folder / "p.nii.gz", ONES)
    (folder / "notes.txt").write_text("x")
    (folder / ".DS_Store").write_text("x")
    listing = listed(str(folder))
    assert len(listing.entries) == 4
    assert listing.foreign == [
        ("notes.txt", "not a NIfTI volume by its name"),
        ("p.nii", "is there as .nii.gz too: keep one"),
    ]
    with pytest.raises(ValueError, match="does not exist"):
        listed(str(folder), labels=str(folder / "missing"))


def test_without_nibabel_the_extra_is_named(folder, monkeypatch):
    save(folder / "p.nii", ONES)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ValueError, match=r"nibabel is not installed: pip install -e '.\[medical\]'"):
        listed(str(folder))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    edits=st.lists(st.tuples(st.integers(0, 415), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 416),
    zipped=st.booleans(),
)
def test_damaged_bytes_are_read_or_refused(tmp_path_factory, edits, cut, zipped):
    folder = tmp_path_factory.mktemp("fuzz")
    data = bytearray(save(folder / "p.nii", np.arange(64, dtype=np.uint8).reshape(4, 4, 4)).read_bytes())
    if zipped:
        data = bytearray(gzip.compress(bytes(data)))
    for place, value in edits:
        data[place % len(data)] = value
    if cut < 200:
        data = data[: len(data) - cut]
    (folder / "p.nii").write_bytes(data)
    for axis in ("axial", 0):
        listing = listed(str(folder), axis=axis, square_pixels=True)
        assert listing.entries or listing.foreign
        for entry in listing.entries[:3]:
            with suppress(ValueError, OSError):
                entry.read()
        assert not any("\n" in reason for _, reason in listing.foreign)


# Stacks


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_stack_reads_back_exactly(tmp_path, dtype, suffix):
    slices = RNG.integers(0, 127, (5, 3, 4)).astype(dtype) * (1.5 if dtype.startswith("float") else 1)
    labels = RNG.integers(0, 3, (5, 3, 4)).astype(np.uint8)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    write_nifti_stack(tmp_path / "images" / f"s{suffix}", slices.astype(dtype))
    write_nifti_stack(tmp_path / "labels" / f"s{suffix}", labels)
    read = items(listed(str(tmp_path / "images"), labels=str(tmp_path / "labels"), axis="axial"))
    np.testing.assert_array_equal([item.image[0] for item in read], slices)
    np.testing.assert_array_equal([item.label_map for item in read], labels)
    assert nib.load(tmp_path / "images" / f"s{suffix}").header.get_zooms() == (1.0, 1.0, 1.0)
    assert read[0].image.dtype.name == ("int32" if dtype == "int16" else dtype)


def test_a_stack_of_several_channels(folder):
    slices = voxels(5, 2, 3, 4)
    write_nifti_stack(folder / "s.nii", slices)
    np.testing.assert_array_equal(images(listed(str(folder))), slices)


def test_a_stack_is_the_same_file_each_time(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti_stack(tmp_path / name, ONES)
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) == gzip.decompress(
        (tmp_path / "b.nii.gz").read_bytes()
    )


def test_what_a_stack_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="cannot hold int64"):
        write_nifti_stack(tmp_path / "s.nii", np.zeros((1, 2, 2), np.int64))
    with pytest.raises(ValueError, match="ends in .nii.gz or .nii"):
        write_nifti_stack(tmp_path / "s.png", ONES)


# Real data


@pytest.mark.skipif(not (REAL_DATA / "hippocampus").is_dir(), reason="the hippocampus volumes are not here")
def test_real_volumes_and_masks_agree():
    path = REAL_DATA / "hippocampus"
    listing = listed(
        str(path / "images"), labels=str(path / "labels"), axis="coronal", empty_slices="drop", slice_step=8
    )
    assert not listing.foreign
    assert listing.label_names == ["background", "label_1", "label_2"]
    assert len({entry.group for entry in listing.entries}) == 200
    for entry in listing.entries[::40]:
        item = entry.read()
        assert item.label_map is not None
        assert item.label_map.any()
        assert item.image.dtype == np.float32
        assert item.image.shape[1:] == item.label_map.shape
