"""What `python -m eval real=FILE` may be told, and the checks that need no file's content."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from eval.arguments import read_arguments

SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
TASKS = ("auto", "classification", "regression")
BASELINES = ("smote", "independent", "replay")
BOOSTED = ("boosting", "catboost")
MODELS = ("linear", "forest", "mlp", *BOOSTED)
USAGE = "python -m eval real=train.csv synthetic=syn.csv test=test.csv target=COLUMN out=DIR"


@dataclass
class TableConfig:
    """The file that the model was trained on, what it drew, and rows that it never saw."""

    real: str = MISSING
    """CSV, TSV or Parquet file of the rows that the model was trained on; delimiter and encoding are found out."""
    synthetic: str = MISSING
    """A file, [a.csv,b.csv] or a folder of files: samples of one generator."""
    out: str = MISSING
    """Folder for metrics.json, card.json and report.html."""
    test: str | None = None
    """Real rows that the model was not trained on: models are tested on them, and they join the floor and the audit."""
    holdout: str | None = None
    """Other such rows, for the privacy audit alone; null: the test file."""
    target: str | None = None
    """Column to be foretold; null: no models are trained, and SMOTE knows no classes."""
    task: str = "auto"
    """classification | regression | auto: classification where the target is categorical."""
    categorical: Any = None
    """Columns of numbers that are names, as [zip_code,grade]."""
    numeric: Any = None
    """Columns of two numbers that are quantities nonetheless."""
    ignore: Any = None
    """Columns to leave out of all files: identifiers, names, dates."""
    baselines: Any = None
    """What is made of the training file to be measured alike; null: [smote,independent,replay]; []: none."""
    models: Any = None
    """Models to train; null: [linear,forest,boosting]; also: mlp, and catboost where it is installed."""
    tune: int = 0
    """Random trials behind the trees of boosting and catboost, on a fifth of the training file; 0: as the libraries have them."""
    neighbours: int = 5
    """The k of SMOTE (Chawla et al. 2002, section 4.2)."""
    seeds: int = 5
    """Trainings of every model on every file; models without chance are trained once."""
    draws: int = 1000
    """Bootstrap draws behind the intervals of the models' scores."""
    floor_repeats: int = 20
    """Random splits of the real rows behind every floor."""
    rows: int = 5000
    """Most rows, at most half of them synthetic, in the measures that compare all with all or train a classifier on them; of
    more so many are drawn with `seed`."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        if self.task not in TASKS:
            raise ValueError(f"task={self.task}: must be one of {', '.join(TASKS)}")
        for field, low in (
            ("seeds", 1), ("draws", 100), ("floor_repeats", 2), ("rows", 20), ("seed", 0), ("neighbours", 1), ("tune", 0)
        ):  # fmt: skip
            if getattr(self, field) < low:
                raise ValueError(f"{field}={getattr(self, field)}: must be {low} or more")
        for field in ("categorical", "numeric", "ignore"):
            setattr(self, field, _names(field, getattr(self, field)))
        if both := sorted({*self.categorical} & {*self.numeric}):
            raise ValueError(f"categorical={self.categorical}: {both[0]} stands in numeric, too; name it once")
        self.baselines = _chosen("baselines", self.baselines, BASELINES, BASELINES)
        if self.models is not None:
            self.models = _chosen("models", self.models, MODELS, ())
            if self.tune and not {*self.models} & {*BOOSTED}:
                raise ValueError(f"tune={self.tune} has no effect: none of models is {' or '.join(BOOSTED)}")
        if self.target is None or self.test is None:
            self._refuse_idle()

    def _refuse_idle(self) -> None:
        lacking = "target" if self.target is None else "test"
        if self.target is None and self.task != "auto":
            raise ValueError(f"task={self.task} has no effect without target=: add target=COLUMN")
        for field, default in (("models", None), ("tune", 0), ("seeds", 5), ("draws", 1000)):
            if getattr(self, field) != default:
                raise ValueError(f"{field}={getattr(self, field)} has no effect without {lacking}=: add it")


def _names(field: str, value: Any) -> list[str]:
    if value is None:
        return []
    given = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(name, dict | list) for name in given):
        raise ValueError(
            f"{field}={value}: must be names of columns, as [a,b], quoted where they hold a colon or a comma"
        )
    return [str(name) for name in given]


def _chosen(field: str, value: Any, allowed: tuple[str, ...], default: tuple[str, ...]) -> list[str]:
    names = list(default) if value is None else _names(field, value)
    if wrong := [name for name in names if name not in allowed]:
        raise ValueError(f"{field}: {wrong[0]} is none of {', '.join(allowed)}")
    if not names and not default:
        raise ValueError(f"{field}=[]: name one or more of {', '.join(allowed)}")
    return list(dict.fromkeys(names))


def is_table_road(args: list[str]) -> bool:
    """Whether real= names a file of rows, so that tables are compared and not folders of images."""
    real = next((arg.partition("=")[2] for arg in args if arg.startswith("real=")), "")
    return Path(real).suffix.lower() in SUFFIXES and not Path(real).expanduser().is_dir()


def table_config(args: list[str]) -> TableConfig:
    """`key=value` arguments as a checked TableConfig; ValueError, one line, for a wrong key, value or path."""
    config = read_arguments(args, TableConfig, USAGE)
    for key in ("real", "test", "holdout"):
        if getattr(config, key) is not None:
            table_file(key, getattr(config, key))
    synthetic_files(config.synthetic)
    out = Path(config.out).expanduser().absolute()
    existing = next(known for known in (out, *out.parents) if known.exists())
    if not existing.is_dir():
        raise ValueError(f"out={config.out}: {existing} is a file, give a folder")
    if not os.access(existing, os.W_OK):
        raise ValueError(f"out={config.out}: {existing} cannot be written to, give another folder")
    return config


def table_file(key: str, name: str) -> Path:
    """The path, which is that of a readable kind of file; else ValueError."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"{key}={name}: {'is a folder, give a file' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{key}={name}: tables are read from {', '.join(SUFFIXES)}")
    return path


def synthetic_files(given: str) -> list[Path]:
    """The files that synthetic= names: one, a [list,of,them], or those of a folder in the order of their names."""
    folder = Path(given).expanduser()
    if folder.is_dir():
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if not found:
            raise ValueError(f"synthetic={given}: holds no {', '.join(SUFFIXES)}")
        return found
    listed = given.startswith("[") and given.endswith("]")
    names = [name.strip() for name in given[1:-1].split(",")] if listed else [given]
    return [table_file("synthetic", name) for name in names]
