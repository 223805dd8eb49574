import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from data import load_images
from data.decode import decode
from data.fit import fit_image
from data.folder import FolderConfig
from data.image_set import LoadedImages, to_floats

RNG = np.random.default_rng(0)
REAL_DATA = Path(os.environ.get("SPECKLE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def grey(height: int = 8, width: int = 8) -> np.ndarray:
    """Distinct random 8-bit pixels that fill the range."""
    image = RNG.integers(0, 256, (height, width)).astype(np.uint8)
    image.flat[:2] = 0, 255
    return image


def colour(height: int = 8, width: int = 8) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def save(path: Path, image: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in (".tif", ".tiff"):
        tifffile.imwrite(path, image, **options)
    elif path.suffix == ".npy":
        np.save(path, image)
    else:
        Image.fromarray(image).save(path, **options)
    return path


def load(folder: Path, size=8, **options) -> LoadedImages:
    options = {"val_fraction": 0.0, **options}
    config = FolderConfig(path=str(folder), image_size=size, **options)
    return load_images(config, cache_dir=folder.parent / "cache")


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    return path


# What is in a folder


def test_a_flat_folder_keeps_8_bit_pixels_exactly(folder):
    images = {f"{i}.png": grey() for i in range(5)}
    for name, image in images.items():
        save(folder / name, image)
    loaded = load(folder)
    assert loaded.train.names == sorted(images)
    assert loaded.train.class_labels is None
    assert loaded.train.spec.classes == []
    assert loaded.train.spec.file_dtype is None
    assert (loaded.train.spec.channels, loaded.train.spec.dtype) == (1, "uint8")
    for i, name in enumerate(loaded.train.names):
        assert np.array_equal(loaded.train.integers([i])[0, 0], images[name])
    assert np.array_equal(loaded.train.batch([2]).x_0[0, 0], to_floats(images["2.png"]))


def test_subfolders_are_classes_in_alphabetical_order(folder):
    for name in ["ship/b.png", "ship/a.png", "Iceberg/z.png", "ship/c.png"]:
        save(folder / name, grey())
    train = load(folder).train
    assert train.spec.classes == ["Iceberg", "ship"]
    assert train.names == ["Iceberg/z.png", "ship/a.png", "ship/b.png", "ship/c.png"]
    assert train.class_labels is not None
    assert train.class_labels.tolist() == [[0], [1], [1], [1]]


def test_a_class_folder_may_be_a_link(folder, tmp_path):
    save(folder / "a" / "1.png", grey())
    save(tmp_path / "elsewhere" / "2.png", grey())
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    assert load(folder).train.names == ["a/1.png", "b/2.png"]


def test_every_kind_of_file_in_any_case(folder):
    image = grey()
    for extension in ["png", "PNG", "tif", "TIFF", "bmp", "pgm", "npy"]:
        save(folder / f"{extension}.{extension}", image)
    for extension in ["jpg", "JPEG", "webp"]:
        save(folder / f"{extension}.{extension}", np.full((8, 8), 77, np.uint8))
    train = load(folder).train
    assert len(train) == 10
    for name, pixels in zip(train.names, train.integers(range(10)), strict=True):
        lossy = name.lower().endswith((".jpg", ".jpeg", ".webp"))
        assert np.array_equal(pixels[0], np.full((8, 8), 77) if lossy else image), name


def test_what_operating_systems_leave_behind_is_ignored(folder):
    save(folder / "a.png", grey())
    for name in [".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", ".git/config.png", "__MACOSX/a.png"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("not an image")
    assert load(folder).train.names == ["a.png"]


def test_max_images_are_spread_over_the_classes(folder):
    for i in range(6):
        save(folder / "a" / f"{i}.png", grey())
        save(folder / "b" / f"{i}.png", grey())
    assert load(folder, max_images=4).train.names == ["a/0.png", "a/3.png", "b/0.png", "b/3.png"]
    assert len(load(folder, max_images=99).train) == 12


def test_a_file_list_names_the_set(folder, tmp_path):
    for i in range(4):
        save(folder / f"{i}.png", grey())
    (folder / "1.png").write_text("broken, but not in the list")
    (tmp_path / "list.txt").write_text("3.png\n\n0.png\r\n")
    assert load(folder, file_list=str(tmp_path / "list.txt")).train.names == ["0.png", "3.png"]


# True values


def test_one_channel_in_an_rgb_file_is_one_channel(folder):
    image = grey()
    save(folder / "a.png", np.repeat(image[:, :, None], 3, axis=2))
    save(folder / "b.png", image)
    loaded = load(folder)
    assert loaded.train.spec.channels == 1
    assert np.array_equal(loaded.train.integers([0, 1]), np.stack([image, image])[:, None])
    assert "1 stored as RGB though grey" in loaded.report


def test_grey_jpeg_stored_as_rgb_is_recognised_and_a_tint_is_not(folder):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    rgb = np.repeat(smooth[:, :, None], 3, axis=2)
    save(folder / "a.jpg", rgb, quality=60)
    assert load(folder, 16).train.spec.channels == 1
    tinted = rgb.copy()
    tinted[:, :, 2] //= 2
    save(folder / "a.jpg", tinted, quality=95)
    assert load(folder, 16).train.spec.channels == 3


def test_colour_stays_colour_though_one_image_is_blank(folder):
    images = [colour(), np.zeros((8, 8, 3), np.uint8)]
    for i, image in enumerate(images):
        save(folder / f"{i}.png", image)
    loaded = load(folder)
    assert loaded.train.spec.channels == 3
    assert np.array_equal(loaded.train.integers([0, 1]), np.stack(images).transpose(0, 3, 1, 2))
    assert "1 of a single value (1.png)" in loaded.report


def test_channels_decides_for_a_mixed_set(folder):
    image, rgb = grey(), colour()
    save(folder / "a.png", image)
    save(folder / "b.png", rgb)
    as_colour, as_grey = load(folder, channels=3).train, load(folder, channels=1).train
    assert np.array_equal(as_colour.integers([0])[0], np.stack([image] * 3))
    assert np.array_equal(as_colour.integers([1])[0], rgb.transpose(2, 0, 1))
    assert np.array_equal(as_grey.integers([0])[0, 0], image)
    assert np.array_equal(as_grey.integers([1])[0, 0], np.rint(rgb @ [0.299, 0.587, 0.114]))


@pytest.mark.parametrize(
    ("highest", "top"), [(200, 255), (256, 1023), (1023, 1023), (4012, 4095), (9000, 16383), (16384, 65535)]
)
def test_bit_depth_of_16_bit_files_is_measured_over_the_set(folder, highest, top):
    dim = RNG.integers(0, 20, (8, 8)).astype(np.uint16)
    bright = dim.copy()
    bright[3, 4] = highest
    save(folder / "a.png", dim)
    save(folder / "b.tif", bright)
    train = load(folder).train
    assert train.spec.dtype == "uint16"
    assert (train.spec.intensity.low, train.spec.intensity.high) == (0, top)
    assert train.spec.file_dtype == (None if top == 65535 else "uint16")
    assert np.array_equal(train.integers([0, 1])[:, 0], np.rint(np.stack([dim, bright]) * (65535 / top)))
    assert train.batch([1]).x_0.max() == pytest.approx(2 * highest / top - 1, abs=2e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32, np.uint32, np.float16])
@pytest.mark.parametrize("extension", ["tif", "npy"])
def test_other_numbers_are_mapped_from_least_to_greatest(folder, dtype, extension):
    first = RNG.integers(0, 100, (8, 8)).astype(dtype)
    second = RNG.integers(0, 1000, (8, 8)).astype(dtype)
    if dtype != np.uint32:
        first[0, 0] = -300
    save(folder / f"a.{extension}", first)
    save(folder / f"b.{extension}", second)
    train = load(folder).train
    low, high = float(min(first.min(), second.min())), float(second.max())
    assert (train.spec.intensity.low, train.spec.intensity.high) == (low, high)
    assert train.spec.dtype == "uint16"
    expected = (np.stack([first, second]).astype(np.float64) - low) / (high - low)
    assert train.integers([0, 1])[:, 0] == pytest.approx(expected * 65535, abs=0.5001)
    assert train.spec.file_dtype == ("float32" if np.dtype(dtype).kind == "f" else "int32")


def test_a_float_tiff_in_0_to_1_fills_the_range(folder):
    image = RNG.random((8, 8)).astype(np.float32)
    save(folder / "a.tiff", image)
    x_0 = load(folder).train.batch([0]).x_0
    assert (x_0.min(), x_0.max()) == (-1, 1)
    assert len(np.unique(x_0)) == len(np.unique(image))


def test_a_stated_range_clips_and_says_how_much(folder):
    save(folder / "a.tif", np.array([[-5.0, 0.0], [5.0, 20.0]], np.float32))
    loaded = load(folder, 2, value_range=[0, 10])
    assert loaded.train.integers([0]).tolist() == [[[[0, 0], [32768, 65535]]]]
    assert "50.00% of the values are outside the range" in loaded.report


def test_a_log_map_spreads_what_lies_near_black(folder):
    amplitude = np.geomspace(1, 60000, 64).reshape(8, 8).astype(np.uint16)
    save(folder / "a.png", amplitude)
    assert "lowest" in load(folder, value_range=[0, 65535]).report
    loaded = load(folder, intensity="log", value_range=[1, 60000])
    assert loaded.train.batch([0]).x_0.flatten().diff().std() < 0.05
    assert "lowest" not in loaded.report


def test_multispectral_tiffs_keep_their_channels(folder):
    image = RNG.integers(0, 60000, (8, 8, 5)).astype(np.uint16)
    save(folder / "a.tif", image, photometric="minisblack", planarconfig="contig")
    save(folder / "b.tif", image.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    train = load(folder).train
    assert train.spec.channels == 5
    assert np.array_equal(train.integers([0, 1]), np.stack([image.transpose(2, 0, 1)] * 2))


def test_palette_and_black_and_white_and_opaque_alpha(tmp_path):
    image, rgb = grey(), colour()
    indexed = Image.fromarray(image // 2)
    indexed.putpalette([v for i in range(256) for v in (i, 0, 255 - i)])
    indexed.save(tmp_path / "p.png")
    expected = np.stack([image // 2, np.zeros_like(image), 255 - image // 2])
    assert np.array_equal(decode(tmp_path / "p.png"), expected)
    Image.fromarray(image > 100).save(tmp_path / "1.png")
    assert np.array_equal(decode(tmp_path / "1.png")[0], 255 * (image > 100))
    opaque = np.full((8, 8, 1), 255, np.uint8)
    assert np.array_equal(decode(save(tmp_path / "la.png", np.dstack([image, opaque])))[0], image)
    rgba = np.dstack([rgb, opaque])
    for name, options in [("a.png", {}), ("a.tif", {"photometric": "rgb", "extrasamples": ["unassalpha"]})]:
        assert np.array_equal(decode(save(tmp_path / name, rgba, **options)), rgb.transpose(2, 0, 1))


def test_white_is_zero_is_turned_around(tmp_path):
    image = grey()
    assert np.array_equal(decode(save(tmp_path / "a.tif", image, photometric="miniswhite"))[0], 255 - image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tags_are_applied(tmp_path, orientation):
    image = grey(6, 10)
    path = save(tmp_path / "a.tif", image, extratags=[(274, "H", 1, orientation, False)])
    exif = Image.Exif()
    exif[274] = orientation
    save(tmp_path / "a.png", image, exif=exif)
    turned = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.T,
        6: np.rot90(image, -1),
        7: image[::-1, ::-1].T,
        8: np.rot90(image),
    }[orientation]
    assert np.array_equal(decode(path)[0], turned)
    assert np.array_equal(decode(tmp_path / "a.png")[0], turned)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_compressed_tiffs(tmp_path, compression, dtype):
    image = grey().astype(dtype) * dtype(1.5)
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(decode(tmp_path / "a.tif")[0], image)


def test_a_tiff_under_another_name_keeps_its_16_bit_colour(tmp_path):
    image = RNG.integers(0, 65536, (8, 8, 3)).astype(np.uint16)
    save(tmp_path / "a.tif", image, photometric="rgb")
    (tmp_path / "a.tif").rename(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), image.transpose(2, 0, 1))


# Fitting


def ramp(height: int, width: int) -> np.ndarray:
    """Value = column."""
    return np.broadcast_to(np.arange(width, dtype=np.float64), (1, height, width)).copy()


@pytest.mark.parametrize("fit", ["resize", "crop", "pad", "center_crop"])
def test_an_image_of_the_right_size_is_left_alone(fit):
    image = RNG.integers(0, 65536, (2, 6, 9)).astype(np.uint16)
    assert np.array_equal(fit_image(image, (6, 9), fit), image)


def test_crop_keeps_the_shape_of_things_and_the_centre():
    assert fit_image(ramp(10, 30), (10, 10), "crop")[0, 0].tolist() == list(range(10, 20))
    half = fit_image(ramp(20, 60), (10, 10), "crop")  # every other pixel's mean: 20.5, 22.5, ...
    assert half[0, 5] == pytest.approx(np.arange(20.5, 40, 2), abs=1e-9)
    assert fit_image(ramp(31, 17), (8, 8), "crop").shape == (1, 8, 8)


def test_resize_shows_the_whole_image():
    whole = fit_image(ramp(10, 40), (10, 10), "resize")
    assert whole[0, 0, 3:7] == pytest.approx([13.5, 17.5, 21.5, 25.5], abs=1e-9)
    assert whole[0, 0, 0] < 2
    assert whole[0, 0, -1] > 37


def test_pad_shows_the_whole_image_on_its_darkest_border_value():
    padded = fit_image(ramp(10, 30) + 4, (30, 30), "pad")
    assert np.array_equal(padded[:, 10:20], ramp(10, 30) + 4)
    assert (padded[0, :10] == 4).all()
    assert (padded[0, 20:] == 4).all()
    assert fit_image(ramp(10, 60), (20, 30), "pad").shape == (1, 20, 30)


def test_center_crop_never_scales():
    assert fit_image(ramp(9, 31), (4, 11), "center_crop")[0].tolist() == [list(range(10, 21))] * 4
    with pytest.raises(ValueError, match="smaller than"):
        fit_image(ramp(9, 31), (10, 11), "center_crop")


def test_scaling_down_averages_and_never_leaves_the_range():
    lines = np.zeros((1, 64, 64))
    lines[:, :, ::8] = 800  # without antialiasing a pixel sees a line or does not
    assert fit_image(lines, (8, 8), "resize")[:, 2:-2, 2:-2] == pytest.approx(100, abs=10)
    edge = np.where(np.arange(8) < 4, 0.0, 4095.0)[None, None].repeat(8, axis=1)
    large = fit_image(edge, (24, 24), "resize")
    assert (large.min(), large.max()) == (0, 4095)


def test_12_bit_values_are_scaled_before_they_are_rounded(folder):
    save(folder / "a.png", np.tile(np.array([[1000, 1001]], np.uint16), (8, 8)))
    save(folder / "b.png", np.full((8, 16), 4095, np.uint16))
    pixels = load(folder, [4, 8], fit="resize").train.integers([0])
    assert np.unique(pixels[0, 0, :, 2:-2]).tolist() == [round(1000.5 / 4095 * 65535)]


def test_height_and_width_may_differ(folder):
    image = grey(6, 10)
    save(folder / "a.png", image)
    assert np.array_equal(load(folder, [6, 10]).train.pixels[0, 0], image)


@pytest.mark.parametrize(
    ("fit", "says"),
    [
        ("resize", "stretching by up to 2.00"),
        ("crop", "cutting off up to 50%"),
        ("pad", "border of up to 50%"),
        ("center_crop", "keeping at least 50%"),
    ],
)
def test_the_report_says_what_fitting_costs(folder, fit, says):
    save(folder / "a.png", grey(8, 16))
    save(folder / "b.png", grey(8, 8))
    report = load(folder, fit=fit).report
    assert f"data.fit={fit} brings 1 of them to 8x8" in report
    assert says in report


# Looking at everything before the first step


def broken_files(folder: Path) -> dict[str, str]:
    """One file of each broken kind, and what the error must say of it."""

    def write(name: str, data: bytes) -> None:
        (folder / name).write_bytes(data)

    png, jpeg = save(folder / "whole.png", grey(40, 40)).read_bytes(), save(folder / "whole.jpg", grey(40, 40))
    tiff = save(folder / "whole.tif", grey(40, 40).astype(np.uint16)).read_bytes()
    write("truncated.png", png[: len(png) // 2])
    save(folder / "flipped.png", grey(40, 40), compress_level=0)  # a wrong pixel that only the checksum tells
    flipped = (folder / "flipped.png").read_bytes()
    write("flipped.png", flipped[:300] + bytes([flipped[300] ^ 1]) + flipped[301:])
    Image.fromarray(grey()).save(folder / "gif.png", format="GIF")
    write("truncated.jpg", jpeg.read_bytes()[:-300])
    write("truncated.tif", tiff[:-500])
    for name in ["whole.png", "whole.jpg", "whole.tif"]:
        (folder / name).unlink()
    write("empty.png", b"")
    write("text.png", b"this is a text file\n")
    write("text.tif", b"this is a text file\n")
    write("text.npy", b"this is a text file\n")
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 0, 8, 8, 0, 0, 0, 0)
    write("zero.png", png[:8] + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr)))
    save(folder / "pages.tif", np.zeros((4, 8, 8), np.uint8), photometric="minisblack")
    save(folder / "nan.tif", np.array([[1.0, np.nan]], np.float32))
    save(folder / "inf.npy", np.array([[1.0, np.inf]]))
    save(folder / "complex.npy", np.ones((8, 8), np.complex64))
    save(folder / "volume.npy", np.ones((2, 8, 8, 3), np.float32))
    save(folder / "first.npy", np.ones((1, 16, 16), np.float32))
    np.save(folder / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    save(folder / "alpha.png", np.dstack([colour(), np.full((8, 8), 200, np.uint8)]))
    save(folder / "alpha.tif", np.dstack([colour(), grey()]), photometric="rgb", extrasamples=["unassalpha"])
    Image.fromarray(grey()).convert("CMYK").save(folder / "cmyk.jpg")
    frames = [Image.fromarray(grey()), Image.fromarray(grey())]
    frames[0].save(folder / "animated.png", save_all=True, append_images=frames[1:])
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(48) for _ in range(8)))
    chunks = [ihdr, b"IDAT" + rows, b"IEND"]
    body = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    write("colour16.png", png[:8] + body)
    write("huge.pgm", b"P5 40000 40000 255\n" + bytes(100))
    write("notes.txt", b"taken in 2019")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    return {
        "truncated.png": "truncated or damaged",
        "flipped.png": "truncated or damaged",
        "truncated.jpg": "truncated or damaged",
        "truncated.tif": "truncated or damaged",
        "empty.png": "empty file",
        "text.png": "its content is none of",
        "text.tif": "its content is none of",
        "gif.png": "its content is none of",
        "text.npy": "damaged",
        "zero.png": "its content is none of",
        "pages.tif": "TIFF with 4 pages",
        "nan.tif": "NaN",
        "inf.npy": "infinite",
        "complex.npy": "amplitude",
        "volume.npy": r"shape \(2, 8, 8, 3\)",
        "first.npy": r"shape \(1, 16, 16\) looks like \(channels, height, width\): save it as \(height, width, channels\)",
        "object.npy": "allow_pickle=False",
        "alpha.png": "partly transparent",
        "alpha.tif": "partly transparent",
        "cmyk.jpg": "colour mode CMYK",
        "animated.png": "animated",
        "colour16.png": "16-bit colour PNG",
        "huge.pgm": "cut it into tiles",
        "notes.txt": "not an image by its extension",
        "gone.png": "No such file",
    }


def test_each_bad_file_is_named_with_its_reason(folder):
    for name, says in broken_files(folder).items():
        if name == "notes.txt":
            continue  # never opened
        with pytest.raises((ValueError, OSError), match=says) as error:
            decode(folder / name)
        assert "\n" not in str(error.value)


def test_bad_files_are_counted_and_the_first_is_named(folder):
    bad = broken_files(folder)
    save(folder / "good.png", grey())
    first = sorted(bad)[0]
    with pytest.raises(ValueError, match=rf"{len(bad)} of {len(bad) + 1} files cannot be used; {first}: ") as error:
        load(folder)
    assert "data.on_error=skip" in str(error.value)
    assert "\n" not in str(error.value)
    assert list((folder.parent / "cache").glob("*")) == []


def test_bad_files_are_skipped_and_listed_on_request(folder):
    bad = broken_files(folder)
    save(folder / "good.png", grey())
    for _ in range(2):  # decoded, then from the cache
        loaded = load(folder, on_error="skip")
        assert loaded.train.names == ["good.png"]
        assert [name for name, _ in loaded.skipped] == sorted(bad)
    with pytest.raises(ValueError, match="cannot be used"):
        load(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_bad_file(folder):
    save(folder / "a.png", grey()).chmod(0)
    save(folder / "b.png", grey())
    with pytest.raises(ValueError, match=r"1 of 2 files cannot be used; a\.png: .*Permission denied"):
        load(folder)


def test_nothing_usable_is_an_error_even_when_skipping(folder):
    broken_files(folder)
    with pytest.raises(ValueError, match="no usable image is left"):
        load(folder, on_error="skip")


def test_mixed_grey_and_colour_is_a_question(folder):
    for i in range(3):
        save(folder / f"grey{i}.png", grey())
    save(folder / "rgb.png", colour())
    with pytest.raises(ValueError, match=r"3 images are grey \(grey0.png\) and 1 .*rgb.png.*data.channels=1"):
        load(folder)


def test_mixed_bit_depths_name_a_file_of_each(folder):
    save(folder / "a.png", grey())
    save(folder / "b.png", grey().astype(np.uint16) * 200)
    with pytest.raises(ValueError, match=r"a\.png holds uint8 values and b\.png uint16"):
        load(folder)


def test_numbers_of_channels_that_do_not_go_together(folder):
    save(folder / "a.tif", RNG.random((8, 8, 4)).astype(np.float32), photometric="minisblack", planarconfig="contig")
    save(folder / "b.tif", RNG.random((8, 8, 2)).astype(np.float32), photometric="minisblack", planarconfig="contig")
    with pytest.raises(ValueError, match=r"a\.tif has 4 channels and b\.tif 2"):
        load(folder)
    with pytest.raises(ValueError, match=r"data\.channels=3: a\.tif has 4"):
        load(folder, channels=3)


def test_a_set_without_contrast(folder):
    save(folder / "a.tif", np.full((8, 8), 3.5, np.float32))
    with pytest.raises(ValueError, match=r"every pixel of every image is 3\.5"):
        load(folder)


def test_too_small_for_center_crop_is_a_bad_file(folder):
    save(folder / "a.png", grey(8, 8))
    save(folder / "b.png", grey(8, 7))
    with pytest.raises(ValueError, match=r"1 of 2 files.*b\.png: 8 x 7 is smaller"):
        load(folder, fit="center_crop")
    assert load(folder, fit="center_crop", on_error="skip").train.names == ["a.png"]


# Folders and lists


def test_folders_that_are_not_there(folder, tmp_path):
    save(folder / "a.png", grey())
    with pytest.raises(ValueError, match=r"imges does not exist: did you mean .*images\?"):
        load(tmp_path / "imges")
    with pytest.raises(ValueError, match=r"does not exist: did you mean .*images"):
        load(tmp_path / "imagse" / "train")
    with pytest.raises(ValueError, match=r"does not exist$"):
        load(tmp_path / "qqq")
    with pytest.raises(ValueError, match="is a file"):
        load(folder / "a.png")
    with pytest.raises(ValueError, match=r"data\.path is missing"):
        load_images(FolderConfig(), cache_dir=tmp_path)


def test_folders_without_images(folder):
    with pytest.raises(ValueError, match=r"no images in .*\.png"):
        load(folder)
    (folder / "a.txt").write_text("x")
    (folder / ".b.png").write_text("x")
    with pytest.raises(ValueError, match="no images"):
        load(folder)


def test_images_at_the_top_and_in_subfolders(folder):
    save(folder / "top.png", grey())
    save(folder / "a" / "in.png", grey())
    with pytest.raises(ValueError, match=r"top\.png.*a/in\.png"):
        load(folder)


def test_images_two_folders_down(folder):
    save(folder / "train" / "a" / "1.png", grey())
    with pytest.raises(ValueError, match=r"two folders down \(train/a/1\.png\)"):
        load(folder)


def test_images_and_their_masks_are_no_classes(folder):
    for name in ["images/1.png", "images/2.png", "masks/1_mask.png"]:
        save(folder / name, grey())
    with pytest.raises(ValueError, match=r"read by data=masks data\.path=.*images data\.masks=.*masks"):
        load(folder)
    save(folder / "masks" / "3.png", grey())  # a mask of nothing
    assert load(folder).train.spec.classes == ["images", "masks"]


def test_a_class_without_images(folder):
    save(folder / "a" / "1.png", grey())
    (folder / "b").mkdir()
    with pytest.raises(ValueError, match="b/: a class folder without images"):
        load(folder)
    assert load(folder, on_error="skip").skipped == [("b/", "a class folder without images")]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("a.png\nc.png\nd.png\n", r"c\.png is not in .* \(2 of 3 missing\)"),
        ("a.png\nb.png\na.png\n", r"names a\.png twice"),
        ("\n\n", "names no files"),
        ("../images/a.png\n", "must be a name inside"),
        ("/etc/hostname\n", "must be a name inside"),
    ],
)
def test_bad_file_lists(folder, tmp_path, lines, says):
    save(folder / "a.png", grey())
    save(folder / "b.png", grey())
    (tmp_path / "list.txt").write_text(lines)
    with pytest.raises(ValueError, match=rf"data\.file_list: .*{says}"):
        load(folder, file_list=str(tmp_path / "list.txt"))


def test_file_lists_that_are_no_lists(folder):
    save(folder / "a.png", grey())
    with pytest.raises(ValueError, match=r"data\.file_list: no file"):
        load(folder, file_list=str(folder / "list.txt"))
    with pytest.raises(ValueError, match="not a text file"):
        load(folder, file_list=str(folder / "a.png"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fit": "squash"}, r"data\.fit=squash: use resize or crop or pad"),
        ({"on_error": "ignore"}, r"data\.on_error=ignore: use raise or skip"),
        ({"name": "dir"}, r"data\.name=dir"),
        ({"max_images": 0}, r"data\.max_images=0"),
        ({"channels": 0}, r"data\.channels=0"),
        ({"intensity": "sqrt"}, r"data\.intensity=sqrt: use linear or log or db"),
        ({"intensity": "log"}, r"data\.intensity=log needs data\.value_range"),
        ({"value_range": [3]}, r"data\.value_range"),
        ({"value_range": "wide"}, r"data\.value_range"),
        ({"value_range": [5, 1]}, "low must be below high"),
        ({"value_range": [-1e308, 1e308]}, "low must be below high"),
        ({"intensity": "db", "value_range": [0, 100_000]}, "within 6000 of 0, got 0.0..100000.0"),
        ({"intensity": "db", "value_range": [-100_000, 0]}, "within 6000 of 0"),
        ({"image_size": "64px"}, r"data\.image_size=64px"),
    ],
)
def test_bad_settings_name_the_field_and_what_is_allowed(options, says):
    with pytest.raises(ValueError, match=says):
        FolderConfig(path="x", **options)


# Validation


def test_a_validation_folder_is_mapped_and_labelled_as_the_training_folder(tmp_path):
    values = np.arange(64, dtype=np.float32).reshape(8, 8)
    for name in ["a", "b"]:
        save(tmp_path / "train" / name / "1.tif", values)
    save(tmp_path / "val" / "b" / "2.tif", values / 2)
    assert load(tmp_path / "val").train.batch([0]).x_0.max() == 1  # for itself, and cached as such
    loaded = load(tmp_path / "train", val_path=str(tmp_path / "val"))
    assert loaded.val.spec == loaded.train.spec
    assert loaded.val.class_labels is not None
    assert loaded.val.class_labels.tolist() == [[1]]
    assert loaded.val.batch([0]).x_0.max() == pytest.approx(0, abs=1e-4)
    assert "Validation: 1 image " in loaded.report


def test_a_validation_list_holds_images_out(folder, tmp_path):
    for i in range(5):
        save(folder / f"{i}.png", grey())
    (tmp_path / "val.txt").write_text("3.png\n1.png\n")
    loaded = load(folder, val_list=str(tmp_path / "val.txt"))
    assert loaded.train.names == ["0.png", "2.png", "4.png"]
    assert loaded.val.names == ["1.png", "3.png"]
    (tmp_path / "train.txt").write_text("0.png\n4.png\n")
    lists = {"file_list": str(tmp_path / "train.txt"), "val_list": str(tmp_path / "val.txt")}
    loaded = load(folder, **lists)
    assert (loaded.train.names, loaded.val.names) == (["0.png", "4.png"], ["1.png", "3.png"])
    (tmp_path / "train.txt").write_text("0.png\n3.png\n")
    with pytest.raises(ValueError, match=r"3\.png is in data\.file_list and in data\.val_list"):
        load(folder, **lists)


def validation_error(tmp_path: Path, says: str, **options) -> None:
    with pytest.raises(ValueError, match=says):
        load(tmp_path / "train", val_path=str(tmp_path / "val"), **options)


def test_validation_images_that_are_not_like_the_training_images(tmp_path):
    save(tmp_path / "train" / "a" / "1.png", grey())
    save(tmp_path / "val" / "c" / "1.png", grey())
    validation_error(tmp_path, r"class c is not a training class \(a\)")
    (tmp_path / "val" / "c").rename(tmp_path / "val" / "a")
    save(tmp_path / "val" / "a" / "1.png", colour())
    validation_error(tmp_path, "training images have 1 channels, validation images 3")
    save(tmp_path / "val" / "a" / "1.png", grey().astype(np.uint16))
    validation_error(tmp_path, "differ in bit depth")
    (tmp_path / "val" / "a" / "1.png").rename(tmp_path / "val" / "1.png")
    (tmp_path / "val" / "a").rmdir()
    validation_error(tmp_path, "in class folders and the validation images are not")


def test_validation_values_far_outside_the_training_range(tmp_path):
    save(tmp_path / "train" / "1.png", RNG.integers(0, 4096, (8, 8)).astype(np.uint16))
    save(tmp_path / "val" / "1.png", RNG.integers(0, 65536, (8, 8)).astype(np.uint16))
    validation_error(tmp_path, r"outside the training range: set data\.value_range")
    loaded = load(tmp_path / "train", val_path=str(tmp_path / "val"), value_range=[0, 65535])
    assert loaded.val.spec.intensity.high == 65535
    clipped = load(tmp_path / "train", val_path=str(tmp_path / "val"), value_range=[0, 1000])  # asked for
    assert clipped.val.integers([0]).max() == 65535


# The cache


@pytest.fixture
def decodings(monkeypatch) -> list[str]:
    """The names of all files decoded from here on."""
    names = []

    def counting(path: Path, *, nodata, amplitude):
        names.append(path.name)
        return decode(path, nodata=nodata, amplitude=amplitude)

    monkeypatch.setattr("data.folder.decode", counting)
    return names


def test_epochs_from_the_cache_decode_nothing(folder, decodings):
    n = 1000
    image = RNG.integers(0, 256, (n, 4, 4)).astype(np.uint8)
    for i in range(n):
        (folder / f"{i:04d}.pgm").write_bytes(b"P5 4 4 255\n" + image[i].tobytes())
    ticks = []
    config = FolderConfig(path=str(folder), image_size=4, val_fraction=0.0)
    load_images(config, cache_dir=folder.parent / "cache", progress=lambda *tick: ticks.append(tick))
    assert len(decodings) == 2 * n  # looked at, then fitted
    assert ticks[0] == ("looking at images", 1, n)
    assert ticks[-1] == ("fitting images", n, n)
    decodings.clear()
    loaded = load_images(config, cache_dir=folder.parent / "cache")
    for _ in range(5):
        order = RNG.permutation(n)
        for start in range(0, n, 50):
            x_0 = loaded.train.batch(order[start : start + 50]).x_0
            assert np.array_equal(x_0[:, 0], to_floats(image[order[start : start + 50]]))
    assert decodings == []


def test_the_cache_is_found_again_by_content(folder, decodings):
    for name in ["a", "b"]:
        save(folder / f"{name}.png", grey(8, 12))
    first = load(folder)
    decodings.clear()
    moved = folder.rename(folder.parent / "moved")
    os.utime(moved / "a.png", (0, 0))
    assert load(moved).key == first.key
    assert decodings == []
    for options in [{"fit": "resize"}, {"size": 6}, {"channels": 3}, {"value_range": [0, 100]}]:
        load(moved, **options)
        assert len(decodings) == 4
        decodings.clear()
    load(moved, hflip=True, val_fraction=0.5)
    assert decodings == []
    save(moved / "b.png", grey(8, 12))
    assert load(moved).key != first.key
    (moved / "b.png").rename(moved / "c.png")
    assert len(decodings) == 4
    load(moved)
    assert len(decodings) == 8


def test_the_key_names_the_training_images(folder):
    for i in range(8):
        save(folder / f"{i}.png", grey())
    assert load(folder, val_fraction=0.25).key == load(folder, val_fraction=0.25).key
    assert load(folder, val_fraction=0.25).key != load(folder, val_fraction=0.5).key


def test_copies_are_counted(folder):
    image = grey()
    for name in ["a", "b", "c"]:
        save(folder / f"{name}.png", image)
    assert "2 files are copies of another" in load(folder).report


@pytest.mark.skipif(not (REAL_DATA / "brain_mri").is_dir(), reason="the development data are not here")
def test_real_mri(tmp_path):
    config = FolderConfig(path=str(REAL_DATA / "brain_mri" / "train"), max_images=100)
    loaded = load_images(config, cache_dir=tmp_path)
    assert loaded.train.spec.channels == 1
    assert loaded.train.spec.classes == ["glioma", "meningioma", "no_tumor", "pituitary"]
    assert len(loaded.train) + len(loaded.val) == 100
    assert "100 stored as RGB though grey" in loaded.report
