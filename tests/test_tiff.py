"""TIFFs of remote sensing: several bands, no data, complex values."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from data import load_images
from data.decode import decode
from data.folder import FolderConfig

RNG = np.random.default_rng(0)


def geotiff(path: Path, image: np.ndarray, nodata: str) -> Path:
    tifffile.imwrite(path, image, extratags=[(42113, "s", 0, nodata, True)])
    return path


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float32])
@pytest.mark.parametrize("bands", [2, 4, 12])
def test_bands_keep_their_values(tmp_path, planar, dtype, bands):
    image = RNG.integers(0, 200, (bands, 6, 9)).astype(dtype)
    stored = image.transpose(1, 2, 0) if planar == "contig" else image
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planar)
    assert np.array_equal(decode(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    ("dtype", "tag", "declared"),
    [
        (np.uint16, "0", 0),
        (np.int16, "-9999", -9999),
        (np.float32, "-9999.0", -9999),
        (np.float32, "-3.4028234663852886e+38", -3.4028234663852886e38),
        (np.float32, "nan", np.nan),
        (np.float64, "1e+20", 1e20),
    ],
)
def test_no_data_is_an_error_until_it_is_given_a_value(tmp_path, dtype, tag, declared):
    image = RNG.integers(10, 200, (4, 5)).astype(dtype)
    image[1, 2:4] = declared
    path = geotiff(tmp_path / "a.tif", image, tag)
    with pytest.raises(ValueError, match=r"data\.nodata=VALUE"):
        decode(path)
    filled = decode(path, nodata=7.0)[0]
    assert filled.dtype == (np.int32 if dtype == np.int16 else dtype)
    assert (filled[1, 2:4] == 7).all()
    rest = np.ones((4, 5), bool)
    rest[1, 2:4] = False
    assert np.array_equal(filled[rest], image[rest])


def test_a_tag_without_such_pixels_is_no_matter(tmp_path):
    image = RNG.integers(10, 200, (4, 5)).astype(np.uint16)
    for tag in ("0", "-9999", "nan", "3.5"):
        assert np.array_equal(decode(geotiff(tmp_path / "a.tif", image, tag))[0], image)


def test_no_data_values_that_cannot_be(tmp_path):
    image = np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match="'none' is no number"):
        decode(geotiff(tmp_path / "a.tif", image, "none"))
    for value in (300.0, -1.0, 0.5):
        with pytest.raises(ValueError, match=rf"data\.nodata={value:g} is no value of uint8 images"):
            decode(geotiff(tmp_path / "a.tif", image, "0"), nodata=value)
    for bad in ("zero", True, [0]):
        with pytest.raises(ValueError, match=r"data\.nodata=.*: use error or the number"):
            FolderConfig(path="x", nodata=bad)


def test_infinite_values_stay_an_error(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[1.0, np.inf]], np.float32))
    with pytest.raises(ValueError, match="infinite"):
        decode(tmp_path / "a.tif", nodata=0.0)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_values_become_their_amplitude_on_request(tmp_path, dtype):
    image = np.array([[3 + 4j, 0], [-5, 12j]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", image)
    with pytest.raises(ValueError, match=r"complex.*data\.complex=amplitude"):
        decode(tmp_path / "a.tif")
    assert np.array_equal(decode(tmp_path / "a.tif", amplitude=True)[0], [[5, 0], [5, 12]])
    with pytest.raises(ValueError, match=r"data\.complex=phase: use error or amplitude"):
        FolderConfig(path="x", complex="phase")


def test_a_set_with_gaps_loads_and_the_fill_value_makes_another_set(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    image = np.arange(64, dtype=np.float32).reshape(8, 8) + 1j
    image[0, 0] = np.nan
    tifffile.imwrite(folder / "a.tif", image.astype(np.complex64))
    keys = set()
    for nodata in (0, -1):
        config = FolderConfig(path=str(folder), image_size=8, val_fraction=0.0, nodata=nodata, complex="amplitude")
        loaded = load_images(config, cache_dir=tmp_path / "cache")
        assert loaded.train.spec.intensity.low == nodata
        assert loaded.train.integers([0])[0, 0, 0, 0] == 0
        keys.add(loaded.key)
    assert len(keys) == 2


def test_a_masks_no_data_is_a_value(tmp_path):
    path = geotiff(tmp_path / "a.tif", np.eye(4, dtype=np.uint8), "0")
    for options in ({"indexed": True}, {"every_value": True}):
        assert np.array_equal(decode(path, **options)[0], np.eye(4))
