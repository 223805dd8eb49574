"""What `python -m eval.utility task=classification` may be told."""

from dataclasses import dataclass

from eval.fit import FITS
from eval.utility.config import between, one_of
from eval.utility.folders import FoldersConfig

NETWORK_NAMES = ("small_resnet18", "resnet18")
WIDTH = 16


@dataclass
class ClassificationConfig(FoldersConfig):
    """Class folders: a subfolder a class, or a manifest.jsonl that says each image's class."""

    network: str = "small_resnet18"
    """small_resnet18: its first layer keeps the resolution, `width` channels; resnet18: torchvision's own."""
    width: int = WIDTH
    """Channels of small_resnet18's first stage; a multiple of 8."""
    fit: str = "crop"
    """How an image gets to size x size, as `data.fit` in training: crop, resize, pad or center_crop."""
    shift: float = 0.1
    """Training moves an image by up to this share of its side."""
    batch_size: int = 32
    lr: float = 2e-3
    scale_jitter: float = 1.2

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        super().__post_init__()
        one_of("network", self.network, NETWORK_NAMES)
        one_of("fit", self.fit, FITS)
        between("shift", self.shift, 0.0, 0.5)
        between("width", self.width, 8, 256)
        if self.width % 8:
            raise ValueError(f"width={self.width}: must be a multiple of 8")
        if self.network != "small_resnet18" and self.width != WIDTH:
            raise ValueError(f"width has no effect with network={self.network}: leave it out")
