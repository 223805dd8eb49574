"""Folders of images: which files count, what is in them, and how one becomes a float array in [0, 1]."""

import hashlib
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from eval.decode import SUFFIXES, decode
from eval.fit import fit_image

MANIFEST = "manifest.jsonl"


class ImageFile(NamedTuple):
    """What has to be known of a file before any figure can be trusted."""

    sha256: str
    size: tuple[int, int]  # (h, w)
    kind: str  # uint8 | integer (of more bits) | float
    low: float
    high: float


@dataclass(frozen=True)
class ImageFolder:
    """The images of one folder in a fixed order, each of them decoded once; `found` in the folder before some were drawn."""

    root: Path
    paths: list[Path]
    images: list[ImageFile]
    found: int

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """How many images there are of each (h, w)."""
        return Counter(image.size for image in self.images)

    @property
    def kind(self) -> str:
        """uint8, integer or float; the same for all files."""
        return self.images[0].kind

    @property
    def low(self) -> float:
        """The lowest pixel value of all."""
        return min(image.low for image in self.images)

    @property
    def high(self) -> float:
        """The highest pixel value of all."""
        return max(image.high for image in self.images)


@dataclass(frozen=True)
class Preparation:
    """How a file becomes a float image: its size, then its range of values."""

    range: tuple[float, float]  # the values that become 0 and 1
    size: tuple[int, int]  # (h, w)
    fit: str

    def load(self, path: Path) -> Float[np.ndarray, "3 h w"]:
        """One image on the scale of `range`; grey is repeated to three channels."""
        try:
            pixels = fit_image(decode(path.read_bytes(), path.suffix.lower()), self.size, self.fit)  # (c, h, w)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        low, high = self.range
        pixels = (pixels - np.float32(low)) / np.float32(high - low)
        return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels


def find_images(folder: Path) -> list[Path]:
    """The files named in the folder's manifest.jsonl if it has one, else every image below it, sorted.

    Raises ValueError if there is none, or if the manifest cannot be read or names a file that is not there.
    """
    if (folder / MANIFEST).is_file():
        paths = _from_manifest(folder)
    else:
        subfolders = [path for path in folder.iterdir() if path.is_dir()]  # rglob would not follow one that is a link
        found = chain(folder.iterdir(), *(subfolder.rglob("*") for subfolder in subfolders))
        images = (path for path in found if path.suffix.lower() in SUFFIXES and not path.is_dir())
        below = sorted(path.relative_to(folder) for path in images)
        hidden = [any(part.startswith((".", "__MACOSX")) for part in path.parts) for path in below]
        paths = [folder / path for path, skip in zip(below, hidden, strict=True) if not skip]
    if not paths:
        raise ValueError(f"{folder}: holds no image ({' '.join(SUFFIXES)})")
    return paths


def _from_manifest(folder: Path) -> list[Path]:
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
        paths = [folder / json.loads(line)["file"] for line in lines if line.strip()]
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{folder / MANIFEST}: every line must be JSON with a key 'file' ({reason})") from error
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"{missing[0]}: named in {folder / MANIFEST} but not there ({len(missing)} such)")
    return paths


def open_folder(folder: Path, *, num: int | None = None, seed: int = 0) -> ImageFolder:
    """Decode every image once (or `num` drawn with `seed`).

    Raises ValueError that counts the unusable files and names the first.
    """
    paths = find_images(folder)
    count = len(paths)
    if num is not None and num < count:
        chosen = np.random.default_rng(seed).choice(count, num, replace=False)
        paths = [paths[i] for i in sorted(chosen)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        facts = list(tqdm(pool.map(_inspect, paths), f"reading {folder.name}", len(paths), leave=False, unit="image"))
    bad = [(path, why) for path, why in zip(paths, facts, strict=True) if isinstance(why, str)]
    if bad:
        raise ValueError(f"{bad[0][0]}: {bad[0][1]} ({len(bad)} of {len(paths)} images in {folder} cannot be used)")
    images = [image for image in facts if isinstance(image, ImageFile)]
    odd = next((i for i, image in enumerate(images) if image.kind != images[0].kind), None)
    if odd is not None:
        raise ValueError(
            f"{paths[odd]}: holds {images[odd].kind} pixels, but {paths[0]} {images[0].kind}: store all alike"
        )
    return ImageFolder(folder, paths, images, count)


def _inspect(path: Path) -> ImageFile | str:
    """The file's facts, or why it cannot be used."""
    content = path.read_bytes()
    try:
        pixels = decode(content, path.suffix.lower())
    except Exception as error:  # decoders fed with damaged bytes raise nearly anything
        return (str(error).splitlines() or [type(error).__name__])[0][:120]
    kind = "float" if pixels.dtype.kind == "f" else "uint8" if pixels.dtype == np.uint8 else "integer"
    digest = hashlib.sha256(content).hexdigest()
    return ImageFile(digest, pixels.shape[1:], kind, float(pixels.min()), float(pixels.max()))
