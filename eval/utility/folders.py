"""What tasks on folders of real images may be told, and which of their images are for training; no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from omegaconf import MISSING

from eval.folder_groups import groups_in
from eval.overlap import refuse_overlap
from eval.utility.config import names_in
from eval.utility.groups import SYNTHETIC, Grouped
from eval.utility.recipe import RecipeConfig

Image = TypeVar("Image", bound=Grouped)
GROUPS_MEND = (
    "give a table that says so, attributes=FILE.csv, or use group=folder for GROUP/1.png and CLASS/GROUP/1.png"
)


@dataclass
class FoldersConfig(RecipeConfig):
    """Folders of real images to train, choose and test by, the synthetic ones, and one recipe for all arms."""

    train: str = MISSING
    val: str | None = None
    """Folder of real images that choose the checkpoint of every arm ..."""
    val_list: str | None = None
    """... or a text file of names below `train` that do, as `data.val_list` of train.py: none of them is trained on."""
    train_list: str | None = None
    """Text file of the names below `train` to train on, as `data.file_list` of train.py; null: all."""
    test: str | None = None
    """null, while the recipe is tuned on real images alone: the validation images are scored instead."""
    group: str | None = None
    """What belongs together, as `data.group` of train.py: folder, or a column of `attributes` (patient, scene). No value may
    be in two of train, val and test, and the intervals draw whole groups."""
    attributes: str | None = None
    """CSV table that says each real image's group, as `data.attributes` of train.py."""
    synthetic: str | None = None
    """What `sample.py` wrote; null: baseline and controls only."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        super().__post_init__()
        if self.val is None and self.val_list is None:
            raise ValueError(
                "val=... is missing: a folder of real images that choose the checkpoint, or val_list=FILE of names in train"
            )
        if self.val is not None and self.val_list is not None:
            raise ValueError("val and val_list both say what to validate by: give one of them")
        if self.attributes is not None and self.group in (None, "folder"):
            raise ValueError(f"attributes={self.attributes} has no effect without group=COLUMN")
        if self.synthetic is not None and self.test is None:
            raise ValueError(
                "test=... is missing: without it val is scored, which a study with synthetic images must not"
            )

    def check_paths(self) -> None:
        """ValueError unless the folders are there."""
        for key, path in self.folders().items():
            if not path.is_dir():
                raise ValueError(f"{key}={path}: {'is a file, give a folder' if path.exists() else 'no such folder'}")

    def folders(self) -> dict[str, Path]:
        """Those given, by option."""
        given = {key: getattr(self, key) for key in ("train", "val", "test", "synthetic")}
        return {key: Path(path) for key, path in given.items() if path is not None}

    def groups(self, key: str, names: list[str]) -> dict[str, str]:
        """The group of each image below the folder given as option `key`, where it is known; see `groups_in`."""
        return {} if key == SYNTHETIC else groups_in(self.folders()[key], names, self.group, self.attributes)

    def splits(self, found: dict[str, list[Image]]) -> dict[str, list[Image]]:
        """The images for training, validation, where there is one the test, and the synthetic ones; `found` by option.

        ValueError for a list that names none of train's images, names one twice or in both lists, or leaves none to
        train on.
        """
        known = {image.name: image for image in found["train"]}
        lists = {key: names_in(key, path) for key in ("train_list", "val_list") if (path := getattr(self, key))}
        for key, names in lists.items():
            if strange := next((name for name in names if name not in known), None):
                raise ValueError(f"{key}={getattr(self, key)}: {strange} is no image below train={self.train}")
        refuse_overlap(lists, "images")
        held = lists.get("val_list", [])
        wanted = {*lists.get("train_list", known)} - {*held}
        if not wanted:
            raise ValueError(f"val_list={self.val_list}: leaves no image below train={self.train} to train on")
        return {
            "train": [image for image in found["train"] if image.name in wanted],
            "val": [known[name] for name in held] or found["val"],
            **{key: found[key] for key in ("test",) if key in found},
            "synthetic": found.get("synthetic", []),
        }
