"""Data sets of images and of table rows: readers of formats, simulators, the cache that both fill, and writers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from data import mri, sar
from data.image_set import ImageSet, LoadedImages, Progress
from data.images import load_listed
from data.readers import READERS
from data.simulated import load_simulated
from data.table_config import TableConfig
from data.table_demo import TableDemoConfig, load_table_demo
from data.table_load import load_table
from data.table_set import LoadedTable

Loaded = LoadedImages | LoadedTable

DATASETS: dict[str, tuple[type, Callable[..., Loaded]]] = {
    **{name: (config, partial(load_listed, reader=reader)) for name, (config, reader) in READERS.items()},
    "sar_sim": (sar.SarSimConfig, partial(load_simulated, simulator=sar)),
    "mri_sim": (mri.MriSimConfig, partial(load_simulated, simulator=mri)),
    "table": (TableConfig, load_table),
    "table_demo": (TableDemoConfig, load_table_demo),
}


def data_config_from_dict(plain: dict[str, Any]) -> Any:
    """The data config that `plain` describes; an unknown name or field is a ValueError."""
    name = plain.get("name")
    if name not in DATASETS:
        raise ValueError(f"data.name={name} is unknown: use one of {', '.join(DATASETS)}")
    try:
        return DATASETS[name][0](**plain)
    except TypeError as error:
        raise ValueError(f"data={name}: {error}") from None


def saved_data_config(plain: dict[str, Any]) -> Any:
    """`data_config_from_dict` of a run that may be older than the refusal of what has no effect on its format."""
    idle = getattr(DATASETS.get(plain.get("name", ""), (object,))[0], "IDLE", ())
    return data_config_from_dict({name: value for name, value in plain.items() if name not in idle})


def load_data(config: Any, *, cache_dir: Path, progress: Progress | None = None) -> Loaded:
    """The training and validation sets of any data config; images from the cache or rendered into it.

    `progress(what, done, total)` is called after each image that is decoded or rendered.
    """
    loaded: Any = DATASETS[config.name][1](config, cache_dir=cache_dir, progress=progress)
    loaded.train.spec = loaded.val.spec = replace(loaded.train.spec, counts=loaded.train.value_counts())
    return loaded


def load_images(config: Any, *, cache_dir: Path, progress: Progress | None = None) -> LoadedImages:
    """`load_data` of a config that is one of images."""
    loaded: Any = load_data(config, cache_dir=cache_dir, progress=progress)
    assert isinstance(loaded.train, ImageSet)
    return loaded
