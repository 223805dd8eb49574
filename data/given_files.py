"""What lies at a path that a user gives to sampling: image files, or what the model's own reader reads, one by one.

Image files go by their names below the folder without suffix ("cat/000001"), slices by their reader's names
("hippocampus_001/0012"), records of a COCO file by their file_name without suffix, items of an archive by its `name`.
In a folder that holds image files all else is left alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Num, UInt8

from data.coco import CocoConfig
from data.coco_file import Row, fact, rasterised, read_coco
from data.decode import MAX_PIXELS, decode
from data.folder import FolderConfig, is_image, is_lossy, read_image
from data.image_set import ImageSpec
from data.item import Entry, Listing
from data.listing import files_at
from data.masks import MasksConfig, images_among
from data.nifti import NiftiConfig, list_nifti
from data.nifti_names import SUFFIXES, known_masks, volumes_among
from data.npz import NpzConfig, list_npz
from data.readers import READERS

OWN_FILES = {  # what is no image file: what it is called, and how its name ends (of DICOM files in any way)
    "nifti": ("NIfTI volumes", SUFFIXES),
    "dicom": ("DICOM files", ("",)),
    "npz": ("NumPy archives", (".npz",)),
}
WITH_SLICES = ("nifti", "dicom")


@dataclass(frozen=True)
class Given:
    """One image or label map, not read yet; `where` names it in errors.

    `read` gives the planes (c, h, w) of an image, or labels (h, w), and raises ValueError with the reason, or OSError.
    `attributes`: what is known of it; the class of an image file is its first folder, "" where it lies in none.
    `volume`: what it is a slice of, of several planes with that of the slice; None for what is no slice. `numbered`:
    what is read are numbers of the model's labels, whatever their values. `file`: of what is an image file of its own.
    """

    name: str
    where: str
    read: Callable[[], np.ndarray]
    attributes: Mapping[str, str] = field(default_factory=dict)
    volume: str | None = None
    numbered: bool = False
    file: Path | None = None


def find_images(option: str, path: str, how: FolderConfig, *, every_slice: bool = True) -> list[Given]:
    """The images at `path`, sorted by name: image files, else what the reader of `how` finds with its settings.

    Of those settings none counts that says where files lie or which are used. Masks that lie among them as those of
    training did are no images. `every_slice`: also those that training may have left out. Without it, empty are, as in
    training, slices without foreground where `training_masks` are there, else those of one value. ValueError that
    begins with `option`=.
    """
    files = _image_files(option, path, how, tuple(OWN_FILES), with_masks=False)
    if files is not None:
        return [_of_file(option, name, file, partial(_planes_of, file, how)) for name, file in files.items()]
    config = _for_path(how, path)
    if isinstance(config, NiftiConfig):
        if every_slice:
            config = replace(config, empty_slices="keep", slice_step=1)
        elif emptied_by_masks(how):
            config = replace(config, labels=training_masks(path, how))
    with naming(f"{option}={path}"):
        listing = READERS[how.name][1](config)
        of_images = set(_without_masks([entry.file or entry.name for entry in listing.entries], path, how))
        listing = replace(listing, entries=[e for e in listing.entries if (e.file or e.name) in of_images])
        entries = _all_usable(listing, how.name)
    return [_of_entry(option, path, entry, how, partial(_image_of, entry)) for entry in entries]


def emptied_by_masks(how: FolderConfig) -> bool:
    """Whether training left out slices because their masks hold nothing."""
    return isinstance(how, NiftiConfig) and how.labels is not None and how.empty_slices != "keep"


def training_masks(path: str, how: FolderConfig) -> str | None:
    """Where the volumes at `path` have the masks that training had of them; None where one of them has none."""
    assert isinstance(how, NiftiConfig)
    assert how.labels is not None
    return known_masks(path, _for_path(how, path).pattern, how.path, how.labels)


def find_labels(option: str, path: str, spec: ImageSpec, how: FolderConfig, images: str | None) -> list[Given]:
    """The label maps, or the masks, at `path`: image files, NIfTI masks where `how` reads NIfTI, for labels= also a COCO
    file or a NumPy archive.

    `images`: the path of the volumes that they belong to, whose masks are found as in training; None: nothing of the
    kind. ValueError that begins with `option`=.
    """
    if option == "labels" and Path(path).expanduser().is_file():
        if path.lower().endswith(".json"):
            return _of_coco(path, spec, how.label_from if isinstance(how, CocoConfig) else "masks")
        if path.lower().endswith(".npz"):
            return _of_archive(path, spec, how)
    files = _image_files(option, path, how, ("nifti",))
    if files is not None:
        return [_of_file(option, name, file, partial(_plane_of, file)) for name, file in files.items()]
    assert isinstance(how, NiftiConfig)
    plain = replace(how, percentiles=None, empty_slices="keep", slice_step=1)
    with naming(f"{option}={path}"):
        if images is None:
            config = replace(_for_path(plain, path), pattern="*", volume_index=None)
        else:
            config = replace(_for_path(plain, images), labels=path)
        entries = _all_usable(list_nifti(config, are_masks=images is None), how.name)
    return [_of_entry(option, path, entry, how, partial(_labels_of, entry)) for entry in entries]


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put `where` in front of what a ValueError says."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _image_files(
    option: str, path: str, how: FolderConfig, readable: tuple[str, ...], *, with_masks: bool = True
) -> dict[str, Path] | None:
    """{name: image file}, sorted; None where there is none but what the format of `how`, one of `readable`, reads.

    `with_masks`: those also that lie among the images as the masks of training did.
    """
    with naming(f"{option}={path}"):
        folder, names = files_at(path)
    if not with_masks and isinstance(how, MasksConfig):
        names = _without_masks(names, path, how)
    files: dict[str, Path] = {}
    for name in filter(is_image, names):
        stem = PurePosixPath(name).with_suffix("").as_posix()
        if stem in files:
            raise ValueError(f"{option}={path}: {name} and {files[stem].name} have one name: keep one of them")
        files[stem] = folder / name
    if files:
        return dict(sorted(files.items()))
    own, ends = OWN_FILES[how.name] if how.name in readable else ("", ())
    if any(name.lower().endswith(ends) for name in names):
        return None
    found = [
        what for what, ends in OWN_FILES.values() if any(name.lower().endswith(ends) for name in names) and ends[0]
    ]
    holds = f" but {' and '.join(found)}" if found else ""
    reads = f"image files or {own}" if own else "image files"
    which = f", of data={how.name}," if own else ""
    reads += ", a COCO file or an archive (FILE.json, FILE.npz)" if option == "labels" else ""
    raise ValueError(f"{option}={path}: no image in it{holds}: this checkpoint{which} reads {reads} here")


def _for_path(how: FolderConfig, path: str) -> Any:
    """The settings of `how` that shape pixels, for all that lies at `path`."""
    default = {entry.name: entry.default for entry in fields(how) if entry.name in how.PLACES}
    if isinstance(how, NiftiConfig):
        default["label_names"] = None
        if not Path(path).expanduser().is_file():
            default["pattern"] = (
                how.pattern
            )  # which files of a folder are the volumes, beside masks and other contrasts
    return replace(how, **{**default, "path": path})


def _all_usable(listing: Listing, format_name: str) -> list[Entry]:
    """The entries; ValueError for a file of the format that cannot be used, or where nothing is left."""
    ends = OWN_FILES[format_name][1]
    for name, reason in listing.foreign:
        if name.lower().endswith(ends):
            raise ValueError(f"{name}: {reason}")
    if not listing.entries:
        raise ValueError("no image in it")
    return listing.entries


def _without_masks(names: list[str], path: str, how: FolderConfig) -> list[str]:
    """The files at `path` that are no masks, which lie among the images there as those of training did."""
    if Path(path).expanduser().is_file():
        return names
    if isinstance(how, MasksConfig):
        return images_among(names, how.path, how.masks)
    if isinstance(how, NiftiConfig) and how.labels is not None:
        return volumes_among(names, how.path, how.labels)
    return names


def _of_file(option: str, name: str, file: Path, read: Callable[[], np.ndarray]) -> Given:
    attributes = {"class": name.split("/")[0] if "/" in name else ""}
    return Given(name, f"{option}={file}", read, attributes, file=file)


def _of_entry(option: str, path: str, entry: Entry, how: FolderConfig, read: Callable[[], np.ndarray]) -> Given:
    name, volume = entry.name.removesuffix(".npz"), None
    if how.name in WITH_SLICES:
        several = isinstance(how, NiftiConfig) and len(how.axes) > 1
        volume = name.rpartition("/")[0] + (f"_{entry.attributes['plane']}" if several else "")
    return Given(name, f"{option}={path}: {entry.name}", read, entry.attributes, volume)


def _of_coco(path: str, spec: ImageSpec, label_from: str) -> list[Given]:
    """A label map for each image of a COCO file, whose categories are known by their names."""
    try:
        coco = read_coco(Path(path).expanduser())
        known = {name: number for number, name in enumerate(spec.label_names) if number}
        used = {str(row.get("category_id")) for rows in coco.annotations.values() for row in rows}
        for category, name in coco.names.items():
            if name not in known and str(category) in used:
                raise ValueError(f"{path}: the category {name} is no label of this checkpoint ({', '.join(known)})")
        names = [PurePosixPath(record["file_name"]).with_suffix("").as_posix() for record in coco.records]
        if not names:
            raise ValueError(f"{path}: no image in it")
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise ValueError(f"{path}: {count} images have the name {name}: keep one of them")
    except ValueError as error:
        raise ValueError(f"labels={error}") from None
    label_of = {category: known[name] for category, name in coco.names.items() if name in known}
    found = []
    for name, record in sorted(zip(names, coco.records, strict=True), key=lambda pair: pair[0]):
        read = partial(_rasterised, record, coco.annotations.get(record["id"], []), label_of, label_from)
        attributes = {key: value for key in spec.attributes if (value := fact(record, key)) is not None}
        found.append(Given(name, f"labels={path}: {record['file_name']}", read, attributes, numbered=True))
    return found


def _of_archive(path: str, spec: ImageSpec, how: FolderConfig) -> list[Given]:
    """The label maps of a NumPy archive; values that it names are labels by these names."""
    config = _for_path(how, path) if isinstance(how, NpzConfig) else NpzConfig(path=path)
    with naming(f"labels={path}"):
        listing = list_npz(config)
        if not listing.label_names:
            raise ValueError("no array called label_map in it")
    names = listing.label_names
    if names[1:] == [f"label_{k}" for k in range(1, len(names))]:  # for want of others
        return [_of_entry("labels", path, entry, how, partial(_labels_of, entry)) for entry in listing.entries]
    read = partial(_by_name, names=names, known=spec.label_names)
    found = [_of_entry("labels", path, entry, how, partial(read, entry)) for entry in listing.entries]
    return [replace(given, numbered=True) for given in found]


def _by_name(entry: Entry, names: list[str], known: list[str]) -> UInt8[np.ndarray, "h w"]:
    """The label map of an entry with the numbers that its labels have in `known`."""
    label_map, number = _labels_of(entry), np.zeros(256, np.uint8)
    for value in np.unique(label_map):
        name = names[value] if value < len(names) else f"label_{value}"
        if name not in known:
            raise ValueError(f"the label {name} is no label of this checkpoint ({', '.join(known[1:])})")
        number[value] = known.index(name)
    return number[label_map]


def _rasterised(record: Row, own: list[Row], label_of: dict[int, int], label_from: str) -> UInt8[np.ndarray, "h w"]:
    h, w = record.get("height"), record.get("width")
    if type(h) is not int or type(w) is not int or min(h, w) < 1 or h * w > MAX_PIXELS:
        raise ValueError("its record needs a width and a height, in pixels")
    return rasterised(own, label_of, (h, w), label_from)


def _planes_of(file: Path, how: FolderConfig) -> Num[np.ndarray, "c h w"]:
    return read_image(file, how).image


def _plane_of(file: Path) -> Num[np.ndarray, "h w"]:
    if is_lossy(file.name):
        raise ValueError("coded with loss, which blurs its values: save it as PNG")
    planes = decode(file, indexed=True)
    if (planes != planes[:1]).any():
        raise ValueError("in colour, where one channel is wanted")
    return planes[0]


def _image_of(entry: Entry) -> Num[np.ndarray, "c h w"]:
    return entry.read().image


def _labels_of(entry: Entry) -> UInt8[np.ndarray, "h w"]:
    label_map = entry.read().label_map
    assert label_map is not None
    return label_map
