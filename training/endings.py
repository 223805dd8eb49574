"""How a run may end before its last step: by a signal, or because the loss is no longer finite."""

import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tqdm import tqdm


class EarlyEnd(RuntimeError):
    """The work ended early and all that is worth keeping is saved; the command leaves with `exit_code`."""

    exit_code = 1


class Interrupted(EarlyEnd):
    """A signal ended the work; `exit_code` is the shell's 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Diverged(EarlyEnd):
    """Too many steps in a row had a loss or gradient that is not finite."""


class InterruptGuard:
    """Ctrl-C and a cluster's SIGTERM become a wish that the loop honours after the step it is in.

    `with InterruptGuard() as guard:` ... `if guard.received: save and leave`. A second signal stops at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __enter__(self) -> "InterruptGuard":
        """Take over SIGINT and SIGTERM (only the main thread may; elsewhere nothing changes)."""
        try:
            self.previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:
            self.previous = {}
        return self

    def __exit__(self, *error: object) -> None:
        """Hand the signals back."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number


class FiniteGuard:
    """Decides whether a step may change the weights, and notes what was in those that may not."""

    def __init__(self, folder: Path, max_bad_steps: int) -> None:
        self.path, self.max_bad_steps = folder / "bad_batches.txt", max_bad_steps
        self.in_a_row = 0

    def accepts(self, step: int, loss: float, grad_norm: float, names: Sequence[str]) -> bool:
        """Whether loss and gradient are finite; if not, the batch's names are written down.

        Diverged when that happened too often in a row: the last checkpoint is from before, so nothing is lost.
        """
        if math.isfinite(loss) and math.isfinite(grad_norm):
            self.in_a_row = 0
            return True
        self.in_a_row += 1
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"step {step}: {', '.join(names)}\n")
        tqdm.write(f"step {step} skipped: its loss or gradient is not finite", file=sys.stderr)
        if self.in_a_row >= self.max_bad_steps:
            raise Diverged(
                f"error: {self.in_a_row} steps in a row were not finite, stopped at step {step}; their batches are listed in "
                f"{self.path}; try a lower optim.lr"
            )
        return False
