"""What images as a whole are: attributes from names, annotations and a table, as numbers; and the groups they form."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int64

from data import nifti_names
from data.item import Entry, Listing

UNKNOWN = -1


def read_attributes(table: str) -> dict[str, dict[str, str]]:
    """A CSV table with a header as {name: {attribute: value}}; an empty cell leaves the value unknown.

    The first column names an image as data.path knows it, with or without its extension and folders, or a folder of
    them. ValueError for a file that is no such table.
    """
    path = Path(table).expanduser()
    if not path.is_file():
        raise ValueError(f"data.attributes: no file {path}")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True) if any(row)]
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise ValueError(f"data.attributes: {path} is not a CSV table with a header line") from None
    names = header[1:]
    if not names or "" in names or len(set(names)) < len(names):
        raise ValueError(f"data.attributes: the header of {path} must be a file column and attributes, each named once")
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"data.attributes: {path}: the line of {row[0]} has {len(row)} cells, not {len(header)}")
        name = PurePosixPath(row[0]).as_posix()
        if name in found:
            raise ValueError(f"data.attributes: {path} names {name} twice")
        found[name] = {key: value for key, value in zip(names, row[1:], strict=True) if value}
    return found


def with_table(listing: Listing, table: str) -> Listing:
    """The listing with the attributes of a table added; ValueError where both know an attribute or no name fits."""
    found = read_attributes(table)
    columns = sorted({key for attributes in found.values() for key in attributes})
    if both := [key for key in columns if any(key in entry.attributes for entry in listing.entries)]:
        raise ValueError(f"data.attributes: the images have a {both[0]} already: rename that column of {table}")
    files = {entry.file or entry.name for entry in listing.entries}
    stems, bare = Counter(map(_stem, files)), Counter(PurePosixPath(file).name for file in files)
    entries, fitting = [], 0
    for entry in listing.entries:
        file = entry.file or entry.name
        keys = _places(entry.name, file)
        for short, count in ((PurePosixPath(file).name, bare), (_stem(file), stems)):
            if short in found and short not in keys:
                if count[short] > 1:
                    raise ValueError(
                        f"data.attributes: {short} in {table} fits several images: give names with folders"
                    )
                keys.append(short)
        row = next((found[key] for key in keys if key in found), None)
        fitting += row is not None
        entries.append(replace(entry, attributes={**entry.attributes, **(row or {})}))
    if not fitting and entries:
        raise ValueError(f"data.attributes: {table} names none of the images, such as {listing.entries[0].name}")
    return replace(listing, entries=entries)


def rows_without_image(listing: Listing, table: str) -> str:
    """A sentence on the rows of a table that name none of the images listed, usable or not; "" where there are none."""
    named: set[str] = set()
    for name, file in [
        *((entry.name, entry.file or entry.name) for entry in listing.entries),
        *((name, name) for name, _ in listing.foreign),
    ]:
        named.update(_places(name, file), (PurePosixPath(file).name, _stem(file)))
    rows = list(read_attributes(table))
    if not (idle := [name for name in rows if name not in named]):
        return ""
    return f" {len(idle)} of {len(rows)} rows of {table} name no image here, such as {idle[0]}."


def _places(name: str, file: str) -> list[str]:
    """What a table may call an item of this name in this file, by all its folders or by one of these alone."""
    path = PurePosixPath(name)
    return [name, file, path.with_suffix("").as_posix(), *(folder.as_posix() for folder in path.parents)]


def _stem(file: str) -> str:
    """A file's name without folders and extension; of a slice only its file has one that says anything."""
    name = PurePosixPath(file).name
    return short if (short := nifti_names.stem(name)) != name else PurePosixPath(name).stem


def with_groups(listing: Listing, group: str | None) -> Listing:
    """The listing with the groups that data.group names; an attribute that is a group is no longer an attribute.

    `folder`: the one that a file lies in, by its name below that of the class: a patient may lie in two classes.
    ValueError where images have no such thing.
    """
    stated = any(group in entry.attributes for entry in listing.entries)  # goes before what a reader takes from names
    if group is None or (group == listing.grouped_by and not stated):
        return listing
    known = sorted({key for entry in listing.entries for key in entry.attributes} | {listing.grouped_by or "folder"})
    entries = []
    for entry in listing.entries:
        attributes = dict(entry.attributes)
        name = _folder_of(entry) if group == "folder" else attributes.pop(group, "")
        if not name:
            mend = "data.group=null divides them freely" if known == [group] else f"use {', '.join(known)} or null"
            raise ValueError(f"data.group={group}: {entry.name} has no {group} ({mend})")
        entries.append(replace(entry, group=name, attributes=attributes))
    return replace(listing, entries=entries, grouped_by=group, local_groups=group == "folder")


def _folder_of(entry: Entry) -> str:
    folder = (entry.file or entry.name).rpartition("/")[0]
    first, _, below = folder.partition("/")
    return below if below and entry.attributes.get("class") == first else folder


def attribute_values(entries: list[Entry]) -> dict[str, list[str]]:
    """The sorted values of each attribute; `class` first, the others in the order in which they appear."""
    values: dict[str, set[str]] = {"class": set()}
    for entry in entries:
        for key, value in entry.attributes.items():
            values.setdefault(key, set()).add(value)
    return {key: sorted(seen) for key, seen in values.items() if seen}


def attribute_numbers(entries: list[Entry], values: dict[str, list[str]]) -> Int64[np.ndarray, "n a"] | None:
    """The number of each entry's value of each attribute, UNKNOWN where it has none; None without attributes."""
    if not values:
        return None
    number = {key: {value: i for i, value in enumerate(names)} for key, names in values.items()}
    rows = [[number[key].get(entry.attributes.get(key, ""), UNKNOWN) for key in values] for entry in entries]
    return np.array(rows, np.int64).reshape(len(entries), len(values))


def describe_attributes(labels: Int64[np.ndarray, "n a"] | None, values: dict[str, list[str]]) -> list[str]:
    """A sentence for each attribute: its values and how many images have each."""
    sentences = []
    for i, (key, names) in enumerate(values.items()):
        assert labels is not None
        column = labels[:, i]
        counts = np.bincount(column[column >= 0], minlength=len(names))
        named = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        unknown = f", unknown {len(column) - counts.sum()}" if (column < 0).any() else ""
        sentences.append(f"{len(names)} {'classes' if key == 'class' else f'values of {key}'}: {named}{unknown}")
    return sentences
