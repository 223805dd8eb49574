"""The two folders made comparable: one size, one scale of values, and both said in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from eval.config import MIN_REAL, EvalConfig
from eval.fit import fit_image
from eval.floor import floor_size, smaller_half
from eval.groups import Groups
from eval.image_groups import read_groups
from eval.images import ImageFolder, Preparation, open_folder
from eval.value_range import Range, choose_ranges

MIN_SYNTHETIC = MIN_HOLDOUT = 3
THUMBNAIL = 64  # longest side in pixels at which nearest neighbours are sought


@dataclass(frozen=True)
class Side:
    """One of the two folders and how its images are prepared."""

    folder: ImageFolder
    preparation: Preparation
    groups: Groups | None = None  # of real images, where it is known what belongs together

    def __len__(self) -> int:
        return len(self.folder)

    def groups_of(self, rows: Sequence[int] | np.ndarray | None = None) -> Int[np.ndarray, " rows"] | None:
        """The group of each of `rows` (null: of all), numbered from 0; None where every image stands alone."""
        if self.groups is None:
            return None
        return self.groups.of_image if rows is None else self.groups.of(rows)

    def covered(self, count: int) -> float:
        """What share of the images in the folder `count` of them are."""
        return count / self.folder.found

    def load(self, indices: Sequence[int] | np.ndarray, longest: int) -> np.ndarray:
        """Images (b, 3, h, w) in [0, 1], shrunk where a side is longer than `longest` pixels."""
        h, w = self.preparation.size
        scale = min(1.0, longest / max(h, w))
        size = (max(1, round(h * scale)), max(1, round(w * scale)))
        images = (self.preparation.load(self.folder.paths[i]) for i in indices)
        return np.stack([fit_image(image, size, "resize") for image in images])

    @property
    def thumbnail_size(self) -> tuple[int, int]:
        """(h, w) of the thumbnails."""
        h, w = self.preparation.size
        scale = min(1.0, THUMBNAIL / max(h, w))
        return max(1, round(h * scale)), max(1, round(w * scale))

    def thumbnails(self) -> np.ndarray:
        """Grey images of at most 64 pixels a side, as rows (n, p)."""
        return np.concatenate([self.load([i], THUMBNAIL).mean(axis=1).reshape(1, -1) for i in range(len(self))])

    @property
    def range(self) -> str:
        """The pixel values that become 0 and 1."""
        low, high = self.preparation.range
        return f"{low:g}..{high:g}"


@dataclass(frozen=True)
class Comparison:
    """Both sides and the options they were opened with."""

    config: EvalConfig
    real: Side
    synthetic: Side
    holdout: Side | None = None  # real images that were not trained on, prepared as the real ones

    @property
    def resize(self) -> str:
        """What was done to images of another size."""
        size = self.real.preparation.size
        changed = [
            f"{name} {_sizes(side.folder)}"
            for name, side in (("real", self.real), ("synthetic", self.synthetic))
            if set(side.folder.sizes) != {size}
        ]
        scaling = "unscaled" if self.config.fit == "center_crop" else "bicubic, antialiased"
        how = f"{' and '.join(changed)} to {_size(size)} (fit={self.config.fit}, {scaling})"
        return how if changed else f"none, all {_size(size)}"

    @property
    def range(self) -> str:
        """The scale of values on both sides."""
        if self.real.range == self.synthetic.range:
            return self.real.range
        return f"real {self.real.range}, synthetic {self.synthetic.range}"

    @property
    def groups(self) -> dict[str, Any] | None:
        """What a group is and how many there are on each side, as {"by", "real", "holdout" where there is one}."""
        if self.real.groups is None:
            return None
        held_out = {} if self.holdout is None or self.holdout.groups is None else {"holdout": self.holdout.groups.count}
        return {"by": self.real.groups.by, "real": self.real.groups.count, **held_out}

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures has to know beyond them."""
        notes = []
        n_real, n = len(self.real), floor_size(len(self.real), len(self.synthetic))
        if self.groups is None and n < len(self.synthetic):
            notes.append(
                f"The floor stands at n = {n}, not {len(self.synthetic)}: {n_real} real images give no two larger "
                f"disjoint sets. With {2 * len(self.synthetic)} real images it would stand at {len(self.synthetic)}."
            )
        if self.real.range != self.synthetic.range:
            notes.append(f"The folders are stored on different scales: {self.range} become 0..1 each.")
        return notes


def open_comparison(config: EvalConfig) -> Comparison:
    """Look at every file of both folders and settle size and range.

    Raises ValueError, one line, for bad files, too few images, or sizes and ranges that have to be chosen by the user.
    """
    synthetic = open_folder(Path(config.synthetic), num=config.num, seed=config.seed)
    real = open_folder(Path(config.real), num=config.num, seed=config.seed)
    for key, folder, least in (("real", real, MIN_REAL), ("synthetic", synthetic, MIN_SYNTHETIC)):
        if len(folder) < least:
            raise ValueError(f"{key}={folder.root}: {len(folder)} images, a comparison needs {least} or more")
    size = (config.size[0], config.size[1]) if config.size else _only_size(synthetic)
    ranges = choose_ranges(real, synthetic, _pair(config.real_range), _pair(config.synthetic_range))
    holdout = None if config.holdout is None else _open_holdout(config, real)
    groups = read_groups(config, {"real": real, **({} if holdout is None else {"holdout": holdout})}, synthetic)
    sides = [Side(f, Preparation(r, size, config.fit)) for f, r in zip((real, synthetic), ranges, strict=True)]
    sides[0] = replace(sides[0], groups=groups.get("real"))
    _check_split(sides[0], config)
    held_out = None if holdout is None else Side(holdout, sides[0].preparation, groups.get("holdout"))
    return Comparison(config, *sides, holdout=held_out)


def _check_split(real: Side, config: EvalConfig) -> None:
    """ValueError where one group holds nearly all real images."""
    half = smaller_half(len(real), real.groups_of(), repeats=config.floor_repeats, seed=config.seed)
    if half < MIN_REAL // 2:
        raise ValueError(
            f"group={config.group}: a split of the {len(real)} real images that divides no {config.group} leaves {half} on "
            f"one side, {MIN_REAL // 2} or more are needed"
        )


def _open_holdout(config: EvalConfig, real: ImageFolder) -> ImageFolder:
    """The holdout; ValueError where it holds a training image or another kind of pixels."""
    folder = open_folder(Path(str(config.holdout)), num=config.num, seed=config.seed)
    if len(folder) < MIN_HOLDOUT:
        raise ValueError(f"holdout={folder.root}: {len(folder)} images, the audit needs {MIN_HOLDOUT} or more")
    if folder.kind != real.kind:
        raise ValueError(f"holdout={folder.root} holds {folder.kind} pixels, {real.root} {real.kind}")
    trained = {image.sha256 for image in real.images}
    both = [path for path, image in zip(folder.paths, folder.images, strict=True) if image.sha256 in trained]
    if both:
        raise ValueError(f"holdout: {both[0]} is in {real.root} too ({len(both)} such): remove it from one of them")
    return folder


def _pair(value: list[float] | None) -> Range | None:
    return None if value is None else (value[0], value[1])


def _only_size(folder: ImageFolder) -> tuple[int, int]:
    if len(folder.sizes) > 1:
        raise ValueError(f"synthetic={folder.root}: images of {_sizes(folder)}: give size=[height,width] to compare at")
    return next(iter(folder.sizes))


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _sizes(folder: ImageFolder) -> str:
    (first, _), *others = folder.sizes.most_common()
    return _size(first) if not others else f"{_size(first)} and {len(others)} other sizes"
