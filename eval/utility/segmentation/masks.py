"""Mask images and what their values mean, as data=masks reads them: whole numbers, or colours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from PIL import Image

from eval.decode import decode

Value = int | str
"""A number, or a colour as #rrggbb; grey colours are numbers, so that a mask of white and black is one of 255 and 0."""
NAMES_FILE = "labels.json"
MOST = 255  # labels
COLOUR = 1 << 24  # of a colour's code, so that no number is mistaken for it


def read_mask(path: Path) -> Int[np.ndarray, "h w"]:
    """The codes of a mask's pixels, see `value_of`; ValueError, naming the file, where it is no mask."""
    if path.suffix.lower() in (".jpg", ".jpeg", ".webp"):
        raise ValueError(f"{path}: is coded with loss, which blurs its values: save it as PNG")
    try:
        planes = _indices(path)
        planes = decode(path.read_bytes(), path.suffix.lower()) if planes is None else planes
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if planes.dtype.kind == "f" and not (planes == np.rint(planes)).all():
        raise ValueError(f"{path}: holds fractions: a mask is of whole numbers")
    planes = planes.astype(np.int64)
    if len(planes) == 1:
        return planes[0]
    red, green, blue = planes
    return np.where((red == green) & (green == blue), red, COLOUR | red << 16 | green << 8 | blue)


def value_of(code: int) -> Value:
    """What a pixel's code stands for."""
    return f"#{code - COLOUR:06x}" if code >= COLOUR else int(code)


def read_names(masks: Path) -> dict[Value, str] | None:
    """{value: name} from labels.json in the folder of masks or beside it; None where there is none.

    Read are {"1": "ship"}, {"ship": 1}, {"ship": [255, 0, 0]} and {"ship": "#ff0000"}.
    """
    path = next((folder / NAMES_FILE for folder in (masks, masks.parent) if (folder / NAMES_FILE).is_file()), None)
    if path is None:
        return None
    try:
        pairs = list(json.loads(path.read_bytes()).items())
        colours = all(isinstance(value, str) and value.startswith("#") for _, value in pairs)
        if not colours and all(name.isdecimal() and isinstance(value, str) for name, value in pairs):
            pairs = [(value, int(name)) for name, value in pairs]
        found = {_value(value): str(name) for name, value in pairs}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f'{path}: names no labels: write {{"1": "ship"}} or {{"ship": [255, 0, 0]}}') from error
    if len(found) < len(pairs):
        raise ValueError(f"{path}: two names have the same value")
    return found


def names_of_values(codes: set[int]) -> dict[Value, str]:
    """What the values of masks are called where nothing names them: 0 the background, label_2 or, in colour, #ff0000.

    ValueError where there are too many of them to be labels.
    """
    if len(codes) > MOST:
        raise ValueError(f"the masks hold more than {MOST} values: name those meant in {NAMES_FILE}")
    grey = "#{0:02x}{0:02x}{0:02x}" if any(code >= COLOUR for code in codes) else "label_{0}"
    values = [value_of(code) for code in sorted(codes) if code != 0]
    return {value: value if isinstance(value, str) else grey.format(value) for value in values}


def _indices(path: Path) -> np.ndarray | None:
    """Of an indexed image its indices, which count, and not the colours that they are shown in."""
    try:
        with Image.open(path) as image:
            return np.asarray(image)[None] if image.mode == "P" else None
    except OSError:
        return None  # not Pillow's: `decode` says what is wrong, if anything is


def _value(value: Any) -> Value:
    if isinstance(value, str) and value.startswith("#") and len(value) == 7:
        value = list(bytes.fromhex(value[1:]))
    if isinstance(value, list) and len(value) == 3 and all(type(v) is int and 0 <= v <= 255 for v in value):
        return value[0] if len({*value}) == 1 else "#" + bytes(value).hex()
    if type(value) is int and value >= 0:
        return value
    raise ValueError(f"no value: {value}")
