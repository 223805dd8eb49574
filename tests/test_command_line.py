"""Bad input: exit code 2, one line on stderr that names the thing and the mend, nothing lost, nothing executed."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image

from conf.sample_schema import FORMATS, MODES

ROOT = Path(__file__).parents[1]


def error_line(capsys: pytest.CaptureFixture) -> str:
    """The one error line; nothing else of an error may be on stderr."""
    err = capsys.readouterr().err
    lines = [line for line in re.split(r"[\r\n]+", err) if line.startswith("error: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


OPTIONS = [
    (["optim.lrr=1"], "optim.lr"),
    (["optm.lr=1"], "optim.lr"),
    (["+optim.lrr=1"], "optim.lr"),
    (["steps=5"], "train.steps"),
    (["data=foldr"], "folder"),
    (["data.annotations=x.json"], "belongs to data=coco: say data=coco data.annotations=x.json"),
    (["data=folder", "data.path=x", "data.masks=y"], "belongs to data=masks"),
    (["sampler=dim"], "ddim"),
    (["model=unett"], "unet"),
    (["schedule=cosin"], "cosine"),
    (["experiment=demmo"], "demo"),
    (["debug=tinny"], "tiny"),
    (["optim.lr=abc"], "optim.lr"),
    (["optim.lr=-1"], "optim.lr"),
    (["train.steps=0"], "train.steps"),
    (["seed=1,2"], "seed=[1,2]"),
    (["train=100"], "train is a section, of train.steps"),
    (["train.steps=3.5"], "train.steps"),
    (["train.batch_size=5", "train.accumulate=2"], "train.accumulate"),
    (["train.precision=fp16"], "train.precision"),
    (["train.device=tpu7"], "tpu7"),
    (["train.ema_width=0.5"], "train.ema_width"),
    (["diffusion.prediction_type=noise"], "eps"),
    (["diffusion.prediction_type=eps", "schedule.zero_terminal_snr=true"], "zero_terminal_snr"),
    (["diffusion.loss_weighting=p2"], "min_snr"),
    (["diffusion.loss_weighting=min_snr", "schedule.zero_terminal_snr=true"], "loss_weighting=simple"),
    (["schedule.beta_start=0.5"], "beta_start"),
    (["sampler.spacing=even"], "trailing"),
    (["sampler=ddpm", "sampler.variance=learned"], "learned_variance"),
    (["sampler.num_inference_steps=5000"], "num_inference_steps"),
    (["model.base_channels=33"], "model"),
    (["model.name=mlp"], "model.name"),
    (["model.attention_levels=[9]"], "attention_levels"),
    (["data.image_size=-3"], "image_size"),
    (["data.image_size=[64,32]", "data.rot90=true"], "rot90"),
    (["data.val_fraction=1.5"], "val_fraction"),
    (["wandb.mode=onlin"], "wandb.mode"),
    (["seed=-1"], "seed"),
    (["seed=true"], "seed"),
    (["name=a/b"], "name"),
    (["data=folder"], "data.path"),
    (["data=folder", "data.path=nowhere"], "nowhere"),
    (["resume=nowhere"], "nowhere"),
    (["init_from=nowhere"], "nowhere"),
    (["just words"], "key=value"),
    (["--seed", "seed=1"], "seed=1"),
    (["data.path=somewhere"], "data=folder data.path=somewhere"),
    (["data=/some/folder"], "data=folder data.path=DIR"),
    (["train.lr=1e-4"], "optim.lr"),
    (["-m", "train.steps=5,0"], "train.steps"),
    (["-m", "seed=0,1", "run_dir=here"], "run_dir"),
    (["wandb.project=a/b"], "wandb.project"),
    (["diffusion.snr_gamma=3"], "no effect"),
    (["sampler.threshold_quantile=0.9"], "no effect"),
    (["train.validation_images=0"], "validation_images"),
]


@pytest.mark.parametrize(("arguments", "named"), OPTIONS, ids=[" ".join(arguments) for arguments, _ in OPTIONS])
def test_bad_options(arguments: list[str], named: str, command, tmp_path: Path, capsys) -> None:
    assert command("train", *arguments) == 2
    assert named in error_line(capsys)
    assert not (tmp_path / "runs").exists(), "a run folder was left behind"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "ckpt"),
        (["ckpt=nowhere"], "nowhere"),
        (["ckpt=."], "checkpoint"),
        (["ckpt=x", "num_samples=0"], "num_samples"),
        (["ckpt=x", "sampler.inference_steps=5"], "num_inference_steps"),
        (["ckpt=x", "weights=best"], "weights"),
    ],
)
def test_bad_sampling_options(arguments: list[str], named: str, command, capsys) -> None:
    assert command("sample", *arguments) == 2
    assert named in error_line(capsys)


def spoil_empty(folder: Path) -> str:
    (folder / "bad.png").touch()
    return "bad.png"


def spoil_text(folder: Path) -> str:
    (folder / "bad.png").write_text("I am no picture")
    return "bad.png"


def spoil_truncated(folder: Path) -> str:
    whole = (folder / "000.png").read_bytes()
    (folder / "bad.png").write_bytes(whole[: len(whole) // 2])
    return "bad.png"


def spoil_foreign(folder: Path) -> str:
    (folder / "notes.docx").write_text("minutes")
    return "notes.docx"


def spoil_colour(folder: Path) -> str:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8)).save(folder / "bad.png")
    return "bad.png"


@pytest.mark.parametrize("spoil", [spoil_empty, spoil_text, spoil_truncated, spoil_foreign, spoil_colour])
def test_bad_files_are_named(spoil, command, images: Path, tmp_path: Path, capsys) -> None:
    name = spoil(images)
    assert command("train", *TINY, "data=folder", f"data.path={images}", f"run_dir={tmp_path}/run") == 2
    assert name in error_line(capsys)
    assert not (tmp_path / "run").exists()


def test_skipped_files_are_listed_in_the_run_folder(images: Path, train_tiny) -> None:
    spoil_text(images)
    run = train_tiny("run", "data.on_error=skip", "train.steps=1")
    assert "bad.png" in (run / "skipped_files.txt").read_text()


def test_the_lists_in_the_run_folder_divide_the_images_once_more_in_the_same_way(images: Path, train_tiny) -> None:
    run = train_tiny("run", "train.steps=1", "data.val_fraction=0.3")
    lists = {split: (run / f"{split}.txt").read_text().split() for split in ("train", "val")}
    everything = [path.name for path in sorted(images.iterdir())]
    assert sorted(lists["train"] + lists["val"]) == everything
    assert len(lists["val"]) == round(0.3 * len(everything))
    same = train_tiny("same", "train.steps=1", f"data.file_list={run}/train.txt", f"data.val_list={run}/val.txt")
    assert {split: (same / f"{split}.txt").read_text().split() for split in lists} == lists


def test_a_full_folder_is_not_overwritten(command, images: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    assert command("train", *TINY, "data=folder", f"data.path={images}", f"run_dir={tmp_path}/run") == 2
    assert "not empty" in error_line(capsys)
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"
    assert command("sample", "ckpt=x", f"out={tmp_path}/run") == 2


def test_a_resumed_run_refuses_what_would_make_it_another_run(train_tiny, command, capsys) -> None:
    run = train_tiny("run", "train.steps=4", "train.stop_at=2")
    for option in ("optim.lr=1e-5", "model.base_channels=32", "seed=3", "data.hflip=true"):
        assert command("train", f"resume={run}", option) == 2
        assert "cannot change while resuming" in error_line(capsys)


def test_a_run_cannot_end_before_the_step_it_has_reached(train_tiny, command, capsys) -> None:
    run = train_tiny("run", "train.steps=4", "train.stop_at=3")
    before = (run / "config.yaml").read_text()
    assert command("train", f"resume={run}", "train.steps=2") == 2
    assert "below the 3 steps" in error_line(capsys)
    assert (run / "config.yaml").read_text() == before


def test_moved_images_are_found_again(train_tiny, command, images: Path, capsys) -> None:
    run = train_tiny("run", "train.steps=4", "train.stop_at=2")
    moved = images.rename(images.with_name("moved"))
    assert command("train", f"resume={run}", "data=mri_sim") == 2
    assert "data cannot change while resuming" in error_line(capsys)
    assert command("train", f"resume={run}", "data=folder", f"data.path={moved}") == 0
    assert (run / "summary.json").exists()


def test_changed_images_are_noticed_on_resume(train_tiny, command, images: Path, capsys) -> None:
    run = train_tiny("run", "train.steps=4", "train.stop_at=2")
    Image.fromarray(np.zeros((20, 24), np.uint8)).save(images / "000.png")
    assert command("train", f"resume={run}", "train.stop_at=null") == 2
    assert "the images, or how they are read, have changed" in error_line(capsys)


def test_a_pickle_is_not_executed(command, tmp_path: Path, capsys) -> None:
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    for name, write in (
        ("a.pt", lambda f: torch.save({"ema": Evil()}, f)),
        ("b.pt", lambda f: f.write_bytes(pickle.dumps(Evil()))),
    ):
        write(tmp_path / name)
        assert command("sample", f"ckpt={tmp_path / name}") == 2
        assert name in error_line(capsys)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("script", ["train.py", "sample.py"])
def test_the_contract_in_a_process_of_its_own(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / script), "sampler.num_inference_stepz=3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "sampler.num_inference_steps" in done.stderr


def test_every_group_option_is_typed() -> None:
    """A preset that forgets its schema line would accept any typo."""
    import hydra
    from omegaconf import OmegaConf

    from conf.command_line import CONFIG_DIR
    from conf.schema import register_configs

    register_configs()
    with hydra.initialize_config_dir(CONFIG_DIR, version_base="1.3"):
        for preset in sorted(Path(CONFIG_DIR).glob("experiment/*.yaml")):
            config = hydra.compose("train", overrides=[f"experiment={preset.stem}"])
            for section in ("data", "model", "schedule", "sampler", "diffusion", "optim", "train", "wandb"):
                assert OmegaConf.get_type(config[section]) is not dict, (preset.stem, section)


def test_help_of_sample_has_the_modes_formats_and_options(command, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sample.py"])
    with pytest.raises(SystemExit, match="^0$"):  # Hydra's own
        command("sample", "--help")
    text = capsys.readouterr().out
    for word in (
        *(f"mode={mode}" for mode in MODES[1:]),
        *FORMATS,
        *("num_per_image", "min_objects", "max_inputs", "eta"),
    ):
        assert word in text
