"""What a user gives to sampling beside the checkpoint: label maps to follow, and masks that say where to fill in."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from data.decode import decode
from data.fit import fit_label_map
from data.folder import is_image, is_lossy
from data.listing import existing_folder, names_below


def load_label_maps(
    path: str, size: tuple[int, int], fit: str, label_names: list[str]
) -> tuple[UInt8[np.ndarray, "n h w"], list[str]]:
    """Label maps below the folder `path` at `size` = (h, w), and their names without suffix, sorted.

    An image holds the label of each pixel, 0 the background, as `labels/` of earlier samples does. ValueError naming
    the first file that does not.
    """
    folder = existing_folder(path)
    names = [name for name in names_below(folder) if is_image(name)]
    if not names:
        raise ValueError(f"labels={path}: no label map in it, which is an image of whole numbers from 0")
    maps = [fit_label_map(_read_labels(folder / name, label_names), size, fit) for name in names]
    return np.stack(maps), [str(Path(name).with_suffix("")) for name in names]


def load_masks(path: str, names: list[str], size: tuple[int, int], fit: str) -> Bool[np.ndarray, "n h w"]:
    """Where to fill in, for each image of `names`: the pixels of a mask that are not 0.

    `path` is one image for all, or a folder with an image of the same name, whatever its suffix, for each.
    """
    if Path(path).expanduser().is_file():
        return np.repeat(_read_mask(Path(path).expanduser(), size, fit)[None], len(names), axis=0)
    folder = existing_folder(path)
    found = {str(Path(name).with_suffix("")): folder / name for name in names_below(folder) if is_image(name)}
    stems = [str(Path(name).with_suffix("")) for name in names]
    if missing := [stem for stem in stems if stem not in found]:
        raise ValueError(f"mask={path}: no mask for the image {missing[0]} ({len(missing)} of {len(stems)} missing)")
    return np.stack([_read_mask(found[stem], size, fit) for stem in stems])


def _read_labels(path: Path, label_names: list[str]) -> UInt8[np.ndarray, "h w"]:
    values = _read_plane(path)
    if values.min() < 0 or values.max() >= len(label_names) or (values != np.rint(values)).any():
        known = ", ".join(f"{k} {name}" for k, name in enumerate(label_names))
        raise ValueError(f"{path}: values {values.min():g} to {values.max():g}, but the labels are {known}")
    return values.astype(np.uint8)


def _read_mask(path: Path, size: tuple[int, int], fit: str) -> Bool[np.ndarray, "h w"]:
    return fit_label_map((_read_plane(path) != 0).astype(np.uint8), size, fit) > 0


def _read_plane(path: Path) -> np.ndarray:
    if is_lossy(path.name):
        raise ValueError(f"{path}: coded with loss, which blurs its values: save it as PNG")
    try:
        planes = decode(path, indexed=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if (planes != planes[:1]).any():
        raise ValueError(f"{path}: in colour, where whole numbers are wanted: one channel, a number a label")
    return planes[0]
