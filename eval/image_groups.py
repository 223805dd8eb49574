"""The groups of a comparison's real images and of its holdout's: read, complete, and none of them in both."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from eval.config import EvalConfig
from eval.folder_groups import groups_in
from eval.groups import Groups, every_group, record_group
from eval.images import ImageFolder, find_images
from eval.labels import ANNOTATIONS, of_file, read_labels
from eval.overlap import refuse_overlap

LEAST = {"real": 3, "holdout": 2}  # groups: with 2 of real images the distances among them would be to one other group
MEND = (
    "give a table that says so, attributes=FILE.csv, or a field of the images' records in real_annotations=FILE.json, or use "
    "group=folder for GROUP/1.png and CLASS/GROUP/1.png"
)


def read_groups(config: EvalConfig, folders: Mapping[str, ImageFolder], synthetic: ImageFolder) -> dict[str, Groups]:
    """The groups of each of `folders` (real, and holdout where there is one), by key; {} where `group` is not given.

    ValueError, one line, for an image without a group, for one in both folders, and for fewer than 3 among the real images
    or 2 in the holdout.
    """
    by = config.group
    if by is None:
        return {}
    if by == "folder":
        _refuse_class_folders(folders, synthetic)
    return groups_of(config, {key: (folder, _names(folder)) for key, folder in folders.items()})


def groups_of(config: EvalConfig, named: Mapping[str, tuple[ImageFolder, list[str]]]) -> dict[str, Groups]:
    """The groups of images of folders, given by their names below them; by key, and refused as in `read_groups`."""
    by = config.group
    assert by is not None
    found = {key: every_group(by, key, _values(config, key, *of).items(), MEND) for key, of in named.items()}
    refuse_overlap(found, f"values of {by}", "a holdout must be of other scenes or patients")
    groups = {key: Groups(by, np.unique(values, return_inverse=True)[1]) for key, values in found.items()}
    for key, of_key in groups.items():
        if of_key.count < LEAST[key]:
            raise ValueError(
                f"group={by}: {of_key.count} groups among the {len(found[key])} images of {key}, {LEAST[key]} or more are "
                "needed"
            )
    return groups


def _values(config: EvalConfig, key: str, folder: ImageFolder, names: list[str]) -> dict[str, str | None]:
    """{name: group or None} of images of the folder."""
    assert config.group is not None
    if config.group == "folder" or config.attributes is not None:
        found = groups_in(folder.root, names, config.group, config.attributes)
        return {name: found.get(name) for name in names}
    values: dict[str, str | None] = dict.fromkeys(names)
    for path in _annotations(config, key, folder):
        records = _records(path, config.group)
        for name in names:
            values[name] = values[name] or of_file(records, folder.root, folder.root / name)
    return values


def _annotations(config: EvalConfig, key: str, folder: ImageFolder) -> list[Path]:
    """Where the records may be: of real images as their boxes, of the holdout's first beside them."""
    own = [folder.root / ANNOTATIONS] if (folder.root / ANNOTATIONS).is_file() else []
    given = [] if config.real_annotations is None else [Path(config.real_annotations)]
    return [*own, *given] if key == "holdout" else given or own


def _records(path: Path, group: str) -> dict[str, str | None]:
    """{file_name: group} of a COCO file."""
    try:
        images = json.loads(path.read_text(encoding="utf-8"))["images"]
        return {str(image["file_name"]): record_group(image, group) for image in images}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: cannot be read as COCO annotations ({reason[:80]})") from error


def _refuse_class_folders(folders: Mapping[str, ImageFolder], synthetic: ImageFolder) -> None:
    """ValueError where the folder of an image is its class, which both sides have, rather than its group."""
    classes = {*read_labels(synthetic).attributes.get("class", [])}
    for key, folder in folders.items():
        odd = next((name for name in _names(folder) if name.rpartition("/")[0] in classes), None)
        if odd is not None:
            raise ValueError(f"group=folder: {odd} ({key}) lies in the folder of its class: CLASS/GROUP/1.png is read")


def file_names(folder: ImageFolder, names: list[str]) -> list[str]:
    """Names that lack their suffix, as those in files of losses do, as files below the folder have them; others as they are."""
    below = [path.relative_to(folder.root) for path in find_images(folder.root)]  # all: config.num may have drawn some
    known = {path.with_suffix("").as_posix(): path.as_posix() for path in below}
    return [known.get(name, name) for name in names]


def _names(folder: ImageFolder) -> list[str]:
    return [path.relative_to(folder.root).as_posix() for path in folder.paths]
