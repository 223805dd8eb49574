"""The folder that rows are written into: recognised as the same request begun earlier, or refused.

Rows are written together, at the end. Until then `chunks` holds what is drawn, a file a chunk, so that the same command
carries on after an interruption; it goes when the rows are written.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from data.sample_files import whole_file, write_whole_text
from data.sample_folder import VOLATILE
from generation.naming import another_format

FILES = {"csv": "samples.csv", "parquet": "samples.parquet"}


@dataclass(frozen=True)
class RowFolder:
    """`out`, where all that lies in it was drawn for one request: summary.json holds that, and until it is there `chunks`."""

    out: Path

    @classmethod
    def open(cls, out: Path, request: dict[str, Any], count: int, file: str) -> "RowFolder":
        """Make the folder, or find it holding rows of this very request; ValueError for anything else that is not empty.

        `request` says what rows depend on; what `VOLATILE` names may be another than before. `count` is how many rows are
        wanted: a file of more of them, which may have taken hours, is not replaced. `file`: what they will be written to;
        rows of another format beside it would be taken for more of them.
        """
        if out.is_file():
            raise ValueError(f"out={out} is a file: name a folder")
        held, folder = _held(out), cls(out)
        if held is None and out.exists() and any(out.iterdir()):
            raise ValueError(f"out={out} is not empty and holds no rows of sample.py: name another folder")
        if held is not None and folder.has_rows():
            for name, value in request.items():
                if name not in VOLATILE and held.get(name) != json.loads(json.dumps(value)):
                    raise ValueError(f"out={out} holds rows made with another {name}: name another folder")
        for name in FILES.values():
            if name != file and (out / name).exists():
                raise ValueError(another_format(out, name))
        if (done := _planned(out)) > count:
            mend = "name another folder"
            raise ValueError(f"out={out} holds {done} rows already, and num_samples= asks for {count}: {mend}")
        write_whole_text(folder.chunks / "request.json", json.dumps(request, indent=2) + "\n")
        return folder

    @property
    def chunks(self) -> Path:
        """Where chunks lie until all rows are written."""
        return self.out / "chunks"

    def has_rows(self) -> bool:
        """Whether rows lie here, all of a request or some chunks of it."""
        return (self.out / "summary.json").exists() or self.chunks_held() > 0

    def chunks_held(self) -> int:
        """How many chunks an earlier call left, those of copies drawn again among them."""
        return len(list(self.chunks.glob("*.npz")))

    def kept(self, chunk: int, attempt: int, labels: Int64[np.ndarray, "n a"]) -> Float[Tensor, "n w"] | None:
        """The rows of a chunk, drawn earlier for these classes; None where they are to be drawn."""
        try:
            with self._file(chunk, attempt).open("rb") as file, np.load(file) as found:
                same = np.array_equal(found["labels"], labels)  # not if more rows, so more classes, are wanted now
                return torch.from_numpy(found["x_0"]) if same else None
        except (OSError, KeyError, ValueError, EOFError, BadZipFile):  # none, or not whole
            return None

    def keep(self, chunk: int, attempt: int, labels: Int64[np.ndarray, "n a"], x_0: Float[Tensor, "n w"]) -> None:
        """Write the rows of a chunk, whole or not at all."""
        with whole_file(self._file(chunk, attempt)) as temporary, temporary.open("wb") as file:
            np.savez(file, x_0=x_0.numpy(), labels=labels)

    def forget_chunks(self) -> None:
        """All rows are written: their chunks are needed no more."""
        shutil.rmtree(self.chunks, ignore_errors=True)

    def _file(self, chunk: int, attempt: int) -> Path:
        return self.chunks / f"{chunk:06d}_{attempt:02d}.npz"


def _held(out: Path) -> dict[str, Any] | None:
    """The request that a folder was made for; None where it is none of rows."""
    for read in (
        lambda: json.loads((out / "summary.json").read_text(encoding="utf-8"))["request"],
        lambda: json.loads((out / "chunks" / "request.json").read_text(encoding="utf-8")),
    ):
        try:
            return dict(read())
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _planned(out: Path) -> int:
    """How many rows a finished draw in this folder was of, those given up among them; 0 where there is none."""
    try:
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        return int(summary["rows"]) + len(summary["given_up"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
