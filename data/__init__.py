"""Image sets: readers of formats, simulators, the cache that both fill, and writers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from data import mri, sar
from data.coco import CocoConfig, list_coco
from data.dicom import DicomConfig, list_dicom
from data.folder import FolderConfig, list_folder
from data.image_set import LoadedImages, Progress
from data.images import load_listed
from data.masks import MasksConfig, list_masks
from data.nifti import NiftiConfig, list_nifti
from data.npz import NpzConfig, list_npz
from data.simulated import load_simulated
from data.yolo import YoloConfig, list_yolo

DATASETS: dict[str, tuple[type, Callable[..., LoadedImages]]] = {
    "folder": (FolderConfig, partial(load_listed, reader=list_folder)),
    "coco": (CocoConfig, partial(load_listed, reader=list_coco)),
    "yolo": (YoloConfig, partial(load_listed, reader=list_yolo)),
    "masks": (MasksConfig, partial(load_listed, reader=list_masks)),
    "nifti": (NiftiConfig, partial(load_listed, reader=list_nifti)),
    "dicom": (DicomConfig, partial(load_listed, reader=list_dicom)),
    "npz": (NpzConfig, partial(load_listed, reader=list_npz)),
    "sar_sim": (sar.SarSimConfig, partial(load_simulated, simulator=sar)),
    "mri_sim": (mri.MriSimConfig, partial(load_simulated, simulator=mri)),
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


def load_images(config: Any, *, cache_dir: Path, progress: Progress | None = None) -> LoadedImages:
    """The training and validation sets of any data config, from the cache or rendered into it.

    `progress(what, done, total)` is called after each image that is decoded or rendered.
    """
    images = DATASETS[config.name][1](config, cache_dir=cache_dir, progress=progress)
    images.train.spec = images.val.spec = replace(images.train.spec, counts=images.train.value_counts())
    return images
