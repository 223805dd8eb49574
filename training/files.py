"""Files that a crash at any moment leaves whole, and comparing what they hold."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`: the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def without(config: dict[str, Any], keys: Sequence[str], prefix: str = "") -> dict[str, Any]:
    """A nested config without the dotted `keys`."""
    return {
        name: without(value, keys, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in config.items()
        if f"{prefix}{name}" not in keys
    }
