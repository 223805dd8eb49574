"""`key=value` arguments to a dataclass; a mistake is a ValueError of one line that names the key."""

import difflib
import os
from dataclasses import fields
from typing import Any, TypeVar

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

Config = TypeVar("Config")


def read_arguments(args: list[str], config_class: type[Config], usage: str) -> Config:
    """`args` as a `config_class`, which checks itself; fields whose default is MISSING must be given.

    Raises ValueError for an unknown key (naming the nearest), a missing one, or a value of the wrong type.
    """
    known: dict[str, Any] = {field.name: field.type for field in fields(config_class)}  # type: ignore[arg-type]
    given = {}
    for arg in args:
        key, _, value = arg.partition("=")
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise ValueError(f"unknown option {key!r}: {hint}")
        if not value:
            raise ValueError(f"{key}: give a value as {key}=...")
        # a path or a name stays as it is typed but for ~; the rest is read as OmegaConf reads a command line
        text = known[key] is str or (known[key] == str | None and value != "null")
        given[key] = os.path.expanduser(value) if text else _from_cli(key, arg)
    for field in fields(config_class):  # type: ignore[arg-type]
        if field.default == MISSING and field.name not in given:
            raise ValueError(f"{field.name}=... is missing; usage: {usage}")
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config_class), given))
    except OmegaConfBaseException as error:
        raise ValueError(f"{error.full_key}={given.get(error.full_key)}: {str(error).splitlines()[0]}") from error
    assert isinstance(config, config_class)
    return config


def option_lines(config_class: type) -> list[str]:
    """One line per option with its default."""
    return [
        f"  {field.name}={'' if field.default in (None, MISSING) else field.default}" for field in fields(config_class)
    ]


def _from_cli(key: str, arg: str) -> Any:
    try:
        return OmegaConf.from_cli([arg])[key]
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{arg}: cannot be read as a value") from error
