"""Networks, and the registry that rebuilds one from its name: no class path from a file is ever executed."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from models.tabular_mlp import TabularMLP, TabularMLPConfig
from models.tabular_resnet import TabularResNet, TabularResNetConfig
from models.unet import UNet, UNetConfig

ModelConfig = UNetConfig | TabularMLPConfig | TabularResNetConfig

MODELS: dict[str, tuple[type[ModelConfig], type[UNet | TabularMLP | TabularResNet]]] = {
    "unet": (UNetConfig, UNet),
    "tabular_mlp": (TabularMLPConfig, TabularMLP),
    "tabular_resnet": (TabularResNetConfig, TabularResNet),
}

MODELS_OF = {"images": ("unet",), "rows": ("tabular_mlp", "tabular_resnet")}  # of the kinds of data


def model_config_from_dict(config: dict[str, Any]) -> ModelConfig:
    """The config dataclass of a plain dict such as `dataclasses.asdict` makes; `config["name"]` says which.

    Raises:
        ValueError: unknown name or field, or a value that the config refuses.
    """
    name = config.get("name")
    if name not in MODELS:
        raise ValueError(f"model.name={name!r}: must be one of {sorted(MODELS)}")
    config_class = MODELS[name][0]
    unknown = sorted(set(config) - set(config_class.__dataclass_fields__))
    if unknown:
        raise ValueError(f"model.{unknown[0]}: no such field; {name} has {sorted(config_class.__dataclass_fields__)}")
    return config_class(**config)


def build_model(
    config: ModelConfig,
    *,
    in_channels: int,
    out_channels: int,
    num_classes: Sequence[int] = (),
    label_time: bool = False,
) -> nn.Module:
    """The network that `config` describes: `network(x_t, t, cond) -> (b, out_channels, h, w)`, of a row (b, out_channels).

    `num_classes` holds the number of values of each attribute. With `label_time` the last channels of x_t are those of
    a label, which has a time of its own, and t is (b, 2).
    """
    network_class: Any = MODELS[config.name][1]
    return network_class(
        config, in_channels=in_channels, out_channels=out_channels, num_classes=num_classes, label_time=label_time
    )
