"""Ctrl-C and a cluster's SIGTERM become a wish that the loop honours after the step it is in."""

import signal
from types import FrameType


class Interrupted(RuntimeError):
    """The work was stopped by a signal; everything done so far is saved. `exit_code` is the shell's 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class InterruptGuard:
    """`with InterruptGuard() as guard:` ... `if guard.received: save and leave`. A second signal stops at once."""

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
