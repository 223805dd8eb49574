"""What a folder holds, on which scale, and at which size: nothing is dropped or squashed in silence."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from eval.decode import decode
from eval.fit import fit_image
from eval.images import Preparation, find_images, open_folder
from eval.value_range import choose_ranges, natural_range


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **options)
    else:
        Image.fromarray(pixels).save(path, **options)
    return path


def noise(shape, dtype=np.uint8, high=256, seed=0):
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def read(path):
    return decode(path.read_bytes(), path.suffix)


def test_grey_stays_grey_and_colour_colour(tmp_path):
    grey, colour = noise((5, 7)), noise((5, 7, 3))
    assert (read(save(tmp_path / "g.png", grey)) == grey[None]).all()
    assert (read(save(tmp_path / "c.png", colour)) == colour.transpose(2, 0, 1)).all()
    palette = Image.fromarray(colour).quantize(16)
    palette.save(tmp_path / "p.png")
    assert (read(tmp_path / "p.png") == np.asarray(palette.convert("RGB")).transpose(2, 0, 1)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_keeps_every_level(tmp_path, dtype, shape, compression):
    pixels = (
        noise(shape, dtype, 200)
        if dtype != np.float32
        else np.linspace(-2, 3, np.prod(shape), dtype=dtype).reshape(shape)
    )
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    planes = read(save(tmp_path / "x.tif", pixels, photometric=photometric, compression=compression))
    assert planes.dtype == dtype
    assert (planes == (pixels[None] if len(shape) == 2 else pixels.transpose(2, 0, 1))).all()


def test_lzw_tiff_and_npy(tmp_path):
    pixels = noise((6, 9), np.uint16, 4096)
    Image.fromarray(pixels).save(tmp_path / "x.tif", compression="tiff_lzw")
    np.save(tmp_path / "x.npy", pixels)
    assert (read(tmp_path / "x.tif") == pixels).all()
    assert (read(tmp_path / "x.npy") == pixels).all()


def test_orientation_tag_is_applied(tmp_path):
    pixels, exif = noise((4, 6)), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    assert (read(tmp_path / "x.png")[0] == np.rot90(pixels, -1)).all()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "empty file"),
        ("text.png", b"hello", "cannot identify"),
        ("cut.png", "cut", "truncated|broken"),
        ("deep.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 16 + b"\x10\x02" + b"\0" * 9, "16-bit colour PNG"),
        ("many.npy", "channels", "only grey and RGB"),
        ("nan.tif", "nan", "NaN"),
        ("void.npy", "void", r"shape \(0, 5\)"),
        ("text.npy", b"hello", "not a .npy file"),
        ("text.tif", b"hello", "cannot identify the image's format"),
        ("pickle.npy", "pickle", "allow_pickle"),
    ],
)
def test_unusable_files_are_named_and_counted(tmp_path, name, content, reason):
    for i in range(3):
        save(tmp_path / f"good{i}.png", noise((32, 32), seed=i))
    path = tmp_path / name
    if content == "cut":
        path.write_bytes((tmp_path / "good0.png").read_bytes()[:200])
    elif content == "channels":
        np.save(path, np.zeros((4, 4, 2)))
    elif content == "void":
        np.save(path, np.zeros((0, 5)))
    elif content == "nan":
        save(path, np.full((4, 4), np.nan, np.float32))
    elif content == "pickle":
        np.save(path, np.array([{}]), allow_pickle=True)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        open_folder(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert "(1 of 4 images" in str(caught.value)


def test_mixed_kinds_are_refused(tmp_path):
    save(tmp_path / "a.png", noise((8, 8)))
    save(tmp_path / "b.png", noise((8, 8), np.uint16, 4096))
    with pytest.raises(ValueError, match=r"b\.png: holds integer pixels, but .*a\.png uint8"):
        open_folder(tmp_path)


def test_listing(tmp_path):
    for name in ("b/2.PNG", "a/1.png", "3.png", ".hidden/4.png"):
        save(tmp_path / name, noise((8, 8)), format="PNG")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    save(tmp_path.parent / f"{tmp_path.name}-elsewhere" / "5.png", noise((8, 8)))
    (tmp_path / "c").symlink_to(tmp_path.parent / f"{tmp_path.name}-elsewhere")  # a class that lies on another disk
    assert [str(p.relative_to(tmp_path)) for p in find_images(tmp_path)] == [
        "3.png",
        "a/1.png",
        "b/2.PNG",
        "c/5.png",
    ]


def test_manifest_decides(tmp_path):
    for name in ("grid.png", "images/0.png", "images/1.png"):
        save(tmp_path / name, noise((8, 8)))
    rows = [json.dumps({"file": f"images/{i}.png", "seed": 0}) for i in (1, 0)]
    (tmp_path / "manifest.jsonl").write_text("\n".join(rows) + "\n")
    assert [p.name for p in find_images(tmp_path)] == ["1.png", "0.png"]
    (tmp_path / "manifest.jsonl").write_text('{"file": "images/7.png"}\n')
    with pytest.raises(ValueError, match=r"images/7\.png: named in .*manifest\.jsonl but not there"):
        find_images(tmp_path)
    for torn in (b'{"file": "im', b"[]", b'{"name": 1}', b'{"file": "\xff"}'):
        (tmp_path / "manifest.jsonl").write_bytes(torn)
        with pytest.raises(ValueError, match="manifest.jsonl: every line must be JSON with a key 'file'"):
            find_images(tmp_path)


def test_num_draws_by_the_seed(tmp_path):
    for i in range(10):
        save(tmp_path / f"{i}.png", noise((8, 8), seed=i))
    first, again, other = (open_folder(tmp_path, num=4, seed=seed).paths for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 4
    assert first == sorted(first)


@pytest.mark.parametrize(("high", "expected"), [(4095, 4095), (4000, 4095), (65535, 65535), (100, 255), (1023, 1023)])
def test_bit_depth_in_use(tmp_path, high, expected):
    pixels = noise((8, 8), np.uint16, 50)
    pixels[0, 0] = high
    save(tmp_path / "x.png", pixels)
    folder = open_folder(tmp_path)
    assert natural_range(folder) == (0.0, expected)
    loaded = Preparation(natural_range(folder), (8, 8), "crop").load(folder.paths[0])
    np.testing.assert_allclose(loaded, np.repeat(pixels[None] / expected, 3, axis=0), rtol=1e-6)


def folder_of(root, pixels, suffix=".png"):
    save(root / f"x{suffix}", pixels)
    return open_folder(root)


def test_ranges(tmp_path):
    twelve = folder_of(tmp_path / "12", np.array([[0, 4095]], np.uint16))
    dark = folder_of(tmp_path / "dark", np.array([[0, 900]], np.uint16))
    sixteen = folder_of(tmp_path / "16", np.array([[0, 65535]], np.uint16))
    eight = folder_of(tmp_path / "8", np.array([[0, 9]], np.uint8))
    real = folder_of(tmp_path / "f", np.array([[-1.0, 3.0]], np.float32), ".tif")
    other = folder_of(tmp_path / "g", np.array([[-0.5, 3.5]], np.float32), ".tif")
    assert choose_ranges(twelve, dark, None, None) == ((0, 4095), (0, 4095))
    assert choose_ranges(eight, sixteen, None, None) == ((0, 255), (0, 65535))
    assert choose_ranges(real, other, None, None) == ((-1, 3), (-1, 3))
    assert choose_ranges(twelve, sixteen, (0.0, 4095.0), (0.0, 65535.0)) == ((0, 4095), (0, 65535))
    assert choose_ranges(twelve, dark, None, (0.0, 1000.0)) == ((0, 4095), (0, 1000))
    thousandth = folder_of(tmp_path / "m", np.array([[-0.001, 0.003]], np.float32), ".tif")
    for pair in ((twelve, sixteen), (eight, real), (real, twelve), (real, thousandth), (thousandth, real)):
        with pytest.raises(ValueError, match=r"give real_range=\[low,high\] and synthetic_range"):
            choose_ranges(*pair, None, None)


def test_constant_float_images_have_no_range(tmp_path):
    with pytest.raises(ValueError, match="every pixel is 2"):
        natural_range(folder_of(tmp_path, np.full((4, 4), 2.0, np.float32), ".tif"))


@pytest.mark.parametrize("fit", ["crop", "resize", "pad", "center_crop"])
def test_fit(fit):
    exact = noise((3, 8, 8))
    assert (fit_image(exact, (8, 8), fit) == exact).all()
    flat = fit_image(np.full((1, 50, 30), 7, np.uint8), (16, 12), fit)
    assert flat.shape == (1, 16, 12)
    np.testing.assert_allclose(flat, 7, rtol=1e-6)


def test_fit_keeps_shapes_or_says_so():
    wide = np.zeros((1, 20, 40), np.uint8)
    wide[:, 6:14, 16:24] = 200  # a square in the middle
    assert (fit_image(wide, (10, 10), "crop")[0] > 100).sum() == 16
    assert (fit_image(wide, (10, 10), "center_crop")[0] > 100).sum() == 64
    padded = fit_image(wide, (10, 10), "pad")[0]
    assert padded[:2].max() == padded[-2:].max() == 0
    squashed = fit_image(wide, (10, 10), "resize")[0] > 100
    assert squashed.any(axis=1).sum() > squashed.any(axis=0).sum()
    with pytest.raises(ValueError, match="center_crop never enlarges"):
        fit_image(wide, (30, 10), "center_crop")


def test_shrinking_is_antialiased():
    stripes = np.zeros((1, 64, 64), np.uint8)
    stripes[:, :, ::2] = 255
    np.testing.assert_allclose(fit_image(stripes, (16, 16), "resize")[0, 2:-2, 2:-2], 127.5, atol=2)


def test_a_bad_file_is_named_when_loaded(tmp_path):
    path = save(tmp_path / "x.png", noise((8, 8)))
    with pytest.raises(ValueError, match=r"x\.png: 8x8 is smaller"):
        Preparation((0.0, 255.0), (16, 16), "center_crop").load(path)
