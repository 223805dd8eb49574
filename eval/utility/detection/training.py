"""A detector trained on windows of scenes, and what it finds in whole ones."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from eval.utility.detection.config import DetectionConfig
from eval.utility.detection.precision import Detections
from eval.utility.detection.scenes import Scene
from eval.utility.detection.views import View, Viewer
from eval.utility.training import History, device_of, train_network


def train_detector(
    build: Callable[[], nn.Module],
    scenes: list[Scene],
    chances: np.ndarray,
    viewer: Viewer,
    config: DetectionConfig,
    *,
    seed: int,
    augment: bool,
    val_score: Callable[[nn.Module], float],
    label: str,
) -> tuple[nn.Module, History]:
    """Train on windows of `scenes`, drawn with `chances`; see `train_network`."""
    device = device_of(config.device)

    def loss_of(model: nn.Module, rng: np.random.Generator) -> Tensor:
        chosen = rng.choice(len(scenes), config.batch_size, p=chances)
        return _loss(model, [viewer.window(scenes[i], rng, augment=augment) for i in chosen], device)

    return train_network(build, loss_of, config, seed=seed, val_score=val_score, label=label)


def detect(model: nn.Module, scenes: list[Scene], viewer: Viewer, device: torch.device) -> list[Detections]:
    """The detections of each scene, whole and one at a time, rounded as they are written down."""
    model.eval()
    found = []
    for scene in scenes:
        image, (sx, sy) = viewer.whole(scene)
        with torch.no_grad():
            out = model([torch.from_numpy(image).to(device)])[0]
        boxes = out["boxes"].cpu().double().numpy() / np.array([sx, sy, sx, sy])
        rows = zip(boxes, out["scores"].tolist(), out["labels"].tolist(), strict=True)
        found.append(
            [[round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)] + [round(score, 5), label]
             for (x0, y0, x1, y1), score, label in rows]
        )  # fmt: skip
    return found


def _loss(model: nn.Module, views: list[View], device: torch.device) -> Tensor:
    images = [torch.from_numpy(view.image).to(device) for view in views]
    targets: list[dict[str, Tensor]] = [
        {
            "boxes": torch.from_numpy(view.boxes).float().to(device),
            "labels": torch.from_numpy(view.labels).to(device),
        }
        for view in views
    ]
    return sum(model(images, targets).values(), torch.zeros((), device=device))
