"""The classifiers of a study, by name: torchvision's ResNet-18, and its blocks in a network for small images."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock

STAGES = (1, 2, 4, 8)  # channels, in widths
CHANNELS_A_GROUP = 8


def build_classifier(name: str, *, channels: int, num_classes: int, width: int) -> nn.Module:
    """A classifier with fresh weights from the global generator: images (b, channels, s, s) -> logits (b, num_classes)."""
    return CLASSIFIERS[name](channels, num_classes, width)


def _group_norm(channels: int) -> nn.GroupNorm:
    # batches of real and of synthetic images have statistics of their own, which BatchNorm would mix in some arms only
    return nn.GroupNorm(channels // CHANNELS_A_GROUP, channels)


class SmallResNet(nn.Module):
    """ResNet-18 for small images: 3 x 3 first layer of stride 1, no pooling, two basic blocks in each of four stages.

    The form that He et al. 2016 (section 4.2) give the network for CIFAR, with the widths of their table 1 in units of
    `width` instead of 64.
    """

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        stem = [nn.Conv2d(channels, width, 3, padding=1, bias=False), _group_norm(width), nn.ReLU(inplace=True)]
        blocks, before = [], width
        for stage, factor in enumerate(STAGES):
            blocks += [
                _block(before, factor * width, 1 if stage == 0 else 2),
                _block(factor * width, factor * width, 1),
            ]
            before = factor * width
        self.features = nn.Sequential(*stem, *blocks)
        self.classifier = nn.Linear(before, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "b c s s"]) -> Float[Tensor, "b k"]:
        """Images to logits."""
        features = self.features(images)  # (b, 8 width, s / 8, s / 8)
        return self.classifier(features.mean(dim=(2, 3)))


class _InColour(nn.Module):
    """A network for three channels, shown grey images."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images.expand(-1, 3, -1, -1))


def _block(before: int, after: int, stride: int) -> BasicBlock:
    shortcut = None
    if stride > 1:
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), _group_norm(after))
    return BasicBlock(before, after, stride, shortcut, norm_layer=_group_norm)


def _resnet18(channels: int, num_classes: int, width: int) -> nn.Module:
    return _InColour(resnet18(weights=None, num_classes=num_classes, norm_layer=_group_norm))


CLASSIFIERS: dict[str, Callable[[int, int, int], nn.Module]] = {"small_resnet18": SmallResNet, "resnet18": _resnet18}
