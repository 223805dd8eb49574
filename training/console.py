"""What a command says while it works, and how often."""

import sys
from collections.abc import Iterable
from typing import Any

from torch import nn
from tqdm import tqdm


def show_progress(what: str, done: int, total: int) -> None:
    """Tell on one line of the terminal how far something is."""
    if done == total or (done % 50 == 0 and sys.stderr.isatty()):
        print(f"\r{what}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def bar_interval() -> float:
    """Seconds between two redraws of a progress bar: often on a terminal, seldom in a log file."""
    return 0.5 if sys.stderr.isatty() else 30.0


def brief_bar(what: str, parts: Iterable[Any]) -> Any:
    """`parts` under a bar, for what would else pass in silence; on a terminal alone, and wiped off when they are done."""
    return tqdm(parts, desc=what, leave=False, disable=not sys.stderr.isatty())


def count_parameters(network: nn.Module) -> str:
    """The number of trained values, for people: 3.84 M parameters."""
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.2f} M parameters"


def due(step: int, interval: int, steps: int) -> bool:
    """Whether something done every `interval` steps (0: never), and at the end of the run, is due after `step`."""
    return interval > 0 and (step % interval == 0 or step == steps)
