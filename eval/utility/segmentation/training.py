"""A UNet trained on windows of pairs, and what it says of whole images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from eval.utility.arms import TrainingSet
from eval.utility.segmentation.config import SegmentationConfig
from eval.utility.segmentation.figures import pixel_counts
from eval.utility.segmentation.pairs import Pair
from eval.utility.training import History, device_of, precision_of, train_network
from eval.utility.windows import PixelScale, cut_label_map, cut_window, draw_turn, draw_window, relit, resized, turned


@dataclass(frozen=True)
class PairViewer:
    """How pairs are scaled, augmented and standardised; the same for every arm of a study but for `augment`."""

    size: int
    """Pixels that the shorter side of an image is scaled to, and the sides of a training window."""
    scale: PixelScale
    channels: int
    scale_jitter: float = 1.4
    symmetry: str = "none"

    def whole(self, pair: Pair) -> Float[np.ndarray, "c H W"]:
        """The image with its shorter side at `size`."""
        h, w = pair.size
        scale = self.size / min(h, w)
        target = (max(1, round(w * scale)), max(1, round(h * scale)))
        pixels = self.scale.apply(resized(pair.image, (0.0, 0.0, float(w), float(h)), target))
        return self.scale.standardise(pixels, self.channels)

    def window(self, pair: Pair, rng: np.random.Generator, *, augment: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Image (c, s, s) and labels (s, s) of a square window at a random place, and unless `augment` is off at a random
        scale and symmetry, moved together, and the image in other light.
        """
        window = draw_window(pair.size, self.scale_jitter, rng, augment=augment)
        pixels = self.scale.apply(cut_window(pair.image, window, self.size))
        labels = cut_label_map(pair.label_map, window, self.size)
        if augment:
            turn = draw_turn(self.symmetry, rng)
            pixels, labels = relit(turned(pixels, turn), rng), turned(labels, turn)
        return self.scale.standardise(pixels, self.channels), np.ascontiguousarray(labels)


def train_segmenter(
    build: Callable[[], nn.Module],
    chosen: TrainingSet[Pair],
    viewer: PairViewer,
    config: SegmentationConfig,
    *,
    seed: int,
    val_score: Callable[[nn.Module], float],
    label: str,
) -> tuple[nn.Module, History]:
    """Train on windows of an arm's pairs by cross-entropy and Dice; see `train_network`."""
    device, chances = device_of(config.device), chosen.chances(config.real_share)

    def loss_of(model: nn.Module, rng: np.random.Generator) -> Tensor:
        drawn = rng.choice(len(chosen.train), config.batch_size, p=chances)
        views = [viewer.window(chosen.train[i], rng, augment=chosen.augment) for i in drawn]
        images, labels = (torch.from_numpy(np.stack(each)) for each in zip(*views, strict=True))
        logits = _logits(model, images, config, device)
        labels = labels.long().to(device)
        return F.cross_entropy(logits, labels) + dice_loss(logits, labels)

    return train_network(build, loss_of, config, seed=seed, val_score=val_score, label=label)


def dice_loss(logits: Float[Tensor, "b k h w"], labels: Int[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """1 minus the mean over the foreground's labels of their soft Dice over the whole batch.

    Beside cross-entropy as in Isensee et al. 2021 (nnU-Net, online methods); one pixel more in both parts of the fraction
    defines it for a label that no image of the batch has.
    """
    chances = logits.softmax(dim=1)[:, 1:]  # (b, k - 1, h, w)
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)[:, 1:]  # (b, k - 1, h, w)
    both, total = ((each).sum(dim=(0, 2, 3)) for each in (chances * truth, chances + truth))
    return 1 - ((2 * both + 1) / (total + 1)).mean()


def segment(
    model: nn.Module, pairs: list[Pair], viewer: PairViewer, config: SegmentationConfig, labels: int
) -> Int[np.ndarray, "n k 3"]:
    """What the network makes of each whole image, compared with its labels in the pixels of the file."""
    model.eval()
    device, counts = device_of(config.device), []
    for pair in pairs:
        with torch.no_grad():
            logits = _logits(model, torch.from_numpy(viewer.whole(pair))[None], config, device)
            logits = F.interpolate(logits, size=pair.size, mode="bilinear", align_corners=False)
        counts.append(pixel_counts(pair.label_map, logits[0].argmax(dim=0).cpu().numpy(), labels))
    return np.stack(counts)


def _logits(model: nn.Module, images: Tensor, config: SegmentationConfig, device: torch.device) -> Tensor:
    with torch.autocast(device.type, torch.bfloat16, enabled=precision_of(config) == "bf16"):
        logits = model(images.to(device))
    return logits.float()
