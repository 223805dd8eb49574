"""Small image folders and configs that every part of the suite trains on."""

import sys
from pathlib import Path

import hydra
import numpy as np
import pytest
from PIL import Image

from conf.command_line import CONFIG_DIR, guarded, run_command, to_dataclass
from conf.schema import register_configs

TINY = [
    "data.image_size=16", "data.val_fraction=0.2", "model.base_channels=8", "model.norm_groups=4",
    "model.channel_multipliers=[1,2]", "model.blocks_per_level=1", "model.attention_levels=[1]", "model.head_channels=8",
    "sampler.num_inference_steps=3", "train.batch_size=4", "train.log_every=1", "train.validate_every=5",
    "train.sample_every=0", "train.save_every=5", "train.grid_images=4", "train.precision=fp32", "wandb.mode=disabled",
]  # fmt: skip


def write_images(folder: Path, count: int, *, size: tuple[int, int] = (20, 24), dtype: type = np.uint8) -> Path:
    """Write `count` grey PNGs, each a bright square somewhere on a dark ramp."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    largest = np.iinfo(dtype).max
    for i in range(count):
        image = np.linspace(0, 0.3, size[1])[None].repeat(size[0], 0)
        y, x = rng.integers(0, min(size) - 6, 2)
        image[y : y + 6, x : x + 6] = 1.0
        Image.fromarray((image * largest).astype(dtype)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A flat folder of 12 images."""
    return write_images(tmp_path / "images", 12)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """A folder of two classes."""
    for name in ("cat", "dog"):
        write_images(tmp_path / "classes" / name, 8)
    return tmp_path / "classes"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`command("train", "seed=1", ...)`: run a command in this process, in a folder of its own; its exit code."""
    import sample
    import train

    register_configs()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command"])
    monkeypatch.setattr(
        "training.tracking.draw_curves", lambda rows, path: path.touch()
    )  # a second each; see test_tracking
    cache = f"cache_dir={tmp_path / 'cache'}"

    def run(name: str, *arguments: str) -> int:
        extra = [cache] if name == "train" else []
        main = {"train": train.main, "sample": sample.main}[name]
        return run_command(main, config_name=name, argv=[*extra, *arguments])

    return run


@pytest.fixture
def train_tiny(command, images: Path, tmp_path: Path):
    """`train_tiny("out", "train.steps=4", ...)`: train a tiny network on the flat folder; its run folder."""

    def run(name: str, *arguments: str, data: Path | None = None) -> Path:
        folder = tmp_path / name
        given = [*TINY, "data=folder", f"data.path={data or images}", f"run_dir={folder}", "train.steps=10", *arguments]
        assert command("train", *given) == 0
        return folder

    return run


@pytest.fixture
def joint(tmp_path: Path) -> Path:
    """A checkpoint of images with label maps and attributes."""
    from mode_files import JOINT
    from tiny_checkpoint import write_checkpoint

    return write_checkpoint(tmp_path / "joint.pt", JOINT)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A checkpoint of images alone."""
    from mode_files import PLAIN
    from tiny_checkpoint import write_checkpoint

    return write_checkpoint(tmp_path / "plain.pt", PLAIN)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Path]:
    """Images, label maps and a mask to give to `joint`."""
    from mode_files import write_given

    return write_given(tmp_path / "given")


@pytest.fixture
def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`draw(checkpoint, "mode=vary", ...)`: sample into tmp_path / "out" in few steps; the folder.

    The command line goes past the checks of `command`, which compose it four times.
    """
    from sample import sample

    register_configs()
    monkeypatch.chdir(tmp_path)

    def run(checkpoint: Path, *options: str, out: str = "out", exit_code: int = 0) -> Path:
        fast = [f"ckpt={checkpoint}", f"out={tmp_path / out}", "precision=fp32"]
        if "mode=annotate" not in options:
            fast.append("sampler.num_inference_steps=3")

        def task() -> None:
            with hydra.initialize_config_dir(CONFIG_DIR, version_base="1.3"):
                config = to_dataclass(hydra.compose("sample", overrides=[*fast, *options]))
            sample(config)

        assert guarded(task) == exit_code
        return tmp_path / out

    return run
