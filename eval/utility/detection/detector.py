"""The detectors of a study, by name: torchvision's, from scratch and in a size for few images."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import FCOS, fasterrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.fcos import FCOSHead

STRIDES = (4, 8, 16, 32)  # from a third of the usual ones: a ship of 4 pixels has a cell of its own
SCORE_THRESHOLD = 0.02  # the tail of a precision-recall curve needs unsure detections too


def build_detector(name: str, *, num_classes: int, size: int, mean: float, std: float, bf16: bool) -> nn.Module:
    """A detector with fresh weights from the global generator; `size` is the shorter side of the images.

    Called as torchvision's: in training mode (images, targets) -> losses, else (images) -> boxes, scores, labels.
    """
    model = DETECTORS[name](num_classes + 1, size, [mean] * 3, [std] * 3)
    if bf16:
        _cast(model)
    return model


class _Head(FCOSHead):
    """The dense head; `bf16` runs it in bfloat16 and hands its outputs to the float32 losses.

    In torchvision the distances to a box's sides end in a ReLU over a bias of 0: with some seeds it dies in the first steps,
    every box stays empty, and no gradient leads back. Behind a softplus the ReLU changes nothing; FCOS itself has an
    exponential there (Tian et al. 2019, section 3.1).
    """

    bf16 = False

    def __init__(self, channels: int, num_classes: int, convolutions: int) -> None:
        super().__init__(channels, 1, num_classes, convolutions)
        distances = self.regression_head.bbox_reg
        assert distances.bias is not None
        nn.init.constant_(distances.bias, 1.0)  # boxes of 2.6 strides to begin with
        self.regression_head.add_module("bbox_reg", nn.Sequential(distances, nn.Softplus()))

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        with torch.autocast(x[0].device.type, torch.bfloat16, enabled=self.bf16):
            return {key: value.float() for key, value in super().forward(x).items()}


class _Backbone(nn.Module):
    """A backbone in bfloat16 with float32 outputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.out_channels = inner, inner.out_channels

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16):
            features = self.inner(x)
        return OrderedDict((key, value.float()) for key, value in features.items())


def _cast(model: Any) -> None:
    """Networks in bfloat16, losses and box arithmetic in float32."""
    model.backbone = _Backbone(model.backbone)
    if isinstance(model, FCOS):
        assert isinstance(model.head, _Head)
        model.head.bf16 = True


def _group_norm(channels: int) -> nn.GroupNorm:
    # batch statistics of 8 windows are too noisy, and frozen ones (torchvision's default) never learn from scratch
    return nn.GroupNorm(16, channels)


def _fcos(resnet: Callable[..., nn.Module], widths: list[int], channels: int, convolutions: int) -> Callable[..., FCOS]:
    def build(num_classes: int, size: int, mean: list[float], std: list[float]) -> FCOS:
        layers = {f"layer{i}": str(i) for i in (1, 2, 3)}
        body = resnet(weights=None, norm_layer=_group_norm)
        backbone = BackboneWithFPN(body, layers, widths, channels)  # adds stride 32 by pooling
        anchors = AnchorGenerator(tuple((stride,) for stride in STRIDES), ((1.0,),) * len(STRIDES))
        return FCOS(
            backbone, num_classes, size, 16 * size, mean, std, anchors,
            _Head(channels, num_classes, convolutions), score_thresh=SCORE_THRESHOLD,
        )  # fmt: skip

    return build


def _fasterrcnn(num_classes: int, size: int, mean: list[float], std: list[float]) -> nn.Module:
    return fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=num_classes, trainable_backbone_layers=5,
        min_size=size, max_size=16 * size, image_mean=mean, image_std=std, box_score_thresh=SCORE_THRESHOLD,
    )  # fmt: skip


DETECTORS: dict[str, Callable[[int, int, list[float], list[float]], nn.Module]] = {
    "fcos_resnet18": _fcos(resnet18, [64, 128, 256], 128, 2),
    "fcos_resnet50": _fcos(resnet50, [256, 512, 1024], 256, 4),
    "fasterrcnn_resnet50": _fasterrcnn,
}
