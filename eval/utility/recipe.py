"""The recipe that every task trains by, the same for all arms of a study; no torch."""

from dataclasses import dataclass
from typing import Any

from eval.utility.config import StudyConfig, at_least, between, one_of, ratios_of

SYMMETRIES = ("none", "hflip", "flips", "dihedral")
PRECISIONS = ("auto", "fp32", "bf16")
RECIPE = (
    "size", "steps", "batch_size", "lr", "warmup", "weight_decay", "clip_norm", "ema_decay", "val_checks", "scale_jitter",
    "symmetry", "precision", "real_share",
)  # fmt: skip
"""Fields of `RecipeConfig` that a run depends on."""


@dataclass
class RecipeConfig(StudyConfig):
    """How much synthetic data, how a network sees images, and how it is trained."""

    ratios: Any = (2, 10)
    """Synthetic images per real one."""
    real_share: float | None = None
    """Share of real images in the batches of arms that add images; null: all images are drawn alike."""
    size: int = 64
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
    """How often, in the second half of the steps, the averaged weights are scored on val, to keep the best;
    0: the last are kept."""
    scale_jitter: float = 1.4
    """Training scales lie between 1 / scale_jitter and scale_jitter times the usual one."""
    symmetry: str = "none"
    """Under which an image is as good as another: none, hflip, flips (both), or dihedral (flips and quarter turns)."""
    precision: str = "auto"
    """fp32, bf16, or auto: bf16 where the machine is fast at it, as in train.py. A run belongs to what it came to."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        super().__post_init__()
        one_of("symmetry", self.symmetry, SYMMETRIES)
        one_of("precision", self.precision, PRECISIONS)
        at_least("size", self.size, 16)
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
