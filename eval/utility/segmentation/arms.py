"""What each arm trains on."""

from eval.utility.arms import Makers, made, real_arms, synthetic_arms
from eval.utility.segmentation.pairs import Pair
from eval.utility.segmentation.paste import copy_paste


def arm_makers(train: list[Pair], val: list[Pair], synthetic: list[Pair], ratios: list[int]) -> Makers[Pair]:
    """All arms, each made when it is asked for; without `synthetic`, the baseline and the controls.

    Synthetic pairs are taken from the front: a set of a smaller ratio is part of that of a larger one.
    """
    n, most = len(train), ratios[-1]

    def taken(r: int, arm: str) -> list[Pair]:
        if len(synthetic) < r * n:
            raise ValueError(
                f"synthetic: holds {len(synthetic)} images, but {arm} takes {r * n}: "
                f"draw more, lower ratios, or leave {arm} out of arms=[...]"
            )
        return synthetic[: r * n]

    makers = real_arms(train, val, most)
    note = f"{most} images with pasted foreground per real one"
    makers["copy_paste"] = lambda: made("control", note, train + copy_paste(train, most * n, seed=0), val, n)
    return makers | synthetic_arms(train, val, ratios, taken) if synthetic else makers
