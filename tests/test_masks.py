import json
import struct
import zlib

import numpy as np
import pytest
import tifffile
from label_files import grey, load, load_masks, save, write_mask_set
from PIL import Image

from data.decode import decode
from data.image_set import ImageSpec
from data.sample_files import SampleFiles, write_label_map
from data.write_masks import write_masks


def test_integer_masks_become_consecutive_labels(tmp_path):
    folder = write_mask_set(tmp_path)
    mask = np.zeros((8, 8), np.uint8)
    mask[0], mask[7] = 200, 5
    save(folder / "masks" / "b.png", mask)
    loaded = load_masks(folder)
    assert loaded.train.spec.label_names == ["background", "label_5", "label_200"]
    maps = loaded.train.label_maps(range(3))
    assert np.array_equal(maps[1], np.select([mask == 5, mask == 200], [1, 2]).astype(np.uint8))
    assert np.unique(maps[0]).tolist() == [0, 1]
    assert "label_5 3 objects in 3 images" in loaded.report


def colours(*values: tuple[int, int, int]) -> np.ndarray:
    """8 x 8, one row a colour, black below."""
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[: len(values)] = np.array(values, np.uint8)[:, None]
    return mask


def test_one_label_written_in_two_ways_is_not_taken_for_two(tmp_path):
    """255 as masks often have it, 1 as `labels/` of samples have it."""
    folder = write_mask_set(tmp_path)
    for name, value in (("a", 255), ("b", 255), ("c", 1)):
        save(folder / "masks" / f"{name}.png", value * np.eye(8, dtype=np.uint8))
    with pytest.raises(ValueError, match="the masks hold 1 and 255, which may be one label written in two ways"):
        load_masks(folder)
    (tmp_path / "both.json").write_text('{"object": 1, "unsure": 255}')
    train = load_masks(folder, palette=str(tmp_path / "both.json")).train
    assert train.spec.label_names == ["background", "object", "unsure"]


def test_colours_found_in_the_data_or_named(tmp_path):
    folder = write_mask_set(tmp_path)
    for name in "abc":
        save(folder / "masks" / f"{name}.png", colours((255, 0, 0), (0, 0, 255)))
    train = load_masks(folder).train
    assert train.spec.label_names == ["background", "#0000ff", "#ff0000"]
    assert train.label_maps([0])[0, :3, 0].tolist() == [2, 1, 0]
    palette = tmp_path / "colours.json"
    palette.write_text(json.dumps({"ship": [255, 0, 0], "land": "#0000FF"}))
    train = load_masks(folder, palette=str(palette)).train
    assert train.spec.label_names == ["background", "land", "ship"]
    assert train.label_maps([0])[0, :3, 0].tolist() == [2, 1, 0]
    palette.write_text(json.dumps({"background": [255, 0, 0], "land": "#0000ff", "sky": [0, 0, 0]}))
    assert load_masks(folder, palette=str(palette)).train.label_maps([0])[0, :3, 0].tolist() == [0, 2, 1]
    palette.write_text(json.dumps({"ship": [255, 0, 0]}))
    with pytest.raises(ValueError, match=r"a\.png: its mask a\.png: holds \(0, 0, 255\), which has no name"):
        load_masks(folder, palette=str(palette))


def test_an_indexed_png_counts_as_numbers_unless_colours_are_named(tmp_path):
    folder = write_mask_set(tmp_path, 1)
    indices = np.zeros((8, 8), np.uint8)
    indices[0], indices[1] = 1, 2
    picture = Image.fromarray(indices)
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
    picture.save(folder / "masks" / "a.png")
    train = load_masks(folder).train
    assert train.spec.label_names == ["background", "label_1", "label_2"]
    assert np.array_equal(train.label_maps([0])[0], indices)
    (tmp_path / "colours.json").write_text(json.dumps({"green": [0, 128, 0], "red": [128, 0, 0]}))
    train = load_masks(folder, palette=str(tmp_path / "colours.json")).train
    assert train.label_maps([0])[0, :3, 0].tolist() == [2, 1, 0]  # green comes before red


def test_labels_json_beside_the_masks_names_them(tmp_path):
    folder = write_mask_set(tmp_path)
    (folder / "labels.json").write_text(json.dumps({"0": "background", "3": "sea", "5": "ship"}))
    train = load_masks(folder).train
    assert train.spec.label_names == ["background", "sea", "ship"]
    assert np.unique(train.label_maps([0])).tolist() == [0, 2]


def test_other_names_and_places_of_masks(tmp_path):
    folder = write_mask_set(tmp_path / "set")
    both = tmp_path / "both"
    for name in "ab":
        save(both / f"{name}.png", grey())
        save(both / f"{name}_mask.png", np.eye(8, dtype=np.uint8))
    assert load("masks", both, masks=str(both)).train.names == ["a.png", "b.png"]
    (folder / "masks").rename(folder / "images" / "masks")
    train = load("masks", folder / "images", masks=str(folder / "images" / "masks")).train
    assert train.names == ["a.png", "b.png", "c.png"]
    (folder / "images" / "masks").rename(folder / "masks")
    for kind in ("images", "masks"):
        (folder / kind / "x").mkdir()
        (folder / kind / "a.png").rename(folder / kind / "x" / "a.png")
    loaded = load_masks(folder, class_folders=True)
    assert loaded.train.names == ["b.png", "c.png", "x/a.png"]
    assert loaded.train.spec.classes == ["x"]
    assert loaded.train.class_labels is not None
    assert loaded.train.class_labels.tolist() == [[-1], [-1], [0]]


def test_validation_masks_share_the_training_labels(tmp_path):
    train, val = write_mask_set(tmp_path / "train"), write_mask_set(tmp_path / "val", 1)
    mask = np.zeros((8, 8), np.uint8)
    mask[0] = 3
    save(train / "masks" / "a.png", mask)
    options = {"val_path": str(val / "images"), "val_masks": str(val / "masks")}
    loaded = load_masks(train, **options)
    assert loaded.val.spec == loaded.train.spec
    assert np.unique(loaded.val.label_maps([0])).tolist() == [0, 2]  # 5 alone is label 1 for itself
    mask[0] = 9
    save(val / "masks" / "a.png", mask)
    with pytest.raises(ValueError, match="validation label label_9 is not a training label"):
        load_masks(train, **options)


def test_one_broken_mask_is_its_images_error_and_can_be_skipped(tmp_path):
    folder = write_mask_set(tmp_path)
    (folder / "masks" / "b.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 of 3 files cannot be used; b\.png: its mask b\.png: its content is none"):
        load_masks(folder)
    assert load_masks(folder, on_error="skip").train.names == ["a.png", "c.png"]


def test_settings(tmp_path):
    folder = write_mask_set(tmp_path)
    with pytest.raises(ValueError, match=r"data\.masks is missing"):
        load("masks", folder / "images")
    with pytest.raises(ValueError, match=r"maks does not exist: did you mean .*masks\?"):
        load("masks", folder / "images", masks=str(folder / "maks"))
    with pytest.raises(ValueError, match=r"data\.palette: no file"):
        load_masks(folder, palette="nowhere.json")


def test_a_value_that_a_geotiff_declares_to_be_no_data_is_a_label_like_others(tmp_path):
    folder = write_mask_set(tmp_path)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = 5
    for name in "abc":
        (folder / "masks" / f"{name}.png").unlink()
        tifffile.imwrite(folder / "masks" / f"{name}.tif", mask, extratags=[(42113, "s", 0, "0", True)])
    assert np.array_equal(load_masks(folder).train.label_maps([0])[0], mask // 5)
    for name in "abc":
        path = folder / "masks" / f"{name}.tif"
        tifffile.imwrite(path, colours((0, 0, 9)), photometric="rgb", extratags=[(42113, "s", 0, "0", True)])
    assert load_masks(folder).train.label_maps([0])[0].any(axis=1).tolist() == [True] + [False] * 7


def png(values: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2, 4 or 8 bits, its width a multiple of 8 pixels."""
    packed = np.zeros((len(values), values.shape[1] * bits // 8), np.uint8)
    for k in range(8 // bits):
        packed |= values[:, k :: 8 // bits] << (8 - bits * (k + 1))
    rows = np.concatenate([np.zeros((len(values), 1), np.uint8), packed], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", values.shape[1], len(values), bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_numbers_of_few_bits_are_read_as_they_are_stored(tmp_path, bits):
    folder = write_mask_set(tmp_path, 1)
    values = np.random.default_rng(0).integers(0, 2**bits, (8, 8)).astype(np.uint8) % 16
    values.flat[:2] = 0, min(2**bits, 16) - 1
    (folder / "masks" / "a.png").write_bytes(png(values, bits))
    train = load_masks(folder).train
    assert train.spec.label_names == ["background", *(f"label_{k}" for k in np.unique(values)[1:])]
    stated = np.array([0, *(int(name[6:]) for name in train.spec.label_names[1:])])
    assert np.array_equal(stated[train.label_maps([0])[0]], values)
    white = 255 // (2**bits - 1)  # a picture is shown over the whole range
    assert np.array_equal(decode(folder / "masks" / "a.png")[0], white * values)


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_yes_and_no_are_1_and_0(tmp_path, suffix):
    folder = write_mask_set(tmp_path, 1)
    (folder / "masks" / "a.png").unlink()
    {".tif": tifffile.imwrite, ".npy": np.save}[suffix](folder / "masks" / f"a{suffix}", np.eye(8, dtype=bool))
    assert load_masks(folder).train.spec.label_names == ["background", "label_1"]


def test_colours_are_numbers_for_their_names_or_names_for_their_numbers(tmp_path):
    folder = write_mask_set(tmp_path, 1)
    save(folder / "masks" / "a.png", colours((255, 0, 0)))
    (folder / "labels.json").write_text('{"1": "#ff0000"}')
    assert load_masks(folder).train.spec.label_names == ["background", "1"]
    save(folder / "masks" / "a.png", np.eye(8, dtype=np.uint8))
    (folder / "labels.json").write_text('{"0": "background", "1": "#ff0000"}')  # what is written for found colours
    assert load_masks(folder).train.spec.label_names == ["background", "#ff0000"]


def test_masks_of_nothing_but_background(tmp_path):
    folder, val = write_mask_set(tmp_path / "train"), write_mask_set(tmp_path / "val")
    for name in "abc":
        save(val / "masks" / f"{name}.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"no mask of the images in .* holds anything but 0"):
        load_masks(val)
    loaded = load_masks(folder, val_path=str(val / "images"), val_masks=str(val / "masks"))
    assert not loaded.val.label_maps(range(3)).any()
    for name in "abc":
        (val / "masks" / f"{name}.png").write_text("no mask")
    with pytest.raises(ValueError, match=r"3 of 3 files cannot be used; a\.png: its mask a\.png"):
        load_masks(val)


# --- what is drawn mixes with what was trained on ---------------------------------------------------------------------

PALETTES = {
    "white": ([0, 255], None),
    "deep": ([0, 7, 1000], {"7": "sea", "1000": "ship"}),
    "deeper": ([0, 7, 70000], None),
    "background": ([9, 0, 255], {"background": 9, "sea": 0, "ship": 255}),
    "colours": ([[0, 0, 0], [0, 0, 255], [255, 0, 0]], None),
    "named colours": ([[9, 9, 9], [255, 255, 255], [255, 0, 0]], {"background": "#090909", "a": "#ffffff", "b": "#ff0000"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PALETTES)
def test_masks_of_samples_hold_what_those_of_training_hold(tmp_path, name):
    """Read back with the same options, alone or among the real ones, they give the label maps that were drawn."""
    values, palette = PALETTES[name]
    folder, table = tmp_path / "real", np.array(values)
    options = {}
    if palette is not None:
        (tmp_path / "palette.json").write_text(json.dumps(palette))
        options = {"palette": str(tmp_path / "palette.json")}
    numbers = np.random.default_rng(0).integers(0, len(values), (3, 8, 8))
    (folder / "masks").mkdir(parents=True)
    for i, label_map in enumerate(numbers):
        save(folder / "images" / f"{i}.png", grey(seed=i))
        mask = table[label_map].astype(np.int32 if table.max() > 255 else np.uint8)
        tifffile.imwrite(folder / "masks" / f"{i}.tif", mask)
    trained = load_masks(folder, **options).train
    spec = ImageSpec.from_dict(json.loads(json.dumps(trained.spec.to_dict())))
    assert sorted(map(str, spec.label_values)) == sorted(map(str, values))
    drawn = trained.label_maps([2, 0, 1])
    samples = []
    for i, label_map in enumerate(drawn):
        image = save(tmp_path / "drawn" / "images" / f"{i}_drawn.png", grey(seed=9 + i))
        (tmp_path / "drawn" / "labels").mkdir(exist_ok=True)
        write_label_map(tmp_path / "drawn" / "labels" / f"{i}.png", label_map)
        samples.append(SampleFiles(image.stem, image, tmp_path / "drawn" / "labels" / f"{i}.png"))
    write_masks(tmp_path / "drawn", samples, spec.label_names, spec.label_values)
    files = sorted((tmp_path / "drawn" / "masks").iterdir())
    held = np.stack([decode(file) for file in files]).transpose(0, 2, 3, 1)
    assert np.array_equal(held.squeeze(-1) if held.shape[-1] == 1 else held, table[numbers[[2, 0, 1]]])
    for own in ({}, options):
        again = load_masks(tmp_path / "drawn", **own).train
        assert again.spec.label_names == spec.label_names
        assert np.array_equal(again.label_maps(range(3)), drawn)
    for file in [*files, *(tmp_path / "drawn" / "images").iterdir()]:
        file.rename(folder / file.parent.name / file.name)
    mixed = load_masks(folder, **options).train
    assert mixed.spec == trained.spec
    assert {name: mixed.label_maps([i])[0].tolist() for i, name in enumerate(mixed.names)} == {
        **{f"{i}.png": trained.label_maps([i])[0].tolist() for i in range(3)},
        **{f"{i}_drawn.png": drawn[i].tolist() for i in range(3)},
    }
