"""Which names belong to an image set: what lies below a folder, what a list says, and what a file's content is."""

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from data.item import Listing

LITTER = ("thumbs.db", "desktop.ini", "__macosx")  # what operating systems leave behind, beside hidden files


def select(items: Mapping[str, str], where: Path, *, file_list: str | None, held_out: str | None) -> set[str]:
    """Of `items` in `where`, {name: the file it lies in}, all names, or those that the text file `file_list` lists.

    A line names an item, its file, or a folder of them. `held_out` is a text file of names that are left to validation.
    A list that names what does not exist, repeats itself or holds out what the other trains on is a ValueError.
    """
    if file_list is None and held_out is None:
        return set(items)
    inside: dict[str, list[str]] = {}  # what a line of a list stands for
    for name, file in items.items():
        paths = [PurePosixPath(path) for path in (name, file)]
        for key in {place.as_posix() for path in paths for place in (path, *path.parents)}:
            inside.setdefault(key, []).append(name)
    found = {"data.file_list": set(items), "data.val_list": set()}
    for field, path in (("data.file_list", file_list), ("data.val_list", held_out)):
        if path is not None:
            listed = listed_names(where, inside.__contains__, path, field)
            found[field] = {name for key in listed for name in inside[key]}
    chosen, validation = found["data.file_list"], found["data.val_list"]
    if file_list is not None and (both := sorted(chosen & validation)):
        raise ValueError(f"{both[0]} is in data.file_list and in data.val_list ({len(both)} such names)")
    return chosen - validation


def select_items(
    listing: Listing, where: Path, file_list: str | None, held_out: str | None, max_images: int | None
) -> Listing:
    """The part of a listing that `select` and `max_images` leave."""
    items = {entry.name: entry.file or entry.name for entry in listing.entries}
    items.update((name, name) for name, _ in listing.foreign)
    chosen = select(items, where, file_list=file_list, held_out=held_out)
    kept = set(every_nth([entry.name for entry in listing.entries if entry.name in chosen], max_images))
    return replace(
        listing,
        entries=[entry for entry in listing.entries if entry.name in kept],
        foreign=[(name, reason) for name, reason in listing.foreign if name in chosen],
    )


def every_nth(names: list[str], most: int | None) -> list[str]:
    """At most so many names, evenly spaced in their order so that each class keeps its share."""
    if most is None or most >= len(names):
        return names
    return [names[i * len(names) // most] for i in range(most)]


def file_digest(*paths: Path) -> str:
    """SHA-256 of the content of a file, or of several that make up one item."""
    try:
        digests = []
        for path in paths:
            with open(path, "rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:  # it is named with all other bad files when it is read
        return str(error)
    return digests[0] if len(digests) == 1 else sha256(" ".join(digests))


def without_masks(
    names: Iterable[str], images: str | Path, masks: str | Path, marked: Callable[[str], bool]
) -> list[str]:
    """Of the files `names` below the folder `images` those that are no masks, which lie at `masks`.

    Where that is the folder itself, masks are those whose names are `marked`; what lies below it is left out whole.
    """
    place = place_below(images, masks)
    if place == ".":
        return [name for name in names if not marked(name)]
    return [name for name in names if place is None or (name != place and not name.startswith(f"{place}/"))]


def place_below(folder: str | Path, path: str | Path) -> str | None:
    """The name of `path` below `folder`, "." for the folder itself; None where it lies elsewhere. Neither need exist."""
    whole, part = (Path(place).expanduser().resolve() for place in (folder, path))
    return part.relative_to(whole).as_posix() if part.is_relative_to(whole) else None


def sha256(data: bytes | str) -> str:
    """SHA-256 of bytes, or of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def existing_folder(path: str, *, wanted: str = "folder") -> Path:
    """`path` as a folder that exists, or a ValueError with the nearest name that does; `wanted`: what it might also be."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ValueError(f"{folder} is a file: give the folder that it lies in")
    parent = next(p for p in folder.parents if p.is_dir())
    missing = folder.relative_to(parent).parts[0]
    near = difflib.get_close_matches(missing, [p.name for p in parent.iterdir()], n=1)
    raise ValueError(f"{wanted} {folder} does not exist" + (f": did you mean {parent / near[0]}?" if near else ""))


def files_at(path: str) -> tuple[Path, list[str]]:
    """The folder `path` and the names of all files below it; of a single file its folder and its name."""
    file = Path(path).expanduser()
    if file.is_file():
        return file.parent, [file.name]
    folder = existing_folder(path, wanted="file or folder")
    return folder, names_below(folder)


def names_below(folder: Path) -> list[str]:
    """Every file below a folder, as its relative name with forward slashes; without what systems leave behind."""
    subfolders = [p for p in folder.iterdir() if p.is_dir()]  # rglob would not follow one that is a link
    files = [p for p in folder.iterdir() if not p.is_dir()]
    files += [p for subfolder in subfolders for p in subfolder.rglob("*") if not p.is_dir()]
    relative = (p.relative_to(folder) for p in files)
    return sorted(p.as_posix() for p in relative if not any(is_litter(part) for part in p.parts))


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or left behind by an operating system."""
    return name.startswith(".") or name.lower() in LITTER


def listed_names(where: Path, exists: Callable[[str], bool], file_list: str, field: str) -> list[str]:
    """The sorted names that the text file `file_list` lists, one a line; ValueError where one is not in `where`."""
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
        raise ValueError(f"{field}: {outside[0]} in {list_path} must be a name inside {where}")
    if missing := [name for name in names if not exists(name)]:
        raise ValueError(f"{field}: {missing[0]} is not in {where} ({len(missing)} of {len(names)} missing)")
    return sorted(names)
