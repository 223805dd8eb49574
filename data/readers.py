"""The readers of files by the name of their format: name -> (config, list_<name>), where list_<name>(config) is a Listing."""

from data.coco import CocoConfig, list_coco
from data.dicom import DicomConfig, list_dicom
from data.folder import FolderConfig, list_folder
from data.images import Reader
from data.masks import MasksConfig, list_masks
from data.nifti import NiftiConfig, list_nifti
from data.npz import NpzConfig, list_npz
from data.yolo import YoloConfig, list_yolo

READERS: dict[str, tuple[type[FolderConfig], Reader]] = {
    "folder": (FolderConfig, list_folder),
    "coco": (CocoConfig, list_coco),
    "yolo": (YoloConfig, list_yolo),
    "masks": (MasksConfig, list_masks),
    "nifti": (NiftiConfig, list_nifti),
    "dicom": (DicomConfig, list_dicom),
    "npz": (NpzConfig, list_npz),
}
