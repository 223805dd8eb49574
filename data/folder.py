"""Folders of images, flat or one subfolder a class: `data=folder data.path=DIR`."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from data.decode import EXTENSIONS, decode
from data.fit import FITS
from data.image_set import ImagesConfig
from data.intensity import INTENSITIES, IntensityConfig
from data.item import Entry, Item, Listing
from data.listing import every_nth, existing_folder, file_digest, is_litter, names_below, select

MISSING = "???"  # OmegaConf's mark of a field that must be given
LOSSY = (".jpg", ".jpeg", ".webp")
OF_MASKS = {"mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations"}


@dataclass
class FolderConfig(ImagesConfig):
    """A folder of images, flat or one subfolder a class: png jpg jpeg tif tiff bmp webp pgm npy, in any case.

    `fit`: crop (scaled, then the centre), resize (stretched), pad, or center_crop (never scaled); see `fit_image`.
    `on_error`: raise, or skip files that cannot be used and list them. `file_list`: a text file of names below `path`,
    one a line. `max_images`: use that many, evenly spaced. `channels`: 1 or 3 for a set that mixes grey and colour.
    `intensity`: linear, log or db over `value_range` = [low, high] (dB for db); without a range it is measured: the bit
    depth of unsigned values, least to greatest of others.
    `nodata`: error, or the value that takes the place of NaN and of a GeoTIFF's no-data value. `complex`: error, or
    amplitude for complex values.
    `val_path`: a folder of its own for validation; `val_list`: a text file of the names to hold out. Either takes the
    place of `val_fraction`, and is mapped and labelled as the training images are.
    `group`: what must not be divided between training and validation: folder, an attribute (which then is no condition),
    or what the format knows (patient, scene). With group=folder the folder that a file lies in is a group and no class;
    classes may stand above it (class/patient/1.png), and a patient in two of them is one group. `attributes`: a CSV
    table of attributes, see `read_attributes`.
    """

    name: str = "folder"
    path: str = MISSING
    fit: str = "crop"
    on_error: str = "raise"
    file_list: str | None = None
    max_images: int | None = None
    channels: int | None = None
    intensity: str = "linear"
    value_range: Any = None
    nodata: Any = "error"
    complex: str = "error"
    val_path: str | None = None
    val_list: str | None = None
    group: str | None = None
    attributes: str | None = None

    # Fields that say where files lie or how they are divided. What they lead to has a digest; they shape no pixel.
    PLACES: ClassVar[tuple[str, ...]] = (
        "path",
        "file_list",
        "max_images",
        "val_path",
        "val_list",
        "group",
        "attributes",
    )
    # Fields that mean nothing to a format that derives from this one.
    IDLE: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        choices = {
            "name": (type(self).name,),
            "fit": FITS,
            "on_error": ("raise", "skip"),
            "intensity": INTENSITIES,
            "complex": ("error", "amplitude"),
        }
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"data.{field}={getattr(self, field)}: use {' or '.join(allowed)}")
        for field in ("max_images", "channels"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"data.{field}={value}: it must be at least 1")
        if self.value_range is None and self.intensity != "linear":
            raise ValueError(f"data.intensity={self.intensity} needs data.value_range=[low, high]")
        if self.nodata != "error" and (isinstance(self.nodata, bool) or not isinstance(self.nodata, int | float)):
            raise ValueError(f"data.nodata={self.nodata}: use error or the number that takes its place")
        for field in self.IDLE:
            if (value := getattr(self, field)) != getattr(FolderConfig, field):
                raise ValueError(f"data.{field}={value} has no effect on data={self.name}: leave it out")
        FolderConfig.stated_intensity(self)  # not a reader's own, which may look into files

    def stated_intensity(self) -> IntensityConfig | None:
        """The map that `value_range` asks for; None where it is to be measured."""
        if self.value_range is None:
            return None
        try:
            low, high = (float(v) for v in self.value_range)
        except (TypeError, ValueError):
            raise ValueError(f"data.value_range={self.value_range}: use [low, high]") from None
        return IntensityConfig(self.intensity, low, high)

    @property
    def clips(self) -> bool:
        """Whether a setting says which values count, so that those beyond are cut off on purpose."""
        return self.value_range is not None

    @property
    def nodata_fill(self) -> float | None:
        """The value that takes the place of no data; None where no data are an error."""
        return None if self.nodata == "error" else float(self.nodata)

    @property
    def held_out(self) -> str | None:
        """The list of names below `path` that are left to validation."""
        return self.val_list if self.val_path is None else None

    @property
    def takes_all(self) -> bool:
        """Whether no option leaves out images at `path`, or keeps them for validation by name."""
        return self.file_list is None and self.max_images is None and self.validation() is None

    def validation(self) -> "FolderConfig | None":
        """The config of the images that are held out by name or lie in a folder of their own; None without such."""
        if self.val_path is None and self.val_list is None:
            return None
        path = self.val_path or self.path
        return replace(self, path=path, file_list=self.val_list, val_path=None, val_list=None, max_images=None)


def list_folder(config: FolderConfig) -> Listing:
    """The image files below data.path; the first folder of a name is its class. See `FolderConfig`."""
    folder = existing_folder(config.path)
    names = names_below(folder)
    chosen = select(dict(zip(names, names, strict=True)), folder, file_list=config.file_list, held_out=config.held_out)
    names = [name for name in names if name in chosen]
    foreign = [(name, "not an image by its extension") for name in names if not is_image(name)]
    names = [name for name in names if is_image(name)]
    if not names:
        raise ValueError(f"no images in {folder}: it holds none of {' '.join(EXTENSIONS)}, in any case")
    in_classes = _in_classes(folder, names, grouped=config.group == "folder")
    if in_classes:
        _refuse_masks(folder, names)
    if in_classes and config.file_list is None:
        foreign += _empty_classes(folder, names)
    entries = [
        Entry(
            name,
            file_digest(folder / name),
            partial(read_image, folder / name, config),
            attributes={"class": name.split("/")[0]} if in_classes else {},
            lossy=is_lossy(name),
        )
        for name in every_nth(names, config.max_images)
    ]
    return Listing(entries, foreign)


def read_image(path: Path, config: FolderConfig) -> Item:
    """The image alone, as the settings want it decoded."""
    return Item(decode(path, nodata=config.nodata_fill, amplitude=config.complex == "amplitude"))


def is_image(name: str) -> bool:
    """Whether the extension is one of an image file."""
    return Path(name).suffix.lower() in EXTENSIONS


def is_lossy(name: str) -> bool:
    """Whether the extension is one of a code with loss."""
    return Path(name).suffix.lower() in LOSSY


def _in_classes(folder: Path, names: list[str], *, grouped: bool) -> bool:
    """Whether the first folder of each name is its class; a ValueError where some are and some are not."""
    flat, deep = [name for name in names if "/" not in name], [name for name in names if name.count("/") > 1]
    in_folder = [name for name in names if "/" in name]
    if flat and in_folder:
        raise ValueError(
            f"{folder} has images both at its top ({flat[0]}) and in subfolders ({in_folder[0]}): "
            "keep them flat, or one subfolder a class"
        )
    if not grouped:
        if deep:
            raise ValueError(
                f"{folder} has images two folders down ({deep[0]}): "
                "point data.path at images, or at folders of images, one a class"
            )
        return bool(in_folder)
    if deep and (odd := [name for name in names if name.count("/") != 2]):
        both = f"{folder} has images at different depths ({deep[0]} and {odd[0]})"
        raise ValueError(f"{both}: data.group=folder reads GROUP/1.png or CLASS/GROUP/1.png")
    return bool(deep)


def _refuse_masks(folder: Path, names: list[str]) -> None:
    """ValueError where one of two folders is called as masks are, and all in it as images in the other."""
    stems: dict[str, set[str]] = {}
    for name in names:
        first, _, below = name.partition("/")
        stems.setdefault(first, set()).add(PurePosixPath(below).stem)
    for masks in stems.keys() & OF_MASKS if len(stems) == 2 else ():
        [images] = stems.keys() - {masks}
        if {stem.removesuffix("_mask") for stem in stems[masks]} <= stems[images]:
            raise ValueError(
                f"{folder} holds {images}/ and {masks}/ with the same names: an image and its mask are read by data=masks "
                f"data.path={folder / images} data.masks={folder / masks}"
            )


def _empty_classes(folder: Path, names: list[str]) -> list[tuple[str, str]]:
    """Subfolders without images beside subfolders with some: a class that would go missing in silence."""
    used = {name.split("/")[0] for name in names}
    subfolders = sorted(p.name for p in folder.iterdir() if p.is_dir() and not is_litter(p.name))
    return [(f"{name}/", "a class folder without images") for name in subfolders if name not in used]
