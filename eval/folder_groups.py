"""The groups of images in folders: the folder that each lies in, or a column of a table, as train.py reads them."""

import csv
from collections import Counter
from pathlib import Path, PurePosixPath


def groups_in(root: Path, names: list[str], group: str | None, table: str | None) -> dict[str, str]:
    """The group of each image below `root`, by its name; images of which none is known are left out.

    `group`: `folder`, or a column of the CSV file `table`, whose first column names an image below `root`, with or
    without its extension and folders, or a folder of them; a name may begin with that of `root` itself (test/a/1.png).
    Of CLASS/GROUP the folder is GROUP: a patient may lie in two classes. Folders of two roots are never the same, values
    of a column may be.
    ValueError for a table that cannot be read or lacks the column, or a name in it that fits several images.
    """
    if group is None:
        return {}
    if table is not None:
        return _from_table(root.name, names, _read(table, group), table)
    if group != "folder":
        return {}
    folders = {name: name.rpartition("/")[0] for name in names}
    below = {name: folder.partition("/")[2] or folder for name, folder in folders.items() if folder}
    return {name: str(root.resolve() / folder) for name, folder in below.items()}


def _from_table(root: str, names: list[str], values: dict[str, str], table: str) -> dict[str, str]:
    stems, found = Counter(PurePosixPath(name).stem for name in names), {}
    for name in names:
        path = PurePosixPath(name)
        below = [name, path.with_suffix("").as_posix(), *(parent.as_posix() for parent in path.parents)][:-1]
        keys = [*(f"{root}/{key}" for key in below), *below, path.stem]
        key = next((key for key in keys if key in values), None)
        if key is None:
            continue
        if key == path.stem and key not in keys[:-1] and stems[key] > 1:
            raise ValueError(f"attributes={table}: {key} fits several images: give names with folders")
        found[name] = values[key]
    return found


def _read(table: str, column: str) -> dict[str, str]:
    """{name: value} of one column of a CSV file; an empty cell is left out."""
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True) if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "not a CSV table with a header line"
        raise ValueError(f"attributes={table}: {reason}") from None
    if column not in header[1:]:
        raise ValueError(f"group={column}: no column of attributes={table} ({', '.join(header[1:]) or 'it has one'})")
    place, found = header.index(column, 1), {}
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"attributes={table}: the line of {row[0]} has {len(row)} cells, not {len(header)}")
        name = PurePosixPath(row[0]).as_posix()
        if name in found:
            raise ValueError(f"attributes={table}: names {name} twice")
        found[name] = row[place]
    return {name: value for name, value in found.items() if value}
