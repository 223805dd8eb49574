"""The detection task: reads its images, refuses leaks, and trains and scores one arm with one seed."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from eval.overlap import refuse_overlap
from eval.utility.arms import TrainingSet, in_random_order, make_arms, pixel_hash, set_hashes
from eval.utility.config import names_in, refuse_copies
from eval.utility.detection.arms import arm_makers, scene_fingerprint
from eval.utility.detection.config import DetectionConfig
from eval.utility.detection.detector import build_detector
from eval.utility.detection.precision import METRICS, average_precision, coco_tools, evaluate
from eval.utility.detection.scenes import Scene, open_coco
from eval.utility.detection.training import detect, train_detector
from eval.utility.detection.views import Viewer
from eval.utility.groups import check_groups
from eval.utility.study import Run, Scorer
from eval.utility.training import device_of, precision_of, recipe_of
from eval.utility.windows import pixel_scale


class DetectionTask:
    """See `eval.utility.study.Task`."""

    metrics: tuple[str, ...] = METRICS

    def __init__(self, config: DetectionConfig) -> None:
        """Read all images; ValueError, one line, for what cannot be used or would make the test no test."""
        coco_tools()
        config.check_paths()
        self.config, self.device = config, device_of(config.device)
        coco = open_coco(Path(config.images), Path(config.annotations))
        names = {key: names_in(key, path) for key in ("train", "val", "test") if (path := getattr(config, key))}
        refuse_overlap(names, "images")
        self.categories = coco.categories
        splits = {key: coco.scenes(listed, self.categories, config.group) for key, listed in names.items()}
        self.test_groups = check_groups(splits, config.group, f"it must be a field of its record in {coco.path}")
        synthetic = _synthetic(config, self.categories)
        everything = {**splits, "synthetic": synthetic}
        refuse_copies({key: [(pixel_hash(s.image), s.name) for s in scenes] for key, scenes in everything.items()})
        self.scored = splits.get("test", splits["val"])
        self.test_images = len(self.scored)
        _refuse_without_objects(splits)
        self.viewer = _viewer(splits["train"], synthetic, config)
        makers = arm_makers(splits["train"], splits["val"], in_random_order(synthetic), config.ratios)
        self.sets = make_arms(config.arms, makers)
        if "synthetic_only" in self.sets:  # in other arms there are real images, too
            only = self.sets["synthetic_only"]
            _refuse_without_objects({"synthetic, for training": only.train, "synthetic, for validation": only.val})
        self.arms = {name: chosen.arm for name, chosen in self.sets.items()}
        self._identities = {name: self._identity(chosen, splits["train"]) for name, chosen in self.sets.items()}

    def identity(self, arm: str) -> dict[str, Any]:
        """The recipe, and hashes of the images to train, choose and score by."""
        return self._identities[arm]

    def _identity(self, chosen: TrainingSet[Scene], real: list[Scene]) -> dict[str, Any]:
        return recipe_of(self.config, "detector") | set_hashes(chosen, self.scored, real, scene_fingerprint)

    def train_and_score(self, arm: str, seed: int) -> Run:
        """Train, keep the weights that are best on the arm's validation images, and detect in the test images."""
        chosen = self.sets[arm]

        def val_score(model: nn.Module) -> float:
            found = detect(model, chosen.val, self.viewer, self.device)
            return evaluate(found, chosen.val, len(self.categories))[0]["AP"]

        model, history = train_detector(
            self._build, chosen.train, chosen.chances(self.config.real_share), self.viewer, self.config,
            seed=seed, augment=chosen.augment, val_score=val_score, label=f"{arm}, seed {seed}",
        )  # fmt: skip
        detections = detect(model, self.scored, self.viewer, self.device)
        scores = evaluate(detections, self.scored, len(self.categories))[0]
        names = [scene.name for scene in self.scored]
        return Run(scores, dict(zip(names, detections, strict=True)), {"history": history})

    def _build(self) -> nn.Module:
        config, scale = self.config, self.viewer.scale
        return build_detector(
            config.detector, num_classes=len(self.categories), size=config.size, mean=scale.mean, std=scale.std,
            bf16=precision_of(config) == "bf16",
        )  # fmt: skip

    def scorer(self, records: Any) -> Scorer:
        """AP50 and AP of resampled test images, from the detections in them."""
        found = [records[scene.name] for scene in self.scored]
        matches = evaluate(found, self.scored, len(self.categories))[1]
        return lambda weights: average_precision(matches, weights)


def _synthetic(config: DetectionConfig, categories: list[str]) -> list[Scene]:
    if config.synthetic is None:
        return []
    folder = Path(config.synthetic)
    coco = open_coco(folder / "images", folder / "annotations.json")
    if strange := [name for name in coco.categories if name not in categories]:
        raise ValueError(f"{coco.path}: the category {strange[0]!r} is none of the real ones ({', '.join(categories)})")
    return coco.scenes(sorted(coco.records), categories)


def _refuse_without_objects(splits: dict[str, list[Scene]]) -> None:
    """ValueError for images none of which has an object: there is nothing to learn, or no average precision."""
    for key, scenes in splits.items():
        if not any((~scene.crowd).any() for scene in scenes):
            raise ValueError(f"{key}: none of its {len(scenes)} images has an object")


def _viewer(train: list[Scene], synthetic: list[Scene], config: DetectionConfig) -> Viewer:
    """How scenes are seen, in the range of the pixel values of the real training images."""
    depth = train[0].image.dtype
    if other := next((scene for scene in [*train, *synthetic] if scene.image.dtype != depth), None):
        raise ValueError(
            f"{other.name}: holds {other.image.dtype} pixels, but {train[0].name} {depth}: store all alike"
        )
    scale = pixel_scale([scene.image for scene in train], eight_bit=depth == np.uint8)
    return Viewer(config.size, config.scale_jitter, config.symmetry, scale)
