"""Which files of a folder belong to an image set, and which class each is in."""

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from data.decode import EXTENSIONS

LITTER = ("thumbs.db", "desktop.ini", "__macosx")  # what operating systems leave behind, beside hidden files


@dataclass(frozen=True)
class Listed:
    """A file of the set. `name` is relative to the folder, with forward slashes; `digest` is SHA-256 of its content."""

    path: Path
    name: str
    class_name: str | None
    digest: str


def list_images(
    path: str, file_list: str | None, *, held_out: str | None = None, max_images: int | None = None
) -> tuple[list[Listed], list[tuple[str, str]]]:
    """The image files below `path` sorted by name, and (name, reason) of the files that are not images.

    Flat, or one subfolder a class. `file_list` is a text file of the names to use, `held_out` one of names to leave to
    validation. `max_images` takes that many, evenly spaced in the sorted order so that each class keeps its share.
    """
    folder = existing_folder(path)
    names = _all_names(folder) if file_list is None else _listed_names(folder, file_list, "data.file_list")
    if held_out is not None:
        validation = set(_listed_names(folder, held_out, "data.val_list"))
        if file_list is not None and (both := sorted(validation.intersection(names))):
            raise ValueError(f"{both[0]} is in data.file_list and in data.val_list ({len(both)} such names)")
        names = [name for name in names if name not in validation]
    foreign = [(name, "not an image by its extension") for name in names if Path(name).suffix.lower() not in EXTENSIONS]
    chosen = [name for name in names if Path(name).suffix.lower() in EXTENSIONS]
    if not chosen:
        raise ValueError(f"no images in {folder}: it holds none of {' '.join(EXTENSIONS)}, in any case")
    _check_depth(folder, chosen)
    if max_images is not None and max_images < len(chosen):
        chosen = [chosen[i * len(chosen) // max_images] for i in range(max_images)]
    return [_listed(folder, name) for name in chosen], foreign + _empty_classes(folder, chosen, file_list)


def _listed(folder: Path, name: str) -> Listed:
    class_name = name.split("/")[0] if "/" in name else None
    try:
        with open(folder / name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:  # it is named with all other bad files when it is decoded
        digest = str(error)
    return Listed(folder / name, name, class_name, digest)


def existing_folder(path: str) -> Path:
    """`path` as a folder that exists, or a ValueError with the nearest name that does."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ValueError(f"{folder} is a file: give the folder that holds the images")
    parent = next(p for p in folder.parents if p.is_dir())
    missing = folder.relative_to(parent).parts[0]
    near = difflib.get_close_matches(missing, [p.name for p in parent.iterdir()], n=1)
    raise ValueError(f"folder {folder} does not exist" + (f": did you mean {parent / near[0]}?" if near else ""))


def _all_names(folder: Path) -> list[str]:
    subfolders = [p for p in folder.iterdir() if p.is_dir()]  # rglob would not follow one that is a link
    files = [p for p in folder.iterdir() if not p.is_dir()]
    files += [p for subfolder in subfolders for p in subfolder.rglob("*") if not p.is_dir()]
    relative = (p.relative_to(folder) for p in files)
    return sorted(p.as_posix() for p in relative if not any(_is_litter(part) for part in p.parts))


def _empty_classes(folder: Path, names: list[str], file_list: str | None) -> list[tuple[str, str]]:
    """Subfolders without images beside subfolders with some: a class that would go missing in silence."""
    used = {name.split("/")[0] for name in names if "/" in name}
    if file_list is not None or not used:
        return []
    subfolders = sorted(p.name for p in folder.iterdir() if p.is_dir() and not _is_litter(p.name))
    return [(f"{name}/", "a class folder without images") for name in subfolders if name not in used]


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _listed_names(folder: Path, file_list: str, field: str) -> list[str]:
    list_path = Path(file_list).expanduser()
    if not list_path.is_file():
        raise ValueError(f"{field}: no file {list_path}")
    try:
        lines = [line.strip() for line in list_path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        raise ValueError(f"{field}: {list_path} is not a text file of names, one a line") from None
    names = [Path(line).as_posix() for line in lines if line]
    if not names:
        raise ValueError(f"{field}: {list_path} names no files")
    repeated = [name for i, name in enumerate(names) if name in set(names[:i])] if len(set(names)) < len(names) else []
    if repeated:
        raise ValueError(f"{field}: {list_path} names {repeated[0]} twice ({len(repeated)} repeated names)")
    if outside := [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]:
        raise ValueError(f"{field}: {outside[0]} in {list_path} must be a name inside {folder}")
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ValueError(f"{field}: {missing[0]} is not in {folder} ({len(missing)} of {len(names)} missing)")
    return sorted(names)


def _check_depth(folder: Path, names: list[str]) -> None:
    flat = [name for name in names if "/" not in name]
    in_class = [name for name in names if "/" in name]
    if flat and in_class:
        raise ValueError(
            f"{folder} has images both at its top ({flat[0]}) and in subfolders ({in_class[0]}): "
            "keep them flat, or one subfolder a class"
        )
    if deep := [name for name in in_class if name.count("/") > 1]:
        raise ValueError(
            f"{folder} has images two folders down ({deep[0]}): "
            "point data.path at images, or at folders of images, one a class"
        )
