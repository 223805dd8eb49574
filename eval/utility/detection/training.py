"""One recipe for every arm: AdamW, warm-up and cosine, clipped gradients, averaged weights, the best on validation."""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from eval.utility.detection.config import DetectionConfig
from eval.utility.detection.precision import Detections
from eval.utility.detection.scenes import Scene
from eval.utility.detection.views import View, Viewer


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
) -> tuple[nn.Module, list[dict[str, int | float]]]:
    """Train on windows of `scenes`, drawn with `chances`; the averaged weights and their history on validation.

    `build` makes a detector with weights from the global generator, which is seeded here and put back afterwards. Step i
    sees what (seed, i) says, so arms of one seed share their first weights and the noise of the augmentation.
    """
    device = device_of(config.device)
    checks, history, best = check_steps(config.steps, config.val_checks), [], None
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = build().to(device)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        for step in tqdm(range(config.steps), label, leave=False, unit="step"):
            optimizer.param_groups[0]["lr"] = config.lr * rate(step, config.steps, config.warmup)
            views = _batch(scenes, chances, viewer, config.batch_size, (seed, step), augment)
            _step(model, optimizer, views, config.clip_norm, device)
            average.update_parameters(model)
            if step + 1 in checks:
                score = val_score(average.module)
                history.append({"step": step + 1, "val": score})
                if best is None or score >= best[0]:
                    best = (score, copy.deepcopy(average.module.state_dict()))
    if best is not None:
        average.module.load_state_dict(best[1])
    return average.module, history


def check_steps(steps: int, checks: int) -> list[int]:
    """When validation is scored: `checks` times evenly over the second half, the last time at the end."""
    return [steps - round(i * steps / (2 * checks)) for i in range(checks)][::-1]


def rate(step: int, steps: int, warmup: float) -> float:
    """The learning rate's factor: a straight rise over the share `warmup`, then half a cosine down to 0."""
    rise = round(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


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


def device_of(name: str) -> torch.device:
    """auto: CUDA where there is one; ValueError for CUDA where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: there is none here, use device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def uses_bf16(config: DetectionConfig, device: torch.device) -> bool:
    """auto: on CUDA, and on CPUs that multiply bfloat16 in hardware."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return device.type == "cuda" or torch.cpu._is_amx_tile_supported()


def _batch(
    scenes: list[Scene], chances: np.ndarray, viewer: Viewer, size: int, seed: tuple[int, int], augment: bool
) -> list[View]:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(scenes), size, p=chances)
    return [viewer.window(scenes[i], rng, augment=augment) for i in chosen]


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, views: list[View], clip_norm: float, device: torch.device
) -> None:
    model.train()
    images = [torch.from_numpy(view.image).to(device) for view in views]
    targets: list[dict[str, Tensor]] = [
        {
            "boxes": torch.from_numpy(view.boxes).float().to(device),
            "labels": torch.from_numpy(view.labels).to(device),
        }
        for view in views
    ]
    loss = sum(model(images, targets).values(), torch.zeros((), device=device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not torch.isfinite(norm):
        raise ValueError("the detector's gradients are not finite: lower lr")
    optimizer.step()
