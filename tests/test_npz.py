import tracemalloc

import numpy as np
import pytest
from label_files import grey, load

from data.npz import NpzConfig, list_npz

IMAGES = np.stack([grey(seed=i) for i in range(4)])
MAPS = (IMAGES > 200).astype(np.uint8) + (IMAGES > 250)


def archive(tmp_path, **arrays):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("form", [lambda a: a, lambda a: a[:, None], lambda a: a[..., None]])
@pytest.mark.parametrize("names", [("image", "label_map"), ("images", "masks")])
def test_a_set_in_one_file(tmp_path, form, names):
    train = load("npz", archive(tmp_path, **{names[0]: form(IMAGES), names[1]: form(MAPS)})).train
    assert train.names == ["000000", "000001", "000002", "000003"]
    assert train.spec.label_names == ["background", "label_1", "label_2"]
    assert np.array_equal(train.integers(range(4))[:, 0], IMAGES)
    assert np.array_equal(train.label_maps(range(4)), MAPS)


def test_names_label_names_and_attributes(tmp_path):
    path = archive(
        tmp_path,
        image=IMAGES.astype(np.float32),
        label_map=MAPS,
        label_names=np.array(["background", "sea", "ship", "buoy"]),
        name=np.array(["d", "c", "b", "a"]),
        label=np.array([0, 1, 1, 0]),
        plane=np.array(["top", "", "side", "side"]),
        weights=np.ones(4),
    )
    train = load("npz", path).train
    assert train.names == ["a", "b", "c", "d"]
    assert train.spec.label_names == ["background", "sea", "ship", "buoy"]
    assert train.spec.attributes == {"class": ["0", "1"], "plane": ["side", "top"]}
    assert train.class_labels is not None
    assert train.class_labels.tolist() == [[0, 0], [1, 0], [1, -1], [0, 1]]
    assert np.array_equal(train.label_maps([0])[0], MAPS[3])
    (tmp_path / "list.txt").write_text("b\n")
    assert load("npz", path, file_list=str(tmp_path / "list.txt")).train.names == ["b"]


def test_an_item_a_file(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(3):
        rgb = np.stack([IMAGES[i], 255 - IMAGES[i], IMAGES[i]], axis=(0 if i else 2))
        np.savez(folder / f"{i}.npz", image=rgb, mask=MAPS[i], plane=np.array("top" if i else "side"))
    train = load("npz", folder).train
    assert train.names == ["0.npz", "1.npz", "2.npz"]
    assert train.spec.channels == 3
    assert np.array_equal(train.integers(range(3))[:, 1], 255 - IMAGES[:3])
    assert np.array_equal(train.label_maps(range(3)), MAPS[:3])
    assert train.spec.attributes == {"plane": ["side", "top"]}
    (folder / "1.npz").write_bytes(b"PK broken")
    with pytest.raises(ValueError, match=r"1 of 3 files cannot be used; 1\.npz: truncated or damaged"):
        load("npz", folder)
    assert len(load("npz", folder, on_error="skip").train) == 2


def test_a_folder_is_listed_without_keeping_its_label_maps(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(10):
        np.savez_compressed(folder / f"{i}.npz", image=np.zeros((300, 300), np.uint8), mask=np.full((300, 300), i))
    tracemalloc.start()
    listing = list_npz(NpzConfig(path=str(folder)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(listing.label_names) == 10
    assert peak < 5 * 300 * 300 * 8  # bytes of five maps


def test_images_alone_have_no_label_maps(tmp_path):
    train = load("npz", archive(tmp_path, image=IMAGES)).train
    assert train.spec.label_names == []
    assert train.spec.attributes == {}
    assert train.batch([0]).x_0.shape == (1, *train.integers([0]).shape[1:])


def test_values_that_want_a_word(tmp_path):
    path = archive(tmp_path, image=IMAGES + 1j * IMAGES)
    with pytest.raises(ValueError, match=r"data\.complex=amplitude"):
        load("npz", path)
    assert load("npz", path, complex="amplitude").train.spec.intensity.high == pytest.approx(255 * 2**0.5)
    gaps = IMAGES.astype(np.float32)
    gaps[:, 3, 3] = np.nan
    path = archive(tmp_path, image=gaps)
    with pytest.raises(ValueError, match=r"data\.nodata=VALUE"):
        load("npz", path)
    assert (load("npz", path, nodata=0).train.integers(range(4))[:, 0, 3, 3] == 0).all()
