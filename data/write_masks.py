"""Labelled samples as pairs: `images/` and `masks/` with the same names, and what the values mean in labels.json."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from data.sample_files import SampleFiles, copy_image, read_label_map, whole_file, write_label_names


def write_masks(out: Path, samples: Sequence[SampleFiles], label_names: Sequence[str]) -> Path:
    """Write `out`/masks/NAME.png for each `out`/images/NAME.*, and labels.json, {"0": "background", "1": ...}, last.

    A mask is a grey 8-bit PNG whose values are the labels. Images that do not lie in `out`/images yet are copied there.
    Returns the path of labels.json.
    """
    for sample in samples:
        read_label_map(sample)  # refuses a sample without one
        assert sample.label_map is not None
        copy_image(sample, out / "images")
        path = out / "masks" / f"{sample.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            shutil.copyfile(sample.label_map, temporary)
    return write_label_names(out / "labels.json", label_names)
