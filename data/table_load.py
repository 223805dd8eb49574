"""A table's file, or two, as sets of rows: read, divided, its columns told by the training rows alone, and encoded."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from data.cache import content_key
from data.folder import MISSING
from data.image_set import Progress
from data.split import held_out
from data.table_column import Column, MisfitError, UnseenError
from data.table_config import TableConfig, TablesConfig
from data.table_file import TableFile, read_table
from data.table_report import describe
from data.table_schema import check_target, infer_schema, is_classification
from data.table_set import LoadedTable, TableSet
from data.table_spec import TableSpec
from data.table_stated import check_names, nearest, read_stated
from data.table_transform import find_points, fit

NOT_IN_KEY = ("name", "path", "val_path", "val_fraction")  # which rows there are is in the key


def load_table(config: TableConfig, *, cache_dir: Path | None = None, progress: Progress | None = None) -> LoadedTable:
    """The training and validation rows of a CSV or Parquet file.

    `cache_dir` is there because every loader has one: a table is read anew each time, in a few seconds. ValueError
    where a file, its columns or (unless data.on_error=skip) a row is not what it must be. Validation rows with values
    that no training row has are left out and listed.
    """
    if config.path == MISSING:
        raise ValueError("data.path is missing: data=table data.path=FILE.csv")
    options = {"delimiter": config.character(), "missing": config.missing_cells(), "skip": config.on_error == "skip"}
    table, validation = read_table(config.path, **options), None
    if config.val_path is not None:
        validation = read_table(config.val_path, **options)
        if validation.digest == table.digest:
            raise ValueError(f"data.val_path={config.val_path}: the file's content is that of data.path")
    return load_rows(config, table, validation, missing=config.missing_cells(), progress=progress)


def load_rows(
    config: TablesConfig,
    table: TableFile,
    validation: TableFile | None,
    *,
    missing: Sequence[str] = (),
    progress: Progress | None = None,
) -> LoadedTable:
    """The sets of a table that is read already; `validation` None holds rows of it out."""
    stated = read_stated(config.schema) if config.schema else {}
    check_names(stated, table.texts)
    task = _task(table, config, stated)
    table, skipped = _with_target(table, config.target if task == "regression" else None)
    if len(table) < 2:
        raise ValueError(f"the table has {len(table)} row{'s' * (len(table) != 1)} to learn from: a model needs many")
    skipped = table.broken + skipped
    if validation is None:
        train, val = _divided(table, config, task == "classification")
    else:
        train, val = table, _matching(validation, table)
        val, more = _with_target(val, config.target if task == "regression" else None)
        skipped += validation.broken + more
    train, columns, misfits = _told(train, config, stated, task or "auto")
    spec = TableSpec(columns, config.target, task, config.allow_outside, table.delimiter, list(missing))
    _fit_numbers(spec, train, config)
    train_set = TableSet.of(spec.encode_texts(train.texts), train.rows, spec)
    spec.counts = train_set.value_counts()
    val_set, unseen = _validation_set(val, spec, config)
    if progress is not None:
        progress("reading the table", len(table), len(table))
    settings = {name: value for name, value in asdict(config).items() if name not in NOT_IN_KEY}
    files = [table.digest, validation.digest if validation else None]
    key = content_key({"table": files, "config": {**settings, "schema": stated}, "train": train_set.names})
    skipped = skipped + misfits + unseen
    return LoadedTable(train_set, val_set, describe(train, spec, _notes(train, val, skipped)), skipped, key)


def _task(table: TableFile, config: TablesConfig, stated: dict[str, str]) -> str:
    """classification, regression, or nothing without a target."""
    check_target(table, stated, config.target)
    if config.target is None:
        return ""
    classes = is_classification(table, config.target, stated.get(config.target), config.task)
    return "classification" if classes else "regression"


def _notes(train: TableFile, val: TableFile, skipped: Sequence[tuple[str, str]]) -> list[str]:
    notes = []
    if seen := len(set(_rows(val)) & set(_rows(train))):
        notes.append(f"{seen} of the different validation rows are training rows too")
    if skipped:
        row, reason = skipped[0]
        notes.append(f"rows left out: {len(skipped)}; {row}: {reason}")
    return notes


def _with_target(table: TableFile, target: str | None) -> tuple[TableFile, list[tuple[str, str]]]:
    """Without the rows whose number to predict is missing, and (row, reason) of those."""
    if target is None or None not in table.texts[target]:
        return table, []
    kept = [i for i, text in enumerate(table.texts[target]) if text is not None]
    gone = [table.rows[i] for i, text in enumerate(table.texts[target]) if text is None]
    return table.take(kept), [(row, f"its {target} is missing") for row in gone]


def _divided(table: TableFile, config: TablesConfig, classes: bool) -> tuple[TableFile, TableFile]:
    """The rows to train on and those held out, each class in proportion."""
    labels = np.full(len(table), -1)
    if classes:
        assert config.target is not None
        numbers: dict[str | None, int] = {None: -1}
        labels = np.array([numbers.setdefault(text, len(numbers) - 1) for text in table.texts[config.target]])
    validation = held_out(labels, config.val_fraction, seed=0)
    return table.take(np.setdiff1d(np.arange(len(table)), validation)), table.take(validation)


def _matching(validation: TableFile, table: TableFile) -> TableFile:
    """The validation file with the columns of the training file, others ignored; ValueError where it lacks one."""
    for name in table.texts:
        if name not in validation.texts:
            raise ValueError(f"data.val_path: the file has no column {name}{nearest(name, validation.texts)}")
    return replace(validation, texts={name: validation.texts[name] for name in table.texts})


def _told(
    table: TableFile, config: TablesConfig, stated: dict[str, str], task: str
) -> tuple[TableFile, list[Column], list[tuple[str, str]]]:
    """The columns, and the rows that fit them; with data.on_error=skip without those that do not, which are listed."""
    skipped: list[tuple[str, str]] = []
    while True:
        try:
            return table, infer_schema(table, stated, config.target, task), skipped
        except MisfitError as error:
            table, gone = _without(table, error, config.on_error == "skip")
            skipped += gone


def _without(table: TableFile, error: MisfitError, skip: bool) -> tuple[TableFile, list[tuple[str, str]]]:
    """The table without the rows that an error is about, and these; ValueError unless they are to be skipped."""
    rows = {i for i, text in enumerate(table.texts[error.column]) if text in error.texts}
    reason = f"column {error.column}: {error}"
    if not skip or len(rows) == len(table):
        more = f" ({len(rows)} such cells)" if len(rows) > 1 else ""
        mend = f"mend it, name it in data.missing, state {error.column}: categorical or drop in data.schema"
        if len(rows) < len(table) / 2:
            mend += ", or skip such rows with data.on_error=skip"
        raise ValueError(f"{table.rows[min(rows)]}, {reason}{more}: {mend}")
    return table.take([i for i in range(len(table)) if i not in rows]), [(table.rows[i], reason) for i in sorted(rows)]


def _fit_numbers(spec: TableSpec, train: TableFile, config: TablesConfig) -> None:
    """The points and the transform of every number; the target of a regression always is a number."""
    for column in spec.learnt:
        if column.is_numeric:
            numbers = column.numbers(train.texts[column.name])
            known = numbers[~np.isnan(numbers)]
            column.points, column.others = find_points(known, few=config.few_values, share=config.point_share)
            if column.name == spec.target and not column.others:
                column.points, column.others = [], True
            if column.others:
                column.transform = fit(known[~np.isin(known, column.points)], config.transform)


def _validation_set(table: TableFile, spec: TableSpec, config: TablesConfig) -> tuple[TableSet, list[tuple[str, str]]]:
    """The validation rows whose values training rows have, and the others, listed."""
    unseen: list[tuple[str, str]] = []
    while True:
        try:
            return TableSet.of(spec.encode_texts(table.texts, seed=1), table.rows, spec), unseen
        except UnseenError as error:
            table, gone = _without_all(table, error)
        except MisfitError as error:
            table, gone = _without(table, error, config.on_error == "skip")
        unseen += gone


def _without_all(table: TableFile, error: UnseenError) -> tuple[TableFile, list[tuple[str, str]]]:
    rows = {i for i, text in enumerate(table.texts[error.column]) if text in error.texts}
    gone = [(table.rows[i], f"no training row has its {error.column}") for i in sorted(rows)]
    return table.take([i for i in range(len(table)) if i not in rows]), gone


def _rows(table: TableFile) -> list[tuple[str | None, ...]]:
    return list(zip(*table.texts.values(), strict=True))
