"""Tables through the programs: trained, resumed, drawn, and refused in one line."""

import json
import re
import signal
from pathlib import Path

import hydra
import pandas as pd
import pytest
import torch
import yaml
from table_files import load, mixed_text, write_text
from test_train import read_rows, tensors

from conf.command_line import CONFIG_DIR, to_dataclass
from conf.schema import register_configs
from data.table_copies import RowCopyRate
from data.table_file import read_table
from data.table_set import TableSet
from generation.rows import RowDrawing
from train import train
from training.checkpoint import load_checkpoint

TINY = [
    "model.width=16",
    "model.blocks=1",
    "train.batch_size=8",
    "train.log_every=1",
    "train.validate_every=2",
]
TINY += ["train.sample_every=0", "train.save_every=2", "train.grid_images=16", "sampler.num_inference_steps=2"]
TINY += ["wandb.mode=disabled", "data.val_fraction=0.2", "optim.warmup_steps=1"]
FAST = "sampler.num_inference_steps=2"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV file with a column of every kind, missing cells and a class."""
    return write_text(tmp_path / "table.csv", mixed_text(60))


def train_on(path: Path, folder: Path, *options: str) -> Path:
    """Train past the checks of a command line, which compose it four times; the run folder."""
    register_configs()
    given = [*TINY, "data=table", f"data.path={path}", f"run_dir={folder}", "data.target=label", *options]
    with hydra.initialize_config_dir(CONFIG_DIR, version_base="1.3"):
        return train(to_dataclass(hydra.compose("train", overrides=given)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, which showed samples at its end."""
    folder = tmp_path_factory.mktemp("run")
    path = write_text(folder / "table.csv", mixed_text(60))
    return train_on(path, folder / "run", "train.steps=2", "train.sample_every=2")


def drawn(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "samples.csv", dtype=str, keep_default_na=False)


def one_error(capsys) -> str:
    lines = [line for line in re.split(r"[\r\n]+", capsys.readouterr().err) if line]
    assert len(lines) == 1, lines
    return lines[0]


def test_two_steps_and_two_are_four(command, table, tmp_path) -> None:
    whole = train_on(table, tmp_path / "whole", "train.steps=4", "model.dropout=0.2")
    halves = train_on(table, tmp_path / "halves", "train.steps=4", "model.dropout=0.2", "train.stop_at=2")
    assert load_checkpoint(halves)["step"] == 2
    assert command("train", f"resume={halves}") == 0
    one, other = (tensors(load_checkpoint(folder)) for folder in (whole, halves))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    rows = [
        [{k: v for k, v in row.items() if k != "train/rows_per_s"} for row in read_rows(run)] for run in (whole, halves)
    ]
    assert rows[0] == rows[1]
    assert "validation/loss" in rows[0][2]


def test_what_a_run_shows_and_what_is_drawn(run, draw, table, tmp_path, capsys) -> None:
    """Columns, order, spelling and ranges of the training file; classes as often as there; the same bytes again."""
    assert (run / "samples" / "step_000002.png").stat().st_size > 1000
    assert any("samples/copy_rate" in row for row in read_rows(run))
    first = draw(run, "num_samples=1100", "seed=3")
    found, real = drawn(first), pd.read_csv(table, dtype=str, keep_default_na=False)
    assert list(found.columns) == [name for name in real.columns if name != "id"]  # an identifier is never written
    assert len(found) == 1100
    assert set(found.pay) & {"?"}
    assert set(found.town) <= set(real.town)
    assert found.age.astype(int).between(real.age.astype(int).min(), real.age.astype(int).max()).all()
    assert found.pay[found.pay != "?"].str.fullmatch(r"-?\d+\.\d+").all()
    assert found.when.str.fullmatch(r"\d\d\.\d\d\.20\d\d").all()
    assert found.label.value_counts().max() - found.label.value_counts().min() <= 1  # 20 of each in training
    summary = json.loads((first / "summary.json").read_text())
    assert (summary["rows"], summary["seed"], summary["given_up"]) == (1100, 3, [])
    assert len(summary["checkpoint"]) == 64
    assert sorted(summary["request"]) == [
        *("balance", "ckpt", "class_label", "condition", "device", "format", "guidance", "max_attempts", "num_samples"),
        *("out", "precision", "reject_copies", "reject_copies_sha256", "sampler", "seed", "sha256", "weights"),
    ]
    assert summary["request"]["guidance"] == {"scale": 1.0, "interval": None}
    again = draw(run, "num_samples=1100", "seed=3", out="again")
    assert (again / "samples.csv").read_bytes() == (first / "samples.csv").read_bytes()
    capsys.readouterr()
    draw(run, "num_samples=1099", "seed=3", out="again", exit_code=2)
    assert "holds 1100 rows already, and num_samples= asks for 1099: name another folder" in one_error(capsys)
    assert (again / "samples.csv").read_bytes() == (first / "samples.csv").read_bytes()
    fewer = draw(run, "num_samples=30", "seed=3", out="fewer")
    assert drawn(fewer).equals(found[:30]), "row i depends on (seed, i) alone"
    other = draw(run, "num_samples=30", "seed=4", out="other")
    assert not drawn(other).equals(drawn(fewer))


@pytest.fixture
def interrupted(monkeypatch):
    """`interrupted(n)`: from the n-th chunk that is drawn on a signal comes with it; the chunks drawn, in their order."""
    drawn_chunks, own = [], RowDrawing._chunk

    def after(count):
        def chunk(self, number, attempt, labels):
            drawn_chunks.append((number, attempt))
            if len(drawn_chunks) == count:
                signal.raise_signal(signal.SIGTERM)
            return own(self, number, attempt, labels)

        drawn_chunks.clear()
        monkeypatch.setattr(RowDrawing, "_chunk", chunk)
        return drawn_chunks

    return after


def test_an_interrupted_call_goes_on(run, draw, capsys, interrupted) -> None:
    """... to the same bytes; chunks that were drawn are not drawn again, unless a file of them is torn."""
    whole = draw(run, "num_samples=3000", "seed=3", out="whole")
    assert [path.name for path in sorted(whole.iterdir())] == ["samples.csv", "summary.json"]
    chunks = interrupted(2)
    out = draw(run, "num_samples=3000", "seed=3", exit_code=128 + signal.SIGTERM)
    assert f"the same command carries on in {out}" in capsys.readouterr().err
    assert chunks == [(0, 0), (1, 0)]
    assert not (out / "samples.csv").exists()
    draw(run, "num_samples=3000", "seed=4", exit_code=2)
    assert "holds rows made with another seed: name another folder" in one_error(capsys)
    torn = out / "chunks" / "000000_00.npz"
    torn.write_bytes(torn.read_bytes()[:5000])
    chunks = interrupted(0)
    draw(run, "num_samples=3000", "seed=3")
    assert f"carrying on: 2 chunks of 1024 rows lie in {out} already" in capsys.readouterr().out
    assert chunks == [(0, 0), (2, 0)]
    assert (out / "samples.csv").read_bytes() == (whole / "samples.csv").read_bytes()
    assert [path.name for path in sorted(out.iterdir())] == ["samples.csv", "summary.json"]


def test_an_interrupted_call_goes_on_to_other_numbers_and_attempts(run, draw, tmp_path, interrupted) -> None:
    """More rows than were asked for, whose classes stand in the last chunk; and copies that are drawn again."""
    earlier = draw(run, "num_samples=1100", "seed=3", out="earlier") / "samples.csv"
    copies = f"reject_copies={earlier}"
    whole = draw(run, "num_samples=1500", "seed=3", copies, out="whole")
    interrupted(2)
    draw(run, "num_samples=1030", "seed=3", copies, exit_code=128 + signal.SIGTERM)
    chunks = interrupted(2)
    draw(run, "num_samples=1500", "seed=3", copies, exit_code=128 + signal.SIGTERM)
    assert chunks == [(1, 0), (0, 1)]  # the classes of chunk 1 are others now
    out = draw(run, "num_samples=1500", "seed=3", copies)
    assert (out / "samples.csv").read_bytes() == (whole / "samples.csv").read_bytes()
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (whole, out)]
    assert summaries[0]["thrown"] == summaries[1]["thrown"] >= 1100


def test_what_is_asked_for_is_what_comes(run, draw, capsys) -> None:
    """Cells to the letter, a missing one too; classes; Parquet with dtypes."""
    condition = 'condition={age: 40, pay: null, town: "Köln", gain: 0, when: 01.03.2024}'
    found = drawn(draw(run, "num_samples=50", condition, "class_label=b"))
    for name, text in {
        "age": "40",
        "pay": "?",
        "town": "Köln",
        "gain": "0",
        "when": "01.03.2024",
        "label": "b",
    }.items():
        assert set(found[name]) == {text}, name
    assert found.smoker.nunique() == 2
    found = drawn(draw(run, "balance={a: 7, c: 2}", out="balanced"))
    assert found.label.value_counts().to_dict() == {"a": 7, "c": 2}
    out = draw(run, "num_samples=20", "format=parquet", out="parquet")
    frame = pd.read_parquet(out / "samples.parquet")
    capsys.readouterr()
    draw(run, "num_samples=20", out="parquet", exit_code=2)  # both files together would be taken for 40 rows
    assert "holds samples.parquet, made with another format=: move or delete it" in one_error(capsys)
    (out / "samples.parquet").unlink()
    assert [path.name for path in sorted(draw(run, "num_samples=20", out="parquet").iterdir())] == [
        *("samples.csv", "summary.json")
    ]
    assert frame.age.dtype == "int64"
    assert frame.pay.dtype == "float64"


def test_rows_that_are_given_up_are_told_by_the_exit_code(run, draw, capsys) -> None:
    earlier = draw(run, "num_samples=20", out="earlier") / "samples.csv"
    capsys.readouterr()
    out = draw(run, "num_samples=30", f"reject_copies={earlier}", "max_attempts=1", out="later", exit_code=1)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["rows"] == len(drawn(out)) == 30 - len(summary["given_up"]) <= 10
    told = f"error: only {summary['rows']} of 30 samples were good enough and are written; "
    assert capsys.readouterr().err.endswith(told + "raise max_attempts= or leave reject_copies= out\n")
    draw(run, "num_samples=30", f"reject_copies={earlier}", "max_attempts=40", out="later")
    assert len(drawn(out)) == 30
    draw(run, "num_samples=20", f"reject_copies={earlier}", "max_attempts=1", out="none", exit_code=1)
    assert "error: not one row was good enough" in capsys.readouterr().err


def test_copies_are_drawn_again(run, draw, tmp_path) -> None:
    """The rows of an earlier call are copies when they are drawn again; the rows that take their place are others."""
    earlier = draw(run, "num_samples=20", out="earlier") / "samples.csv"
    folder = draw(run, "num_samples=30", f"reject_copies={earlier}", out="later")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["thrown"] >= 20
    assert summary["rows"] + len(summary["given_up"]) == 30
    kept = set(map(tuple, drawn(folder).values))
    assert not kept & set(map(tuple, drawn(earlier.parent).values))
    assert len(kept) >= 25


WRONG = [
    ("mode=vary images=x", "mode= has no effect on rows"),
    ("min_area=3", "min_area= has no effect on rows"),
    ("batch_size=4", "batch_size= has no effect on rows"),
    ("format=npz", "format=npz is not for rows: use files, csv, parquet"),
    ("condition={agee: 3}", "no column agee; did you mean age"),
    ("condition={age: 200}", "age=200 lies beyond the training rows, which go from"),
    ("condition={age: old}", "'old' is no whole number"),
    ("condition={town: Rom}", "'Rom', which no training row has; the column knows"),
    ("condition={smoker: No}", "'No', which no training row has; the column knows no, yes; did you mean no?"),
    ("condition={age: null}", "age: a missing cell, which no training row has"),
    ("condition={label: a}", "say class_label=a"),
    ("condition={unit: kg}", "unit was not learnt (constant)"),
    ("condition=3", "condition=3: use {column: value}"),
    ("class_label=z", "class_label=z is not a label"),
    ("reject_copies=nowhere.csv", "nowhere.csv does not exist"),
    ("sampler=heun", "use ddpm, ddim or dpmpp_2m"),
    ("sampler.threshold=dynamic", "for a table use static or none"),
]


def test_wrong_options_are_one_line(run, draw, command, plain, capsys) -> None:
    for options, message in WRONG:
        capsys.readouterr()
        draw(run, *(re.split(r" (?=\w+=)", options)), exit_code=2)
        assert message in one_error(capsys), options
    draw(plain, "condition={age: 3}", exit_code=2)
    assert "condition= has no effect on images" in one_error(capsys)
    draw(plain, "format=csv", exit_code=2)
    assert "format=csv is not for images" in one_error(capsys)


def test_a_network_that_never_saw_given_columns_is_refused_with_the_mend(run, draw, tmp_path, capsys) -> None:
    state = load_checkpoint(run / "checkpoints" / "last.pt")
    state["config"]["diffusion"]["clean_fraction"] = 0.0
    torch.save(state, tmp_path / "old.pt")
    draw(tmp_path / "old.pt", "condition={age: 40}", exit_code=2)
    assert one_error(capsys) == (
        "error: condition: this checkpoint was trained with diffusion.clean_fraction=0, without given columns: train anew, or "
        "on with init_from=, under diffusion.clean_fraction=0.15"
    )


def test_a_network_of_the_other_kind_is_refused(command, table, tmp_path, capsys) -> None:
    given = ["data=table", f"data.path={table}", f"run_dir={tmp_path / 'run'}"]
    assert command("train", *given, "model=unet") == 2
    assert "model=unet is not for rows: say model=tabular_mlp or tabular_resnet" in one_error(capsys)
    assert command("train", *given, "diffusion.label_weight=3") == 2
    assert "diffusion.label_weight: has no effect on tables" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def composed(*options: str):
    register_configs()
    with hydra.initialize_config_dir(CONFIG_DIR, version_base="1.3"):
        return to_dataclass(hydra.compose("train", overrides=list(options)))


def test_debug_presets_are_for_tables_too(command, table, tmp_path) -> None:
    """`tiny` through the command; `overfit` learns its one row by heart."""
    given = ["data=table", f"data.path={table}", "data.target=label"]
    assert command("train", *given, "debug=tiny", f"run_dir={tmp_path / 'tiny'}") == 0
    assert (tmp_path / "tiny" / "samples" / "step_000008.png").exists()
    short = ["train.steps=100", "train.sample_every=0", "train.save_every=0"]
    config = composed(*given, "debug=overfit", "model=tabular_resnet", f"run_dir={tmp_path / 'overfit'}", *short)
    losses = [row["train/loss"] for row in read_rows(train(config)) if "train/loss" in row]
    assert losses[-1] < 0.1 < 0.5 < losses[0]


def test_a_debug_preset_asks_of_each_network_what_it_has() -> None:
    assert composed("debug=tiny").model.base_channels == 32
    assert composed("debug=tiny", "model.base_channels=64").model.base_channels == 64
    assert composed("debug=tiny", "data=table_demo").train.steps == 8
    for model in ("tabular_mlp", "tabular_resnet"):
        assert composed("debug=overfit", "data=table_demo", f"model={model}").train.first_images == 1
    assert composed("debug=overfit").train.first_images == 8


PRESETS = [path for path in sorted(Path(CONFIG_DIR).glob("experiment/*.yaml")) if "/data: table" in path.read_text()]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_experiment_composes_and_builds(preset: Path, tmp_path: Path) -> None:
    """... and trains a step, on rows that have its target."""
    target = yaml.safe_load(preset.read_text())["data"]["target"]
    classes = "classification" in preset.read_text()
    cells = [f"{i % 7}.{i % 10}5,{'ab'[i % 2] if classes else i % 9 + 0.5}" for i in range(40)]
    path = write_text(tmp_path / "table.csv", "\n".join([f"x,{target}", *cells]))
    options = [f"experiment={preset.stem}", f"data.path={path}", f"run_dir={tmp_path / 'run'}", "train.steps=1"]
    options += ["train.batch_size=4", "model.width=8", "train.sample_every=0", "wandb.mode=disabled"]
    register_configs()
    with hydra.initialize_config_dir(CONFIG_DIR, version_base="1.3"):
        train(to_dataclass(hydra.compose("train", overrides=options)))
    assert (tmp_path / "run" / "summary.json").exists()


def test_every_row_of_the_training_file_is_its_own_copy(table) -> None:
    """The rule itself, on rows whose distances are known."""
    rows = load(table, target="label").train
    copies, x_0 = RowCopyRate(rows), rows.batch(range(len(rows))).x_0
    assert copies.distance(x_0).tolist() == [0.0] * len(rows)
    assert copies.share(x_0) == 1.0
    texts = read_table(str(table), missing=["?"]).texts
    again = TableSet.of(rows.spec.encode_texts(texts, seed=5), rows.names, rows.spec).batch(range(len(rows))).x_0
    assert (again != x_0).any(), "ties are spread by chance"
    assert copies.distance(again).tolist() == [0.0] * len(rows)
    far = x_0.clone()
    far[:, 0] += 100
    assert copies.share(far) == 0.0
    assert copies.threshold > 0
