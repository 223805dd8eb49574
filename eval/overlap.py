"""No entry in two sets: what is tested by must be new to what was trained."""

from collections.abc import Mapping, Sequence


def refuse_overlap(
    splits: Mapping[str, Sequence[str]], what: str, mend: str = "a test needs images of its own"
) -> None:
    """ValueError if two of the splits share an entry; `what` says what an entry is, `mend` what to do."""
    keys = list(splits)
    for i, one in enumerate(keys):
        for other in keys[i + 1 :]:
            if shared := sorted({*splits[one]} & {*splits[other]}):
                raise ValueError(f"{one} and {other} share {len(shared)} {what}, the first {shared[0]}: {mend}")
