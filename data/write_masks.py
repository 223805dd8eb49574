"""Labelled samples as pairs: `images/` and `masks/` with the same names, and what the values mean in labels.json."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Num

from data.sample_files import SampleFiles, copy_image, read_label_map, whole_file, write_label_names
from data.writers import write_png


def write_masks(
    out: Path,
    samples: Sequence[SampleFiles],
    label_names: Sequence[str],
    label_values: Sequence[Any] = (),
    *,
    images: Path | None = None,
) -> Path:
    """Write `out`/masks/NAME.png for each `out`/images/NAME.*, and labels.json, {"0": "background", "1": ...}, last.

    A mask is a grey PNG whose values are the labels or, where `label_values` has another number or [r, g, b] for each,
    these: so masks of samples and of training mix in one folder. Colours make 8-bit RGB, numbers 8 or 16 bits, and those
    above 65535, which no PNG holds, a TIFF of real values. Images that do not lie in `images`, by default `out`/images, yet are
    copied there. Returns the path of labels.json.
    """
    images = images or out / "images"
    table = _table(label_values or range(len(label_names)))
    for sample in samples:
        label_map = read_label_map(sample)  # refuses a sample without one
        copy_image(sample, images)
        suffix = ".tif" if table.dtype.kind == "f" else ".png"
        path = out / "masks" / f"{sample.name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            _write(temporary, table[label_map])
    return write_label_names(out / "labels.json", label_names, label_values)


def _table(values: Sequence[Any]) -> Num[np.ndarray, "k c"]:
    """The value of each label, or its red, green and blue, in the narrowest type that a mask file can have."""
    table = np.array(values, np.int64).reshape(len(values), -1)
    depth = next((kind for kind in (np.uint8, np.uint16) if table.max() <= np.iinfo(kind).max), np.float64)
    return table.astype(depth)


def _write(path: Path, mask: Num[np.ndarray, "h w c"]) -> None:
    if mask.dtype.kind == "f":
        tifffile.imwrite(path, mask[:, :, 0], metadata=None)
    else:
        write_png(path, mask.transpose(2, 0, 1))
