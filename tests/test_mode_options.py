"""Options of sampling that have no effect or cannot be: one line that names the option and the mend."""

import re
from pathlib import Path

import pytest

# --- what is refused --------------------------------------------------------------------------------------------------

REPAINT = ["mode=inpaint", "images=x", "mask=y", "inpaint.method=repaint"]
ANNOTATE = ["mode=annotate", "images=x"]
BAD = [
    (["mode=jont"], "mode=jont is not one of joint, from_labels, annotate, vary, inpaint"),
    (["format=voc"], "format=voc is not one of files, coco"),
    (
        ["mode=anotate"],
        "mode=anotate is not one of joint, from_labels, annotate, vary, inpaint; did you mean annotate?",
    ),
    (["format=nifty"], "; did you mean nifti?"),
    (["mode=from_labels"], "mode=from_labels needs labels="),
    (["mode=annotate"], "mode=annotate needs images="),
    (["mode=inpaint", "images=x"], "mode=inpaint needs mask="),
    (["images=x"], "images= has no effect in mode=joint"),
    (["votes=3"], "votes= has no effect in mode=joint"),
    (["mode=annotate", "images=x", "votes=0"], "votes=0 must be at least 1"),
    (["mode=annotate", "images=x", "labels=y"], "labels= has no effect in mode=annotate"),
    (["mode=vary", "images=x", "mask=y"], "mask= has no effect in mode=vary"),
    (
        ["mode=vary", "images=x", "num_samples=3"],
        "num_samples= has no effect in mode=vary; use num_per_image or max_inputs",
    ),
    (["num_per_image=3"], "num_per_image= has no effect in mode=joint; use num_samples"),
    (["max_inputs=3"], "max_inputs= has no effect in mode=joint; use num_samples"),
    (["mode=annotate", "images=x", "max_inputs=0"], "max_inputs=0 must be at least 1"),
    (["mode=vary", "images=x", "balance=real"], "balance= has no effect in mode=vary"),
    (["mode=vary", "images=x", "trajectory=true"], "trajectory= has no effect in mode=vary"),
    (["strength=0.3"], "strength= has no effect in mode=joint"),
    (["mode=vary", "images=x", "strength=0"], "strength=0 must be a number above 0"),
    (["mode=vary", "images=x", "strength=[0.5,2]"], "strength=[0.5, 2] must be"),
    (["mode=vary", "images=x", "strength=much"], "strength=much must be"),
    (["mode=vary", "images=x", "strength=[]"], "strength=[] must be"),
    (["inpaint.method=repaint"], "inpaint= has no effect in mode=joint"),
    (["inpaint.method=paste"], "inpaint.method=paste is not one of replace, repaint"),
    (["mode=annotate", "images=x", "guidance.scale=2"], "guidance= has no effect in mode=annotate"),
    (["mode=annotate", "images=x", "min_label_iou=0.5"], "min_label_iou= has no effect in mode=annotate"),
    (["mode=annotate", "images=x", "reject_copies=y"], "reject_copies= has no effect in mode=annotate"),
    (["guidance.label_scale=2"], "guidance.label_scale=2.0 has no effect but in mode=from_labels"),
    (["mode=vary", "images=x", "guidance.label_scale=2"], "guidance.label_scale=2.0 has no effect but"),
    (["mode=inpaint", "images=x", "mask=y", "guidance.label_scale=2"], "label_scale=2.0 has no effect but"),
    (["guidance.scale=-1"], "guidance.scale=-1.0 must be at least 0"),
    (["guidance.interval=[0,0.5]"], "guidance.interval has no effect with guidance.scale=1"),
    (["min_label_iou=2"], "min_label_iou=2.0 must lie in [0, 1]"),
    (["max_attempts=3"], "max_attempts=3 has no effect without min_label_iou=, min_objects= or reject_copies="),
    (["min_objects=-1"], "min_objects=-1 must not be negative"),
    (["mode=from_labels", "labels=x", "add_objects=-1"], "add_objects=-1 must not be negative"),
    (
        ["mode=vary", "images=x", "labels=y", "add_objects=1"],
        "add_objects= has no effect in mode=vary; it is for mode=from_labels",
    ),
    (
        ["input_list=x"],
        "input_list= has no effect in mode=joint; it is for mode=from_labels or annotate or vary or inpaint",
    ),
    (["mode=annotate", "images=x", "min_objects=1"], "min_objects= has no effect in mode=annotate"),
    (["mode=from_labels", "labels=x", "min_objects=1"], "min_objects= has no effect in mode=from_labels"),
    (["mode=vary", "images=x", "labels=y", "min_objects=1"], "min_objects=1 has no effect with labels="),
    (["max_attempts=0"], "max_attempts=0 must be at least 1"),
    (["eight_bit_copies=true"], "eight_bit_copies=true has no effect with format=files"),
    (["original_size=true", "format=coco"], "original_size= has no effect in mode=joint"),
    ([*ANNOTATE, "original_size=true"], "format=files: use coco, yolo, masks; labels_original_size/ is there anyway"),
    ([*ANNOTATE, "original_size=true", "format=npz"], "original_size=true has no effect with format=npz: use coco"),
    (
        [*ANNOTATE, "original_size=true", "format=coco", "num_per_image=2"],
        "num_per_image= does not go with original_size=true",
    ),
    (
        [*ANNOTATE, "original_size=true", "format=yolo", "eight_bit_copies=true"],
        "eight_bit_copies= does not go with original_size=true",
    ),
    (["label_steps=0"], "label_steps=0 must be at least 1"),
    (["mode=annotate", "images=x", "label_steps=1"], "votes=5 has no effect with label_steps=1"),
    (
        ["mode=annotate", "images=x", "sampler.spacing=linspace"],
        "sampler.spacing=linspace has no effect in mode=annotate",
    ),
    (
        ["mode=annotate", "images=x", "sampler.num_inference_steps=9"],
        "num_inference_steps=9 has no effect in mode=annotate",
    ),
]


def one_error(capsys) -> str:
    lines = [line for line in re.split(r"[\r\n]+", capsys.readouterr().err) if line]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_bad_options(options, message, draw, capsys):
    draw(Path("x"), *options, exit_code=2)
    assert message in one_error(capsys)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("class_label.cat=3", "there is no option class_label.cat"),
        ("strenght=0.5", "did you mean strength?"),
        ("guidance.skale=2", "did you mean guidance.scale?"),
        ("mode=annotate", "mode=annotate needs images="),
        ("strength=0.3,0.5", "strength=0.3,0.5: a list is written strength=[0.3,0.5]"),
        ("guidance=2", "guidance is a section, of guidance.scale, guidance.interval"),
    ],
)
def test_bad_options_on_the_command_line(option, message, command, capsys):
    assert command("sample", "ckpt=x", option) == 2
    assert message in one_error(capsys)


ABILITIES = [
    (["mode=from_labels", "labels=x"], "mode=from_labels: this checkpoint was trained without label maps"),
    (["mode=annotate", "images=x"], "mode=annotate: this checkpoint was trained without label maps"),
    (["mode=vary", "images=x", "labels=y"], "labels=y: this checkpoint was trained without label maps"),
    (["min_label_iou=0.5"], "min_label_iou=0.5: this checkpoint was trained without label maps"),
    (["min_objects=1"], "min_objects=1: this checkpoint was trained without label maps"),
    (["min_area=3"], "min_area=3: this checkpoint was trained without label maps"),
    (["label_steps=3"], "label_steps=3: this checkpoint was trained without label maps"),
    (["format=coco"], "format=coco: this checkpoint was trained without label maps"),
    (["class_label=cat"], "class_label=cat: this checkpoint was trained without classes"),
    (["balance=real"], "balance=real: this checkpoint was trained without classes"),
    (["guidance.scale=2"], "nothing says a class (this checkpoint was trained without classes)"),
    (["mode=vary", "images=nowhere.png"], "images=nowhere.png: file or folder nowhere.png does not exist"),
    (["mode=inpaint", "images=given/images", "mask=nowhere"], "mask=nowhere: file or folder nowhere does not exist"),
    (["reject_copies=nowhere"], "reject_copies=nowhere: file or folder nowhere does not exist"),
    ([*REPAINT, "sampler=heun"], "inpaint.method=repaint takes single steps, which sampler=heun does not have"),
    (
        ["guidance.scale=2", "guidance.interval=[0.1,0.11]"],
        "guidance.interval=[0.1, 0.11] has no effect: none of the sampler's steps lies in it, the nearest is at 0.332",
    ),
    (
        ["mode=vary", "images=given/images", "strength=0.3", "guidance.scale=2", "guidance.interval=[0.9,1]"],
        "guidance.interval=[0.9, 1.0] has no effect: none of the sampler's steps lies in it, the nearest is at 0.332",
    ),
    ([*REPAINT, "sampler=dpmpp_2m"], "which sampler=dpmpp_2m does not have: use sampler=ddpm or ddim"),
    ([*REPAINT], "inpaint.jump_length=10 must be below sampler.num_inference_steps=3"),
]


@pytest.mark.parametrize(("options", "message"), ABILITIES, ids=[" ".join(options) for options, _ in ABILITIES])
def test_what_a_checkpoint_was_not_trained_for(options, message, plain, given, draw, tmp_path, capsys):
    draw(plain, *options, exit_code=2)
    assert message in one_error(capsys)
    assert not (tmp_path / "out").exists()


def test_label_options_need_labels_before_a_run_folder_is_made(command, tmp_path, images, capsys):
    from conftest import TINY

    for option in ("diffusion.label_balance=0.5", "diffusion.label_weight=3"):
        call = [*TINY, "data=folder", f"data.path={images}", f"run_dir={tmp_path / 'run'}", option]
        assert command("train", *call) == 2
        assert "has no effect on a model without label channels" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
