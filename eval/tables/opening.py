"""The files made comparable: one set of columns, decided by the training file, and what is foretold from what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.tables.config import TableConfig, synthetic_files
from eval.tables.duplicates import repeated, row_keys
from eval.tables.reader import Cells, file_sha256, read_cells
from eval.tables.table import MISSING_STATE, Column, Table, decide_columns, match_columns, to_rows

LEAST_REAL, LEAST = 20, 10  # rows of the training file, and of any other


@dataclass(frozen=True)
class Tables:
    """All files of a comparison; `target` is the position of the column to be foretold."""

    config: TableConfig
    columns: tuple[Column, ...]
    train: Table
    synthetic: list[Table]
    test: Table | None
    holdout: Table | None
    target: int | None
    notes: list[str]

    @property
    def task(self) -> str | None:
        """Which it is, classification or regression; None without a target."""
        if self.target is None:
            return None
        return "regression" if self.columns[self.target].numeric else "classification"

    @property
    def real(self) -> Float[np.ndarray, "n c"]:
        """All real rows that the floor is taken from: training file and test file."""
        return self.train.rows if self.test is None else np.concatenate([self.train.rows, self.test.rows])

    @property
    def unseen(self) -> Table | None:
        """Real rows that the model was not trained on, for the privacy audit."""
        return self.test if self.holdout is None else self.holdout


def open_tables(config: TableConfig) -> Tables:
    """Read every file and settle the columns; ValueError, one line, for what does not fit together."""
    paths = {"real": Path(config.real), "test": config.test, "holdout": config.holdout}
    named = [(key, Path(path).expanduser()) for key, path in paths.items() if path is not None]
    named += [("synthetic", path) for path in synthetic_files(config.synthetic)]
    hashes = _hashes(named)
    raw = [read_cells(key, path) for key, path in named]
    wanted = [name for name in raw[0] if name not in config.ignore]
    if lacking := [name for name in config.ignore if name not in raw[0]]:
        raise ValueError(f"ignore: {lacking[0]!r} is no column of {named[0][1]}, which has {', '.join(raw[0])}")
    if not wanted:
        raise ValueError(f"ignore leaves no column of {named[0][1]}")
    files = [
        match_columns(key, path, cells, wanted, config.ignore) for (key, path), cells in zip(named, raw, strict=True)
    ]
    target = _target(config, wanted)
    columns = _columns(config, files, named[0][1])
    tables = [
        Table(path, sha, _checked(key, path, to_rows(key, path, cells, columns)))
        for (key, path), sha, cells in zip(named, hashes, files, strict=True)
    ]
    by_key = {key: table for (key, _), table in zip(named, tables, strict=True) if key != "synthetic"}
    synthetic = [table for (key, _), table in zip(named, tables, strict=True) if key == "synthetic"]
    found = Tables(
        config, columns, by_key["real"], synthetic, by_key.get("test"), by_key.get("holdout"), target, []
    )  # fmt: skip
    found.notes.extend(_notes(found))
    return found


def _columns(config: TableConfig, files: Sequence[Cells], path: Path) -> tuple[Column, ...]:
    categorical, numeric = list(config.categorical), list(config.numeric)
    if config.target is not None:
        forced = {"classification": categorical, "regression": numeric}.get(config.task, [])
        opposite = numeric if forced is categorical else categorical
        if config.task != "auto" and config.target in opposite:
            raise ValueError(
                f"task={config.task}: the target {config.target!r} is named as another kind; leave one out"
            )
        if config.task != "auto":
            forced.append(config.target)
    return decide_columns(files, categorical=categorical, numeric=numeric, path=str(path))


def _target(config: TableConfig, names: list[str]) -> int | None:
    if config.target is None:
        return None
    if config.target not in names:
        raise ValueError(f"target={config.target}: no such column; known are {', '.join(names)}")
    return names.index(config.target)


def _hashes(named: Sequence[tuple[str, Path]]) -> list[str]:
    """ValueError where rows to test with, or synthetic ones, are the training file itself or each other."""
    hashes: list[str] = []
    for key, path in named:
        sha = file_sha256(path)
        if sha in hashes and not (key == "holdout" and named[hashes.index(sha)][0] == "test"):
            first = named[hashes.index(sha)]
            raise ValueError(f"{key}={path}: is the same file as {first[0]}={first[1]}; give another")
        hashes.append(sha)
    return hashes


def _checked(key: str, path: Path, rows: np.ndarray) -> np.ndarray:
    least = LEAST_REAL if key == "real" else LEAST
    if len(rows) < least:
        raise ValueError(f"{key}={path}: {len(rows)} rows, a comparison needs {least} or more")
    return rows


def _notes(tables: Tables) -> list[str]:
    """What a reader of the figures has to know beyond them."""
    config, columns, notes = tables.config, tables.columns, []
    if config.target is not None and config.task == "auto":
        kind = "numbers" if tables.task == "regression" else "categories"
        notes.append(f"task={tables.task}, since {config.target} holds {kind}; task= changes it.")
    few = [
        column.name
        for i, column in enumerate(columns)
        if i != tables.target and _few_whole(column, tables.train.rows[:, i])
    ]
    if few:
        listed = ", ".join(few)
        notes.append(f"Taken as numbers though few values occur: {listed}; categorical=[{listed}] changes it.")
    new = sum(
        int((table.rows[:, i] >= column.known).sum())
        for table in tables.synthetic
        for i, column in _categorical(columns)
    )
    if new:
        notes.append(f"{new} synthetic cells hold categories that do not occur in the training file.")
    if len(tables.synthetic) > 1:
        notes.append(
            f"{len(tables.synthetic)} synthetic files are taken as samples of one generator: pooled, but for training."
        )
    notes += _leaks(tables)
    if tables.test is None:
        notes.append(
            "Without test=FILE no model can be tested, and the floor is half of the training rows against the rest."
        )
    return notes


def _leaks(tables: Tables) -> list[str]:
    """Rows of the test file or the holdout that are training rows, where these seldom repeat each other."""
    train, notes = row_keys(tables.train.rows), []
    for key, table in (("test", tables.test), ("holdout", tables.holdout)):
        if table is None:
            continue
        inside = int(np.isin(row_keys(table.rows), train).sum())
        if inside / len(table) > 0.01 + 2 * repeated(train).mean():
            notes.append(
                f"{inside} of the {len(table)} rows of {key}={table.path} are training rows, too: scores and audit take them "
                "for rows that no model saw."
            )
    return notes


def _categorical(columns: Sequence[Column]) -> list[tuple[int, Column]]:
    return [(i, column) for i, column in enumerate(columns) if not column.numeric]


def _few_whole(column: Column, values: np.ndarray) -> bool:
    return column.numeric and column.decimals == 0 and len(np.unique(values[~np.isnan(values)])) <= 10


def present_target(columns: Sequence[Column], target: int, rows: np.ndarray) -> np.ndarray:
    """The rows whose target is known."""
    column = columns[target]
    if column.categories is None:
        return rows[~np.isnan(rows[:, target])]
    if MISSING_STATE not in column.categories:
        return rows
    return rows[rows[:, target] != column.categories.index(MISSING_STATE)]
