"""`data=table_demo`: a real table that needs no file, 442 patients with diabetes, shipped inside scikit-learn.

Age, sex, body mass index, blood pressure and six serum measurements, and how far the disease had progressed a year
later (Efron et al., Least angle regression, Annals of Statistics 32, 2004). Some columns are whole numbers, some have
decimals, one is a category of two; sex is coded 1 and 2, as published.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from data.image_set import Progress
from data.libraries import tables
from data.table_config import TablesConfig
from data.table_file import CSV, TableFile
from data.table_load import load_rows
from data.table_set import LoadedTable

COLUMNS = ("age", "sex", "bmi", "blood_pressure", "tc", "ldl", "hdl", "tch", "ltg", "glucose", "progression")


@dataclass
class TableDemoConfig(TablesConfig):
    """The diabetes table of scikit-learn. `target`: progression, a number; data.target=sex makes a classification."""

    target: str | None = "progression"
    name: str = "table_demo"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name != "table_demo":
            raise ValueError(f"data.name={self.name}: use table_demo")


def load_table_demo(
    config: TableDemoConfig, *, cache_dir: Path | None = None, progress: Progress | None = None
) -> LoadedTable:
    """The table's training and validation rows, as `load_table` gives those of a file."""
    patients, progression = tables("sklearn.datasets").load_diabetes(return_X_y=True, scaled=False)
    columns = [*patients.T, progression]
    texts: dict[str, list[str | None]] = {
        name: [f"{value:.10g}" for value in column.tolist()] for name, column in zip(COLUMNS, columns, strict=True)
    }
    digest = hashlib.sha256(repr(texts).encode()).hexdigest()
    rows = [f"row {i}" for i in range(len(progression))]
    table = TableFile(texts, dict.fromkeys(texts, CSV), rows, delimiter=",", digest=digest)
    return load_rows(config, table, None, progress=progress)
