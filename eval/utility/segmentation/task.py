"""The segmentation task: reads its pairs, refuses leaks, and trains and scores one arm with one seed."""

from typing import Any

import numpy as np
from torch import nn

from eval.utility.arms import TrainingSet, in_random_order, make_arms, pixel_hash, set_hashes
from eval.utility.config import refuse_copies
from eval.utility.folders import GROUPS_MEND
from eval.utility.groups import check_groups
from eval.utility.segmentation.arms import arm_makers
from eval.utility.segmentation.config import SegmentationConfig
from eval.utility.segmentation.figures import figures
from eval.utility.segmentation.network import SmallUNet
from eval.utility.segmentation.pairs import Pair, pairs_hash, read_pairs
from eval.utility.segmentation.training import PairViewer, segment, train_segmenter
from eval.utility.study import Run, Scorer
from eval.utility.training import device_of, recipe_of
from eval.utility.windows import pixel_scale


class SegmentationTask:
    """See `eval.utility.study.Task`."""

    def __init__(self, config: SegmentationConfig) -> None:
        """Read all pairs; ValueError, one line, for what cannot be used or would make the test no test."""
        config.check_paths()
        device_of(config.device)
        self.config = config
        pairs = read_pairs(config)
        splits, self.names = pairs.splits, pairs.names
        refuse_copies({key: [(pixel_hash(pair.image), pair.name) for pair in each] for key, each in splits.items()})
        self.test_groups = check_groups(splits, config.group, GROUPS_MEND)
        self.metrics = ("Dice", *(f"Dice of {name}" for name in self.names)) if len(self.names) > 1 else ("Dice",)
        self.scored = splits.get("test", splits["val"])
        self.test_images = len(self.scored)
        images = [pair.image for pair in splits["train"]]
        scale = pixel_scale(images, eight_bit=images[0].dtype == np.uint8)
        self.channels = max(len(pair.image) for each in splits.values() for pair in each)
        self.viewer = PairViewer(config.size, scale, self.channels, config.scale_jitter, config.symmetry)
        makers = arm_makers(splits["train"], splits["val"], in_random_order(splits["synthetic"]), config.ratios)
        self.sets = make_arms(config.arms, makers)
        self.arms = {name: chosen.arm for name, chosen in self.sets.items()}
        self._identities = {name: self._identity(chosen, splits["train"]) for name, chosen in self.sets.items()}

    def identity(self, arm: str) -> dict[str, Any]:
        """The recipe, and hashes of the pairs to train, choose and score by."""
        return self._identities[arm]

    def _identity(self, chosen: TrainingSet[Pair], real: list[Pair]) -> dict[str, Any]:
        labels = {"labels": self.names}
        return recipe_of(self.config, "width") | labels | set_hashes(chosen, self.scored, real, pairs_hash)

    def train_and_score(self, arm: str, seed: int) -> Run:
        """Train, keep the weights with the best Dice on the validation pairs, and segment the test images."""
        chosen, config, k = self.sets[arm], self.config, len(self.names)

        def val_score(model: nn.Module) -> float:
            return float(figures(segment(model, chosen.val, self.viewer, config, k))[0])

        model, history = train_segmenter(
            lambda: SmallUNet(self.channels, k + 1, config.width), chosen, self.viewer, config,
            seed=seed, val_score=val_score, label=f"{arm}, seed {seed}",
        )  # fmt: skip
        counts = segment(model, self.scored, self.viewer, config, k)
        scores = dict(zip(self.metrics, figures(counts).tolist(), strict=True))
        records = {pair.name: count.tolist() for pair, count in zip(self.scored, counts, strict=True)}
        return Run(scores, records, {"history": history})

    def scorer(self, records: Any) -> Scorer:
        """Dice of resampled test images, from the pixels counted in each."""
        counts = np.array([records[pair.name] for pair in self.scored])
        return lambda weights: figures(counts, weights)
