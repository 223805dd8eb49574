"""Does the network learn its training set by heart? Two curves that show it, and a rule that ends a run which has begun to."""

import math
from collections.abc import Sized
from typing import Any, Protocol

KEPT = ("best_step", "train_at_best", "train_loss", "in_a_row")


class Sets(Protocol):
    """Items to train on and, if there are any, those that are held out."""

    @property
    def train(self) -> Sized: ...
    @property
    def val(self) -> Sized: ...


class MemorizationGuard:
    """Watches two losses of the averaged weights, at the same times with the same noise: on held-out and on training items.

    A network that generalises lowers both, one that memorises the second alone. The rule: `patience` validations in a row
    with no better validation loss than the best, while that on training items is below what it was then. Where both stand
    still nothing is memorised, and the run goes on. Only a guard that `stops` has a `reason` to end the run.
    """

    def __init__(self, sets: Sets, stops: bool, patience: int, items: str = "images") -> None:
        """`items`: what a set holds, in words. ValueError where a run is to stop by a validation loss that it does not have."""
        if stops and not len(sets.val):
            others = "data.val_path or data.val_list" if items == "images" else "or data.val_path"
            raise ValueError(
                f"train.stop_on_memorization=true needs held-out {items}: set data.val_fraction above 0, {others}"
            )
        self.stops, self.patience, self.items = stops, patience, items
        self.best, self.best_step = math.inf, 0  # lowest validation loss so far
        self.train_at_best, self.train_loss = -math.inf, math.nan
        self.in_a_row = 0

    def observe(self, step: int, loss: float, train_loss: float) -> bool:
        """Take in a validation; returns whether its loss is the best so far."""
        self.train_loss = train_loss
        if loss < self.best:
            self.best, self.best_step, self.train_at_best, self.in_a_row = loss, step, train_loss, 0
            return True
        self.in_a_row = self.in_a_row + 1 if train_loss < self.train_at_best else 0
        return False

    @property
    def reason(self) -> str | None:
        """Why the run is to end; None: go on."""
        if not self.stops or self.in_a_row < self.patience:
            return None
        return (
            f"memorisation: the validation loss was lowest at step {self.best_step} ({self.best:.4f}) and not lower in the "
            f"{self.in_a_row} validations since, while the loss on training {self.items} fell from {self.train_at_best:.4f} to "
            f"{self.train_loss:.4f}"
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold for a resumed run to stop where this one would."""
        return {"best": self.best, "memorization": {name: getattr(self, name) for name in KEPT}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; those of speckle 0.1 hold the best loss alone."""
        self.best = state["best"]
        for name, value in state.get("memorization", {}).items():
            setattr(self, name, value)
