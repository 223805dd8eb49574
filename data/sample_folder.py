"""The folder that samples are written into: recognised as the same request begun earlier, or refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.sample_files import write_whole_text

# What samples do not depend on; of what lies at a path they depend on the content, which has a digest.
VOLATILE = ("out", "num_samples", "batch_size", "trajectory", "device", "format", "eight_bit_copies", "max_attempts")
VOLATILE += ("original_size", "ckpt", "images", "labels", "mask", "input_list", "reject_copies")


def open_folder(out: Path, request: dict[str, Any], defaults: Mapping[str, Any] | None = None) -> set[int]:
    """Make `out`, or recognise it as this same request begun earlier: the numbers of the samples it holds.

    `request` says what the samples depend on. `defaults`: by which options a folder was made that is older than they are.
    ValueError when the folder holds anything else.
    """
    wanted = {name: value for name, value in request.items() if name not in VOLATILE}
    request_file, manifest = out / "request.json", out / "manifest.jsonl"
    if out.is_file():
        raise ValueError(f"out={out} is a file: name a folder")
    held = _read_request(request_file)
    if held is not None:
        held = {**(defaults or {}), **held}
    if held is None and out.exists() and any(out.iterdir()):
        raise ValueError(f"out={out} is not empty and was not written by sample.py: name another folder")
    rows = [row for row in read_manifest(out) if _is_whole(out, row)]
    different = [name for name in wanted if held is not None and held.get(name) != wanted[name]]
    different.sort(key=lambda name: (name != "mode", name.endswith("sha256"), name))  # what makes others differ first
    if rows and different:
        raise ValueError(f"out={out} holds samples made with another {different[0]}: name another folder")
    if different:
        (out / "given_up.jsonl").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    write_whole_text(request_file, json.dumps(request, indent=2) + "\n")
    write_whole_text(manifest, "".join(json.dumps(row) + "\n" for row in rows))
    return {row["index"] for row in rows}


def read_manifest(out: Path) -> list[dict[str, Any]]:
    """The lines of `out`/manifest.jsonl; one torn by a crash is left out, and its sample drawn again."""
    return _read_lines(out / "manifest.jsonl")


def write_given_up(out: Path, discarded: Mapping[int, Mapping[str, int]]) -> None:
    """Note samples of which no attempt was good enough, {number: {why: attempts}}, so that they are not drawn again."""
    for index, counts in discarded.items():
        with (out / "given_up.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"index": index, "discarded": counts}) + "\n")


def read_given_up(out: Path) -> dict[int, dict[str, int]]:
    """What `write_given_up` noted last of each sample."""
    return {row["index"]: row["discarded"] for row in _read_lines(out / "given_up.jsonl")}


def _is_whole(out: Path, row: dict[str, Any]) -> bool:
    files = [row["file"], row.get("label_map"), row.get("label_map_original_size")]
    return all((out / file).is_file() for file in files if file)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows += [row] if isinstance(row, dict) else []
    return rows


def _read_request(path: Path) -> dict[str, Any] | None:
    """What an earlier call asked for; None when there is no such file, or one of something else."""
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return request if isinstance(request, dict) else None
