"""Samples as one compressed NumPy archive."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.decode import decode
from data.npz import ATTRIBUTE, IMAGE, LABEL_NAMES, LABELS, NAME
from data.sample_files import SampleFiles, read_label_map, whole_file

TAKEN = (*IMAGE, *LABELS, *NAME, *LABEL_NAMES, "file", "allow_pickle")  # by the reader, and by numpy.savez


def write_npz(out: Path, samples: Sequence[SampleFiles], label_names: Sequence[str]) -> Path:
    """Write `out`/dataset.npz and return its path. All images are held in memory at once.

    `image` (n, c, h, w): the values of the image files, in the set's own units and type. `name` (n,): strings. Where the
    samples have them: `label_map` (n, h, w) uint8 with `label_names` (k,), and an array (n,) of strings for each
    attribute under its name, such as `class`, empty where it is unknown; `attribute.name` for one called like another
    array (`name`). It loads with allow_pickle=False. ValueError where only some samples have a label map.
    """
    arrays = {"image": np.stack([decode(sample.image) for sample in samples])}
    arrays["name"] = np.array([sample.name for sample in samples])
    if any(sample.label_map for sample in samples):
        arrays["label_map"] = np.stack([read_label_map(sample) for sample in samples])
        arrays["label_names"] = np.array(list(label_names))
    for attribute in sorted({name for sample in samples for name in sample.attributes}):
        name = f"{ATTRIBUTE}{attribute}" if attribute in TAKEN or attribute.startswith(ATTRIBUTE) else attribute
        arrays[name] = np.array([sample.attributes.get(attribute, "") for sample in samples])
    out.mkdir(parents=True, exist_ok=True)
    with whole_file(out / "dataset.npz") as temporary:
        np.savez_compressed(temporary, **arrays)  # pyright: ignore[reportArgumentType]
    return out / "dataset.npz"
