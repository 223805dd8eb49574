import numpy as np
import pytest
import tifffile
from PIL import Image

from data.decode import decode
from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.writers import file_values, image_grid, read_pixels, write_animation, write_image, write_png

RNG = np.random.default_rng(0)


def integers(channels: int, dtype: str) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (channels, 9, 14)).astype(dtype)


def spec(channels: int, dtype: str, file_dtype: str | None = None, *intensity) -> ImageSpec:
    return ImageSpec(channels, 9, 14, dtype, IntensityConfig(*intensity), {}, file_dtype)


@pytest.mark.parametrize(
    ("channels", "dtype", "suffix"),
    [
        (1, "uint8", ".png"),
        (3, "uint8", ".png"),
        (1, "uint16", ".png"),
        (3, "uint16", ".tif"),
        (2, "uint8", ".tif"),
        (4, "uint16", ".tif"),
        (5, "uint16", ".tif"),
    ],
)
def test_pixels_are_read_back_exactly(tmp_path, channels, dtype, suffix):
    pixels = integers(channels, dtype)
    path = write_image(tmp_path / "a.b.png", pixels, spec(channels, dtype))
    assert path == tmp_path / f"a.b{suffix}"
    assert np.array_equal(decode(path), pixels)
    assert decode(path).dtype == dtype
    assert np.array_equal(read_pixels(path, spec(channels, dtype)), pixels)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_narrow_tiff_is_not_taken_for_colour(tmp_path, width):
    pixels = integers(1, "uint16")[:, :, :width]
    path = write_image(tmp_path / "a", pixels, spec(1, "uint16", "int32", "linear", -1e6, 1e6))
    assert decode(path).shape == (1, 9, width)


def test_twelve_bit_samples_hold_0_to_4095_in_a_16_bit_png(tmp_path):
    twelve = spec(1, "uint16", "uint16", "linear", 0.0, 4095.0)
    values = np.arange(4096, dtype=np.uint16).reshape(1, 64, 64)
    pixels = np.rint(values * (65535 / 4095)).astype(np.uint16)
    path = write_image(tmp_path / "a", pixels, twelve)
    with Image.open(path) as image:
        assert image.mode == "I;16"
    assert np.array_equal(decode(path), values)
    assert np.array_equal(read_pixels(path, twelve), pixels)


def test_twelve_bit_samples_under_a_log_map_are_whole_numbers(tmp_path):
    log = spec(1, "uint16", "uint16", "log", 1.0, 4095.0)
    values = np.arange(1, 4096, dtype=np.uint16).reshape(1, 1, -1)
    pixels = np.rint(log.intensity.forward(values) * 65535).astype(np.uint16)
    assert np.array_equal(decode(write_image(tmp_path / "a", pixels, log)), values)


def test_real_values_go_to_a_float_tiff(tmp_path):
    physical = spec(1, "uint16", "float32", "linear", -2.5, 7.5)
    pixels = integers(1, "uint16")
    path = write_image(tmp_path / "a.png", pixels, physical)
    assert path.suffix == ".tif"
    values = tifffile.imread(path)
    assert values.dtype == np.float32
    assert values == pytest.approx(pixels[0] / 65535 * 10 - 2.5, abs=1e-6)
    assert np.array_equal(read_pixels(path, physical), pixels)


def test_negative_whole_numbers_go_to_an_integer_tiff(tmp_path):
    hounsfield = spec(1, "uint16", "int32", "linear", -1024.0, 3071.0)
    path = write_image(tmp_path / "a", np.array([[[0, 65535, 32768]]], np.uint16), hounsfield)
    assert decode(path).tolist() == [[[-1024, 3071, 1024]]]


def test_eight_bit_files_under_a_stated_range_stay_8_bit():
    narrow = spec(1, "uint16", "uint8", "linear", 10.0, 200.0)
    values = file_values(np.array([[[0, 65535]]], np.uint16), narrow)
    assert values.dtype == np.uint8
    assert values.tolist() == [[[10, 200]]]


def test_grid_of_grey_images():
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 3), np.uint8)
    grid = image_grid(pixels, columns=3, gap=1)
    assert grid.shape == (1, 5, 11)
    assert grid[0, 0].tolist() == [0, 0, 0, 255, 1, 1, 1, 255, 2, 2, 2]
    assert grid[0, 3].tolist() == [3, 3, 3, 255, 4, 4, 4, 255, 255, 255, 255]
    assert (grid[0, 2] == 255).all()


def test_a_grid_is_8_bit_and_grey_or_rgb_so_that_it_can_be_written(tmp_path):
    for channels, dtype, planes in [(1, "uint16", 1), (2, "uint8", 1), (3, "uint16", 3), (4, "uint8", 1)]:
        grid = image_grid(integers(channels, dtype)[None])
        assert grid.shape == (planes, 9, 14)
        assert grid.dtype == np.uint8
        write_png(tmp_path / "grid.png", grid)
    edges = np.array([0, 128, 65535], np.uint16).reshape(1, 1, 1, 3)
    assert image_grid(edges).tolist() == [[[0, 0, 255]]]


@pytest.mark.parametrize(("n", "shape"), [(1, (9, 14)), (16, None), (64, None)])
def test_a_grid_is_about_square(n, shape):
    grid = image_grid(np.zeros((n, 1, 9, 14), np.uint8), gap=2)
    assert shape is None or grid.shape[1:] == shape
    assert 0.5 < grid.shape[1] / grid.shape[2] < 2


def test_a_grid_has_no_column_without_an_image():
    """A tall image alone is itself: 8-bit copies and overlays are grids of one."""
    tall = np.random.default_rng(0).integers(0, 256, (2, 1, 96, 32)).astype(np.uint8)
    assert np.array_equal(image_grid(tall[:1]), tall[0])
    assert image_grid(tall[:, :, :, :8], gap=2).shape == (1, 96, 2 * 8 + 2)


def test_animation_holds_every_frame(tmp_path):
    frames = [np.full((1, 6, 8), 20 * i, np.uint8) for i in range(5)]
    write_animation(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 5
        for i in range(5):
            image.seek(i)
            assert np.asarray(image.convert("L"))[0, 0] == 20 * i
        assert image.info["duration"] > 1000
    write_animation(tmp_path / "one.gif", [np.zeros((3, 6, 8), np.uint8)])


@pytest.mark.parametrize(
    ("file_dtype", "intensity", "expected"),
    [
        ("uint16", ("linear", -100.0, 700.0), [0, 700]),  # data.window=[300,800] of unsigned MR values
        ("uint8", ("db", 0.0, 50.0), [1, 255]),  # 50 dB is an amplitude of 316
        ("uint8", ("linear", -50.0, 300.0), [0, 255]),
        ("int32", ("linear", -3e9, 3e9), [-(2**31), 2**31 - 1]),
    ],
)
def test_a_range_wider_than_the_files_type_is_cut_off_not_wrapped_round(file_dtype, intensity, expected):
    wide = spec(1, "uint16", file_dtype, *intensity)
    values = file_values(np.arange(0, 65536, 257, dtype=np.uint16).reshape(1, 1, -1), wide)
    assert values.dtype == file_dtype
    assert values[0, 0, [0, -1]].tolist() == expected
    assert (np.diff(values[0, 0].astype(np.int64)) >= 0).all()
