"""Which files are volumes, which is the mask of one, and whose it is, as far as names tell."""

import re
from collections.abc import Iterable, Set
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from data.decode import UnusableImageError
from data.listing import existing_folder, files_at, place_below, without_masks
from data.palette import MOST, NAMES_FILE, names_file, read_palette

SUFFIXES = (".nii.gz", ".nii")
MASK_ENDS = ("_seg", "_mask", "_label", "_labels", "-seg", "-mask", "-label", "-labels")
CONTRAST = re.compile(r"[_-](flair|t1|t1w|t1c|t1n|t1ce|t1gd|t2|t2w|t2f|pd|pdw|adc|dwi|bold)$", re.IGNORECASE)
NNUNET_CHANNEL = re.compile(r"_(\d{4})$")
MOST_CHANNELS = 8  # of a case; a longer row of numbers is one of patients
BIDS_SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)")


def volume_names(path: str, labels: str | None, pattern: str) -> tuple[Path, list[str], list[tuple[str, str]]]:
    """The folder of the volumes at `path`, the names in it of those that fit `pattern`, and (name, reason) of other files.

    Masks in `labels` with the file of their names, and volumes that do not fit, are neither.
    ValueError where there is no volume or no such folder.
    """
    folder, names = files_at(path)
    if labels is not None:
        names = volumes_among(names, folder, mask_place(labels))
        names = [name for name in names if PurePosixPath(name).name != NAMES_FILE]
    foreign = [(name, "not a NIfTI volume by its name") for name in names if not name.lower().endswith(SUFFIXES)]
    chosen = [name for name in names if name.lower().endswith(SUFFIXES) and fnmatch(name, pattern)]
    if not chosen:
        raise ValueError(f"no NIfTI volumes in {folder}: no file is {' or '.join(SUFFIXES)} and {pattern}")
    both = [name for name in chosen if name.lower().endswith(".nii") and f"{name}.gz" in chosen]
    foreign += [(name, "is there as .nii.gz too: keep one") for name in both]
    return folder, [name for name in chosen if name not in both], foreign


def volumes_among(names: Iterable[str], volumes: str | Path, masks: str | Path) -> list[str]:
    """Of the files `names` below the folder `volumes` those that are no masks; `masks`: their folder, or one of them."""
    return without_masks(names, volumes, masks, lambda name: stem(name).endswith(MASK_ENDS))


def known_masks(path: str, pattern: str, volumes: str, masks: str) -> str | None:
    """Where each volume at `path` has its mask; None where one of them has none.

    It is `masks`, where the masks of `volumes` lie, or if that is below `volumes` the same place below `path`.
    """
    places, below = [masks], place_below(volumes, masks)
    if below is not None and not Path(path).expanduser().is_file():
        places.append(str(Path(path).expanduser() / below))
    for labels in places:
        with suppress(ValueError):
            folder, names, _ = volume_names(path, labels, pattern)
            for name in names:
                find_mask(Path(labels).expanduser(), stem(name), folder / name)
            return labels
    return None


def mask_place(labels: str) -> Path:
    """The folder of the masks, or a mask that is a file of its own."""
    file = Path(labels).expanduser()
    return file if file.is_file() else existing_folder(labels, wanted="file or folder")


def read_label_names(labels: str) -> list[str] | None:
    """What labels.json in or beside `labels` calls the values 1, 2, ... of the masks, label_2 where it leaves 2 out.

    None where there is no such file; ValueError where it names no numbers.
    """
    place = mask_place(labels)
    file = names_file(place.parent if place.is_file() else place)
    if file is None:
        return None
    named = {value: name for name, value in read_palette(file).items()}
    numbers = [value for value in named if isinstance(value, int)]
    if len(numbers) < len(named) or max(numbers) > MOST:
        raise ValueError(f"{file}: masks hold numbers up to {MOST}, which alone it may name (or data.label_names does)")
    return [named.get(value, f"label_{value}") for value in range(1, max(numbers) + 1)]


def stem(name: str) -> str:
    """A volume's name without .nii or .nii.gz."""
    suffix = next((s for s in SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)]


def find_mask(folder: Path, stem: str, volume: Path) -> tuple[Path, str]:
    """The mask in `folder` of the volume named `stem`, and what their names share; ValueError where there is none.

    A file in the place of the folder is the mask of every volume. In the volume's own folder a mask ends in one of
    MASK_ENDS: what is called like a volume is one.
    """
    if folder.is_file():
        return folder, stem
    bases = dict.fromkeys([stem, CONTRAST.sub("", stem), NNUNET_CHANNEL.sub("", stem)])
    ends = MASK_ENDS if (folder / stem).resolve().parent == volume.resolve().parent else ("", *MASK_ENDS)
    tried = [(base, f"{base}{end}{suffix}") for base in bases for end in ends for suffix in SUFFIXES]
    for base, name in tried:
        if (folder / name).is_file() and (folder / name).resolve() != volume.resolve():
            return folder / name, base
    raise UnusableImageError(f"no mask in {folder}: looked for {tried[0][1]}, {tried[2][1]}, ...")


def with_channels(names: Iterable[str]) -> set[str]:
    """The cases of which several channels are there, numbered from 0 as nnU-Net does: case_0000, case_0001."""
    numbers: dict[str, set[int]] = {}
    for name in map(stem, names):
        if channel := NNUNET_CHANNEL.search(name):
            numbers.setdefault(name[: channel.start()], set()).add(int(channel.group(1)))
    return {case for case, own in numbers.items() if 2 <= len(own) <= MOST_CHANNELS and own == set(range(len(own)))}


def patient_of(name: str, shared: str, cases: Set[str]) -> str:
    """The BIDS subject in a volume's name, the one of `cases` that it is a channel of, or what it shares with its mask.

    Of that the name of a contrast is left out; where it is nothing else (p0/t1), it is the folder.
    """
    if subject := bids_subject(name):
        return subject
    if (case := NNUNET_CHANNEL.sub("", shared)) in cases:
        return case
    folder, _, base = shared.rpartition("/")
    return (folder or ".") if CONTRAST.match(f"_{base}") else CONTRAST.sub("", shared)


def bids_subject(name: str) -> str | None:
    """The subject in a volume's name by BIDS, who goes by that name in any folder; None where there is none."""
    subject = BIDS_SUBJECT.search(name)
    return subject.group(1) if subject else None
