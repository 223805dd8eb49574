"""What the values of mask images mean: named in a file, or found in the masks."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from data.item import BACKGROUND

MOST = 255  # labels in a map
Value = int | tuple[int, int, int]  # of a mask's pixel: a number or a colour
ZEROS = (0, (0, 0, 0))
NAMES_FILE = "labels.json"


def names_file(masks: Path) -> Path | None:
    """labels.json in the folder of the masks or beside it; None where there is none."""
    return next((file for file in (masks / NAMES_FILE, masks.parent / NAMES_FILE) if file.is_file()), None)


def read_palette(path: Path) -> dict[str, Value]:
    """{name: value}, from JSON: {name: [r, g, b], "#rrggbb" or a number} or {"number": name}; ValueError otherwise.

    {"1": "#ff0000"} is a colour called 1; {"0": "background", "1": "#ff0000"} are numbers, one named after a colour.
    """
    if not path.is_file():
        raise ValueError(f"data.palette: no file {path}")
    try:
        plain = json.loads(path.read_bytes())
        pairs = list(plain.items())
        colours = all(isinstance(value, str) and value.startswith("#") for _, value in pairs)
        if not colours and all(name.isdecimal() and isinstance(value, str) for name, value in pairs):
            pairs = [(value, int(name)) for name, value in pairs]
        named = {name: _value(value) for name, value in pairs}
    except (ValueError, AttributeError, TypeError, RecursionError):
        forms = '{"ship": [255, 0, 0]}, {"ship": "#ff0000"} or {"1": "ship"}'
        raise ValueError(f"{path} is no palette: write {forms}") from None
    kinds = {isinstance(value, int) for value in named.values()}
    if len(set(named.values())) < len(pairs) or len(kinds) != 1 or not 1 <= len(named.keys() - {BACKGROUND}) <= MOST:
        raise ValueError(f"{path}: 1 to {MOST} names, each with a value of its own, all numbers or all colours")
    for name, value in named.items():
        if value in ZEROS and name != BACKGROUND and BACKGROUND not in named:
            raise ValueError(f"{path}: {name} has the background's value {value}; call one of the names {BACKGROUND}")
    return named


def found_palette(seen: Set[Value]) -> dict[str, Value]:
    """A palette of the values that masks hold: label_3 for a number, #ff0000 for a colour; 0 or black the background."""
    colours = sorted(value for value in seen if not isinstance(value, int))
    numbers = sorted(value for value in seen if isinstance(value, int))
    if colours and numbers not in ([], [0]):  # a grey mask would have to be guessed at, but for one all black
        raise ValueError("some masks are grey and some in colour: name the colours in data.palette")
    if colours and not numbers and (0, 0, 0) not in colours:
        raise ValueError("no mask has black for its background: name the colours in data.palette")
    if numbers and numbers[0] < 0:
        raise ValueError(f"a mask holds {numbers[0]}: name the values in data.palette, none below 0")
    if {*numbers} - {0} == {1, 255}:  # 255 as masks often have it and 1 as labels are written: two labels, or one?
        mend = 'write them alike, or name both in data.palette, as {"object": 1, "unsure": 255}'
        raise ValueError(f"the masks hold 1 and 255, which may be one label written in two ways: {mend}")
    if colours:
        named: dict[str, Value] = {
            f"#{r:02x}{g:02x}{b:02x}": (r, g, b) for r, g, b in colours if (r, g, b) != (0, 0, 0)
        }
        return {BACKGROUND: (0, 0, 0), **named}
    return {BACKGROUND: 0, **{f"label_{value}": value for value in numbers if value != 0}}


def numbered(named: dict[str, Value]) -> tuple[list[str], dict[Value, int]]:
    """The names in the order of their values, the background first, and the label of each value."""
    names = [BACKGROUND, *sorted(named.keys() - {BACKGROUND}, key=lambda name: named[name])]
    values = {named[name]: k for k, name in enumerate(names) if name in named}
    if BACKGROUND not in named:
        values[ZEROS[0] if all(isinstance(value, int) for value in values) else ZEROS[1]] = 0
    return names, values


def value_list(values: Mapping[Value, int]) -> list[int | list[int]]:
    """The inverse of {value: label} as plain types: the value of each label 0, 1, ..., a colour as [r, g, b]."""
    ordered = sorted(values, key=lambda value: values[value])
    return [value if isinstance(value, int) else [*value] for value in ordered]


def _value(value: Any) -> Value:
    if isinstance(value, str) and value.startswith("#") and len(value) == 7:
        value = list(bytes.fromhex(value[1:]))
    if isinstance(value, list) and len(value) == 3 and all(type(v) is int and 0 <= v <= 255 for v in value):
        return value[0], value[1], value[2]
    if type(value) is int and value >= 0:
        return value
    raise ValueError
