"""What `python -m eval` may be told, and the checks that need no torch, so that a mistake is answered at once."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from eval.arguments import read_arguments
from eval.fit import FITS

FEATURES = ("random", "inception", "domain", "dinov2")
DOMAINS = ("sar", "mri")
DEVICES = ("auto", "cpu", "cuda")
MIN_REAL = 6  # two disjoint sets of 3
MIN_REPEATS = 5  # of a floor: where chance alone decides all five have one sign in 1 of 32 cases, four in 1 of 16
USAGE = "python -m eval real=DIR synthetic=DIR out=DIR"
INCEPTION_SHA256 = "6726825d"  # how the SHA-256 of pt_inception-2015-12-05-6726825d.pth begins


@dataclass
class EvalConfig:
    """Two folders of images, where to write, and how to compare."""

    real: str = MISSING
    """Folder of real images; class subfolders are read too."""
    synthetic: str = MISSING
    """Folder of synthetic images; with a manifest.jsonl in it, the files named there."""
    out: str = MISSING
    """Folder for metrics.json, card.json, report.html and pictures of the closest pairs."""
    holdout: str | None = None
    """Real images of the same kind that the model was not trained on: what the privacy audit is calibrated with."""
    membership_train: str | None = None
    """What `python -m training.score` wrote of the training images ..."""
    membership_holdout: str | None = None
    """... and of images that were not trained on: for the membership attack."""
    utility: str | None = None
    """What `python -m eval.utility` wrote, to be shown in the report."""
    features: str = "random"
    """random: a fixed-seed network (`frechet_random`, `kid_random`); domain: one trained on half of the real images
    (`frechet_domain`, `kid_domain`), minutes; inception: `fid` and `kid`; dinov2: `frechet_dinov2` and `kid_dinov2`."""
    inception_weights: str | None = None
    """Path of the weights file; null downloads it once."""
    inception_sha256: str = INCEPTION_SHA256
    """What the SHA-256 of the weights file must begin with; any: not checked."""
    dinov2_weights: str | None = None
    """Path of DINOv2's weights (S/14, B/14 or L/14; .pth or .safetensors); null: S/14 in the cache of torch.hub."""
    domain: str | None = None
    """sar: amplitudes, equivalent looks, texture, spectrum; mri: foreground intensities, spectrum; null: neither."""
    real_annotations: str | None = None
    """COCO file with the boxes of the real images, to compare their number and size with the synthetic ones', and where
    `group` names a field of its image records, with the groups of the real images and of the holdout's."""
    group: str | None = None
    """What belongs together (scene, patient), as in `python -m eval.utility`: folder, a column of `attributes`, or a field of
    the image records in `real_annotations`. Floors, the audit and errors then take whole groups; a holdout shares none."""
    attributes: str | None = None
    """CSV table that says each real image's group, as `data.attributes` of train.py; it may name the holdout's, too."""
    size: Any = None
    """int or [h, w] at which both folders are compared; null: the size of the synthetic images."""
    fit: str = "crop"
    """How an image of another size gets there, as `data.fit` in training: crop, resize, pad or center_crop."""
    real_range: Any = None
    """[low, high] of the real pixel values; null: 0..255, the bit depth in use, or min..max of float images."""
    synthetic_range: Any = None
    """[low, high] of the synthetic pixel values; null: as the real ones."""
    num: int | None = None
    """Use at most so many images of each folder, drawn with `seed`."""
    floor_repeats: int = 10
    """Random splits of the real images behind every floor, 5 or more."""
    seed: int = 0
    batch_size: int = 16
    """Images that go through the network together; on a CPU more cost page faults and memory, and gain nothing."""
    device: str = "auto"
    cache_dir: str = "~/.cache/speckle/eval"
    """Features are kept here by content hash, so that a folder is never read through a network twice."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        _one_of("features", self.features, FEATURES)
        if self.domain is not None:
            _one_of("domain", self.domain, DOMAINS)
        _one_of("fit", self.fit, FITS)
        _one_of("device", self.device, DEVICES)
        _at_least("num", self.num, MIN_REAL)
        _at_least("floor_repeats", self.floor_repeats, MIN_REPEATS)
        _at_least("seed", self.seed, 0)
        _at_least("batch_size", self.batch_size, 1)
        self.size = _pair_of_ints("size", self.size)
        self.real_range = _range("real_range", self.real_range)
        self.synthetic_range = _range("synthetic_range", self.synthetic_range)
        if (self.membership_train is None) != (self.membership_holdout is None):
            raise ValueError("membership_train and membership_holdout: the attack needs both files, or give neither")
        changed = self.inception_weights is not None or self.inception_sha256 != INCEPTION_SHA256
        if self.features != "inception" and changed:
            raise ValueError(
                f"inception_weights and inception_sha256 have no effect with features={self.features}: "
                "add features=inception"
            )
        if self.attributes is not None and self.group in (None, "folder"):
            raise ValueError(f"attributes={self.attributes} has no effect without group=COLUMN")
        if self.features != "dinov2" and self.dinov2_weights is not None:
            raise ValueError(f"dinov2_weights has no effect with features={self.features}: add features=dinov2")


def _one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{field}={value}: must be one of {', '.join(allowed)}")


def _at_least(field: str, value: int | None, low: int) -> None:
    if value is not None and value < low:
        raise ValueError(f"{field}={value}: must be {low} or more")


def _pair_of_ints(field: str, value: Any) -> list[int] | None:
    if value is None:
        return None
    pair = [value, value] if isinstance(value, int) else value
    whole = isinstance(pair, list | tuple) and len(pair) == 2 and all(type(v) is int and v >= 8 for v in pair)
    if not whole:
        raise ValueError(f"{field}={value}: must be a number of pixels or [height, width], each 8 or more")
    return list(pair)


def _range(field: str, value: Any) -> list[float] | None:
    if value is None:
        return None
    numbers = isinstance(value, list | tuple) and len(value) == 2 and all(type(v) in (int, float) for v in value)
    if not numbers or not -math.inf < value[0] < value[1] < math.inf:
        raise ValueError(f"{field}={value}: must be [low, high] with low < high")
    return [float(v) for v in value]


def config_from_args(args: list[str]) -> EvalConfig:
    """`key=value` arguments as a checked EvalConfig.

    Raises ValueError, one line, for an unknown key (naming the nearest), a value of the wrong type, or a folder that is
    not there.
    """
    config = read_arguments(args, EvalConfig, USAGE)
    check_paths(config)
    return config


def check_paths(config: EvalConfig) -> None:
    """Raise ValueError unless both folders exist, out and cache can be written, and `out` changes no later run's score."""
    for key, name in (("out", config.out), ("cache_dir", config.cache_dir)):
        path = Path(name).expanduser().absolute()
        existing = next(known for known in (path, *path.parents) if known.exists())
        if not existing.is_dir():
            raise ValueError(f"{key}={name}: {existing} is a file, give a folder")
        if not os.access(existing, os.W_OK):
            raise ValueError(f"{key}={name}: {existing} cannot be written to, give another folder")
    out = Path(config.out).resolve()
    for key, name in (("real", config.real), ("synthetic", config.synthetic), ("holdout", config.holdout)):
        if name is None:
            continue
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise ValueError(f"{key}={name}: {'is a file, give a folder' if folder.exists() else 'no such folder'}")
        if out.is_relative_to(folder.resolve()) and not (folder / "manifest.jsonl").is_file():
            raise ValueError(
                f"out={config.out}: lies in {key}={name}, so its pictures would be scored next time; choose another"
            )
    files = ("inception_weights", "dinov2_weights", "real_annotations", "membership_train", "membership_holdout")
    for key in (*files, "utility", "attributes"):
        file = getattr(config, key)
        if file is not None and not Path(file).expanduser().is_file():
            raise ValueError(f"{key}={file}: no such file")
    says_groups = config.group not in (None, "folder") and config.attributes is None
    beside = (Path(config.synthetic) / "annotations.json").is_file()
    if config.real_annotations is not None and not beside and not says_groups:
        raise ValueError(
            f"real_annotations has no effect: synthetic={config.synthetic} holds no annotations.json to compare with"
        )
