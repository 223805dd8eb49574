"""Images decoded once: a memory-mapped array on disk with JSON beside it, found again by its key.

An entry is a folder `cache_dir/<key>` with `pixels.npy` and `entry.json`. It is written under another name and renamed
when complete, so a reader never sees half an entry, and of two processes that write the same one the first wins.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt

FORMAT_VERSION = 1  # part of every key: raise it when the same input would give other pixels
ABANDONED = 86400.0  # seconds


def content_key(description: dict[str, Any]) -> str:
    """SHA-256 of a JSON description of everything the pixels depend on."""
    text = json.dumps({"format_version": FORMAT_VERSION, **description}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Recipe(NamedTuple):
    """What an entry is made of: `shape[0]` images, drawn one at a time, and JSON data (which they may complete)."""

    images: Iterable[UInt[np.ndarray, "c h w"]]
    shape: tuple[int, int, int, int]
    dtype: str
    meta: dict[str, Any]


def cached(
    cache_dir: Path, key: str, recipe: Callable[[], Recipe]
) -> tuple[UInt[np.ndarray, "n c h w"], dict[str, Any]]:
    """The read-only memory map and the metadata under `key`, made by `recipe` where they are absent or damaged."""
    for _ in range(3):  # more than once only while another process replaces the same damaged entry
        entry = read_entry(cache_dir, key)
        if entry is not None:
            return entry
        write_entry(cache_dir, key, recipe())
    raise OSError(f"the cache entry {cache_dir / key} cannot be read back as it was written: is the disk sound?")


def read_entry(cache_dir: Path, key: str) -> tuple[UInt[np.ndarray, "n c h w"], dict[str, Any]] | None:
    """The entry under `key`; None where there is none or it is damaged, which its SHA-256 tells."""
    folder = cache_dir / key
    try:
        entry = json.loads((folder / "entry.json").read_text())
        with open(folder / "pixels.npy", "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                return None
        return np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False), entry["meta"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def write_entry(cache_dir: Path, key: str, recipe: Recipe) -> None:
    """Store what `recipe` makes under `key`, replacing a damaged entry."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    _sweep(cache_dir)
    workplace = Path(tempfile.mkdtemp(prefix=".building-", dir=cache_dir))
    try:
        entry = workplace / "entry"
        entry.mkdir()
        digest = _write_pixels(entry / "pixels.npy", recipe)
        (entry / "entry.json").write_text(json.dumps({"sha256": digest, "meta": recipe.meta}))
        _put_in_place(entry, cache_dir, key)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _write_pixels(path: Path, recipe: Recipe) -> str:
    # Written as a stream, not through a memory map: a full disk is then an OSError rather than a bus error.
    written = 0
    with open(path, "w+b") as file:
        descr = np.lib.format.dtype_to_descr(np.dtype(recipe.dtype))
        header = {"descr": descr, "fortran_order": False, "shape": recipe.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image in recipe.images:
            assert (image.shape, image.dtype.name) == (recipe.shape[1:], recipe.dtype)
            file.write(image.tobytes())
            written += 1
        assert written == recipe.shape[0]
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_place(entry: Path, cache_dir: Path, key: str) -> None:
    for attempt in range(10):
        with contextlib.suppress(OSError):  # something is there already
            entry.rename(cache_dir / key)
            return
        if read_entry(cache_dir, key) is not None:  # another process was first; its pixels are the same
            return
        with contextlib.suppress(FileNotFoundError):
            (cache_dir / key).rename(entry.with_name(f"damaged-{attempt}"))  # goes with the workplace
    raise OSError(f"the cache entry {cache_dir / key} cannot be replaced")


def _sweep(cache_dir: Path) -> None:
    """Remove what processes that were killed have left, once it is a day old."""
    for workplace in cache_dir.glob(".building-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - workplace.stat().st_mtime > ABANDONED:
                shutil.rmtree(workplace, ignore_errors=True)
