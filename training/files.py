"""Files that a crash at any moment leaves whole."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`: the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
