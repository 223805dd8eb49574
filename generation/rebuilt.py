"""A checkpoint taken apart: the run's config, what its images are like and how they were read, and the network."""

from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from conf.schema import TrainConfig, train_config_from_dict
from data.folder import FolderConfig
from data.image_set import ImageSpec
from data.kinds import items_of
from data.table_spec import TableSpec
from training.checkpoint import rebuild_network

SpecT = TypeVar("SpecT", ImageSpec, TableSpec)


def rebuild(checkpoint: Path, state: dict[str, Any], weights: str) -> tuple[TrainConfig, ImageSpec, nn.Module]:
    """What a checkpoint of images describes; ValueError naming the file when its parts do not fit each other."""
    return _rebuild(checkpoint, state, weights, ImageSpec, "images")


def rebuild_table(checkpoint: Path, state: dict[str, Any], weights: str) -> tuple[TrainConfig, TableSpec, nn.Module]:
    """What a checkpoint of a table describes, as `rebuild`."""
    return _rebuild(checkpoint, state, weights, TableSpec, "rows")


def _rebuild(
    checkpoint: Path, state: dict[str, Any], weights: str, spec_class: type[SpecT], items: str
) -> tuple[TrainConfig, SpecT, nn.Module]:
    if items_of(state["images"]) != items:
        raise ValueError(f"{checkpoint} is a checkpoint of {items_of(state['images'])}: one of {items} is needed")
    try:
        config, spec = train_config_from_dict(state["config"]), spec_class.from_dict(state["images"])
        return config, spec, rebuild_network(state, weights=weights)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"{checkpoint} is no whole checkpoint of this version: {str(error).splitlines()[0]}"
        ) from error


def reading(run_config: TrainConfig, spec: ImageSpec) -> FolderConfig:
    """How the training images were read and fitted, and what is given now is; of simulated ones only the flips are known."""
    data = run_config.data
    return data if isinstance(data, FolderConfig) else FolderConfig(image_size=[spec.height, spec.width], **data.flips)
