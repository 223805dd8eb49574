"""In every mode sample i is the same however it is drawn, and what is drawn again is counted."""

import json
import re

import numpy as np
import pytest
from label_files import save
from mode_files import MODES, PLAIN, label_maps, options_of
from test_sample import assert_alike, pictures, rows
from tiny_checkpoint import write_checkpoint, write_stored

from data.components import instances
from data.decode import decode
from data.sample_folder import open_folder, read_manifest

# --- sample i ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_sample_i_does_not_depend_on_its_batch(mode, joint, draw, given):
    options = [*options_of(mode, given), "sampler=ddpm"]
    whole = draw(joint, *options, "batch_size=3", out="whole")
    single = draw(joint, *options, "batch_size=1", out="single")
    assert_alike(pictures(whole), pictures(single))
    assert {row["index"]: row.get("label_iou") for row in rows(whole)} == {
        row["index"]: pytest.approx(row["label_iou"], abs=0.1) if "label_iou" in row else None for row in rows(single)
    }


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupted_call_goes_on(mode, joint, draw, given):
    out = draw(joint, *options_of(mode, given))
    whole, maps, lines = pictures(out), label_maps(out), (out / "manifest.jsonl").read_text().splitlines()
    (out / "manifest.jsonl").write_text("\n".join(lines[:2]) + "\n" + lines[2][:30])
    (out / json.loads(lines[1])["label_map"]).unlink()
    kept = out / json.loads(lines[0])["file"]
    stamp = kept.stat().st_mtime_ns
    draw(joint, *options_of(mode, given))
    assert kept.stat().st_mtime_ns == stamp
    assert sorted(whole) == sorted(row["index"] for row in rows(out))
    assert_alike(whole, pictures(out))
    assert_alike(maps, label_maps(out))


@pytest.mark.parametrize("mode", MODES[1:])
def test_the_first_of_what_is_given_make_the_same_samples_alone(mode, joint, draw, given, capsys):
    options = [*options_of(mode, given), "num_per_image=2"]
    whole = pictures(draw(joint, *options, out="whole"))
    out = draw(joint, *options, "max_inputs=2")
    assert [row["source"] for row in rows(out)] == ["000", "000", "001", "001"]
    assert_alike(pictures(out), {i: whole[i] for i in range(4)})
    draw(joint, *options, "max_inputs=1", exit_code=2)
    assert "holds samples made with another max_inputs" in capsys.readouterr().err


def test_what_was_given_is_known_by_its_content(joint, draw, given, capsys):
    options = options_of("vary", given)
    out = draw(joint, *options, f"labels={given['labels']}")
    moved = given["images"].rename(given["images"].with_name("moved"))
    options[1] = f"images={moved}"
    draw(joint, *options, f"labels={given['labels']}")
    for path, option in ((given["labels"] / "000.png", "labels"), (moved / "000.png", "images")):
        before = path.read_bytes()
        save(path, decode(path)[0] // 2)
        draw(joint, *options, f"labels={given['labels']}", exit_code=2)
        assert f"another {option}_sha256" in capsys.readouterr().err
        path.write_bytes(before)
    assert len(rows(out)) == 3


def test_samples_that_are_not_good_enough_are_drawn_again_and_counted(joint, draw, capsys):
    first = draw(joint, "num_samples=8", out="first")
    ious = [row["label_iou"] for row in rows(first)]
    least = f"min_label_iou={sorted(ious)[4] - 1e-4}"
    options = ["num_samples=8", least, "max_attempts=30"]
    out = draw(joint, *options)
    assert re.search(r"thrown away: \d+ \(labels that agree too little\)", capsys.readouterr().out)
    before = pictures(first)
    good = [i for i in range(8) if ious[i] >= sorted(ious)[4]]
    for row in rows(out):
        assert row["label_iou"] >= sorted(ious)[4] - 1e-4
        assert ("discarded" not in row) == (row["index"] in good)
        same = np.abs(pictures(out)[row["index"]].astype(int) - before[row["index"]]).max() <= 1
        assert same == (row["index"] in good)
    single = draw(joint, *options, "batch_size=1", out="single")
    assert {row["index"]: row.get("discarded") for row in rows(single)} == {
        row["index"]: row.get("discarded") for row in rows(out)
    }
    assert_alike(pictures(out), pictures(single))


def test_samples_given_up_are_counted_and_not_tried_again(joint, draw, capsys, monkeypatch):
    first = draw(joint, "num_samples=6", out="first")
    ious = {row["index"]: row["label_iou"] for row in rows(first)}
    options = ["num_samples=6", f"min_label_iou={sorted(ious.values())[3] - 1e-4}"]
    capsys.readouterr()
    out = draw(joint, *options, "max_attempts=1", "format=npz", exit_code=1)
    good = {i for i, iou in ious.items() if iou >= sorted(ious.values())[3]}
    assert {row["index"] for row in rows(out)} == good
    with np.load(out / "dataset.npz") as archive:  # what was good enough is a whole set
        assert len(archive["image"]) == len(list((out / "images").rglob("*.png"))) == len(good)
    told = f"error: only {len(good)} of 6 samples were good enough and are written; "
    told += "raise max_attempts= or ask for a lower min_label_iou=\n"
    printed = capsys.readouterr()
    assert (printed.err.endswith(told), "done:" in printed.out) == (True, False)
    monkeypatch.setattr("generation.drawing.Drawing.draw", lambda *_: pytest.fail("drawn again"))
    draw(joint, *options, "max_attempts=1", "format=npz", exit_code=1)
    printed = capsys.readouterr()
    assert printed.err.endswith(told)
    assert f"{len(good)} of 6 samples are there already, the others were given up\n" in printed.out
    assert f"thrown away: {6 - len(good)} (" in printed.out
    (out / "dataset.npz").unlink()
    monkeypatch.undo()
    monkeypatch.chdir(out.parent)
    draw(joint, *options, "max_attempts=30")
    fresh = draw(joint, *options, "max_attempts=30", out="fresh")
    assert_alike(pictures(out), pictures(fresh))
    by_index = [{row["index"]: row.get("discarded") for row in rows(folder)} for folder in (out, fresh)]
    assert by_index[0] == by_index[1]


def test_samples_with_too_few_objects_are_drawn_again_and_counted(joint, draw, capsys):
    first = draw(joint, "num_samples=6", out="first")
    counts = {i: len(instances(label_map)) for i, label_map in label_maps(first).items()}
    least = max(counts.values())
    again = [i for i, count in counts.items() if count < least]
    assert again, "nothing to draw again"
    out = draw(joint, "num_samples=6", f"min_objects={least}", "max_attempts=50")
    assert all(len(instances(label_map)) >= least for label_map in label_maps(out).values())
    thrown = {row["index"]: row["discarded"] for row in rows(out) if "discarded" in row}
    assert sorted(thrown) == again
    assert (
        f"thrown away: {sum(counts['objects'] for counts in thrown.values())} (too few objects)"
        in capsys.readouterr().out
    )
    draw(joint, "num_samples=2", "min_objects=99", "max_attempts=1", out="none", exit_code=1)
    assert (
        "not one sample was good enough: raise max_attempts= or ask for fewer min_objects=" in capsys.readouterr().err
    )


def test_no_good_sample_at_all_is_an_error_that_can_be_mended(joint, draw, capsys):
    out = draw(joint, "num_samples=2", "min_label_iou=1", "max_attempts=1", exit_code=1)
    says = "not one sample was good enough: raise max_attempts= or ask for a lower min_label_iou="
    assert says in capsys.readouterr().err
    draw(joint, "num_samples=2", "min_label_iou=0")
    assert sorted(row["index"] for row in rows(out)) == [0, 1]


def test_a_folder_holds_one_format(joint, draw, capsys):
    """What another format= left would not tell of samples drawn since; once it is moved away nothing is drawn anew."""
    out = draw(joint, "num_samples=2", "format=coco", "eight_bit_copies=true")
    stamps = {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.png")}
    for option, held in (
        ("format=npz", "annotations.json"),
        ("format=files", "annotations.json"),
        ("format=coco", "annotations_8bit.json"),
    ):
        draw(joint, "num_samples=2", option, exit_code=2)
        assert (
            f"holds {held}, made with another format=: move or delete it, or name another folder"
            in capsys.readouterr().err
        )
    for name in ("annotations.json", "annotations_8bit.json", "images_8bit"):
        (out / name).rename(out.parent / name)
    draw(joint, "num_samples=2", "format=npz")
    draw(joint, "num_samples=2", "format=npz")
    assert stamps == {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.png")}
    assert sorted(path.name for path in out.iterdir()) == [
        *("dataset.npz", "grid.png", "images", "labels", "manifest.jsonl", "request.json")
    ]


def test_copies_of_training_images_are_drawn_again_however_mirrored(draw, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "plain.pt", PLAIN, hflip=True)
    first = draw(checkpoint, "num_samples=3", out="first")
    write_stored(tmp_path / "training", PLAIN, 8)
    save(tmp_path / "training" / "copy.png", pictures(first)[1][:, ::-1].copy())
    out = draw(checkpoint, "num_samples=3", f"reject_copies={tmp_path / 'training'}")
    found = {row["index"]: row for row in rows(out)}
    assert found[1]["discarded"] == {"copy": 1}
    assert found[1]["nearest_real"] > 0
    assert not np.array_equal(pictures(out)[1], pictures(first)[1])
    assert_alike({i: pictures(out)[i] for i in (0, 2)}, {i: pictures(first)[i] for i in (0, 2)})


def test_a_folder_older_than_an_option_is_carried_on_where_the_option_is_as_it_was(joint, draw):
    out = draw(joint, "num_samples=1")
    request = json.loads((out / "request.json").read_text())
    assert request.pop("min_objects") == 0
    (out / "request.json").write_text(json.dumps(request))
    draw(joint, "num_samples=2")
    assert [row["index"] for row in rows(out)] == [0, 1]


@pytest.mark.parametrize("text", ["[1]", "3", "null", "{", "nonsense"])
def test_a_request_that_is_none_of_ours_is_not_carried_on(text, tmp_path):
    (tmp_path / "request.json").write_text(text)
    with pytest.raises(ValueError, match=r"out=.* is not empty and was not written by sample.py"):
        open_folder(tmp_path, {"seed": 0})


def test_lines_of_the_manifest_that_are_no_samples_are_passed_over(tmp_path):
    (tmp_path / "manifest.jsonl").write_text('[1]\n3\n{"index": 0}\n{"ind')
    assert read_manifest(tmp_path) == [{"index": 0}]
