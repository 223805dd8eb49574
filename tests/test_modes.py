"""What sample.py writes in each of its modes, with tiny networks of every kind of images."""

from typing import Any

import numpy as np
import pytest
import torch
from label_files import grey, save
from mode_files import JOINT, LABELS, label_maps, options_of
from PIL import Image
from test_given import SPECS
from test_sample import pictures, rows
from tiny_checkpoint import write_checkpoint, write_stored

from conf.schema import train_config_from_dict
from data.components import components, majority
from data.decode import decode
from data.fit import fit_image
from data.image_set import ImageSpec, to_integers
from data.label_encoding import decode as decode_labels
from diffusion.gaussian import make_denoiser
from diffusion.sampling import sample
from diffusion.schedules import build_schedule
from diffusion.tasks import Artist
from training.checkpoint import load_checkpoint, rebuild_network, save_checkpoint
from training.seeding import generator

# --- what each mode writes --------------------------------------------------------------------------------------------


def test_joint_writes_images_with_their_labels_classes_and_agreement(joint, draw):
    out = draw(joint, "num_samples=4", "class_label={plane:b}")
    assert [row["attributes"] for row in rows(out)] == [{"class": name, "plane": "b"} for name in ("cat", "dog") * 2]
    assert [row["class"] for row in rows(out)] == ["cat", "dog", "cat", "dog"]
    assert rows(out)[1]["label_map"] == "labels/dog/000001.png"
    assert all(0 <= row["label_iou"] <= 1 for row in rows(out))
    assert {int(value) for label_map in label_maps(out).values() for value in np.unique(label_map)} == {0, 1, 2}
    with Image.open(out / "grid.png") as grid:
        assert grid.size == (2 * 128 + 2, 16 + 2 * (128 + 16) + 2)  # enlarged, with a legend and captions


def test_from_labels_keeps_the_labels(joint, draw, given):
    out = draw(joint, "mode=from_labels", f"labels={given['labels']}", "num_per_image=2", "class_label=dog")
    assert [row["source"] for row in rows(out)] == ["000", "000", "001", "001", "002", "002"]
    assert {row["class"] for row in rows(out)} == {"dog"}
    for i, label_map in label_maps(out).items():
        assert (label_map == decode(given["labels"] / f"{i // 2:03d}.png")[0]).all()
    drawn = pictures(out)
    assert not np.array_equal(drawn[0], drawn[1])
    guided = pictures(
        draw(joint, "mode=from_labels", f"labels={given['labels']}", "guidance.label_scale=3", out="guided")
    )
    assert not np.array_equal(drawn[0], guided[0])
    one = draw(joint, "mode=from_labels", f"labels={given['labels'] / '001.png'}", "num_per_image=3", out="one")
    assert [row["source"] for row in rows(one)] == ["001"] * 3


def test_objects_of_the_given_maps_are_added_to_them(joint, draw, given, capsys):
    options = ["mode=from_labels", f"labels={given['labels'] / '001.png'}", "num_per_image=12", "add_objects=2"]
    out = draw(joint, *options)
    assert [row["source"] for row in rows(out)] == ["001"] * 12
    assert rows(out)[11]["label_map"] == "labels/001_11.png"
    objects = [components(label_map > 0)[1] for label_map in label_maps(out).values()]
    assert min(objects) == components(decode(given["labels"] / "001.png")[0] > 0)[1] < max(objects)
    again = draw(joint, *options[:2], "num_per_image=3", "add_objects=2", out="again")
    for i, label_map in label_maps(again).items():
        assert (label_map == label_maps(out)[i]).all(), "map i is the same however many there are"
    (given["labels"].parent / "list.txt").write_text("001.png\n")
    of_list = [f"labels={given['labels']}", f"input_list={given['labels'].parent / 'list.txt'}"]
    listed = draw(joint, options[0], *of_list, "num_per_image=3", "add_objects=2", out="listed")
    assert all((label_maps(listed)[i] == label_map).all() for i, label_map in label_maps(again).items())
    save(given["labels"].parent / "empty.png", np.zeros((8, 8), np.uint8))
    empty = f"labels={given['labels'].parent / 'empty.png'}"
    draw(joint, "mode=from_labels", empty, "add_objects=1", out="empty", exit_code=2)
    assert "add_objects=1: no label map holds an object" in capsys.readouterr().err


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_annotate_leaves_the_image_exactly_as_it_was(spec, draw, tmp_path):
    joint = ImageSpec(spec.channels, 8, 8, spec.dtype, spec.intensity, {}, spec.file_dtype, **LABELS)
    files = write_stored(tmp_path / "set", spec, 2)
    checkpoint = write_checkpoint(tmp_path / "joint.pt", joint)
    out = draw(checkpoint, "mode=annotate", f"images={tmp_path / 'set'}")
    for file, row in zip(files, rows(out), strict=True):
        written, own = decode(out / row["file"]), decode(file)
        assert written.dtype == own.dtype
        assert (written == own).all()
        assert "label_iou" not in row
        assert decode(out / row["label_map"]).max() <= 2
    for mode in ("vary", "inpaint"):  # what they keep, they keep as exactly
        save(tmp_path / "mask.png", np.eye(8, dtype=np.uint8))
        more = ["strength=0.01"] if mode == "vary" else [f"mask={tmp_path / 'mask.png'}"]
        kept = draw(checkpoint, f"mode={mode}", f"images={tmp_path / 'set'}", *more, out=mode)
        for file, row in zip(files, rows(kept), strict=True):
            same = decode(kept / row["file"]) == decode(file)
            assert (same | (np.eye(8) == 1)).all() if mode == "inpaint" else same.all()


def test_votes_are_counted_pixel_by_pixel(joint, given, draw, monkeypatch):
    """Of three maps drawn for an image, the first as without votes, the one written has what two of them say."""
    images, drawn = f"images={given['images']}", []
    once = draw(joint, "mode=annotate", images, "votes=1", out="once")
    draw_label = Artist.draw_label

    def recorded(self, *arguments):
        drawn.append(draw_label(self, *arguments))
        return drawn[-1]

    monkeypatch.setattr(Artist, "draw_label", recorded)
    out = draw(joint, "mode=annotate", images, "votes=3", out="votes")
    each = np.stack([decode_labels(label, JOINT.label_encoding, 3) for label in drawn])  # (votes, b, h, w)
    assert len(each) == 3
    assert (each[0] != each[1]).any()
    for index, label_map in label_maps(out).items():
        assert (label_map == majority(each[:, index], 3)).all()
        assert (each[0, index] == label_maps(once)[index]).all()


def test_a_label_takes_its_own_steps(joint, given, draw, monkeypatch):
    """Calls of the network for one batch: to annotate it, and beside the steps of an image to find its label or check it."""
    calls, outs = [], iter("abcde")

    def counted(*arguments):
        denoiser = make_denoiser(*arguments)

        def one(x_t, t, cond=None):
            calls.append(len(x_t))
            return denoiser(x_t, t, cond)

        return one

    monkeypatch.setattr("sample.make_denoiser", counted)

    def count(*options):
        calls.clear()
        draw(joint, *options, out=next(outs))
        return len(calls)

    images = f"images={given['images']}"
    assert count("mode=annotate", images) == 2 * 5
    assert count("mode=annotate", images, "label_steps=3", "votes=2") == 3 * 2
    assert count("num_samples=3") == 3 + 2
    assert count("num_samples=3", "label_steps=6") == 3 + 6
    assert count("mode=vary", images, "strength=1", "label_steps=6") == 6 + 3 + 6


def test_few_timesteps_can_be_annotated_with(joint, given, draw, tmp_path, capsys):
    state = load_checkpoint(joint)
    state["config"]["schedule"]["num_train_timesteps"] = 20
    save_checkpoint(tmp_path / "few.pt", {key: value for key, value in state.items() if key != "format_version"})
    images = f"images={given['images']}"
    assert len(label_maps(draw(tmp_path / "few.pt", "mode=annotate", images))) == 3
    draw(tmp_path / "few.pt", "mode=annotate", images, "label_steps=21", out="more", exit_code=2)
    assert "label_steps=21: the schedule has 20 timesteps" in capsys.readouterr().err


def test_images_of_another_size_are_annotated_at_the_model_s(joint, draw, tmp_path):
    save(tmp_path / "set" / "a.png", grey(12, 20))
    out = draw(joint, "mode=annotate", f"images={tmp_path / 'set'}")
    assert (pictures(out)[0] == np.rint(fit_image(grey(12, 20)[None], (8, 8), "crop"))[0]).all()


def test_vary_takes_strengths_in_turn_and_keeps_labels_that_are_given(joint, draw, given):
    options = ["mode=vary", f"images={given['images']}", "num_per_image=2"]
    out = draw(joint, *options, "strength=[0.01,1]")
    images = [decode(file)[0] for file in sorted(given["images"].iterdir())]
    assert [row["strength"] for row in rows(out)] == [0.01, 1.0] * 3
    for i, drawn in pictures(out).items():
        assert np.array_equal(drawn, images[i // 2]) == (i % 2 == 0)
    out = draw(joint, *options, f"labels={given['labels']}", out="labelled")
    for i, label_map in label_maps(out).items():
        assert (label_map == decode(given["labels"] / f"{i // 2:03d}.png")[0]).all()


def test_a_strength_that_no_image_would_get_is_refused_and_one_that_some_lack_is_said(joint, draw, given, capsys):
    options = ["mode=vary", f"images={given['images']}"]
    draw(joint, *options, "strength=[0.1,0.2,0.3,0.4]", exit_code=2)
    told = "strength=[0.1, 0.2, 0.3, 0.4]: 4 of them, but 3 samples to draw: num_per_image=2"
    assert told in capsys.readouterr().err
    out = draw(joint, *options, "strength=[0.1,0.2]")
    assert [row["strength"] for row in rows(out)] == [0.1, 0.2, 0.1]
    assert "num_per_image=1 no image gets all: num_per_image=2 gives each" in capsys.readouterr().out
    draw(joint, *options, "strength=[0.1,0.2]", "num_per_image=2", out="two")
    assert "note:" not in capsys.readouterr().out


@pytest.mark.parametrize("method", ["replace", "repaint"])
def test_inpaint_changes_what_the_mask_says_and_labels_with_it(method, joint, draw, given):
    options = ["mode=inpaint", f"images={given['images']}", f"mask={given['mask']}", f"inpaint.method={method}"]
    options += ["inpaint.jump_length=1", "inpaint.resamplings=2"] if method == "repaint" else []
    out = draw(joint, *options, f"labels={given['labels']}")
    open_part = decode(given["mask"])[0] > 0
    for i, drawn in pictures(out).items():
        image, label_map = (decode(given[name] / f"{i:03d}.png")[0] for name in ("images", "labels"))
        assert (drawn == image)[~open_part].all()
        assert (drawn != image)[open_part].any()
        assert (label_maps(out)[i] == label_map)[~open_part].all()


def test_inpaint_fills_in_a_label_unless_one_is_given_to_follow(joint, draw, given):
    """A ship that is drawn into the map of a real scene, inside the hole, stands in the map of the result."""
    hole, options = decode(given["mask"])[0] > 0, options_of("inpaint", given)
    own = label_maps(draw(joint, *options, out="own"))
    labels = given["labels"].parent / "wanted"
    for i in range(3):
        save(labels / f"{i:03d}.png", np.where(hole, (own[i] + 1) % 3, own[i]).astype(np.uint8))
    out = draw(joint, *options, f"labels={labels}", "guidance.label_scale=2", out="followed")
    for i, label_map in label_maps(out).items():
        assert (label_map == decode(labels / f"{i:03d}.png")[0]).all()
        assert (label_map != own[i])[hole].all()
        image = decode(given["images"] / f"{i:03d}.png")[0]
        assert (pictures(out)[i] == image)[~hole].all()
    plain = pictures(draw(joint, *options, f"labels={labels}", out="unguided"))
    assert any((plain[i] != drawn)[hole].any() for i, drawn in pictures(out).items())


@pytest.mark.parametrize("mode", ["vary", "inpaint"])
def test_models_of_images_alone_vary_and_inpaint(mode, plain, draw, given):
    out = draw(plain, *options_of(mode, given))
    assert len(pictures(out)) == 3
    assert all("label_map" not in row and "label_iou" not in row and row["class"] is None for row in rows(out))


# --- classes ----------------------------------------------------------------------------------------------------------


def test_balance_and_classes_from_the_command_line(joint, draw, command, tmp_path):
    call = [f"ckpt={joint}", f"out={tmp_path / 'out'}", "sampler.num_inference_steps=3", "precision=fp32"]
    assert command("sample", *call, "balance={cat:1,dog:2}", "class_label={plane:a}") == 0
    out = tmp_path / "out"
    assert [row["attributes"]["class"] for row in rows(out)] == ["cat", "dog", "dog"]
    out = draw(joint, "balance=fill", out="fill")
    assert [row["attributes"] for row in rows(out)] == [{"class": "dog"}] * 2
    out = draw(joint, "balance=real", "num_samples=4", out="real")
    assert sorted(row["class"] for row in rows(out)) == ["cat", "cat", "cat", "dog"]


@pytest.mark.parametrize("mode", ["from_labels", "annotate", "vary", "inpaint"])
def test_what_lies_in_class_folders_is_of_those_classes(mode, joint, draw, given, capsys):
    for name in ("images", "labels"):
        (given[name] / "dog").mkdir()
        for file in sorted(given[name].glob("*.png"))[:2]:
            file.rename(given[name] / "dog" / file.name)
        next(given[name].glob("*.png")).unlink()
    options = options_of(mode, given)
    assert [row["attributes"] for row in rows(draw(joint, *options))] == [{"class": "dog"}] * 2
    both = draw(joint, *options, "class_label={plane:b}", out="plane")
    assert [row["attributes"] for row in rows(both)] == [{"class": "dog", "plane": "b"}] * 2
    assert [row["class"] for row in rows(draw(joint, *options, "class_label=cat", out="cat"))] == ["cat"] * 2
    for name in ("images", "labels"):
        (given[name] / "dog").rename(given[name] / "cow")
    draw(joint, *options, out="cow", exit_code=2)
    assert "in the folder cow, but the classes are cat, dog" in capsys.readouterr().err
    assert draw(joint, *options, "class_label=cat", out="chosen").exists()


def test_nothing_said_of_a_class_leaves_it_open(joint, draw, given, capsys):
    assert [row["attributes"] for row in rows(draw(joint, *options_of("vary", given)))] == [{}] * 3
    draw(joint, *options_of("vary", given), "guidance.scale=2", out="guided", exit_code=2)
    assert "guidance.scale=2.0 has no effect: nothing says a class (class_label= does)" in capsys.readouterr().err


def test_folders_mean_nothing_to_a_model_without_classes(plain, draw, given):
    (given["images"] / "dog").mkdir()
    for file in given["images"].glob("*.png"):
        file.rename(given["images"] / "dog" / file.name)
    assert [row["source"] for row in rows(draw(plain, *options_of("vary", given)))] == ["dog/000", "dog/001", "dog/002"]


# --- checkpoints of images alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
@pytest.mark.parametrize("classes", [[], ["cat", "dog"]], ids=["unconditional", "classes"])
def test_a_checkpoint_of_the_first_release_samples_the_same_bits(classes, sampler, draw, tmp_path):
    """It holds `classes`, no label keys, and a config without the options that came later."""
    spec = ImageSpec(1, 8, 8, attributes={"class": classes} if classes else {})
    state = load_checkpoint(write_checkpoint(tmp_path / "new.pt", spec))
    for key in ("attributes", "label_names", "label_encoding", "label_channels", "counts"):
        del state["images"][key]
    state["images"]["classes"] = classes
    state["config"]["diffusion"]["label_weight"] = 1.0  # the default that there was for a while
    for section, keys in {
        "data": ("label_encoding", "distance_limit", "nodata", "complex", "group", "attributes"),
        "diffusion": ("clean_fraction", "label_balance"),
    }.items():
        for key in keys:
            del state["config"][section][key]
    save_checkpoint(tmp_path / "plain.pt", {key: value for key, value in state.items() if key != "format_version"})
    out = draw(tmp_path / "plain.pt", "num_samples=3", f"sampler={sampler}", "seed=5")

    config = train_config_from_dict(state["config"])
    assert config.diffusion.clean_fraction == 0.0  # as it was trained
    config.sampler = type(config.sampler)(num_inference_steps=3) if sampler == "ddim" else ddpm(3)
    schedule = build_schedule(config.schedule)
    cond: dict[str, Any] | None = {"class_label": torch.tensor([[0], [1], [0]])} if classes else None
    x_0 = sample(
        make_denoiser(rebuild_network(state), schedule, config.diffusion),
        schedule,
        config.sampler,
        (3, 1, 8, 8),
        generators=[generator(5, "sample", i) for i in range(3)],
        cond=cond,
        device="cpu",
    )
    expected = to_integers(x_0, "uint8")[:, 0]
    for i, drawn in pictures(out).items():
        assert (drawn == expected[i]).all()
    assert [row["class"] for row in rows(out)] == (["cat", "dog", "cat"] if classes else [None] * 3)


def ddpm(steps: int):
    from diffusion.samplers import sampler_config_from_dict

    return sampler_config_from_dict({"name": "ddpm", "num_inference_steps": steps})
