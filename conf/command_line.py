"""The door: a command line becomes typed configs, and a mistake in it becomes one line and exit code 2."""

import difflib
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from data import DATASETS
from training.endings import EarlyEnd

CONFIG_DIR = str(Path(__file__).parent.resolve())
MULTIRUN = ("-m", "--multirun")
HYDRA_FLAGS = ("-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-i", "--info")
DATA_KEYS = {  # which data config knows a key; of several the first
    f"data.{entry.name}": name for name, (config, _) in reversed(DATASETS.items()) for entry in fields(config)
}
ALIASES = {  # what other tools call it
    "learning_rate": "optim.lr",
    "train.lr": "optim.lr",
    "epochs": "train.steps",
    "train.epochs": "train.steps",
    "steps": "train.steps",
    "data.size": "data.image_size",
}
GROUPS = ("data", "model", "schedule", "sampler", "experiment", "debug")


def run_command(task: Callable[[Any, list[str]], int], *, config_name: str, argv: list[str]) -> int:
    """Compose the config that `argv` asks for and run `task(config, keys given)`; return the exit code.

    With `-m` Hydra runs the task once for each combination; the worst exit code counts. A user's mistake, here or in
    the task (ValueError), is one line on stderr and exit code 2.
    """
    flags = [argument for argument in argv if argument.startswith("-")]
    overrides = [argument for argument in argv if not argument.startswith("-")]
    asks_hydra = any(flag in HYDRA_FLAGS for flag in flags)
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=CONFIG_DIR, config_name=config_name)
    def entry(config: DictConfig) -> None:
        if any(code > 128 for code in codes):  # a signal ends the whole sweep
            return
        codes.append(guarded(lambda: task(to_dataclass(config), given_keys(HydraConfig.get().overrides.task))))

    code = 0 if asks_hydra else guarded(lambda: check_command_line(flags, overrides, config_name))
    if code == 0:
        # Hydra wants its flags first; people type them anywhere
        sys.argv = [sys.argv[0], *(argv if asks_hydra else [*flags, *overrides])]
        entry()
    return max([code, *codes])


def guarded(work: Callable[[], int | None]) -> int:
    """Run `work`; its exit code, or that of the error it ended with, told in one line on stderr."""
    try:
        return work() or 0
    except (ValueError, OSError, OmegaConfBaseException) as error:
        print(f"error: {first_line(error)}", file=sys.stderr)
        return 2
    except EarlyEnd as error:
        print(first_line(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def first_line(error: BaseException) -> str:
    """An error's text on one line, without OmegaConf's notes on where it was raised."""
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return text.split(" full_key:")[0] or type(error).__name__


def to_dataclass(config: DictConfig) -> Any:
    """The typed config; ValueError for a key no dataclass knows (`+key=` forces one past Hydra) or a missing value."""
    for key in unknown_keys(config):
        raise ValueError(f"there is no option {key}{suggestion(key, all_keys(config))}")
    try:
        return OmegaConf.to_object(config)
    except MissingMandatoryValue as error:
        raise ValueError(f"{error.full_key}= is needed: name it on the command line") from error


def check_command_line(flags: list[str], overrides: list[str], config_name: str) -> None:
    """Compose without running anything, once for every value of a sweep, so that every mistake has our wording."""
    for flag in flags:
        if flag not in MULTIRUN:
            raise ValueError(f"there is no flag {flag}: options are written key=value, for example seed=1")
    parsed = parse(overrides)
    for override in parsed:
        if override.is_sweep_override() and not flags:
            key, _, values = (override.input_line or "").partition("=")
            raise ValueError(
                f"{key}={values}: a list is written {key}=[{values}], and -m runs once for each of several"
            )
    if flags and any(key_of(override.input_line or "") == "run_dir" for override in parsed):
        raise ValueError("run_dir= with -m would put every run into one folder: leave it out, or set name=")
    firsts = [choices(override)[0] for override in parsed]
    check_overrides(firsts, config_name)
    for i, override in enumerate(parsed):
        for other in choices(override)[1:]:
            check_overrides([*firsts[:i], other, *firsts[i + 1 :]], config_name)


def check_overrides(given: list[str], config_name: str) -> None:
    """Compose once; ValueError tells what is wrong with an override and names the nearest that exists."""
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(CONFIG_DIR, version_base="1.3"):
            groups = [text for text in given if key_of(text) in GROUPS]
            check_keys([text for text in given if text not in groups], hydra.compose(config_name, overrides=groups))
            to_dataclass(hydra.compose(config_name, overrides=given))
    except MissingConfigException as error:
        group, _, wrong = (error.missing_cfg_file or "").partition("/")
        options = list(error.options or [])
        near = "; say data=folder data.path=DIR" if "/" in wrong else suggestion(wrong, options)
        raise ValueError(f"{group}={wrong} is not one of {', '.join(options)}{near}") from error
    except (HydraException, OmegaConfBaseException) as error:
        detail = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
        raise ValueError(f"{culprit(given, detail)}{first_line(detail)}") from error
    finally:
        GlobalHydra.instance().clear()


def parse(overrides: list[str]) -> list[Override]:
    """Hydra's own reading of `key=value`; ValueError naming the argument that it cannot read."""
    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        try:
            parsed.append(parser.parse_override(text))
        except HydraException as error:
            raise ValueError(f"{text!r} cannot be read as key=value (quote a value with commas or brackets)") from error
    return parsed


def choices(override: Override) -> list[str]:
    """The override itself, or one for each value of a sweep `a,b,c`."""
    text = override.input_line or ""
    if not override.is_sweep_override():
        return [text]
    return [f"{text.split('=', 1)[0]}={value}" for value in override.sweep_string_iterator()]


def check_keys(overrides: list[str], known: DictConfig) -> None:
    """ValueError for a key that the config does not have, naming the nearest one that it has."""
    keys = all_keys(known)
    for text in overrides:
        key = key_of(text)
        inside = [name for name in keys if name.startswith(f"{key}.")]
        if inside and not text.partition("=")[2].startswith("{"):
            raise ValueError(f"{text}: {key} is a section, of {', '.join(inside)}; say {inside[0]}=")
        if key.split(".")[0] == "hydra" or key in keys:
            continue
        if key in DATA_KEYS:
            raise ValueError(f"{key} belongs to data={DATA_KEYS[key]}: say data={DATA_KEYS[key]} {text}")
        leaves = [name for name in keys if not any(other.startswith(f"{name}.") for other in keys)]
        raise ValueError(f"there is no option {key}{suggestion(ALIASES.get(key, key), [*leaves, *GROUPS])}")


def key_of(override: str) -> str:
    """The dotted key of `key=value`, without Hydra's prefixes."""
    return override.split("=", 1)[0].lstrip("+~").split("@")[0]


def culprit(overrides: list[str], error: BaseException) -> str:
    """`key=value: ` of the override that an OmegaConf error is about, as far as it says."""
    matching = [text for text in overrides if key_of(text) == getattr(error, "full_key", None)]
    return f"{matching[0]}: " if matching else ""


def suggestion(wrong: str, known: list[str]) -> str:
    """`; did you mean x?`, by the whole dotted key or by its last part."""
    near = [wrong] if wrong in known else difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    if not near:
        by_last_part = {key.rpartition(".")[2]: key for key in reversed(known)}
        near = [by_last_part[part] for part in difflib.get_close_matches(wrong.rpartition(".")[2], by_last_part, n=1)]
    return f"; did you mean {near[0]}?" if near else ""


def all_keys(config: Any, prefix: str = "") -> list[str]:
    """Every dotted key of a config, sections included."""
    keys = []
    for name in config if isinstance(config, DictConfig) else ():
        keys.append(f"{prefix}{name}")
        if not OmegaConf.is_missing(config, name):
            keys += all_keys(config[name], f"{prefix}{name}.")
    return keys


def unknown_keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Dotted keys that the dataclass of their section does not have. An option may be a plain mapping, a group may not."""
    schema = OmegaConf.get_type(config)
    allowed = {entry.name for entry in fields(schema)} if schema is not None and is_dataclass(schema) else None
    for name in config:
        if allowed is None or name not in allowed:
            yield f"{prefix}{name}"
        elif not OmegaConf.is_missing(config, str(name)) and isinstance(config[name], DictConfig):
            if OmegaConf.get_type(config[name]) is dict and name not in GROUPS:
                continue
            yield from unknown_keys(config[name], f"{prefix}{name}.")


def given_keys(overrides: list[str]) -> list[str]:
    """The dotted keys that the command line names."""
    return [key_of(text) for text in overrides]
