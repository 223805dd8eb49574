"""What `python -m eval.utility task=detection` may be told."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING

from eval.utility.config import at_least, one_of
from eval.utility.recipe import RecipeConfig

DETECTOR_NAMES = ("fcos_resnet18", "fcos_resnet50", "fasterrcnn_resnet50")


@dataclass
class DetectionConfig(RecipeConfig):
    """Real images and their boxes, the synthetic ones, and one recipe for all arms; `ratios` add to train and val alike."""

    images: str = MISSING
    """Folder of the real images."""
    annotations: str = MISSING
    """COCO's JSON for them."""
    train: str = MISSING
    """Text file of image names, as in the annotations' file_name."""
    val: str = MISSING
    test: str | None = None
    """null, while the recipe is tuned on real images alone: `val` is scored instead."""
    group: str | None = None
    """What belongs together (scene, patient, folder): a field of the images' records, or of `attributes` in them. No value
    may be in two of train, val and test, and the intervals draw whole groups."""
    synthetic: str | None = None
    """Folder with annotations.json and images/, as `sample.py format=coco` writes; null: baseline and controls only."""
    detector: str = "fcos_resnet18"
    size: int = 160
    steps: int = 1600
    symmetry: str = "dihedral"

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        super().__post_init__()
        one_of("detector", self.detector, DETECTOR_NAMES)
        at_least("size", self.size, 32)
        if self.synthetic is not None and self.test is None:
            raise ValueError(
                "test=... is missing: without it val is scored, which a study with synthetic images must not"
            )

    def check_paths(self) -> None:
        """ValueError unless the folders and files are there."""
        for key, name in (("images", self.images), ("synthetic", self.synthetic)):
            if name is not None and not Path(name).is_dir():
                made = ": make it with sample.py ... format=coco" if key == "synthetic" else ""
                raise ValueError(f"{key}={name}: no such folder{made}")
        files = [("annotations", Path(self.annotations))]
        files += [("synthetic", Path(self.synthetic) / "annotations.json")] if self.synthetic else []
        for key, path in files:
            if not path.is_file():
                made = ": make it with sample.py ... format=coco" if key == "synthetic" else ""
                raise ValueError(f"{key}={path}: no such file{made}")
