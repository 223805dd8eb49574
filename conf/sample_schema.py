"""The root config of sample.py."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from diffusion.guidance import GuidanceConfig
from diffusion.inpainting import InpaintConfig

NEEDS = {  # what each mode must be given, and what it may be given besides
    "joint": ((), ()),
    "from_labels": (("labels",), ("guidance.label_scale",)),
    "annotate": (("images",), ()),
    "vary": (("images",), ("labels", "strength", "guidance.label_scale")),
    "inpaint": (("images", "mask"), ("labels",)),
}
FORMATS = ("files", "coco", "yolo", "masks", "npz")


@dataclass
class SampleConfig:
    """What to draw from a checkpoint.

    ckpt: a run folder or a checkpoint file. out: the folder to write into; by default <run folder>/generated.
    mode: joint (new images, with their labels where the checkpoint knows labels) | from_labels (an image for each label
    map of `labels`) | annotate (a label map for each image of `images`) | vary (variations of `images`, which keep their
    `labels` where those are given) | inpaint (`images` filled in where `mask` is not 0).
    images, labels, mask: folders; of label maps, as images of whole numbers; `mask` may be one image for all.
    num_samples: 64 in mode joint; elsewhere it is the number of what is given times `num_per_image`.
    strength: of a variation, in (0, 1]; of several numbers the samples take one after the other.
    class_label: a class, or {attribute: value}. balance: equal (classes take turns) | real (as often as in training) |
    fill (each class up to the commonest) | {class: number}.
    format: files (images/, labels/) | coco | yolo | masks | npz, made from those files at the end. min_area: an instance
    of fewer pixels is background. eight_bit_copies: for coco and yolo, of images with more bits.
    check_steps: sampler steps in which the model labels its own image again, to compare; 0: do not.
    min_label_iou: a sample whose two labels agree less is drawn again. reject_copies: a folder, of the training images;
    a sample nearer to one of them than 99 % of them are to each other is drawn again. max_attempts: how often.
    weights: ema | model. trajectory: also write the denoising of the first images as an animated picture.
    """

    ckpt: str = MISSING
    sampler: Any = MISSING
    out: str | None = None
    mode: str = "joint"
    num_samples: int | None = None
    batch_size: int = 16
    seed: int = 0
    images: str | None = None
    labels: str | None = None
    mask: str | None = None
    num_per_image: int = 1
    strength: Any = 0.5
    class_label: Any = None
    balance: Any = "equal"
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    inpaint: InpaintConfig = field(default_factory=InpaintConfig)
    format: str = "files"
    min_area: int = 1
    eight_bit_copies: bool = False
    check_steps: int = 10
    min_label_iou: float = 0.0
    reject_copies: str | None = None
    max_attempts: int = 10
    weights: str = "ema"
    trajectory: bool = False
    precision: str = "auto"
    device: str = "auto"
    cache_dir: str = "~/.cache/speckle"

    def __post_init__(self) -> None:
        """Refuse values outside their range, and options without effect, with a ValueError that names the field."""
        choices = {
            "mode": tuple(NEEDS),
            "format": FORMATS,
            "weights": ("ema", "model"),
            "precision": ("auto", "bf16", "fp32"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)} is not one of {', '.join(allowed)}")
        for name in ("num_samples", "batch_size", "num_per_image", "min_area", "max_attempts"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("seed", "check_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        if not 0 <= self.min_label_iou <= 1:
            raise ValueError(f"min_label_iou={self.min_label_iou} must lie in [0, 1]")
        if self.min_label_iou > 0 and self.check_steps == 0:
            raise ValueError(f"min_label_iou={self.min_label_iou} has no effect with check_steps=0")
        self._check_mode()

    def _check_mode(self) -> None:
        needed, possible = NEEDS[self.mode]
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"mode={self.mode} needs {name}=: a folder")
        for name in ("images", "labels", "mask"):
            if getattr(self, name) is not None and name not in (*needed, *possible):
                raise ValueError(f"{name}={getattr(self, name)} has no effect in mode={self.mode}")
        if self.mode == "joint" and self.num_per_image != 1:
            raise ValueError(f"num_per_image={self.num_per_image} has no effect in mode=joint: use num_samples")
        if self.mode != "joint":
            if self.num_samples is not None:
                raise ValueError(f"num_samples={self.num_samples} has no effect in mode={self.mode}: use num_per_image")
            if self.balance != "equal":
                raise ValueError(f"balance={self.balance} has no effect in mode={self.mode}")
            if self.trajectory:
                raise ValueError(f"trajectory=true has no effect in mode={self.mode}")
        if self.strength != 0.5 and "strength" not in possible:
            raise ValueError(f"strength={self.strength} has no effect in mode={self.mode}")
        if self.guidance.label_scale != 1 and ("guidance.label_scale" not in possible or self.labels is None):
            raise ValueError(
                f"guidance.label_scale={self.guidance.label_scale} has no effect without labels= to follow"
            )
        if self.inpaint != InpaintConfig() and self.mode != "inpaint":
            raise ValueError(f"inpaint.* has no effect in mode={self.mode}")
        self.strengths()

    def strengths(self) -> list[float]:
        """The strengths that samples take in turn."""
        values = [self.strength] if isinstance(self.strength, int | float) else self.strength
        good = isinstance(values, list | tuple) and values and all(isinstance(v, int | float) for v in values)
        if not good or not all(0 < v <= 1 for v in values):
            raise ValueError(f"strength={self.strength} must be a number above 0 and at most 1, or a list of such")
        return [float(v) for v in values]
