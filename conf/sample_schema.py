"""The root config of sample.py."""

from copy import copy
from dataclasses import Field, dataclass, field, fields
from typing import Any

from omegaconf import MISSING

from conf.command_line import suggestion
from diffusion.guidance import GuidanceConfig
from diffusion.inpainting import InpaintConfig
from diffusion.samplers.config import SamplerConfig

MODES = ("joint", "from_labels", "annotate", "vary", "inpaint")
NEEDS = {"from_labels": ("labels",), "annotate": ("images",), "vary": ("images",), "inpaint": ("images", "mask")}
WITH_NEW_IMAGES = ("joint", "from_labels", "vary", "inpaint")
HAVE_EFFECT = {  # options that not every mode has
    "num_samples": ("joint",),
    "balance": ("joint",),
    "trajectory": ("joint",),
    "images": ("annotate", "vary", "inpaint"),
    "labels": ("from_labels", "vary", "inpaint"),
    "mask": ("inpaint",),
    "inpaint": ("inpaint",),
    "strength": ("vary",),
    "votes": ("annotate",),
    "original_size": ("annotate",),
    "max_inputs": ("from_labels", "annotate", "vary", "inpaint"),
    "input_list": ("from_labels", "annotate", "vary", "inpaint"),
    "num_per_image": ("from_labels", "annotate", "vary", "inpaint"),
    "add_objects": ("from_labels",),
    "guidance": WITH_NEW_IMAGES,
    "min_label_iou": WITH_NEW_IMAGES,
    "min_objects": ("joint", "vary", "inpaint"),
    "reject_copies": WITH_NEW_IMAGES,
}
FORMATS_OF = {
    "images": ("files", "coco", "yolo", "masks", "npz", "nifti"),
    "rows": ("files", "csv", "parquet"),
}
FORMATS = tuple(dict.fromkeys(name for formats in FORMATS_OF.values() for name in formats))
ONLY_FOR = {  # options that the checkpoints of one kind of data alone have
    "images": (
        "mode", "images", "labels", "mask", "num_per_image", "max_inputs", "input_list", "add_objects", "strength",
        "label_steps", "votes", "inpaint", "batch_size", "min_area", "eight_bit_copies", "original_size", "min_label_iou",
        "min_objects", "trajectory",
    ),
    "rows": ("condition",),
}  # fmt: skip
AT_LEAST_ONE = (
    "num_samples", "batch_size", "num_per_image", "max_inputs", "min_area", "max_attempts", "label_steps", "votes",
)  # fmt: skip
OF_ORIGINALS = ("coco", "yolo", "masks")  # formats that original_size=true is for
DEFAULTS_OF = {"images": {"balance": "equal", "batch_size": 16}, "rows": {}}


@dataclass
class SampleConfig:
    """What to draw from a checkpoint.

    ckpt: a run folder or a checkpoint file. out: the folder to write into; by default <run folder>/generated.
    mode: joint (new images, with their labels where the checkpoint knows labels) | from_labels (an image for each label
    map of `labels`) | annotate (a label map for each image of `images`) | vary (variations of `images`, which keep their
    `labels` where those are given) | inpaint (`images` filled in where `mask` is not 0, and as their `labels` say where
    those are given; else labels are filled in with them).
    images, labels, mask: folders, or one file; label maps and masks go by the names of their images, one image file is
    for all. They are image files; or, where the path holds none, what the model was trained on: `images` are NIfTI
    volumes, DICOM files or NumPy archives, read with the settings of training, `labels` and `mask` NIfTI masks. `labels`
    may also be a COCO file, whose categories are called as the model's labels, or a NumPy archive as format=npz writes it.
    Image files in folders named as classes
    are of those classes. Samples are called as what they start from, in mode joint by their number.
    num_samples: 64 in mode joint, of rows 1000; elsewhere it is the number of what is given times `num_per_image`.
    max_inputs: use only the first so many of what is given, by name: of `images`, else of `labels`; a slice counts as one.
    input_list: a text file of names, one a line, such as train.txt of a run folder: use only these of `images`, else of
    `labels`. A line names a file, with or without its ending, a volume, or a folder; of DICOM files what samples are called.
    add_objects: in mode from_labels, follow a map of its own in each sample: the given one, flipped as in training, with
    up to so many objects of all given maps of its class (and other attributes) set into its background.
    strength: of a variation, in (0, 1]; of several numbers the samples take one after the other.
    label_steps: sampler steps in which the label of an image is drawn: to annotate it, where a variation or an inpainted
    image has none, and to check the label of a sample. Few are best (docs/labels.md). votes: label maps drawn for each
    image that is annotated; each pixel takes the label that most of them have.
    class_label: a class, or {attribute: value}. balance: equal (classes take turns) | real (as often as in training) |
    fill (each class up to the commonest) | {class: number};
    null: equal for images, real for rows.
    format: files (images/, labels/) | coco | yolo | masks | npz | nifti (a volume for each that was given, else for each
    sample), made from those files at the end. min_area: an instance of fewer pixels is background. eight_bit_copies: for
    coco and yolo, of images with more bits. original_size: coco, yolo and masks of annotated image files are of those files
    themselves, in their size and under their names.
    min_label_iou: the model labels its own image again; a sample whose two labels agree less is drawn again. One
    without any object is kept. min_objects: a sample with fewer objects in its label map is drawn again; an object is a
    connected region of one label, of at least `min_area` pixels.
    reject_copies: the training images, as `images` are read; a sample nearer to one of them than 99 % of them are to
    each other is drawn again. max_attempts: how often.
    condition: of a table, {column: value}: rows are drawn given these values, and hold them. format: of a table csv or
    parquet, by default as the training file. reject_copies: of a table the file of the training rows; a row that equals one
    of them, or is nearer to one than 99 % of them are to each other, is drawn again.
    weights: ema | model. trajectory: also write the denoising of the first images as an animated picture.
    """

    ckpt: str = MISSING
    sampler: Any = MISSING
    out: str | None = None
    mode: str = "joint"
    num_samples: int | None = None
    batch_size: int | None = None
    seed: int = 0
    images: str | None = None
    labels: str | None = None
    mask: str | None = None
    num_per_image: int = 1
    max_inputs: int | None = None
    input_list: str | None = None
    add_objects: int = 0
    strength: Any = 0.5
    label_steps: int = 2
    votes: int = 5
    class_label: Any = None
    balance: Any = None
    condition: Any = None
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    inpaint: InpaintConfig = field(default_factory=InpaintConfig)
    format: str = "files"
    min_area: int = 1
    eight_bit_copies: bool = False
    original_size: bool = False
    min_label_iou: float = 0.0
    min_objects: int = 0
    reject_copies: str | None = None
    max_attempts: int = 10
    weights: str = "ema"
    trajectory: bool = False
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values outside their range, and options without effect, with a ValueError that names the field."""
        choices = {
            "mode": MODES,
            "format": FORMATS,
            "weights": ("ema", "model"),
            "precision": ("auto", "bf16", "fp32"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                wrong = getattr(self, name)
                near = suggestion(wrong, list(allowed))
                raise ValueError(f"{name}={wrong} is not one of {', '.join(allowed)}{near}")
        for name in AT_LEAST_ONE:
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("seed", "min_objects", "add_objects"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        if not 0 <= self.min_label_iou <= 1:
            raise ValueError(f"min_label_iou={self.min_label_iou} must lie in [0, 1]")
        self.strengths()
        self._check_mode()
        self._check_effect()

    def _check_mode(self) -> None:
        """Refuse what a mode lacks and what it has no use for."""
        for name in NEEDS.get(self.mode, ()):
            if getattr(self, name) is None:
                raise ValueError(f"mode={self.mode} needs {name}=, a folder or a file")
        for entry in fields(self):
            if self.mode not in HAVE_EFFECT.get(entry.name, MODES) and self._is_set(entry):
                other = {
                    "num_samples": "; use num_per_image or max_inputs",
                    "num_per_image": "; use num_samples",
                    "max_inputs": "; use num_samples",
                }.get(entry.name, f"; it is for mode={' or '.join(HAVE_EFFECT[entry.name])}")
                raise ValueError(f"{entry.name}= has no effect in mode={self.mode}{other}")

    def _is_set(self, entry: Field[Any]) -> bool:
        """Whether an option has another value than its default."""
        default = entry.default_factory() if callable(entry.default_factory) else entry.default
        return getattr(self, entry.name) != default

    def _check_effect(self) -> None:
        """Refuse options that need others."""
        for name in ("num_inference_steps", "spacing") if isinstance(self.sampler, SamplerConfig) else ():
            value, other = getattr(self.sampler, name), "; use label_steps" if name == "num_inference_steps" else ""
            if self.mode == "annotate" and value != getattr(SamplerConfig, name):
                raise ValueError(f"sampler.{name}={value} has no effect in mode=annotate{other}")
        if self.mode == "annotate" and self.label_steps == 1 and self.votes > 1:
            raise ValueError(
                f"votes={self.votes} has no effect with label_steps=1, which hardly depends on the noise: votes=1"
            )
        if self.max_attempts != 10 and not self.rejects:
            looks = "min_label_iou=, min_objects= or reject_copies="
            raise ValueError(f"max_attempts={self.max_attempts} has no effect without {looks}")
        if self.min_objects and self.labels is not None:
            raise ValueError(
                f"min_objects={self.min_objects} has no effect with labels=, which say what objects there are"
            )
        if self.eight_bit_copies and self.format not in ("coco", "yolo"):
            raise ValueError(f"eight_bit_copies=true has no effect with format={self.format}; use coco or yolo")
        if self.original_size:
            self._check_original_size()
        if self.guidance.label_scale != 1 and self.labels is None:
            scale = f"guidance.label_scale={self.guidance.label_scale}"
            raise ValueError(f"{scale} has no effect but in mode=from_labels, and in mode=vary or inpaint with labels=")

    def _check_original_size(self) -> None:
        if self.format not in OF_ORIGINALS:
            there = "; labels_original_size/ is there anyway" if self.format == "files" else ""
            use = f"use {', '.join(OF_ORIGINALS)}"
            raise ValueError(f"original_size=true has no effect with format={self.format}: {use}{there}")
        others = {"num_per_image": self.num_per_image > 1, "eight_bit_copies": self.eight_bit_copies}
        for name in (name for name, asked in others.items() if asked):
            raise ValueError(f"{name}= does not go with original_size=true: leave one of them out")

    @property
    def rejects(self) -> bool:
        """Whether samples may be drawn again."""
        return self.min_label_iou > 0 or self.min_objects > 0 or self.reject_copies is not None

    def for_items(self, items: str) -> "SampleConfig":
        """The same for a checkpoint of `items`, images or rows, with what is left open filled in.

        ValueError for an option that has no effect on them.
        """
        other = next(kind for kind in ONLY_FOR if kind != items)
        for entry in fields(self):
            if entry.name in ONLY_FOR[other] and self._is_set(entry):
                raise ValueError(f"{entry.name}= has no effect on {items}: it is for checkpoints of {other}")
        if self.format not in FORMATS_OF[items]:
            raise ValueError(f"format={self.format} is not for {items}: use {', '.join(FORMATS_OF[items])}")
        filled = copy(self)
        for name, value in DEFAULTS_OF[items].items():
            if getattr(filled, name) is None:
                setattr(filled, name, value)
        return filled

    def strengths(self) -> list[float]:
        """The strengths that samples take in turn."""
        values = [self.strength] if isinstance(self.strength, int | float) else self.strength
        good = isinstance(values, list | tuple) and values and all(isinstance(v, int | float) for v in values)
        if not good or not all(0 < v <= 1 for v in values):
            raise ValueError(f"strength={self.strength} must be a number above 0 and at most 1, or a list of such")
        return [float(v) for v in values]


def default_options() -> dict[str, Any]:
    """The plain options, not those in sections, and what they are unless given."""
    names = (option.name for option in fields(SampleConfig))
    return {name: getattr(SampleConfig, name) for name in names if hasattr(SampleConfig, name)}
