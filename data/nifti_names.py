"""Which files are volumes, which is the mask of one, and whose it is, as far as names tell."""

import re
from fnmatch import fnmatch
from pathlib import Path

from data.decode import UnusableImageError
from data.listing import existing_folder, names_below

SUFFIXES = (".nii.gz", ".nii")
MASK_ENDS = ("_seg", "_mask", "_label", "_labels", "-seg", "-mask", "-label", "-labels")
CONTRAST = re.compile(r"[_-](flair|t1|t1w|t1c|t1n|t1ce|t1gd|t2|t2w|t2f|pd|pdw|adc|dwi|bold)$", re.IGNORECASE)
NNUNET_CHANNEL = re.compile(r"_\d{4}$")
BIDS_SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)")


def volume_names(path: str, labels: str | None, pattern: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the volumes below `path` that fit `pattern`, and (name, reason) of other files.

    Masks in `labels`, and volumes that do not fit, are neither. ValueError where there is no volume or no such folder.
    """
    folder, names = existing_folder(path).resolve(), names_below(existing_folder(path))
    if labels is not None:
        masks = existing_folder(labels).resolve()
        if masks == folder:
            names = [name for name in names if not stem(name).endswith(MASK_ENDS)]
        elif masks.is_relative_to(folder):
            names = [name for name in names if not name.startswith(f"{masks.relative_to(folder).as_posix()}/")]
    foreign = [(name, "not a NIfTI volume by its name") for name in names if not name.lower().endswith(SUFFIXES)]
    chosen = [name for name in names if name.lower().endswith(SUFFIXES) and fnmatch(name, pattern)]
    if not chosen:
        raise ValueError(f"no NIfTI volumes in {folder}: no file is {' or '.join(SUFFIXES)} and {pattern}")
    both = [name for name in chosen if name.lower().endswith(".nii") and f"{name}.gz" in chosen]
    foreign += [(name, "is there as .nii.gz too: keep one") for name in both]
    return [name for name in chosen if name not in both], foreign


def stem(name: str) -> str:
    """A volume's name without .nii or .nii.gz."""
    suffix = next((s for s in SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)]


def find_mask(folder: Path, stem: str, volume: Path) -> tuple[Path, str]:
    """The mask in `folder` of the volume named `stem`, and what their names share; ValueError where there is none."""
    bases = dict.fromkeys([stem, CONTRAST.sub("", stem), NNUNET_CHANNEL.sub("", stem)])
    tried = [(base, f"{base}{end}{suffix}") for base in bases for end in ("", *MASK_ENDS) for suffix in SUFFIXES]
    for base, name in tried:
        if (folder / name).is_file() and (folder / name).resolve() != volume.resolve():
            return folder / name, base
    raise UnusableImageError(f"no mask in {folder}: looked for {tried[0][1]}, {tried[2][1]}, ...")


def patient_of(name: str, shared: str) -> str:
    """The BIDS subject in a volume's name, or what it shares with its mask without the name of a contrast."""
    subject = BIDS_SUBJECT.search(name)
    return subject.group(1) if subject else CONTRAST.sub("", shared)
