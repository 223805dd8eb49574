"""What every task of `python -m eval.utility` may be told, and the checks that tasks share; no torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

DEVICES = ("auto", "cpu", "cuda")


@dataclass
class StudyConfig:
    """Arms times seeds, and how their differences are measured."""

    task: str = MISSING
    out: str = MISSING
    """Folder for utility.json and runs/; a study that was interrupted goes on there."""
    seeds: int = 5
    """Runs of every arm, with seeds 0, 1, ...; more can be added later in the same `out`."""
    arms: Any = None
    """Only these arms, as [real,+10]; null: all but synthetic_only and copy_paste+N."""
    draws: int = 1000
    """Bootstrap draws behind every interval."""
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming field, value and what is allowed."""
        at_least("seeds", self.seeds, 1)
        at_least("draws", self.draws, 100)
        one_of("device", self.device, DEVICES)
        if self.arms is not None:
            given = self.arms if isinstance(self.arms, list | tuple) else [self.arms]
            self.arms = [f"+{arm}" if type(arm) is int else str(arm) for arm in given]  # YAML reads +10 as a number


def one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """ValueError unless `value` is allowed."""
    if value not in allowed:
        raise ValueError(f"{field}={value}: must be one of {', '.join(allowed)}")


def at_least(field: str, value: int | float, low: int | float) -> None:
    """ValueError for a value below `low`."""
    if value < low:
        raise ValueError(f"{field}={value}: must be {low} or more")


def between(field: str, value: int | float, low: int | float, high: int | float) -> None:
    """ValueError for a value outside [low, high]."""
    if not low <= value <= high:
        raise ValueError(f"{field}={value}: must be {low} to {high}")


def ratios_of(value: Any) -> list[int]:
    """`ratios=` as rising whole numbers."""
    ratios = value if isinstance(value, list | tuple) else [value]
    rising = all(type(ratio) is int and ratio >= 1 for ratio in ratios) and sorted({*ratios}) == list(ratios)
    if not ratios or not rising:
        raise ValueError(f"ratios={value}: must be rising whole numbers of synthetic per real image, as [2,10]")
    return list(ratios)


def names_in(key: str, path: str) -> list[str]:
    """The names that a text file lists, one a line; ValueError where there are none or one stands there twice."""
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{key}={path}: no such file")
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not names:
        raise ValueError(f"{key}={path}: lists no image")
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ValueError(f"{key}={path}: lists {twice[0]} twice ({len(twice)} such names)")
    return names


def refuse_copies(splits: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """ValueError if an image of one of the splits is in another by its pixels; each is given as its hash and its name."""
    names = {key: dict(images) for key, images in splits.items()}
    keys = list(names)
    for i, one in enumerate(keys):
        for other in keys[i + 1 :]:
            if shared := [digest for digest in names[one] if digest in names[other]]:
                raise ValueError(
                    f"{one} and {other} share {len(shared)} images by their pixels, the first {names[one][shared[0]]} and "
                    f"{names[other][shared[0]]}: an image may be in one of them"
                )
