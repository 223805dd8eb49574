import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from data import data_config_from_dict, load_images
from data.cache import Recipe, cached, content_key, read_entry, write_entry
from data.image_set import ImagesConfig
from data.intensity import IntensityConfig
from data.simulated import load_simulated

ROOT = Path(__file__).parents[1]
IMAGES = np.arange(3 * 1 * 4 * 5, dtype=np.uint16).reshape(3, 1, 4, 5)


def recipe(images: np.ndarray = IMAGES) -> Recipe:
    n, c, h, w = images.shape
    return Recipe(iter(images), (n, c, h, w), images.dtype.name, {"about": "a test"})


def refuse() -> Recipe:
    raise AssertionError("the entry should have been found")


def test_an_entry_is_made_once_and_then_mapped_read_only(tmp_path):
    pixels, meta = cached(tmp_path / "deep" / "cache", "key", recipe)
    again, _ = cached(tmp_path / "deep" / "cache", "key", refuse)
    assert np.array_equal(pixels, IMAGES)
    assert np.array_equal(again, IMAGES)
    assert meta == {"about": "a test"}
    assert isinstance(again, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0


def test_the_file_is_a_plain_npy(tmp_path):
    cached(tmp_path, "key", recipe)
    assert np.array_equal(np.load(tmp_path / "key" / "pixels.npy", allow_pickle=False), IMAGES)


def cut(folder: Path) -> None:
    data = (folder / "pixels.npy").read_bytes()
    (folder / "pixels.npy").write_bytes(data[:-7])


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "pixels.npy").read_bytes())
    data[-3] ^= 1
    (folder / "pixels.npy").write_bytes(bytes(data))


def spoil_json(folder: Path) -> None:
    (folder / "entry.json").write_text("{")


def other_json(folder: Path) -> None:
    (folder / "entry.json").write_text("[1, 2]")


def remove_json(folder: Path) -> None:
    (folder / "entry.json").unlink()


def remove_pixels(folder: Path) -> None:
    (folder / "pixels.npy").unlink()


def replace_by_a_file(folder: Path) -> None:
    remove_json(folder)
    remove_pixels(folder)
    folder.rmdir()
    folder.write_text("not a folder")


@pytest.mark.parametrize(
    "damage", [cut, flip_a_bit, spoil_json, other_json, remove_json, remove_pixels, replace_by_a_file]
)
def test_a_damaged_entry_is_found_out_and_rebuilt(tmp_path, damage):
    cached(tmp_path, "key", recipe)
    damage(tmp_path / "key")
    assert read_entry(tmp_path, "key") is None
    pixels, _ = cached(tmp_path, "key", recipe)
    assert np.array_equal(pixels, IMAGES)
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_pickle_in_the_cache_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/executed",)

    folder = tmp_path / "key"
    folder.mkdir()
    np.save(folder / "pixels.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    digest = hashlib.sha256((folder / "pixels.npy").read_bytes()).hexdigest()
    (folder / "entry.json").write_text(json.dumps({"sha256": digest, "meta": {}}))
    assert read_entry(tmp_path, "key") is None
    assert not (tmp_path / "executed").exists()


def test_a_failure_while_building_leaves_nothing(tmp_path):
    def failing():
        yield IMAGES[0]
        raise ValueError("bad image")

    with pytest.raises(ValueError, match="bad image"):
        cached(tmp_path, "key", lambda: recipe()._replace(images=failing()))
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_finds_the_first_ones_entry_and_leaves_it(tmp_path):
    write_entry(tmp_path, "key", recipe())
    before = (tmp_path / "key" / "pixels.npy").stat().st_ino
    write_entry(tmp_path, "key", recipe())
    assert (tmp_path / "key" / "pixels.npy").stat().st_ino == before
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("damaged", [False, True])
def test_many_at_once_all_get_the_right_pixels(tmp_path, damaged):
    if damaged:
        cached(tmp_path, "key", recipe)
        flip_a_bit(tmp_path / "key")
    start, results = threading.Barrier(8), []

    def work():
        start.wait()
        results.append(np.array(cached(tmp_path, "key", recipe)[0]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(r, IMAGES) for r in results)
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_killed_while_writing_there_is_no_entry(tmp_path):
    script = f"""
        import time
        import numpy as np
        from pathlib import Path
        from cache import Recipe, write_entry

        def images():
            yield np.zeros((1, 4, 5), np.uint16)
            print("writing", flush=True)
            time.sleep(60)

        write_entry(Path({str(tmp_path)!r}), "key", Recipe(images(), (3, 1, 4, 5), "uint16", {{}}))
    """
    # Run beside cache.py, which spares it the import of torch by the package.
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT / "data", stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert read_entry(tmp_path, "key") is None
    assert np.array_equal(cached(tmp_path, "key", recipe)[0], IMAGES)


def test_what_a_killed_process_left_is_swept_up_a_day_later(tmp_path):
    for name, age in [(".building-old", 90000), (".building-new", 60), ("other", 90000)]:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cached(tmp_path, "key", recipe)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".building-new", "key", "other"]


def test_content_key_changes_with_the_description():
    assert content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})


@dataclass
class RampConfig(ImagesConfig):
    name: str = "ramp"
    num_images: int = 12
    labels: bool = False
    seed: int = 0


def ramp_simulator(folder: Path, calls: list[int]) -> ModuleType:
    """A simulator whose image i is i everywhere, but for a corner that is 100."""

    def simulate(config, index):
        calls.append(index)
        physical = np.full((config.image_size, config.image_size), float(index))
        physical[0, 0] = 100.0
        return SimpleNamespace(physical=physical, class_label=index % 3, mask=physical == 100.0)

    module = ModuleType("ramp")
    module.__file__ = str(folder / "ramp.py")
    (folder / "ramp.py").write_text("version 1")
    module.__dict__.update(
        CLASSES=["a", "b", "c"],
        LABELS=["corner"],
        simulate=simulate,
        intensity=lambda config: IntensityConfig("linear", 0.0, 51.0),
    )
    return module


def test_a_simulated_set_is_rendered_once(tmp_path):
    calls, ticks = [], []
    simulator = ramp_simulator(tmp_path, calls)
    config = RampConfig(image_size=4, val_fraction=0.25)
    cache_dir = tmp_path / "cache"
    first = load_simulated(config, simulator, cache_dir=cache_dir, progress=lambda *tick: ticks.append(tick))
    second = load_simulated(config, simulator, cache_dir=cache_dir)
    assert calls == list(range(12))
    assert ticks[-1] == ("rendering ramp", 12, 12)
    assert second.key == first.key
    assert second.train.names == first.train.names
    assert (len(first.train), len(first.val)) == (9, 3)
    for part in (first.train, first.val):
        assert part.class_labels is not None
        for i, name in enumerate(part.names):
            index = int(name.removeprefix("ramp_"))
            assert part.class_labels[i].tolist() == [index % 3]
            assert part.integers([i])[0, 0, 1, 1] == 5 * index  # 51 maps to 255
            assert part.integers([i])[0, 0, 0, 0] == 255
    assert "12 simulated images, 4 x 4" in first.report
    assert "a 4, b 4, c 4" in first.report


def test_a_simulator_gives_its_masks_where_labels_are_wanted(tmp_path):
    loaded = load_simulated(
        RampConfig(image_size=4, labels=True), ramp_simulator(tmp_path, []), cache_dir=tmp_path / "c"
    )
    assert loaded.train.spec.label_names == ["background", "corner"]
    for part in (loaded.train, loaded.val):
        assert (part.label_maps(range(len(part))).reshape(-1, 16) == [1] + [0] * 15).all()
        assert (part.integers(range(len(part)))[:, 0, 0, 0] == 255).all()


def test_what_a_rendering_depends_on_makes_a_new_one(tmp_path):
    calls = []
    simulator = ramp_simulator(tmp_path, calls)

    def rendered(config: RampConfig) -> int:
        calls.clear()
        load_simulated(config, simulator, cache_dir=tmp_path / "cache")
        return len(calls)

    assert rendered(RampConfig(image_size=4)) == 12
    assert rendered(RampConfig(image_size=4, val_fraction=0.5, hflip=True)) == 0
    assert rendered(RampConfig(image_size=4, seed=1)) == 12
    assert rendered(RampConfig(image_size=6)) == 12
    (tmp_path / "ramp.py").write_text("version 2")
    assert rendered(RampConfig(image_size=4)) == 12


@pytest.mark.parametrize("name", ["sar_sim", "mri_sim"])
def test_the_simulators_load_as_image_sets(tmp_path, name):
    start = time.perf_counter()
    config = data_config_from_dict({"name": name, "num_images": 6, "image_size": 32})
    loaded = load_images(config, cache_dir=tmp_path)
    assert time.perf_counter() - start < 20
    assert len(loaded.train) + len(loaded.val) == 6
    assert loaded.train.pixels.dtype == np.uint8
    assert loaded.train.pixels.shape == (6, 1, 32, 32)
    assert loaded.train.pixels.std() > 5
