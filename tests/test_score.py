"""`python -m training.score`: losses that depend on the image alone, in a file that eval reads."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mode_files import JOINT, PLAIN
from PIL import Image
from tiny_checkpoint import write_checkpoint, write_stored

from data.image_set import to_floats
from diffusion.schedules import ScheduleConfig, build_schedule
from eval.membership import attack, read_losses
from training.checkpoint import file_sha256, load_checkpoint, rebuild_network
from training.score import main


@pytest.fixture
def score(tmp_path: Path):
    """`score(checkpoint, folder, "seed=1")`: the file that the command writes, read."""

    def run(checkpoint: Path, folder: Path, *options: str, out: str = "losses.json") -> dict:
        arguments = [f"ckpt={checkpoint}", f"data.path={folder}", f"out={tmp_path / out}", *options]
        assert main(arguments) == 0
        return json.loads((tmp_path / out).read_text())

    return run


def losses(file: dict) -> np.ndarray:
    return np.array([image["losses"] for image in file["images"]])


def test_each_loss_is_the_error_at_its_timestep(score, plain: Path, tmp_path: Path) -> None:
    """... of v, with the noise of (seed, image, k)."""
    [path] = write_stored(tmp_path / "images", PLAIN, 1)
    file = score(plain, path.parent, "num_timesteps=4")
    assert file["checkpoint"] == file_sha256(plain)
    assert file["settings"]["timesteps"] == [125, 375, 625, 875]
    network, schedule = rebuild_network(load_checkpoint(plain)), build_schedule(ScheduleConfig(name="cosine"))
    pixels = np.asarray(Image.open(path))
    x_0 = to_floats(pixels.reshape(1, PLAIN.channels, *pixels.shape[:2]))
    from generation.scoring import _generator

    for k, t in enumerate(file["settings"]["timesteps"]):
        eps = torch.randn(x_0.shape[1:], generator=_generator(0, file["images"][0]["sha256"], k))[None]
        alpha, sigma = schedule.alpha[t].float(), schedule.sigma[t].float()
        cond = {"class_label": torch.tensor([PLAIN.null_label])} if PLAIN.attributes else None
        output = network(alpha * x_0 + sigma * eps, torch.tensor([t]), cond)
        expected = (output - (alpha * eps - sigma * x_0)).square().mean().item()
        assert file["images"][0]["losses"][k] == pytest.approx(expected, rel=1e-5)


def test_a_loss_does_not_depend_on_the_other_images_nor_on_the_name(score, plain: Path, tmp_path: Path) -> None:
    paths = write_stored(tmp_path / "images", PLAIN, 5)
    whole = score(plain, tmp_path / "images", "batch_size=5")
    (tmp_path / "alone").mkdir()
    shutil.copy(paths[3], tmp_path / "alone" / "other.png")
    alone = score(plain, tmp_path / "alone", "batch_size=1")
    assert alone["images"][0]["sha256"] == whole["images"][3]["sha256"]
    np.testing.assert_allclose(losses(alone)[0], losses(whole)[3], rtol=1e-4)
    assert (losses(score(plain, tmp_path / "images", "seed=1")) != losses(whole)).all()
    assert losses(score(plain, tmp_path / "images", "batch_size=5")).tolist() == losses(whole).tolist()


def test_images_of_another_size_and_format_come_to_the_model_as_in_training(score, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    shape = (3 * PLAIN.height, 2 * PLAIN.width) if PLAIN.channels == 1 else (3 * PLAIN.height, 2 * PLAIN.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for suffix in ("png", "bmp"):
        Image.fromarray(pixels).save(tmp_path / "images" / f"{suffix}.{suffix}")
    first, second = score(plain, tmp_path / "images")["images"]
    assert first["sha256"] == second["sha256"]
    np.testing.assert_allclose(first["losses"], second["losses"], rtol=1e-5)


def test_a_joint_checkpoint_judges_the_image_by_itself(score, joint: Path, tmp_path: Path) -> None:
    write_stored(tmp_path / "images", JOINT, 3)
    file = score(joint, tmp_path / "images", "num_timesteps=3")
    assert losses(file).shape == (3, 3)
    assert np.isfinite(losses(file)).all()
    assert file["settings"]["classes"] == "unknown"


def test_bits_per_dim_when_asked(score, plain: Path, tmp_path: Path) -> None:
    write_stored(tmp_path / "images", PLAIN, 2)
    plain_file = score(plain, tmp_path / "images", "num_timesteps=1")
    assert "bits_per_dim" not in plain_file["images"][0]
    file = score(plain, tmp_path / "images", "num_timesteps=1", "bits_per_dim=true", "bits_per_dim_steps=5")
    bits = [image["bits_per_dim"] for image in file["images"]]
    assert min(bits) > 8, "no model says less than 8 bits of random bytes"
    again = score(plain, tmp_path / "images", "bits_per_dim=true", "bits_per_dim_steps=5", "batch_size=1")
    assert [image["bits_per_dim"] for image in again["images"]] == pytest.approx(bits, rel=1e-4)


def test_classes_are_those_of_the_folders(score, tmp_path: Path) -> None:
    spec = replace(PLAIN, attributes={"class": ["cat", "dog"]})
    checkpoint = write_checkpoint(tmp_path / "classes.pt", spec)
    [path] = write_stored(tmp_path / "flat", spec, 1)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        shutil.copy(path, tmp_path / "images" / name / "0.png")
    file, flat = score(checkpoint, tmp_path / "images"), score(checkpoint, tmp_path / "flat")
    assert [image["file"] for image in file["images"]] == ["cat/0", "dog/0"]
    assert (losses(file)[0] != losses(file)[1]).any(), "the same image, under two classes"
    assert (file["settings"]["classes"], flat["settings"]["classes"]) == ("as their folders", "unknown")


def test_eval_reads_it_and_strangers_are_not_told_apart(score, plain: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("train", "holdout")):
        write_stored(tmp_path / name, PLAIN, 30, seed=number)
        score(plain, tmp_path / name, "num_timesteps=2", out=f"{name}.json")
    assert read_losses(tmp_path / "train.json")["data"] == str(tmp_path / "train")
    found = attack(tmp_path / "train.json", tmp_path / "holdout.json", seed=0)
    assert found.auc.low <= 0.5 <= found.auc.high


MISTAKES = {
    "there is no option ckp; did you mean ckpt?": ["ckp=x"],
    "data.path= is needed": ["-data"],
    "num_timesteps=0 must be at least 1": ["num_timesteps=0"],
    "num_timesteps=2000: the schedule has 1000": ["num_timesteps=2000"],
    "num_timesteps=many: ": ["num_timesteps=many"],
    "weights=best is not one of": ["weights=best"],
    "does not exist": ["ckpt=nowhere"],
    "out=nowhere/losses.json": ["out=nowhere/losses.json"],
    "data.path=": ["data.path=nowhere"],
    "no effect without bits_per_dim=true": ["bits_per_dim_steps=5"],
    "precision='fp8'": ["precision=fp8"],
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_end_in_one_line(message: str, plain: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_stored(tmp_path / "images", PLAIN, 1)
    arguments = [f"ckpt={plain}", f"out={tmp_path / 'losses.json'}"]
    arguments += [f"data.path={tmp_path / 'images'}"] if MISTAKES[message] != ["-data"] else []
    changes = [change for change in MISTAKES[message] if change != "-data"]
    assert main([*arguments, *changes]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "losses.json").exists()


def test_labels_have_no_likelihood_of_images_alone(joint: Path, tmp_path: Path, capsys) -> None:
    write_stored(tmp_path / "images", JOINT, 1)
    arguments = [f"ckpt={joint}", f"data.path={tmp_path / 'images'}", f"out={tmp_path / 'o.json'}"]
    assert main([*arguments, "bits_per_dim=true"]) == 2
    assert "knows label maps" in capsys.readouterr().err
