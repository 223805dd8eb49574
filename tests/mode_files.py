"""What the tests of sampling's modes draw from, and what they give to it."""

from pathlib import Path

import numpy as np
from label_files import save
from test_sample import rows
from tiny_checkpoint import write_stored

from data.decode import decode
from data.image_set import ImageSpec
from data.label_encoding import LabelEncodingConfig

LABELS = {"label_names": ["background", "ship", "buoy"], "label_encoding": LabelEncodingConfig("onehot")}
ATTRIBUTES = {"class": ["cat", "dog"], "plane": ["a", "b"]}
JOINT = ImageSpec(1, 8, 8, attributes=ATTRIBUTES, counts={"class": [3, 1], "plane": [2, 2]}, **LABELS)
PLAIN = ImageSpec(1, 8, 8)
MODES = ["joint", "from_labels", "annotate", "vary", "inpaint"]


def write_given(folder: Path) -> dict[str, Path]:
    """Three images with label maps, and a mask."""
    write_stored(folder / "images", JOINT, 3)
    for i in range(3):
        label_map = np.zeros((8, 8), np.uint8)
        label_map[i : i + 3, 2:4], label_map[6:, 5:] = 1, 2
        save(folder / "labels" / f"{i:03d}.png", label_map)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = 255
    save(folder / "mask.png", mask)
    return {"images": folder / "images", "labels": folder / "labels", "mask": folder / "mask.png"}


def options_of(mode: str, given: dict[str, Path]) -> list[str]:
    """The shortest way to ask for a mode."""
    images, labels, mask = (f"{name}={path}" for name, path in given.items())
    more = {
        "joint": ["num_samples=3"],
        "from_labels": [labels],
        "annotate": [images],
        "vary": [images, "strength=[0.5,1]"],
        "inpaint": [images, mask],
    }
    return [f"mode={mode}", *more[mode]]


def label_maps(out: Path) -> dict[int, np.ndarray]:
    """The label maps of samples by their numbers."""
    return {row["index"]: decode(out / row["label_map"])[0] for row in rows(out)}
