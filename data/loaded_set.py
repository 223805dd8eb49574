"""What loading data gives, whatever its items are: a set to train on, one that is held out, and what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np


@runtime_checkable
class ItemSet(Protocol):
    """Items in an order, images (`ImageSet`) or rows (`TableSet`), each with a name."""

    names: list[str]

    def __len__(self) -> int:
        """How many items."""
        ...

    def subset(self, indices: Sequence[int] | np.ndarray) -> Any:
        """The items at `indices`, in that order, as a set of the same kind."""
        ...


S = TypeVar("S", bound=ItemSet)


@dataclass
class LoadedSet(Generic[S]):
    """The sets of one data config. `val` may be empty.

    `report` is for people. `skipped` holds (file or row, reason) of what was left out where data.on_error=skip. `key`
    identifies the training items by content and order, and the config: a run may be resumed on the same key only.
    """

    train: S
    val: S
    report: str
    skipped: list[tuple[str, str]]
    key: str

    def names(self) -> dict[str, list[str]]:
        """Which items are trained on and which are held out, as {"train": [...], "val": [...]}."""
        return {"train": self.train.names, "val": self.val.names}

    def keep_first(self, count: int) -> None:
        """Train on the first `count` items alone, where there are more."""
        self.train = self.train.subset(range(min(count, len(self.train))))
