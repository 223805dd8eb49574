"""All files below a folder, however deep, without what operating systems leave behind."""

from data.listing import LITTER, existing_folder


def files_below(path: str) -> list[str]:
    """Names of the files below the folder `path`, relative to it, with forward slashes, sorted.

    Hidden files and litter are left out; a link to a folder at the top is followed. ValueError where there is no such
    folder.
    """
    folder = existing_folder(path)
    tops = sorted(folder.iterdir())
    # rglob would not follow a folder that is a link
    files = [p for top in tops for p in ([top] if not top.is_dir() else top.rglob("*")) if not p.is_dir()]
    names = sorted(p.relative_to(folder).as_posix() for p in files)
    return [name for name in names if not any(_is_litter(part) for part in name.split("/"))]


def _is_litter(part: str) -> bool:
    return part.startswith(".") or part.lower() in LITTER
