"""`python -m data`: simulated sets as files, and back through the readers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import load_images
from data.__main__ import main
from data.folder import FolderConfig
from data.given import load_label_maps
from data.item import BACKGROUND
from data.masks import MasksConfig
from data.sar import CLASSES, SarSimConfig, intensity, simulate

ARGUMENTS = ["num_images=12", "seed=3", "image_size=32"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # the cache lies there


def test_images_alone_lie_in_class_folders(tmp_path: Path):
    assert main(["sar_sim", f"out={tmp_path / 'out'}", *ARGUMENTS]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} <= set(CLASSES)
    assert len(list((tmp_path / "out").glob("*/*.png"))) == 12


def test_labelled_sets_come_back_through_masks_and_as_given_label_maps(tmp_path: Path):
    out, config = tmp_path / "out", SarSimConfig(image_size=32, seed=3)
    assert main(["sar_sim", f"out={out}", *ARGUMENTS, "labels=true"]) == 0
    read = load_images(
        MasksConfig(
            path=str(out / "images"), masks=str(out / "labels"), class_folders=True, image_size=32, val_fraction=0.0
        ),
        cache_dir=tmp_path / "cache",
    ).train
    found, given = load_label_maps(str(out / "labels"), read.spec, FolderConfig(), None)
    names = [one.name for one in found]
    assert read.spec.label_names == [BACKGROUND, "ship"]
    assert [str(Path(name).with_suffix("")) for name in read.names] == names
    assert len(read) == 12
    for i, name in enumerate(names):
        folder, _, stem = name.partition("/")
        scene = simulate(config, int(stem.removeprefix("sar_sim_")))
        assert folder == CLASSES[scene.class_label]
        wanted = intensity(config).forward(scene.physical) * 255
        assert np.abs(read.integers([i])[0, 0] - wanted).max() <= 0.5 + 1e-6
        assert np.array_equal(read.label_maps([i])[0], scene.mask)
        assert np.array_equal(given[i], scene.mask)
    assert read.label_maps(range(12)).any()


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    Image.new("L", (4, 4)).save(tmp_path / "mine.png")
    assert main(["sar_sim", f"out={tmp_path}", *ARGUMENTS, "labels=true"]) == 2
    assert "is not empty" in capsys.readouterr().err
