"""What each arm trains on."""

from collections import Counter

import numpy as np

from eval.utility.arms import Makers, TrainingSet, made, real_arms, synthetic_arms
from eval.utility.classification.examples import Example


def arm_makers(
    train: list[Example], val: list[Example], synthetic: list[Example], ratios: list[int]
) -> Makers[Example]:
    """All arms, each made when it is asked for; without `synthetic`, the baseline and the controls.

    Synthetic images are taken from the front, of each class in proportion to the real ones: the shares of
    the classes are those of the real images in all arms but oversampled and rebalanced. These two are there only where
    the classes differ in size.
    """
    n, counts = len(train), Counter(example.label for example in train)
    largest, unequal = max(counts.values()), len({*counts.values()}) > 1

    def taken(r: int, arm: str) -> list[Example]:
        return _first(synthetic, {label: r * count for label, count in counts.items()}, arm)

    def oversampled() -> TrainingSet[Example]:
        weights = np.array([1 / counts[example.label] for example in train])
        return made("control", "real images, each class drawn equally often", train, val, n, weights=weights)

    def rebalanced() -> TrainingSet[Example]:
        added = _first(synthetic, {label: largest - count for label, count in counts.items()}, "rebalanced")
        note = f"synthetic images until each class has {largest}"
        alike = np.ones(n + len(added))  # weights of its own, for real_share would undo what the arm is made for
        return made("synthetic", note, train + added, val, n, control="oversampled", weights=alike)

    makers = real_arms(train, val, ratios[-1])
    if unequal:
        makers["oversampled"] = oversampled
    note = "real images, each mixed with another of its batch, and their classes with them"
    makers["mixup"] = lambda: made("control", note, train, val, n, mixup=True)
    if synthetic:
        makers |= synthetic_arms(train, val, ratios, taken)
        if unequal:
            makers["rebalanced"] = rebalanced
    return makers


def _first(synthetic: list[Example], wanted: dict[str, int], arm: str) -> list[Example]:
    """The first `wanted` images of each class; ValueError where there are fewer."""
    found = []
    for label, count in wanted.items():
        of_class = [example for example in synthetic if example.label == label]
        if len(of_class) < count:
            raise ValueError(
                f"synthetic: holds {len(of_class)} images of the class {label}, but {arm} takes {count}: "
                f"draw more, lower ratios, or leave {arm} out of arms=[...]"
            )
        found += of_class[:count]
    return found
