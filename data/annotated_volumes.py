"""Label maps of slices laid back into the NIfTI volumes that they are slices of, to be opened over these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.decode import decode
from data.fit import fit_label_map
from data.libraries import medical
from data.listing import files_at
from data.nifti_names import SUFFIXES, stem
from data.nifti_volume import open_volume, slices_along
from data.sample_files import whole_file


@dataclass(frozen=True)
class LabelledSlice:
    """The label map of a slice in the slice's own size; `slice_name` is the reader's, "scan_1/0012" or "scan_1/axial_0012"."""

    slice_name: str
    label_map: Path


def write_annotated_volumes(
    out: Path, volumes: Mapping[str, Iterable[LabelledSlice]], images: str, default_axis: str
) -> None:
    """Write `out`/NAME.nii.gz for each of `volumes`: voxels, affine and header of the volume below `images`, with labels.

    What no slice covers is background. `default_axis`: along which slices lie whose name does not say so. Where slices
    were resampled to square pixels, their labels go back to the voxels.
    """
    nibabel = medical("nibabel")
    folder, names = files_at(images)
    files = {stem(name): folder / name for name in names if name.lower().endswith(SUFFIXES)}
    for name, slices in volumes.items():
        slices = list(slices)
        volume = open_volume(files[slices[0].slice_name.rpartition("/")[0]])
        mask = np.zeros((*volume.shape, 1, 1)[:3], np.uint8)  # one, however many channels or times there are
        for own in slices:
            axis, _, number = own.slice_name.rpartition("/")[2].rpartition("_")
            along = slices_along(mask, volume.affine, axis or default_axis)  # a view: what is put in is in the mask
            along[int(number)] = fit_label_map(decode(own.label_map)[0], along.shape[1:], "resize")
        annotated = type(volume)(mask, volume.affine, volume.header)
        annotated.set_data_dtype(np.uint8)
        path = out / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            nibabel.save(annotated, temporary)
