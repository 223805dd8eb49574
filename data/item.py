"""One item of an image set as its files hold it, and what every reader of a format returns: a listing of such items."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Num, UInt8

BACKGROUND = "background"


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in pixels of its image: left and top edge, width and height; they may be fractional.

    `label` is the value that the label map has for its class, 1 or more.
    """

    x: float
    y: float
    width: float
    height: float
    label: int


@dataclass
class Item:
    """What was read: the image in its own size and physical values, and its labels where there are any.

    `label_map[y, x]` is 0 for the background and k for `Listing.label_names[k]`.
    """

    image: Num[np.ndarray, "c h w"]
    label_map: UInt8[np.ndarray, "h w"] | None = None


@dataclass(frozen=True)
class Entry:
    """An item that has been found but not read yet.

    `name` is unique in its set, relative to data.path, with forward slashes. `digest` is a SHA-256 that changes with
    any byte that `read` depends on. `attributes` names what the item as a whole is, {"class": "glioma", "plane":
    "axial"}. Items of one `group` (patient, scene, folder) are never split between training and validation; None: the
    item stands alone. `lossy`: coded with loss (JPEG), so that grey channels may differ a little. `file`: the name of the
    file that the item is a part of, a volume; None: it is its name.

    `read` raises ValueError with the reason, in one line and without the name, or OSError.
    """

    name: str
    digest: str
    read: Callable[[], Item]
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    lossy: bool = False
    file: str | None = None


@dataclass
class Listing:
    """What a reader found, sorted by name.

    `foreign` holds (name, reason) of files that cannot belong. `label_names` is empty where items have no label map;
    else label_names[0] is BACKGROUND and label_names[k] what the value k means. `grouped_by` says what the entries'
    groups are (patient, scene_cluster), so that data.group= may name it; None: they have none. `local_groups`: groups
    are named after files and folders, so that the same name below another folder need not be the same thing. `notes`
    are phrases for the report. `label_values`: label_values[k] is what a pixel of label k holds in a mask file, a whole
    number or [r, g, b]; empty for formats without mask images.
    """

    entries: list[Entry]
    foreign: list[tuple[str, str]] = field(default_factory=list)
    label_names: list[str] = field(default_factory=list)
    grouped_by: str | None = None
    local_groups: bool = False
    notes: list[str] = field(default_factory=list)
    label_values: list[int | list[int]] = field(default_factory=list)
