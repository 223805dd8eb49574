"""A classifier trained on augmented images, and what it says of whole ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from eval.utility.arms import TrainingSet
from eval.utility.classification.config import ClassificationConfig
from eval.utility.classification.examples import Example
from eval.utility.training import History, device_of, precision_of, train_network
from eval.utility.windows import PixelScale, cut_window, draw_turn, draw_window, relit, turned

MIXUP_ALPHA = 0.4  # the upper end of what Zhang et al. 2018 (section 3.1) found best on ImageNet
AT_ONCE = 64  # images that are classified together


@dataclass(frozen=True)
class Looker:
    """How images are augmented and standardised; the same for every arm of a study but for `augment`."""

    size: int
    scale: PixelScale
    channels: int
    scale_jitter: float = 1.2
    shift: float = 0.1
    symmetry: str = "none"

    def look(self, image: Float[np.ndarray, "c s s"], rng: np.random.Generator | None = None) -> np.ndarray:
        """The image (channels, s, s) with the training images' mean at 0 and their deviation at 1; `rng` augments it.

        Augmented, it is shown at another scale and place, with its median around it, under a symmetry and in other light.
        """
        pixels = self.scale.apply(image)
        if rng is not None:
            window = draw_window(image.shape[1:], self.scale_jitter, rng, augment=True, shift=self.shift)
            pixels = relit(turned(cut_window(pixels, window, self.size), draw_turn(self.symmetry, rng)), rng)
        return self.scale.standardise(pixels, self.channels)


def train_classifier(
    build: Callable[[], nn.Module],
    chosen: TrainingSet[Example],
    classes: list[str],
    looker: Looker,
    config: ClassificationConfig,
    *,
    seed: int,
    val_score: Callable[[nn.Module], float],
    label: str,
) -> tuple[nn.Module, History]:
    """Train on the images of an arm by cross-entropy; see `train_network`."""
    device, chances = device_of(config.device), chosen.chances(config.real_share)
    labels = torch.tensor([classes.index(example.label) for example in chosen.train])
    targets = F.one_hot(labels, len(classes)).float()  # (n, k)

    def loss_of(model: nn.Module, rng: np.random.Generator) -> Tensor:
        drawn = rng.choice(len(chosen.train), config.batch_size, p=chances)
        views = [looker.look(chosen.train[i].image, rng if chosen.augment else None) for i in drawn]
        images, wanted = torch.from_numpy(np.stack(views)), targets[drawn]
        if chosen.mixup:
            images, wanted = mixed(images, wanted, rng)
        logits = _logits(model, images, config, device)
        return F.cross_entropy(logits, wanted.to(device))

    return train_network(build, loss_of, config, seed=seed, val_score=val_score, label=label)


def mixed(
    images: Float[Tensor, "b c s s"], targets: Float[Tensor, "b k"], rng: np.random.Generator
) -> tuple[Float[Tensor, "b c s s"], Float[Tensor, "b k"]]:
    """Mixup (Zhang et al. 2018, equation 1): each image and its target in part those of another of the batch."""
    share = torch.from_numpy(rng.beta(MIXUP_ALPHA, MIXUP_ALPHA, len(images))).float()
    partner = torch.from_numpy(rng.permutation(len(images)))
    of_images = share[:, None, None, None]
    return (
        of_images * images + (1 - of_images) * images[partner],
        share[:, None] * targets + (1 - share[:, None]) * targets[partner],
    )


def classify(
    model: nn.Module, examples: list[Example], looker: Looker, config: ClassificationConfig
) -> Int[np.ndarray, "n"]:
    """The class that the network takes each image for, as it is."""
    model.eval()
    device, said = device_of(config.device), []
    for start in range(0, len(examples), AT_ONCE):
        images = np.stack([looker.look(example.image) for example in examples[start : start + AT_ONCE]])
        with torch.no_grad():
            said.append(_logits(model, torch.from_numpy(images), config, device).argmax(dim=1).cpu().numpy())
    return np.concatenate(said)


def _logits(model: nn.Module, images: Tensor, config: ClassificationConfig, device: torch.device) -> Tensor:
    with torch.autocast(device.type, torch.bfloat16, enabled=precision_of(config) == "bf16"):
        logits = model(images.to(device))
    return logits.float()
