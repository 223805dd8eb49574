"""What `python -m eval.utility task=detection` may be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from eval.utility.config import StudyConfig, at_least, between, one_of, ratios_of

DETECTOR_NAMES = ("fcos_resnet18", "fcos_resnet50", "fasterrcnn_resnet50")
SYMMETRIES = ("none", "hflip", "flips", "dihedral")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass
class DetectionConfig(StudyConfig):
    """Real images and their boxes, the synthetic ones, and one recipe for all arms."""

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
    """A field of the images' records (a scene, a patient) of which no value may be in two of train, val and test."""
    synthetic: str | None = None
    """Folder with annotations.json and images/, as `sample.py format=coco` writes; null: baseline and controls only."""
    ratios: Any = (2, 10)
    """Synthetic images per real one, into train and val alike."""
    real_share: float | None = None
    """Share of real images in the batches of arms that add images; null: all images are drawn alike."""
    detector: str = "fcos_resnet18"
    size: int = 160
    """Pixels of an image's shorter side, and of the square training windows."""
    steps: int = 800
    batch_size: int = 8
    lr: float = 5e-4
    warmup: float = 0.1
    """Share of the steps over which the rate rises; then it falls to 0 by a cosine."""
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    val_checks: int = 4
    """How often, in the second half of the steps, the averaged weights are scored on the arm's val, to keep the best by AP;
    0: the last are kept."""
    scale_jitter: float = 1.4
    symmetry: str = "dihedral"
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        super().__post_init__()
        one_of("detector", self.detector, DETECTOR_NAMES)
        one_of("symmetry", self.symmetry, SYMMETRIES)
        one_of("precision", self.precision, PRECISIONS)
        at_least("size", self.size, 32)
        for key in ("steps", "batch_size"):
            at_least(key, getattr(self, key), 1)
        for key in ("val_checks", "weight_decay"):
            at_least(key, getattr(self, key), 0)
        between("scale_jitter", self.scale_jitter, 1.0, 4.0)
        between("warmup", self.warmup, 0.0, 0.9)
        between("ema_decay", self.ema_decay, 0.0, 0.9999)
        for key in ("lr", "clip_norm"):
            between(key, getattr(self, key), 1e-8, 1e3)
        self.ratios = ratios_of(self.ratios)
        if self.real_share is not None:
            between("real_share", self.real_share, 0.01, 0.99)
        if self.synthetic is not None and self.test is None:
            raise ValueError(
                "test=... is missing: without it val is scored, which a study with synthetic images must not"
            )

    def check_paths(self) -> None:
        """ValueError unless the folders and files are there."""
        for key, name in (("images", self.images), ("synthetic", self.synthetic)):
            if name is not None and not Path(name).is_dir():
                raise ValueError(f"{key}={name}: no such folder")
        files = [("annotations", Path(self.annotations))]
        files += [("synthetic", Path(self.synthetic) / "annotations.json")] if self.synthetic else []
        for key, path in files:
            if not path.is_file():
                raise ValueError(f"{key}={path}: no such file")
