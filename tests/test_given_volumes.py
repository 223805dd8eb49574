"""Volumes and archives that sampling is given: read as the training images were, or one clear error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import grey, save
from test_dicom import save as save_dicom
from test_nifti import save as save_nifti
from test_nifti import save_scaled

from data.dicom import DicomConfig, list_dicom
from data.fit import fit_image, fit_label_map
from data.folder import FolderConfig
from data.given import load_given_images, load_label_maps, load_masks
from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.item import Listing
from data.nifti import NiftiConfig, list_nifti
from data.npz import NpzConfig
from generation.judge import load_real

RNG = np.random.default_rng(0)
LABELS = ["background", "ship", "buoy"]
SPEC = ImageSpec(1, 8, 8, label_names=LABELS)
REAL = ImageSpec(1, 8, 8, "uint16", IntensityConfig(high=1.0), file_dtype="float32", label_names=LABELS)


def nifti(**options: Any) -> NiftiConfig:
    """As in a checkpoint: with all that says which files were trained on."""
    places = {"path": "gone", "labels": "gone", "val_list": "gone.txt", "max_images": 3, "group": "patient"}
    return NiftiConfig(
        **{"image_size": 8, "attributes": "gone.csv", "label_names": ["ship", "buoy"], **places, **options}
    )


def body(*shape: int, high: int = 256, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, high, shape or (8, 8, 3)).astype(dtype)


def values(listing: Listing) -> list[np.ndarray]:
    return [entry.read().image for entry in listing.entries]


# --- images -----------------------------------------------------------------------------------------------------------


def test_volumes_are_cut_named_and_fitted_as_in_training(tmp_path):
    for name in ("b", "a/x"):
        save_nifti(tmp_path / "set" / f"{name}.nii.gz", body(6, 9, 4))
    (tmp_path / "set" / "b.json").write_text("{}")  # what stands beside volumes is left alone
    how = nifti(axis="coronal", slice_step=2, fit="pad", empty_slices="drop")
    given = load_given_images("images", str(tmp_path / "set"), SPEC, how)
    assert given.names == [f"{v}/{k:04d}" for v in ("a/x", "b") for k in range(9)]  # all of them
    assert [one.volume for one in given.found] == ["a/x"] * 9 + ["b"] * 9
    listing = list_nifti(NiftiConfig(path=str(tmp_path / "set"), axis="coronal", on_error="skip"))
    for pixels, image in zip(given.pixels, values(listing), strict=True):
        assert (pixels == np.rint(fit_image(image, (8, 8), "pad"))).all()
    assert given.shapes == [(4, 6)] * 18
    real = load_given_images("reject_copies", str(tmp_path / "set"), SPEC, how, every_slice=False)
    assert real.names == [f"{v}/{k:04d}" for v in ("a/x", "b") for k in (0, 2, 4, 6, 8)]


def test_one_volume_and_several_planes(tmp_path):
    file = save_nifti(tmp_path / "set" / "a.nii.gz", body(8, 8, 8))
    save_nifti(tmp_path / "set" / "other.nii.gz", body(8, 8, 8))
    given = load_given_images("images", str(file), SPEC, nifti(axis=["axial", "sagittal"], pattern="other*"))
    assert given.names == [f"a/{axis}_{k:04d}" for axis in ("axial", "sagittal") for k in range(8)]
    assert {one.volume for one in given.found} == {"a_axial", "a_sagittal"}
    assert given.found[8].attributes == {"plane": "sagittal"}


def test_the_pattern_tells_volumes_from_masks_and_other_contrasts(tmp_path):
    for end in ("flair", "t1", "seg"):
        save_nifti(tmp_path / f"p_{end}.nii.gz", body())
    given = load_given_images("images", str(tmp_path), SPEC, nifti(pattern="*_flair.nii.gz"))
    assert {one.volume for one in given.found} == {"p_flair"}


@pytest.mark.parametrize(
    ("labels", "mask"), [("DIR/all", "a_seg"), ("DIR/all/masks", "masks/a"), ("DIR/all/./masks", "masks/deep/a")]
)
def test_masks_among_the_volumes_are_no_images(labels, mask, tmp_path):
    for name in ("a", mask):
        save_nifti(tmp_path / f"{name}.nii.gz", body())
    given = load_given_images("reject_copies", str(tmp_path), SPEC, nifti(path="DIR/all", labels=labels))
    assert {one.volume for one in given.found} == {"a"}
    assert len(load_given_images("images", str(tmp_path), SPEC, nifti(labels="elsewhere")).names) == 6


def test_empty_slices_are_kept_but_not_among_images_that_may_not_be_copied(tmp_path):
    voxels = body()
    voxels[:, :, 1] = 7
    save_nifti(tmp_path / "a.nii.gz", voxels)
    how = nifti(empty_slices="drop")
    assert load_given_images("images", str(tmp_path), SPEC, how).names == ["a/0000", "a/0001", "a/0002"]
    real = load_given_images("reject_copies", str(tmp_path), SPEC, how, every_slice=False)
    assert real.names == ["a/0000", "a/0002"]


@pytest.mark.parametrize("masks", ["as in training", "moved with the volumes", "missing"])
def test_slices_without_foreground_are_those_of_training_where_its_masks_are_there(masks, tmp_path, capsys):
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[2:4, 2:4, 1:] = 1
    place = {"as in training": tmp_path / "elsewhere", "moved with the volumes": tmp_path / "new" / "masks"}.get(masks)
    for name in "ab":
        save_nifti(tmp_path / "new" / f"{name}.nii.gz", body())
        if place:
            save_nifti(place / f"{name}_seg.nii.gz", mask)
    labels = str(tmp_path / "elsewhere") if masks == "as in training" else "DIR/old/masks"
    how = nifti(path="DIR/old", labels=labels, empty_slices="drop")
    path, left = str(tmp_path / "new"), (1, 2) if place else (0, 1, 2)
    given = load_given_images("reject_copies", path, SPEC, how, every_slice=False)
    assert given.names == [f"{name}/{k:04d}" for name in "ab" for k in left]
    assert len(load_given_images("images", path, SPEC, how).names) == 6
    real = load_real(path, SPEC, how, {"hflip": False, "vflip": False, "rot90": False})
    rows = real.rows.astype(np.float64)
    apart = np.sqrt(((rows[:, None] - rows[None]) ** 2).mean(-1)) + np.diag(np.full(len(rows), np.inf))
    assert real.threshold == pytest.approx(np.percentile(apart.min(0), 1), rel=1e-5)
    assert ("not every volume has its mask" in capsys.readouterr().out) == (place is None)


def test_percentiles_are_those_of_each_volume_and_what_they_clip_is_no_fault(tmp_path):
    for name, scale in (("a", 1), ("b", 50)):
        save_nifti(tmp_path / f"{name}.nii.gz", (scale * np.arange(192).reshape(8, 8, 3)).astype(np.uint16))
    given = load_given_images("images", str(tmp_path), REAL, nifti(percentiles=[10, 90]))
    assert (given.pixels[:3] == given.pixels[3:]).all()
    assert (given.pixels == 65535).mean() == pytest.approx(0.1, abs=0.02)
    with pytest.raises(ValueError, match="of the values are outside 0..1, which this checkpoint knows"):
        load_given_images("images", str(tmp_path), REAL, nifti())


def test_a_volume_of_a_narrower_type_than_the_training_set_is_read(tmp_path):
    signed = ImageSpec(1, 8, 8, "uint16", IntensityConfig(low=-1000.0, high=3000.0), file_dtype="int32")
    save_nifti(tmp_path / "narrow" / "a.nii.gz", body())
    assert load_given_images("images", str(tmp_path / "narrow"), signed, nifti()).pixels.shape == (3, 1, 8, 8)
    (tmp_path / "wide").mkdir()
    save_scaled(tmp_path / "wide" / "a.nii", body(dtype=np.int16), 0.5, 0.0)
    with pytest.raises(ValueError, match=r"a/0000: it holds float32 values and the training images int32"):
        load_given_images("images", str(tmp_path / "wide"), signed, nifti())


def test_dicom_files_with_or_without_a_suffix(tmp_path):
    stored = body(3, 8, 8, high=4096, dtype=np.uint16)
    for k in range(3):
        save_dicom(tmp_path / f"IM{k}", stored[k], InstanceNumber=3 - k)
    spec = ImageSpec(1, 8, 8, "uint16", IntensityConfig(low=1000.0, high=3000.0), file_dtype="uint16")
    how = DicomConfig(path="gone", image_size=8, window=[2000, 2000], group="patient", dicom_attributes=["Modality"])
    given = load_given_images("images", str(tmp_path), spec, how)
    wanted = list_dicom(DicomConfig(path=str(tmp_path)))
    assert given.names == [entry.name for entry in wanted.entries]
    assert len({one.volume for one in given.found}) == 1
    assert given.found[0].attributes == {"Modality": "CT"}
    unit = (np.clip(stored[::-1], 1000, 3000) - 1000.0) / 2000
    assert (given.pixels[:, 0] == np.rint(unit * 65535)).all()
    assert len(load_given_images("images", str(tmp_path / "IM1"), spec, how).names) == 1


def test_an_archive(tmp_path):
    images = body(3, 8, 8)
    np.savez(tmp_path / "set.npz", image=images, name=["a", "b/c", "d"], mood=["x", "y", "x"])
    given = load_given_images("images", str(tmp_path / "set.npz"), SPEC, NpzConfig(path="gone", image_size=8))
    assert given.names == ["a", "b/c", "d"]
    assert given.found[1].attributes == {"mood": "y"}
    assert (given.pixels[:, 0] == images).all()


def test_image_files_are_read_first(tmp_path):
    save_nifti(tmp_path / "a.nii.gz", body())
    save(tmp_path / "b" / "0000.png", grey())
    given = load_given_images("images", str(tmp_path), SPEC, nifti())
    assert given.names == ["b/0000"]
    assert given.found[0].volume is None


# --- labels and masks -------------------------------------------------------------------------------------------------


def test_masks_alone_are_cut_as_volumes_are_and_never_scaled(tmp_path):
    mask = body(6, 9, 4, high=3)
    save_nifti(tmp_path / "a.nii.gz", mask, np.diag([1.0, 1.0, 2.0, 1.0]))
    how = nifti(axis="sagittal", percentiles=[10, 90], fit="pad", volume_index=1, pattern="*_flair.nii.gz")
    found, maps = load_label_maps(str(tmp_path), SPEC, how, None)
    assert [one.name for one in found] == [f"a/{k:04d}" for k in range(6)]
    assert {one.volume for one in found} == {"a"}
    slices = mask.transpose(0, 2, 1)[:, ::-1, ::-1]
    assert all((m == fit_label_map(s, (8, 8), "pad")).all() for m, s in zip(maps, slices, strict=True))
    square = load_label_maps(str(tmp_path / "a.nii.gz"), SPEC, nifti(axis="sagittal", square_pixels=True), None)[1]
    assert (square[0] == fit_label_map(slices[0].repeat(2, axis=0), (8, 8), "crop")).all()


def test_masks_go_with_their_volumes_as_in_training(tmp_path):
    mask = body(8, 8, 3, high=3)
    save_nifti(tmp_path / "p_flair.nii.gz", body())
    save_nifti(tmp_path / "p_seg.nii.gz", mask)
    how = nifti(pattern="*_flair.nii.gz", percentiles=[10, 90])
    images = load_given_images("images", str(tmp_path), REAL, how)
    slices = mask.transpose(2, 1, 0)[:, ::-1, ::-1]
    for path in (tmp_path, tmp_path / "p_seg.nii.gz"):
        found, maps = load_label_maps(str(path), REAL, how, images)
        assert [one.name for one in found] == images.names
        assert (maps == slices).all()
    assert (load_masks(str(tmp_path / "p_seg.nii.gz"), REAL, how, images) == (slices > 0)).all()


def test_label_maps_of_earlier_samples_go_with_volumes_by_name(tmp_path):
    save_nifti(tmp_path / "v" / "a.nii.gz", body(6, 9, 2))
    for k in range(2):
        save(tmp_path / "labels" / "a" / f"{k:04d}.png", np.full((8, 8), k, np.uint8))
    images = load_given_images("images", str(tmp_path / "v"), SPEC, nifti())
    found, maps = load_label_maps(str(tmp_path / "labels"), SPEC, nifti(), images)
    assert [one.name for one in found] == ["a/0000", "a/0001"]
    assert [int(m.max()) for m in maps] == [0, 1]


# --- what is refused --------------------------------------------------------------------------------------------------


def cut(folder: Path) -> None:
    save_nifti(folder / "a.nii.gz", body())
    (folder / "b.nii.gz").write_bytes((folder / "a.nii.gz").read_bytes()[:60])


BAD = {
    "trained on a folder": (
        FolderConfig(image_size=8),
        lambda folder: save_nifti(folder / "a.nii.gz", body()),
        "no image in it but NIfTI volumes: this checkpoint reads image files here",
    ),
    "trained on DICOM": (
        nifti(),
        lambda folder: np.savez(folder / "a.npz", image=body()),
        "no image in it but NumPy archives: this checkpoint, of data=nifti, reads image files or NIfTI volumes here",
    ),
    "nothing": (nifti(), lambda folder: (folder / "a.txt").write_text("x"), "no image in it: this checkpoint"),
    "broken": (nifti(), cut, "b.nii.gz: truncated or damaged"),
    "no DICOM": (
        DicomConfig(path="gone", image_size=8),
        lambda folder: (folder / "a").write_text("no DICOM file at all"),
        "a: ",
    ),
    "other pattern": (
        nifti(pattern="*_t1.nii.gz"),
        lambda folder: save_nifti(folder / "a.nii.gz", body()),
        "no file is .nii.gz or .nii and",
    ),
    "channels": (
        nifti(),
        lambda folder: save_nifti(folder / "a.nii.gz", body(8, 8, 3, 2)),
        "a/0000: it has 2 channels",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_like_the_training_set_is_refused_in_one_line(kind, tmp_path):
    how, make, message = BAD[kind]
    make(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        load_given_images("images", str(tmp_path), SPEC, how)
    assert str(error.value).startswith(f"images={tmp_path}")
    assert "\n" not in str(error.value)


BAD_LABELS = {
    "unknown values": (body(8, 8, 3) | 4, "its values are .* but the labels are 0 background, 1 ship, 2 buoy"),
    "fractions": (body(8, 8, 3).astype(np.float32) / 2, "its mask holds fractions"),
    "more than 255": (body(8, 8, 3, high=3, dtype=np.uint16) + np.uint16(999), "its mask holds .*: labels are 0..255"),
    "another shape": (body(8, 8, 4, high=3), r"its mask has shape \(8, 8, 4\), and the volume \(8, 8, 3\)"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_what_is_no_mask_is_refused_in_one_line(kind, tmp_path):
    voxels, message = BAD_LABELS[kind]
    save_nifti(tmp_path / "labels" / "a.nii.gz", voxels)
    save_nifti(tmp_path / "images" / "a.nii.gz", body())
    images = load_given_images("images", str(tmp_path / "images"), SPEC, nifti())
    for given in (images, None) if kind != "another shape" else (images,):
        with pytest.raises(ValueError, match=message) as error:
            load_label_maps(str(tmp_path / "labels"), SPEC, nifti(), given)
        assert str(error.value).startswith(f"labels={tmp_path / 'labels'}: a")
        assert "\n" not in str(error.value)


def test_a_volume_without_a_mask_and_a_model_of_image_files(tmp_path):
    save_nifti(tmp_path / "images" / "a.nii.gz", body())
    save_nifti(tmp_path / "labels" / "b.nii.gz", body(high=3))
    images = load_given_images("images", str(tmp_path / "images"), SPEC, nifti())
    with pytest.raises(ValueError, match=r"labels=.*a.nii.gz: no mask in .*: looked for a.nii.gz"):
        load_label_maps(str(tmp_path / "labels"), SPEC, nifti(), images)
    with pytest.raises(
        ValueError, match=r"labels=.*no image in it but NIfTI volumes: this checkpoint reads image files"
    ):
        load_label_maps(str(tmp_path / "labels"), SPEC, FolderConfig(image_size=8), None)
