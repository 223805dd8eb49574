"""Stacks of slices as NIfTI volumes: of arrays, and samples as a set of volumes with their labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Num

from data.decode import decode
from data.libraries import medical
from data.nifti_names import SUFFIXES
from data.sample_files import SampleFiles, read_label_map, whole_file, write_label_names

TYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")
LONGEST = 2**15 - 1  # NIfTI-1 has 16 bits with a sign for a side of a volume


def write_nifti(out: Path, stacks: Mapping[str, Sequence[SampleFiles]], label_names: Sequence[str]) -> Path:
    """Write `out`/images/NAME.nii.gz for each of the `stacks`, the values of its image files slice by slice.

    Where samples have label maps, also `out`/labels/NAME.nii.gz and, last, labels.json {"0": "background", "1": ...}.
    `data=nifti data.path=OUT/images data.labels=OUT/labels data.axis=axial` reads back what the files hold; pixels are
    1 mm, wherever a slice came from. Returns `out`.
    """
    labelled = any(sample.label_map for samples in stacks.values() for sample in samples)
    for name, samples in stacks.items():
        images = np.stack([decode(sample.image) for sample in samples])  # (n, c, h, w)
        _write_whole(out / "images" / f"{name}.nii.gz", images[:, 0] if images.shape[1] == 1 else images)
        if labelled:
            _write_whole(out / "labels" / f"{name}.nii.gz", np.stack([read_label_map(sample) for sample in samples]))
    if labelled:
        write_label_names(out / "labels.json", label_names)
    return out


def write_nifti_stack(
    path: Path,
    images: Num[np.ndarray, "n h w"] | Num[np.ndarray, "n c h w"],
) -> None:
    """Write slices, or label maps, as one NIfTI-1 volume, .nii or .nii.gz; channels become its fourth dimension.

    The slices are axial in the orientation of `data.nifti`, 1 mm in each direction, so that `list_nifti(axis="axial")`
    gives back the same values. ValueError for what NIfTI-1 has not: 64-bit integers, booleans, more than 32767 slices.
    """
    nibabel = medical("nibabel")
    if images.dtype.name not in TYPES:
        raise ValueError(f"{path}: a NIfTI stack cannot hold {images.dtype}, convert it to int32 or float32")
    if max(images.shape) > LONGEST:
        raise ValueError(f"{path}: {len(images)} slices, and a NIfTI volume has at most {LONGEST}: use another format")
    if not path.name.endswith(SUFFIXES):
        raise ValueError(f"{path}: the name of a NIfTI stack ends in {' or '.join(SUFFIXES)}")
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])  # columns run to the left, rows to the back, slices up
    pattern = "n h w -> w h n" if images.ndim == 3 else "n c h w -> w h n c"
    image = nibabel.Nifti1Image(rearrange(images, pattern), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def _write_whole(path: Path, images: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        write_nifti_stack(temporary, images)
