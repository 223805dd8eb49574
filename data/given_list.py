"""input_list=FILE: which of what is given to sampling is used, as train.txt of a run folder lists it."""

from pathlib import Path, PurePosixPath

from data.folder import is_image
from data.given_files import Given
from data.listing import listed_names
from data.nifti_names import SUFFIXES


def listed(found: list[Given], path: str, file_list: str | None) -> list[Given]:
    """Those that a line of the text file names; None: all.

    A line is a file, with or without its ending, a volume, or a folder of them, as they lie at `path`; ValueError for one
    that is nothing there.
    """
    if file_list is None:
        return found
    own = {f"{given.name}{given.file.suffix}": {given.name} for given in found if given.file is not None}
    items, known = {given.name for given in found}, dict[str, set[str]]()
    for name in items:
        for place in (PurePosixPath(name), *PurePosixPath(name).parents):
            known.setdefault(place.as_posix(), set()).add(name)

    def meant(line: str) -> set[str]:
        name = _without_ending(line)
        of_name = known.get(name, set()) if line.lower().endswith(SUFFIXES) else items & {name}  # a scan has slices
        return own.get(line) or known.get(line) or of_name

    lines = listed_names(Path(path), lambda line: bool(meant(line)), file_list, "input_list")
    names = set[str]().union(*map(meant, lines))
    return [given for given in found if given.name in names]


def _without_ending(line: str) -> str:
    """Without the ending of an image, scan or archive; another dot belongs to a name."""
    suffix = next((suffix for suffix in SUFFIXES if line.lower().endswith(suffix)), "")
    if not suffix and (is_image(line) or line.lower().endswith(".npz")):
        suffix = PurePosixPath(line).suffix
    return line.removesuffix(line[-len(suffix) :]) if suffix else line
