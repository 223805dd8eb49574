"""The Inception network of FID: the 2015 TensorFlow graph (Szegedy et al. 2015, arXiv:1512.00567) up to its pool3.

It is not torchvision's: average pools do not count padding, the last block pools by maximum, and there are 1008 logits,
unused here. `load_inception` reads a state dict with the published key names and builds the network folded: each batch
norm goes into its convolution, and the 1x1 convolutions that read the same input become one. An average pool before a
1x1 convolution is taken after it instead, which is the same by linearity and works on fewer channels. The features
differ from the unfolded network's by rounding alone (about 1e-6 of their norm).
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

DIMS = 2048
BATCH_NORM_EPS = 1e-3
StateDict = dict[str, Tensor]
Shape = tuple[int, int, int, int]  # (out, in, kh, kw)


class Conv(nn.Module):
    """A convolution with its batch norm folded in; several names: their outputs side by side, as one convolution."""

    def __init__(self, state: StateDict, *names: str, stride: int = 1, pad: bool = True) -> None:
        super().__init__()
        weights, biases = zip(*(_folded(state, name) for name in names), strict=True)
        self.weight = nn.Parameter(torch.cat(weights), requires_grad=False)
        self.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
        self.widths = [len(bias) for bias in biases]
        self.stride = stride
        self.padding = tuple(k // 2 for k in self.weight.shape[2:]) if pad and stride == 1 else (0, 0)

    def linear(self, x: Tensor) -> tuple[Tensor, ...]:
        """The outputs by name, before any ReLU."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding).split(self.widths, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """All outputs, rectified."""
        return F.relu_(F.conv2d(x, self.weight, self.bias, self.stride, self.padding))


class InceptionA(nn.Module):
    """35x35: 1x1, 5x5, two 3x3, pool."""

    def __init__(self, state: StateDict, name: str) -> None:
        super().__init__()
        heads = ("branch1x1", "branch5x5_1", "branch3x3dbl_1", "branch_pool")
        self.heads = Conv(state, *(f"{name}.{head}" for head in heads))
        self.five = Conv(state, f"{name}.branch5x5_2")
        self.three = nn.Sequential(*(Conv(state, f"{name}.branch3x3dbl_{i}") for i in (2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        one, five, three, pool = self.heads.linear(x)
        return torch.cat([F.relu(one), self.five(F.relu(five)), self.three(F.relu(three)), _average(pool)], dim=1)


class InceptionB(nn.Module):
    """35x35 to 17x17: 3x3, two 3x3, pool, each with stride 2."""

    def __init__(self, state: StateDict, name: str) -> None:
        super().__init__()
        self.once = Conv(state, f"{name}.branch3x3", stride=2)
        double = [Conv(state, f"{name}.branch3x3dbl_{i}", stride=2 if i == 3 else 1) for i in (1, 2, 3)]
        self.twice = nn.Sequential(*double)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.once(x), self.twice(x), F.max_pool2d(x, 3, stride=2)], dim=1)


class InceptionC(nn.Module):
    """17x17: 1x1, 7x7 as 1x7 and 7x1, two such, pool."""

    def __init__(self, state: StateDict, name: str) -> None:
        super().__init__()
        heads = ("branch1x1", "branch7x7_1", "branch7x7dbl_1", "branch_pool")
        self.heads = Conv(state, *(f"{name}.{head}" for head in heads))
        self.seven = nn.Sequential(*(Conv(state, f"{name}.branch7x7_{i}") for i in (2, 3)))
        self.twice = nn.Sequential(*(Conv(state, f"{name}.branch7x7dbl_{i}") for i in (2, 3, 4, 5)))

    def forward(self, x: Tensor) -> Tensor:
        one, seven, double, pool = self.heads.linear(x)
        return torch.cat([F.relu(one), self.seven(F.relu(seven)), self.twice(F.relu(double)), _average(pool)], dim=1)


class InceptionD(nn.Module):
    """17x17 to 8x8: 3x3, 7x7 and 3x3, pool, each with stride 2."""

    def __init__(self, state: StateDict, name: str) -> None:
        super().__init__()
        self.heads = Conv(state, f"{name}.branch3x3_1", f"{name}.branch7x7x3_1")
        self.three = Conv(state, f"{name}.branch3x3_2", stride=2)
        seven = [Conv(state, f"{name}.branch7x7x3_{i}", stride=2 if i == 4 else 1) for i in (2, 3, 4)]
        self.seven = nn.Sequential(*seven)

    def forward(self, x: Tensor) -> Tensor:
        three, seven = self.heads.linear(x)
        return torch.cat([self.three(F.relu(three)), self.seven(F.relu(seven)), F.max_pool2d(x, 3, stride=2)], dim=1)


class InceptionE(nn.Module):
    """8x8: 1x1, 3x3 as 1x3 beside 3x1, the same after another 3x3, pool (average in Mixed_7b, maximum in Mixed_7c)."""

    def __init__(self, state: StateDict, name: str, *, max_pool: bool) -> None:
        super().__init__()
        heads = ["branch1x1", "branch3x3_1", "branch3x3dbl_1"]
        self.heads = Conv(state, *(f"{name}.{head}" for head in (heads if max_pool else [*heads, "branch_pool"])))
        self.once = nn.ModuleList(Conv(state, f"{name}.branch3x3_2{side}") for side in "ab")
        self.second = Conv(state, f"{name}.branch3x3dbl_2")
        self.twice = nn.ModuleList(Conv(state, f"{name}.branch3x3dbl_3{side}") for side in "ab")
        self.pool = Conv(state, f"{name}.branch_pool") if max_pool else None

    def forward(self, x: Tensor) -> Tensor:
        one, three, double, *rest = self.heads.linear(x)
        three, double = F.relu(three), self.second(F.relu(double))
        pool = _average(rest[0]) if self.pool is None else self.pool(F.max_pool2d(x, 3, stride=1, padding=1))
        sides = [conv(three) for conv in self.once] + [conv(double) for conv in self.twice]
        return torch.cat([F.relu(one), *sides, pool], dim=1)


class Inception(nn.Module):
    """Images (b, 3, h, w) in [0, 1] to the 2048 features of pool3."""

    dims = DIMS

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            Conv(state, "Conv2d_1a_3x3", stride=2),  # (b, 32, 149, 149)
            Conv(state, "Conv2d_2a_3x3", pad=False),
            Conv(state, "Conv2d_2b_3x3"),  # (b, 64, 147, 147)
            nn.MaxPool2d(3, stride=2),
            Conv(state, "Conv2d_3b_1x1"),
            Conv(state, "Conv2d_4a_3x3", pad=False),  # (b, 192, 71, 71)
            nn.MaxPool2d(3, stride=2),
            *(InceptionA(state, f"Mixed_5{letter}") for letter in "bcd"),  # (b, 288, 35, 35)
            InceptionB(state, "Mixed_6a"),
            *(InceptionC(state, f"Mixed_6{letter}") for letter in "bcde"),  # (b, 768, 17, 17)
            InceptionD(state, "Mixed_7a"),
            InceptionE(state, "Mixed_7b", max_pool=False),
            InceptionE(state, "Mixed_7c", max_pool=True),  # (b, 2048, 8, 8)
        )

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2048"]:
        x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
        return self.blocks(2 * x - 1).mean(dim=(2, 3))


def load_inception(path: Path) -> Inception:
    """The network with the weights of a file, read with weights_only=True so that nothing in it is executed.

    ValueError if it is not a state dict, or not that of this network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for files that are not its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: cannot be read as PyTorch weights ({reason[:80]})") from error
    expected = state_shapes()
    for key, shape in expected.items():
        found = state.get(key) if isinstance(state, dict) else None
        if not isinstance(found, Tensor) or tuple(found.shape) != shape:
            has = "nothing" if not isinstance(found, Tensor) else tuple(found.shape)
            raise ValueError(f"{path}: not the Inception of FID: {key} must be {shape}, there is {has}")
    return Inception(state)


def state_shapes() -> dict[str, tuple[int, ...]]:
    """Every key of the published file that is needed, with its shape; `num_batches_tracked` may be there or not."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in unit_shapes().items():
        shapes[f"{name}.conv.weight"] = shape
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{key}"] = shape[:1]
    return shapes | {"fc.weight": (1008, DIMS), "fc.bias": (1008,)}


def unit_shapes() -> dict[str, Shape]:
    """Kernel shapes of the 94 convolutions by name."""
    blocks: dict[str, dict[str, Shape]] = {
        "Conv2d_1a_3x3": {"": (32, 3, 3, 3)},
        "Conv2d_2a_3x3": {"": (32, 32, 3, 3)},
        "Conv2d_2b_3x3": {"": (64, 32, 3, 3)},
        "Conv2d_3b_1x1": {"": (80, 64, 1, 1)},
        "Conv2d_4a_3x3": {"": (192, 80, 3, 3)},
        "Mixed_5b": _shapes_a(192, pool=32),
        "Mixed_5c": _shapes_a(256, pool=64),
        "Mixed_5d": _shapes_a(288, pool=64),
        "Mixed_6a": {".branch3x3": (384, 288, 3, 3)} | _chain(".branch3x3dbl", 288, (64, 1, 1), (96, 3, 3), (96, 3, 3)),
        "Mixed_6b": _shapes_c(128),
        "Mixed_6c": _shapes_c(160),
        "Mixed_6d": _shapes_c(160),
        "Mixed_6e": _shapes_c(192),
        "Mixed_7a": _chain(".branch3x3", 768, (192, 1, 1), (320, 3, 3))
        | _chain(".branch7x7x3", 768, (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)),
        "Mixed_7b": _shapes_e(1280),
        "Mixed_7c": _shapes_e(2048),
    }
    return {block + unit: shape for block, units in blocks.items() for unit, shape in units.items()}


def _chain(prefix: str, in_channels: int, *units: tuple[int, int, int]) -> dict[str, Shape]:
    """Units (out, kh, kw) that follow one another, numbered from 1."""
    sources = [in_channels, *(unit[0] for unit in units)]
    return {f"{prefix}_{i}": (o, sources[i - 1], kh, kw) for i, (o, kh, kw) in enumerate(units, start=1)}


def _shapes_a(i: int, *, pool: int) -> dict[str, Shape]:
    chains = _chain(".branch5x5", i, (48, 1, 1), (64, 5, 5)) | _chain(
        ".branch3x3dbl", i, (64, 1, 1), (96, 3, 3), (96, 3, 3)
    )
    return {".branch1x1": (64, i, 1, 1), **chains, ".branch_pool": (pool, i, 1, 1)}


def _shapes_c(width: int) -> dict[str, Shape]:
    w, i = width, 768
    single = _chain(".branch7x7", i, (w, 1, 1), (w, 1, 7), (192, 7, 1))
    double = _chain(".branch7x7dbl", i, (w, 1, 1), (w, 7, 1), (w, 1, 7), (w, 7, 1), (192, 1, 7))
    return {".branch1x1": (192, i, 1, 1), **single, **double, ".branch_pool": (192, i, 1, 1)}


def _shapes_e(i: int) -> dict[str, Shape]:
    sides = {"a": (384, 384, 1, 3), "b": (384, 384, 3, 1)}
    single = {f".branch3x3_2{side}": shape for side, shape in sides.items()}
    double = {f".branch3x3dbl_3{side}": shape for side, shape in sides.items()}
    heads = {".branch1x1": (320, i, 1, 1), ".branch3x3_1": (384, i, 1, 1), ".branch_pool": (192, i, 1, 1)}
    return heads | single | _chain(".branch3x3dbl", i, (448, 1, 1), (384, 3, 3)) | double


def _folded(state: StateDict, name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does its batch norm too, worked out in float64."""
    weight, gamma, beta, mean, variance = (
        state[f"{name}.{key}"].double()
        for key in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    )
    scale = gamma / torch.sqrt(variance + BATCH_NORM_EPS)  # (out,)
    return (weight * scale[:, None, None, None]).float(), (beta - mean * scale).float()


def _average(x: Tensor) -> Tensor:
    """The mean over the 3x3 neighbours that exist, rectified."""
    return F.relu_(F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))
