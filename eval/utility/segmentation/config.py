"""What `python -m eval.utility task=segmentation` may be told."""

from dataclasses import dataclass
from pathlib import Path

from eval.utility.config import between
from eval.utility.folders import FoldersConfig

MASK_FOLDERS = ("masks", "labels")


@dataclass
class SegmentationConfig(FoldersConfig):
    """Folders with images/ and masks/ or labels/ in them, as `sample.py format=masks` and `format=files` write them.

    Names in lists are those below images/.
    """

    width: int = 16
    """Channels of the UNet at full resolution; a multiple of 8."""
    size: int = 96
    lr: float = 2e-3

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        super().__post_init__()
        between("width", self.width, 8, 256)
        if self.width % 8:
            raise ValueError(f"width={self.width}: must be a multiple of 8")

    def check_paths(self) -> None:
        """ValueError unless each folder holds images/ and a folder of masks."""
        super().check_paths()
        for key, path in self.folders().items():
            if not (path / "images").is_dir():
                raise ValueError(f"{key}={path}: has no folder images")
            mask_folder(key, path)


def mask_folder(key: str, path: Path) -> Path:
    """The folder of label maps in a folder given as option `key`; ValueError where there is none."""
    found = next((path / name for name in MASK_FOLDERS if (path / name).is_dir()), None)
    if found is None:
        raise ValueError(f"{key}={path}: has no folder {' or '.join(MASK_FOLDERS)} beside images")
    return found
