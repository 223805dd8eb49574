"""Where samples lie and what their files are called: numbered, or after what each starts from.

A name has no suffix and may have folders: "ship/000012", "hippocampus_001/0012".
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from conf.sample_schema import SampleConfig
from data.given_files import Given


def numbered(classes: Sequence[str]) -> list[str]:
    """Numbers, in a folder for each class."""
    return [f"{_folder(name)}{i:06d}" for i, name in enumerate(classes)]


def named_after(found: Sequence[Given], classes: Sequence[str], per_source: int) -> tuple[list[str], list[str | None]]:
    """The names of what was given, with a number behind where several samples are made of each; and of their volumes.

    The folder of the class stands above them unless they all lie in it already. None is the volume of what is no slice.
    ValueError where a name is none of a file below a folder, or two are one.
    """
    digits = max(2, len(str(per_source - 1)))
    sources = [given for given in found for _ in range(per_source)]
    numbers = ["" if per_source == 1 else f"_{i % per_source:0{digits}d}" for i in range(len(sources))]
    inside = all(given.name.startswith(_folder(name)) for given, name in zip(sources, classes, strict=True))
    files, volumes = [], []
    for given, name, number in zip(sources, classes, numbers, strict=True):
        folder = "" if inside else _folder(name)
        files.append(_checked(f"{folder}{given.name}{number}"))
        volumes.append(None if given.volume is None else f"{folder}{given.volume}{number}")
    name, count = Counter(files).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} samples would be called {name}: give each of what they start from a name of its own")
    return files, volumes


def another_format(out: Path, name: str) -> str:
    """What to say where `out` holds `name`, which a call with another format= made."""
    return f"out={out} holds {name}, made with another format=: move or delete it, or name another folder"


def out_folder(config: SampleConfig, checkpoint: Path) -> Path:
    """What out= says, else <run folder>/generated; ValueError for a checkpoint that lies in no run folder."""
    if config.out:
        return Path(config.out).expanduser()
    if checkpoint.parent.name != "checkpoints":
        raise ValueError(f"out= is needed: {checkpoint} lies in no run folder to write into")
    return checkpoint.parent.parent / "generated"


def _folder(class_name: str) -> str:
    return f"{class_name}/" if class_name else ""


def _checked(name: str) -> str:
    """The name, where it stays in the folder that it is put into."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name or "\0" in name:
        raise ValueError(f"{name!r} cannot be the name of a file of samples: rename what they start from")
    return name
