"""The classification task: reads its images, refuses leaks, and trains and scores one arm with one seed."""

from collections import Counter
from typing import Any

import numpy as np
from torch import nn

from eval.utility.arms import TrainingSet, in_random_order, make_arms, set_hashes
from eval.utility.classification.arms import arm_makers
from eval.utility.classification.config import ClassificationConfig
from eval.utility.classification.examples import Example, examples_hash, read_examples
from eval.utility.classification.figures import confusion, figures, macro_f1, recalls
from eval.utility.classification.network import build_classifier
from eval.utility.classification.training import Looker, classify, train_classifier
from eval.utility.config import refuse_copies
from eval.utility.folders import GROUPS_MEND
from eval.utility.groups import check_groups
from eval.utility.study import Run, Scorer
from eval.utility.training import device_of, recipe_of
from eval.utility.windows import pixel_scale


class ClassificationTask:
    """See `eval.utility.study.Task`. Macro-F1 decides: accuracy hardly sees a class with few test images."""

    def __init__(self, config: ClassificationConfig) -> None:
        """Read all images; ValueError, one line, for what cannot be used or would make the test no test."""
        config.check_paths()
        device_of(config.device)
        self.config = config
        examples = read_examples(config)
        splits, self.classes, self.channels = examples.splits, examples.classes, examples.channels
        refuse_copies({key: [(example.sha256, example.name) for example in each] for key, each in splits.items()})
        self.test_groups = check_groups(splits, config.group, GROUPS_MEND)
        counts = Counter(example.label for example in splits["train"])
        self.rarest = min(self.classes, key=lambda name: counts[name])
        self.metrics = ("macro-F1", "accuracy", f"recall of {self.rarest}")
        self.scored = splits.get("test", splits["val"])
        self.test_images = len(self.scored)
        self.truth = self._numbers([example.label for example in self.scored])
        scale = pixel_scale([example.image for example in splits["train"]], eight_bit=examples.eight_bit)
        self.looker = Looker(config.size, scale, self.channels, config.scale_jitter, config.shift, config.symmetry)
        makers = arm_makers(splits["train"], splits["val"], in_random_order(splits["synthetic"]), config.ratios)
        self.sets = make_arms(config.arms, makers)
        self.arms = {name: chosen.arm for name, chosen in self.sets.items()}
        self._identities = {name: self._identity(chosen, splits["train"]) for name, chosen in self.sets.items()}

    def identity(self, arm: str) -> dict[str, Any]:
        """The recipe, and hashes of the images to train, choose and score by."""
        return self._identities[arm]

    def _identity(self, chosen: TrainingSet[Example], real: list[Example]) -> dict[str, Any]:
        recipe = recipe_of(self.config, "network", "width", "fit", "shift")
        return recipe | set_hashes(chosen, self.scored, real, examples_hash)

    def train_and_score(self, arm: str, seed: int) -> Run:
        """Train, keep the weights with the best macro-F1 on the validation images, and classify the test images."""
        chosen, k = self.sets[arm], len(self.classes)
        val_truth = self._numbers([example.label for example in chosen.val])

        def val_score(model: nn.Module) -> float:
            return macro_f1(confusion(val_truth, classify(model, chosen.val, self.looker, self.config), k))

        model, history = train_classifier(
            self._build, chosen, self.classes, self.looker, self.config,
            seed=seed, val_score=val_score, label=f"{arm}, seed {seed}",
        )  # fmt: skip
        said = classify(model, self.scored, self.looker, self.config)
        matrix = confusion(self.truth, said, k)
        scores = dict(zip(self.metrics, figures(matrix, self.classes.index(self.rarest)).tolist(), strict=True))
        by_class = dict(zip(self.classes, recalls(matrix).tolist(), strict=True))
        records = {example.name: self.classes[i] for example, i in zip(self.scored, said, strict=True)}
        return Run(scores, records, {"recall": by_class, "history": history})

    def _build(self) -> nn.Module:
        config = self.config
        return build_classifier(
            config.network, channels=self.channels, num_classes=len(self.classes), width=config.width
        )

    def _numbers(self, labels: list[str]) -> np.ndarray:
        return np.array([self.classes.index(label) for label in labels], np.int64)

    def scorer(self, records: Any) -> Scorer:
        """The figures of resampled test images, from what was said of each."""
        said, rarest = (
            self._numbers([records[example.name] for example in self.scored]),
            self.classes.index(self.rarest),
        )
        return lambda weights: figures(confusion(self.truth, said, len(self.classes), weights), rarest)
