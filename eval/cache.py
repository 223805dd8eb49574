"""Features on disk, found again by content: a folder goes through a network once, wherever it lies."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.images import ImageFolder, Preparation


def content_hash(folder: ImageFolder, preparation: Preparation, fingerprint: str) -> str:
    """SHA-256 over all that features depend on: every file's bytes in order, their preparation, and the extractor."""
    parts = {
        "files": [image.sha256 for image in folder.images],
        "preparation": asdict(preparation),
        "extractor": fingerprint,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached(
    cache_dir: Path, key: str, compute: Callable[[], Float[np.ndarray, "n d"]]
) -> tuple[Float[np.ndarray, "n d"], bool]:
    """The array stored under `key` and True, or `compute()`, stored from now on, and False.

    A file is written beside its place and renamed, so a reader never meets half of one; one that cannot be read (a full
    disk, another program) is computed again.
    """
    path = cache_dir / f"{key}.npy"
    if path.is_file():
        try:
            return np.load(path, allow_pickle=False), True
        except (ValueError, EOFError, OSError):
            path.unlink()
    array = compute()
    cache_dir.mkdir(parents=True, exist_ok=True)
    partial = cache_dir / f"{key}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as file:
            np.save(file, array)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return array, False
