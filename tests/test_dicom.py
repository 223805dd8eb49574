import re
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
)

from data import load_images
from data.attributes import with_groups
from data.dicom import DicomConfig, list_dicom
from data.item import Listing

RNG = np.random.default_rng(0)
NAME = "Doe^Jane"  # of a patient; nothing of hers may be seen anywhere
SECRETS = (NAME, "Jane", "MRN-4711", "19700101", "Central Hospital", "1.2.999")


def listed(path: str, **options: Any) -> Listing:
    return list_dicom(DicomConfig(path=path, **options))


def value_range(path: str, **options: Any) -> tuple[float, float] | None:
    stated = DicomConfig(path=path, **options).stated_intensity()
    return None if stated is None else stated.limits


def make(stored: np.ndarray, *, series: str = "1.2.999.1", patient: str = "MRN-4711", **tags) -> FileDataset:
    """A data set of (frames,) rows, columns (, 3), of 16 bits unless `stored` has 8 or 32."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    colour = stored.shape[-1] == 3 and stored.ndim > 2
    frames = stored.shape[0] if stored.ndim - colour == 3 else None
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, patient, "19700101"
    dataset.InstitutionName = "Central Hospital"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.999.0", series
    dataset.Modality = "CT"
    dataset.Rows, dataset.Columns = stored.shape[-3:-1] if colour else stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.itemsize
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if frames is not None:
        dataset.NumberOfFrames = frames
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = tags.get("HighBit", dataset.BitsStored - 1)
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    return dataset


def save(path: Path, stored: np.ndarray, **tags) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    make(stored, **tags).save_as(path, enforce_file_format=True)
    return path


def pixels(*shape: int, high: int = 4096, dtype: type = np.uint16) -> np.ndarray:
    return RNG.integers(0, high, shape).astype(dtype)


def images(listing: Listing) -> list[np.ndarray]:
    assert not listing.foreign
    return [entry.read().image for entry in listing.entries]


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "scans"
    path.mkdir()
    return path


# Values


def test_ct_is_in_hounsfield_units(folder):
    stored = pixels(4, 5)
    save(folder / "a.dcm", stored, BitsStored=12, RescaleSlope=1, RescaleIntercept=-1024)
    (image,) = images(listed(str(folder)))
    assert image.dtype == np.int32
    np.testing.assert_array_equal(image[0], stored.astype(int) - 1024)


def test_a_slope_that_is_no_whole_number(folder):
    stored = pixels(4, 5)
    save(folder / "a.dcm", stored, RescaleSlope=0.25, RescaleIntercept=-3)
    (image,) = images(listed(str(folder)))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[0], stored * 0.25 - 3)


@pytest.mark.parametrize(
    ("stored", "bits", "dtype"),
    [
        (pixels(4, 5, high=256, dtype=np.uint8), 8, "uint8"),
        (pixels(3, 3, high=256, dtype=np.uint8), 8, "uint8"),  # an odd number of bytes is padded
        (pixels(4, 5), 12, "uint16"),
        (pixels(4, 5, high=65536), 16, "uint16"),
        (pixels(4, 5) .astype(np.int16) - 2048, 12, "int32"),
        (pixels(4, 5, high=2**32, dtype=np.uint32), 32, "float64"),
        (pixels(4, 5, 3, high=256, dtype=np.uint8), 8, "uint8"),
    ],
)  # fmt: skip
def test_bits_and_signs(folder, stored, bits, dtype):
    save(folder / "a", stored, BitsStored=bits)
    (image,) = images(listed(str(folder)))
    assert image.dtype.name == dtype
    np.testing.assert_array_equal(image, stored.transpose(2, 0, 1) if stored.ndim == 3 else stored[None])


def test_an_overlay_in_unused_bits_is_not_of_the_image(folder):
    signed = pixels(4, 5).astype(np.int16) - 2048
    save(folder / "a", pixels(4, 5) | 0x8000, BitsStored=12)
    save(folder / "b", (signed & 0x0FFF) | 0x4000, BitsStored=12, series="1.2.999.2")
    found = {entry.name: entry.read().image for entry in listed(str(folder)).entries}
    assert sorted((image.min() >= -2048, image.max() < 4096) for image in found.values()) == [(True, True)] * 2
    assert any(np.array_equal(image[0], signed) for image in found.values())


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint16, 12), (np.uint16, 16), (np.int16, 16), (np.uint8, 8)])
def test_monochrome1_is_turned_round_and_that_undoes_itself(folder, dtype, bits):
    stored = pixels(4, 5, high=200).astype(dtype)
    tags = {"BitsStored": bits, "PhotometricInterpretation": "MONOCHROME1", "series": "1.2.999.2"}
    save(folder / "a", stored, **tags)
    (image,) = images(listed(str(folder)))
    ends = -1 if dtype == np.int16 else 2**bits - 1  # the sum of the least and greatest value
    np.testing.assert_array_equal(image[0], ends - stored.astype(int))
    save(folder / "a", image[0].astype(dtype), **tags)
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], stored)


def test_monochrome1_before_slope_and_intercept(folder):
    stored = pixels(4, 5)
    save(
        folder / "a",
        stored,
        BitsStored=12,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=2,
        RescaleIntercept=-10,
    )
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], 2 * (4095 - stored.astype(int)) - 10)


@pytest.mark.parametrize(("photometric", "darkest"), [("MONOCHROME2", 5), ("MONOCHROME1", 4095 - 50)])
def test_padding_takes_the_darkest_value(folder, photometric, darkest):
    stored = np.array([[0, 5, 9], [2, 50, 1]], np.uint16)
    tags = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 2, "PhotometricInterpretation": photometric}
    save(folder / "a", stored, BitsStored=12, **tags)
    image = images(listed(str(folder)))[0][0]
    assert (image[stored <= 2] == darkest).all()
    np.testing.assert_array_equal(image[stored > 2], [5, 9, 50] if darkest == 5 else [4090, 4086, 4045])


def test_negative_padding(folder):
    save(folder / "a", np.array([[-2000, 7], [8, -2000]], np.int16), PixelPaddingValue=-2000)
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], [[7, 7], [8, 7]])


def test_padding_with_bits_beyond_those_stored(folder):
    save(folder / "a", np.array([[0xF830, 7], [8, 0xF830]], np.uint16), BitsStored=12, PixelPaddingValue=0xF830)
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], [[7, 7], [8, 7]])


@pytest.mark.parametrize("padding", [{"PixelPaddingValue": 63536}, {"PixelPaddingValue": 65535}])
@pytest.mark.parametrize("coded", [False, True])
def test_padding_that_no_pixel_can_have_hides_none(folder, padding, coded):
    """63536 and 65535 would be 2096 and 4095 in the 12 bits that are stored."""
    stored = np.array([[0, 100, 2096, 4095], [0, 100, 2096, 4095]], np.uint16)
    dataset = make(stored, BitsStored=12, **padding)
    if coded:
        dataset.compress(RLELossless)
    dataset.save_as(folder / "a", enforce_file_format=True)
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], stored)


@pytest.mark.parametrize("spelled", [-2000, 63536, 2096])
@pytest.mark.parametrize("mask", [0xFFFF, 0x0FFF], ids=["sign extended", "12 bits"])
def test_padding_of_signed_values_however_it_is_spelled(folder, spelled, mask):
    cells = (np.array([[-2000, 7], [8, -2000]], np.int16).view(np.uint16) & mask).view(np.int16)
    dataset = make(cells, BitsStored=12)
    dataset.add_new("PixelPaddingValue", "SS" if spelled < 0 else "US", spelled)
    dataset.save_as(folder / "a", enforce_file_format=True)
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], [[7, 7], [8, 7]])


def test_padding_in_the_second_of_two_frames(folder):
    stored = np.array([[[1, 2]], [[0xF830, 2096]]], np.uint16)
    save(folder / "a", stored, BitsStored=12, PixelPaddingValue=0xF830)
    np.testing.assert_array_equal(images(listed(str(folder))), [[[[1, 2]]], [[[2096, 2096]]]])


def test_run_length_coding_needs_no_plug_in(folder):
    dataset = make(pixels(6, 7))
    expected = dataset.pixel_array.copy()
    dataset.compress(RLELossless)
    dataset.save_as(folder / "a", enforce_file_format=True)
    np.testing.assert_array_equal(images(listed(str(folder)))[0][0], expected)


def test_deep_images_share_a_type_and_8_bits_stay_apart(folder):
    save(folder / "a", pixels(4, 5), RescaleIntercept=-1024, series="1.2.999.1")
    save(folder / "b", pixels(4, 5), series="1.2.999.2")
    save(folder / "c", pixels(4, 5, high=256, dtype=np.uint8), series="1.2.999.3")
    assert sorted(image.dtype.name for image in images(listed(str(folder)))) == ["int32", "int32", "uint8"]


def test_real_files_of_a_scanner(folder):
    """Files that come with pydicom, in five encodings of the same image."""
    names = ["MR_small", "MR_small_implicit", "MR_small_bigendian", "MR_small_RLE", "MR_small_jp2klossless"]
    for name in [*names, "CT_small"]:
        source = get_testdata_file(f"{name}.dcm", download=False)
        if source is None:
            pytest.skip("pydicom came without its files")
        (folder / name).write_bytes(Path(source).read_bytes())
    listing = listed(str(folder))
    assert not listing.foreign
    assert len({entry.group for entry in listing.entries}) == 2
    shapes = {}
    for entry in listing.entries:
        image = entry.read().image
        shapes.setdefault(image.shape, []).append(image)
    assert len(shapes[1, 64, 64]) == 5
    assert all(np.array_equal(image, shapes[1, 64, 64][0]) for image in shapes[1, 64, 64])
    assert shapes[1, 128, 128][0].min() == -896


# Names, order, groups


def at(position: float, number: int, *, orientation=(1, 0, 0, 0, 1, 0)) -> dict:
    normal = np.cross(orientation[:3], orientation[3:])
    place = [float(v) for v in 10.0 + position * normal]
    return {"ImagePositionPatient": place, "ImageOrientationPatient": list(orientation), "InstanceNumber": number}


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (0.6, 0.8, 0, 0, 0, -1)])
def test_slices_are_sorted_by_position(folder, orientation):
    for i, position in enumerate([5.0, -10.0, 2.5, 100.0]):
        save(folder / f"{i}", np.full((2, 2), i, np.uint16), **at(position, 9 - i, orientation=orientation))
    listing = listed(str(folder))
    assert [int(image.max()) for image in images(listing)] == [1, 2, 0, 3]
    assert [entry.name[-5:] for entry in listing.entries] == ["/0000", "/0001", "/0002", "/0003"]
    assert len({entry.name[:-5] for entry in listing.entries}) == 1


def test_without_positions_or_with_several_directions_by_number(folder):
    for i, number in enumerate([3, 1, 2]):
        save(folder / f"{i}", np.full((2, 2), i, np.uint16), InstanceNumber=number)
        other = (1, 0, 0, 0, 1, 0) if i else (0, 1, 0, 0, 0, -1)
        save(
            folder / f"x{i}",
            np.full((2, 2), 10 + i, np.uint16),
            series="1.2.999.2",
            **at(-i, number, orientation=other),
        )
    values = [int(image.max()) for image in images(listed(str(folder)))]
    assert sorted([values[:3], values[3:]]) == [[1, 2, 0], [11, 12, 10]]


def test_frames_of_one_file(folder):
    stored = pixels(3, 4, 5)
    save(folder / "a", stored, RescaleIntercept=-1024)
    listing = listed(str(folder))
    np.testing.assert_array_equal(images(listing), stored[:, None].astype(int) - 1024)
    assert len({entry.digest for entry in listing.entries}) == 3


def test_frames_with_their_own_slope_and_place(folder):
    stored = pixels(3, 4, 5)
    dataset = make(stored, RescaleIntercept=-9)
    own = []
    for slope, z in ((1.0, 20.0), (2.0, 10.0), (4.0, 0.0)):
        group, value, plane = Dataset(), Dataset(), Dataset()
        value.RescaleSlope, value.RescaleIntercept, value.RescaleType = slope, 7, "US"
        plane.ImagePositionPatient = [0, 0, z]
        group.PixelValueTransformationSequence, group.PlanePositionSequence = Sequence([value]), Sequence([plane])
        own.append(group)
    shared, direction = Dataset(), Dataset()
    direction.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PlaneOrientationSequence = Sequence([direction])
    dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence = Sequence(own), Sequence([shared])
    dataset.save_as(folder / "a", enforce_file_format=True)
    expected = [slope * stored[i].astype(int) + 7 for slope, i in ((4, 2), (2, 1), (1, 0))]
    np.testing.assert_array_equal(np.concatenate(images(listed(str(folder)))), expected)


def test_patients_are_groups_and_nothing_of_theirs_is_seen(folder):
    save(folder / "a", pixels(4, 5), series="1.2.999.1", patient="MRN-4711")
    save(folder / "b", pixels(4, 5), series="1.2.999.2", patient="MRN-4711 ")
    save(folder / "c", pixels(4, 5), series="1.2.999.3", patient="MRN-4712")
    save(folder / "d", pixels(4, 5), series="1.2.999.4", patient="")
    save(folder / "broken", pixels(4, 5), RescaleSlope=0)
    listing = listed(str(folder), dicom_attributes=["Modality", "SeriesDescription"])
    groups = [entry.group for entry in listing.entries]
    assert len(listing.foreign) == 1
    assert len(set(groups)) == 3
    assert max(groups.count(group) for group in groups) == 2
    seen = repr([(e.name, e.digest, e.attributes, e.group) for e in listing.entries]) + repr(listing.foreign)
    assert not [secret for secret in SECRETS if secret in seen]
    assert [entry.attributes for entry in listing.entries] == [{"Modality": "CT"}] * 4
    assert listing.notes == ["no image states a SeriesDescription"]
    shown = {entry.group for entry in listed(str(folder), hide_patients=False).entries}
    assert shown == {"MRN-4711", "MRN-4712", "1.2.999.0"}  # the study, where the ID is blank


def test_a_patient_in_training_and_in_a_validation_folder(tmp_path):
    for k, (place, patient) in enumerate([("train", "A"), ("train", "B"), ("val", "A"), ("val", "C")]):
        save(tmp_path / place / patient / "x", pixels(8, 8), series=f"1.2.{k}", patient=patient, StudyInstanceUID="")
    options = {"val_path": str(tmp_path / "val"), "image_size": 8, "value_range": [0, 4095]}
    path, cache = str(tmp_path / "train"), tmp_path / "cache"
    says = r"patient A is in training and in validation \(1 such groups\): hold whole groups out, or say .* data\.group"
    with pytest.raises(ValueError, match=says):
        load_images(DicomConfig(path=path, hide_patients=False, **options), cache_dir=cache)
    loaded = load_images(DicomConfig(path=path, group="folder", **options), cache_dir=cache)
    assert loaded.report.endswith("Groups by folder, none divided: 2 (2 images) to train on, 2 (2 images) held out.")
    for k, (place, folder) in enumerate([("train", "A"), ("train", "B"), ("val", "A"), ("val", "C")]):
        tags = {"patient": "", "series": "", "StudyInstanceUID": ""}
        save(tmp_path / place / folder / "x", pixels(8, 8), InstanceNumber=k, **tags)
    loaded = load_images(DicomConfig(path=path, **options), cache_dir=cache)  # nothing is known of these
    assert loaded.report.endswith("Groups by patient, none divided: 2 (2 images) to train on, 2 (2 images) held out.")


def test_the_folder_of_a_frame_is_that_of_its_file(folder):
    for k, name in enumerate(("p/1/a", "p/1/b", "q/c")):
        save(folder / name, pixels(4, 5), series=f"1.2.{k}")
    grouped = with_groups(listed(str(folder)), "folder")
    assert sorted(entry.group or "" for entry in grouped.entries) == ["p/1", "p/1", "q"]


def test_a_patients_name_in_a_damaged_tag_is_not_repeated(folder):
    data = save(folder / "a", pixels(4, 5), RescaleSlope="1.0000000").read_bytes()
    (folder / "a").write_bytes(data.replace(b"1.0000000", b"Doe^Jane "))
    ((_, reason),) = listed(str(folder)).foreign
    assert "damaged" in reason
    assert not [secret for secret in SECRETS if secret in reason]


def test_attributes_are_text_in_one_line(folder):
    tags = {"ImageType": ["ORIGINAL", "PRIMARY"], "SeriesDescription": "T1  post\tcontrast", "BodyPartExamined": ""}
    save(folder / "a", pixels(4, 5), **tags)
    (entry,) = listed(str(folder), dicom_attributes=list(tags)).entries
    assert entry.attributes == {"ImageType": "ORIGINAL PRIMARY", "SeriesDescription": "T1 post contrast"}


def test_a_tag_that_is_missing_is_a_value_that_is_not_known(tmp_path):
    for k, side in enumerate(("L", "R", "")):
        save(tmp_path / "scans" / f"{k}", pixels(8, 8), series=f"1.2.{k}", ImageLaterality=side)
    config = DicomConfig(path=str(tmp_path / "scans"), image_size=8, dicom_attributes=["ImageLaterality"])
    train = load_images(config, cache_dir=tmp_path / "cache").train
    assert train.spec.attributes == {"ImageLaterality": ["L", "R"]}


def test_any_name_in_any_folder_but_not_the_directory_file(folder):
    for name in ("a/IM0001", "a/b/scan.dcm", "x.ima"):
        save(folder / name, pixels(4, 5))
    (folder / "DICOMDIR").write_bytes(b"anything")
    (folder / ".hidden").write_bytes(b"anything")
    assert len(images(listed(str(folder)))) == 3


def test_lossy_coding_is_noted(folder):
    save(folder / "a", pixels(4, 5), LossyImageCompression="01", InstanceNumber=1)
    save(folder / "b", pixels(4, 5), LossyImageCompression="00", InstanceNumber=2)
    assert [entry.lossy for entry in listed(str(folder)).entries] == [True, False]


# Windows and percentiles


def test_a_window_is_a_range_of_values():
    assert value_range(".", window=[40, 400]) == (-160, 240)
    assert value_range(".") is None
    assert value_range(".", percentiles=[1, 99]) == (0, 1)


@pytest.mark.parametrize(
    ("tags", "ends"),
    [
        ({"WindowCenter": 2048, "WindowWidth": 4096}, (0, 4095)),  # PS3.3 C.11.2.1.2, Note 5
        ({"WindowCenter": 40.5, "WindowWidth": 401}, (-160, 240)),
        ({"WindowCenter": [40.5, 600], "WindowWidth": [401, 3000]}, (-160, 240)),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}, (-160, 240)),
    ],
)
def test_the_window_that_files_state(folder, tags, ends):
    save(folder / "a", pixels(4, 5), **tags)
    save(folder / "b", pixels(4, 5), **tags)
    assert value_range(str(folder), window="dicom") == ends


def test_a_stated_window_is_turned_round_with_its_image(folder):
    stored = np.arange(0, 4096, 256, dtype=np.uint16).reshape(4, 4)
    tags = {"BitsStored": 12, "RescaleSlope": 2, "RescaleIntercept": -100}
    window = {"WindowCenter": 1000, "WindowWidth": 500, "VOILUTFunction": "LINEAR_EXACT"}
    save(folder / "a", stored, PhotometricInterpretation="MONOCHROME1", **tags, **window)
    low, high = value_range(str(folder), window="dicom")
    plain, turned = 2 * stored.astype(int) - 100, images(listed(str(folder)))[0][0]
    np.testing.assert_allclose((high - turned) / (high - low), (plain - 750) / 500)


def test_a_stated_window_must_be_one(folder):
    save(folder / "a", pixels(4, 5))
    with pytest.raises(ValueError, match=r"a states no window .* use data.window=\[center, width\]"):
        value_range(str(folder), window="dicom")
    save(folder / "a", pixels(4, 5), WindowCenter=40, WindowWidth=400)
    save(folder / "b", pixels(4, 5), WindowCenter=50, WindowWidth=400)
    with pytest.raises(ValueError, match="2 windows are stated"):
        value_range(str(folder), window="dicom")


def test_each_series_is_scaled_by_its_own_percentiles(folder):
    ramp = np.arange(101, dtype=np.uint16).reshape(1, 101)
    save(folder / "a", ramp, series="1.2.999.1", InstanceNumber=1)
    save(folder / "b", 10 * ramp, series="1.2.999.2", RescaleIntercept=-50)
    listing = listed(str(folder), percentiles=[10, 90])
    for image in images(listing):
        assert image.dtype == np.float32
        np.testing.assert_allclose(image[0, 0], (np.arange(101) - 10) / 80, atol=1e-6)  # values beyond are kept
    save(folder / "c", 3 * ramp, series="1.2.999.1", InstanceNumber=2)  # changes what the first of its series becomes
    after = {entry.name: entry.digest for entry in listed(str(folder), percentiles=[10, 90]).entries}
    assert sum(after[entry.name] == entry.digest for entry in listing.entries) == 1


def test_percentiles_of_a_flat_series(folder):
    save(folder / "a", np.full((4, 4), 7, np.uint16))
    with pytest.raises(ValueError, match="nothing to scale by"):
        listed(str(folder), percentiles=[1, 99]).entries[0].read()


# What cannot be used


def raw(change):
    """A good file whose bytes are changed."""

    def write(path: Path) -> None:
        path.write_bytes(change(save(path, pixels(4, 5)).read_bytes()))

    return write


def tags(**values):
    return lambda path: save(path, pixels(4, 5), **values)


def without(*keywords: str):
    def write(path: Path) -> None:
        dataset = make(pixels(4, 5))
        for keyword in keywords:
            del dataset[keyword]
        dataset.save_as(path, enforce_file_format=True)

    return write


def encoded_as(syntax, frames: int | None = None):
    def write(path: Path) -> None:
        dataset = make(pixels(4, 5))
        dataset.compress(RLELossless)
        dataset.file_meta.TransferSyntaxUID = syntax
        if frames is not None:
            dataset.NumberOfFrames = frames
        dataset.save_as(path, enforce_file_format=True)

    return write


def damaged_rle(path: Path) -> None:
    dataset = make(pixels(40, 50))
    dataset.compress(RLELossless)
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(dataset.PixelData[80:2000], b"\x81" * 1920))


def double_in_series(path: Path) -> None:
    save(path, pixels(8, 8), series="1.2.999.7")
    for i in range(2):
        save(path.parent / "good" / f"{i}", pixels(4, 4), series="1.2.999.7")


def twice_the_pixels(path: Path) -> None:
    dataset = make(pixels(4, 5))
    dataset.PixelData *= 2
    dataset.save_as(path, enforce_file_format=True)


def with_table(path: Path) -> None:
    dataset = make(pixels(4, 5))
    dataset.ModalityLUTSequence = Sequence([Dataset()])
    dataset.save_as(path, enforce_file_format=True)


def without_syntax(path: Path) -> None:
    data = save(path, pixels(4, 5)).read_bytes()
    start = data.index(b"\x02\0\x10\0UI")
    length = 8 + struct.unpack("<H", data[start + 6 : start + 8])[0]
    path.write_bytes(data[:start] + data[start + length :])


BROKEN = {
    "empty": (lambda p: p.write_bytes(b""), "empty file"),
    "text": (lambda p: p.write_text("no scan " * 50), "not a DICOM file"),
    "no preamble": (raw(lambda data: data[132:]), "not a DICOM file"),
    "preamble only": (raw(lambda data: data[:132]), "TransferSyntaxUID|holds no image|damaged"),
    "half a header": (raw(lambda data: data[:500]), "holds no image|damaged|PixelData"),
    "half the pixels": (raw(lambda data: data[:-20]), "PixelData of 20 bytes where 4 x 5 pixels"),
    "twice the pixels": (twice_the_pixels, "PixelData of 80 bytes"),
    "no transfer syntax": (without_syntax, "TransferSyntaxUID is missing"),
    "no PixelData": (without("PixelData"), "PixelData is missing"),
    "no Rows": (without("Rows"), "holds no image"),
    "no BitsAllocated": (without("BitsAllocated"), "damaged"),
    "no colour interpretation": (without("PhotometricInterpretation"), "colours as unknown"),
    "8 bits for 16": (tags(BitsAllocated=8, BitsStored=8), "PixelData of 40 bytes .* 8 bits need 20"),
    "32 bits for 16": (tags(BitsAllocated=32), "PixelData of 40 bytes .* 32 bits need 80"),
    "12 bits allocated": (tags(BitsAllocated=12, BitsStored=12), "BitsAllocated 12"),
    "more bits stored than allocated": (tags(BitsStored=20), "BitsStored 20"),
    "high bit": (tags(BitsStored=12, HighBit=15), "HighBit 15"),
    "huge": (tags(Rows=65535, Columns=65535), "too many for one image"),
    "large": (tags(Rows=9000, Columns=9000), "PixelData of 40 bytes"),
    "no columns": (tags(Columns=0), "empty, or too many"),
    "frames that are not there": (tags(NumberOfFrames=10**9), "PixelData of 40 bytes"),
    "encoded frames that are not there": (encoded_as(RLELossless, 10**9), "claims 1000000000 frames"),
    "grey in three samples": (tags(SamplesPerPixel=3), "3 samples a pixel"),
    "palette": (tags(PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"),
    "slope of zero": (tags(RescaleSlope=0), "RescaleSlope 0"),
    "slope of infinity": (tags(RescaleSlope="1e308"), "RescaleSlope 1e"),
    "table of units": (with_table, "ModalityLUTSequence"),
    "segmentation": (tags(SOPClassUID=SegmentationStorage), "segmentation"),
    "report": (without("Rows", "Columns", "PixelData"), "holds no image"),
    "nowhere": (tags(ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[0] * 6), "is not a place"),
    "two numbers of a place": (
        tags(ImagePositionPatient=[0, 0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        "damaged",
    ),
    "all padding": (lambda p: save(p, np.full((4, 5), 9, np.uint16), PixelPaddingValue=9), "every pixel is padding"),
    "needs a plug-in": (encoded_as(JPEGLSLossless), "JPEG-LS .* install .*pyjpegls|Unable to decode"),
    "video": (encoded_as(MPEG2MPML), "MPEG2 .* not read"),
    "damaged run lengths": (damaged_rle, "damaged"),
    "another size than its series": (double_in_series, "8 x 8, and its series is 4 x 4"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_with_a_reason_in_one_line(folder, kind):
    make_broken, expected = BROKEN[kind]
    make_broken(folder / "broken")
    save(folder / "fine", pixels(4, 5), series="1.2.999.9")
    listing = listed(str(folder))
    reasons = [reason for name, reason in listing.foreign if name == "broken"]
    for entry in listing.entries:
        try:
            entry.read()
        except (ValueError, OSError) as error:
            reasons.append(str(error))
    assert len(reasons) == 1
    assert len(reasons[0].splitlines()) == 1
    assert re.search(expected, reasons[0])
    assert not [secret for secret in SECRETS if secret in reasons[0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": [40]}, "data.window="),
        ({"window": [40, 0]}, "data.window="),
        ({"window": "lung"}, "data.window=lung"),
        ({"percentiles": [99, 1]}, "data.percentiles="),
        ({"percentiles": [0, 101]}, "data.percentiles="),
        ({"percentiles": "all"}, "data.percentiles=all"),
        ({"window": [40, 400], "percentiles": [1, 99]}, "give one of them"),
        ({"nodata": 0}, "data.nodata=0 has no effect on data=dicom"),
        ({"complex": "amplitude"}, "data.complex=amplitude has no effect on data=dicom"),
        ({"dicom_attributes": ["PatientName"]}, "PatientName is not one of"),
        ({"dicom_attributes": ["StudyDate"]}, "StudyDate is not one of"),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        DicomConfig(**options)


def test_no_folder_and_an_empty_one(folder):
    with pytest.raises(ValueError, match="does not exist"):
        listed(str(folder / "missing"))
    with pytest.raises(ValueError, match="no files in"):
        listed(str(folder))


def test_a_file_that_has_changed_is_an_error(folder):
    save(folder / "a", pixels(4, 5))
    entry = listed(str(folder)).entries[0]
    save(folder / "a", pixels(4, 5))
    with pytest.raises(ValueError, match="changed since it was listed"):
        entry.read()


def test_without_pydicom_the_extra_is_named(folder, monkeypatch):
    save(folder / "a", pixels(4, 5))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ValueError, match=r"pydicom is not installed: pip install -e '.\[medical\]'"):
        listed(str(folder))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 2000),
    coded=st.booleans(),
)
def test_damaged_bytes_are_read_or_refused(tmp_path_factory, edits, cut, coded):
    folder = tmp_path_factory.mktemp("fuzz")
    dataset = make(np.arange(40, dtype=np.uint16).reshape(2, 4, 5), RescaleSlope=2, **at(3.0, 1))
    if coded:
        dataset.compress(RLELossless)
    dataset.save_as(folder / "a", enforce_file_format=True)
    data = bytearray((folder / "a").read_bytes())
    for place, value in edits:
        data[128 + place % (len(data) - 128)] = value
    if cut < 1000:
        data = data[: max(0, len(data) - cut)]
    (folder / "a").write_bytes(data)
    listing = listed(str(folder))
    assert not any("\n" in reason for _, reason in listing.foreign)
    for entry in listing.entries:
        with suppress(ValueError, OSError):
            entry.read()
