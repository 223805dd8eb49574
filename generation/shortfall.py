"""Fewer samples than were asked for: all attempts are spent, and what was good enough is written and kept."""

from collections.abc import Collection

from training.endings import EarlyEnd

MENDS = {
    "label_iou": "ask for a lower min_label_iou=",
    "objects": "ask for fewer min_objects=",
    "copy": "leave reject_copies= out",
}


class Incomplete(EarlyEnd):
    """Samples are missing for good, so the command does not end as one that did its work."""


def require_all(made: int, wanted: int, reasons: Collection[str]) -> None:
    """Incomplete where fewer samples were made than wanted; `reasons`: why the others were thrown away, of MENDS."""
    if made < wanted:
        raise Incomplete(f"error: only {made} of {wanted} samples were good enough and are written; {mend(reasons)}")


def mend(reasons: Collection[str]) -> str:
    """What makes more samples good enough; max_attempts= may be raised in the same folder."""
    return " or ".join(["raise max_attempts=", *(MENDS[reason] for reason in MENDS if reason in reasons)])
