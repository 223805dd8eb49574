"""What a run measures is in metrics.jsonl, in curves.png and in W&B; read back with W&B's own reader."""

import json
import struct
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from wandb.proto import wandb_internal_pb2

from training.curves import draw_curves
from training.tracking import Tracker, WandbConfig, read_metrics


def finished_records(run: Path) -> list[wandb_internal_pb2.Record]:
    """All records, once W&B's own process has written the last one: it may do so after `finish` has returned."""
    for _ in range(200):
        records = offline_records(run)
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        time.sleep(0.1)
    raise AssertionError("the offline run was never finished")


def offline_records(run: Path) -> list[wandb_internal_pb2.Record]:
    """All records of the run's one offline W&B file: W&B's protobuf messages in a LevelDB log."""
    (file,) = run.glob("wandb/offline-run-*/run-*.wandb")
    data, position, record, records = file.read_bytes(), 7, b"", []
    assert data.startswith(b":W&B")
    while position < len(data):
        if 32768 - position % 32768 < 7:  # a record's header never crosses the border of a block
            position += 32768 - position % 32768
            continue
        if position + 7 > len(data):
            break  # still being written
        _, length, kind = struct.unpack_from("<IHB", data, position)  # checksum, length, full/first/middle/last
        record += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            records.append(wandb_internal_pb2.Record.FromString(record))
            record = b""
    return records


def history(records: list[wandb_internal_pb2.Record]) -> list[dict]:
    rows = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            rows.append(
                {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            )
    return rows


def test_an_offline_run_holds_curves_grid_and_config(train_tiny) -> None:
    run = train_tiny("run", "wandb.mode=offline", "train.sample_every=5", "train.steps=5")
    records = finished_records(run)
    rows = history(records)
    logged = {name for row in rows for name in row}
    assert {"train/loss", "train/grad_norm", "train/lr", "train/images_per_s", "validation/loss"} <= logged
    assert any(name.startswith("train/mse_q") for name in logged)
    assert any(row.get("samples/_type") == "image-file" for row in rows)
    ours = {row["step"]: row["train/loss"] for row in read_metrics(run / "metrics.jsonl") if "train/loss" in row}
    theirs = {row["_step"]: row["train/loss"] for row in rows if "train/loss" in row}
    assert theirs == pytest.approx(ours)
    assert len(ours) == 5
    config = next(record.run.config for record in records if record.WhichOneof("record_type") == "run")
    stored = {item.key: json.loads(item.value_json) for item in config.update}
    assert stored["train"]["steps"] == 5


def test_metrics_beyond_the_resumed_step_are_dropped_and_nan_is_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "train/loss": 1.0}\n{"step": 2, "train/loss": 0.5}\n{"step": 3, "tra')
    with Tracker(tmp_path, WandbConfig(mode="disabled"), run_config={}, from_step=1) as tracker:
        tracker.log(2, **{"train/loss": float("nan")})
    assert read_metrics(path) == [{"step": 1, "train/loss": 1.0}, {"step": 2, "train/loss": None}]
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_panels_stand_in_rows_and_narrow_logarithmic_axes_have_plain_numbers(tmp_path: Path, monkeypatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure) or figure.canvas.draw())
    names = ("train/loss", "train/grad_norm", "train/lr", "samples/copy_rate")
    draw_curves([{"step": step, **dict.fromkeys(names, 2.0 / step)} for step in (1, 2)], tmp_path / "curves.png")
    width, height = drawn[0].get_size_inches()
    assert width < 2.5 * height
    loss = drawn[0].axes[0].yaxis
    texts = [
        label.get_text() for label in (*loss.get_majorticklabels(), *loss.get_minorticklabels()) if label.get_text()
    ]
    assert texts
    assert all(float(text) > 0 for text in texts)


def test_every_loss_of_a_joint_run_and_of_a_table_has_its_panel(tmp_path: Path, monkeypatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    for name, title in (("label_mse", "MSE of the label maps"), ("category_loss", "loss of the categories (nats)")):
        rows = [{"step": step, "train/loss": 1.0, f"train/{name}": 0.25 * step} for step in (1, 2)]
        draw_curves(rows, tmp_path / "curves.png")
        assert [axes.get_title() for axes in drawn[-1].axes[:2]] == ["loss", title]
        assert drawn[-1].axes[1].lines[0].get_ydata().tolist() == [0.25, 0.5]


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="wandb.mode=on is not one of offline, online, disabled"):
        WandbConfig(mode="on")
