"""Folders of images: which files count, what their values mean, and how one becomes a float array in [0, 1]."""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps
from tqdm import tqdm

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MANIFEST = "manifest.jsonl"
RESAMPLE = Image.Resampling.BICUBIC  # Pillow widens the kernel when it shrinks an image, so this is antialiased


class ImageFile(NamedTuple):
    """One decoded file: what has to be known before any figure can be trusted."""

    sha256: str
    size: tuple[int, int]  # (h, w)
    kind: str  # uint8 | integer (16 or 32 bits a pixel) | float
    low: float
    high: float


@dataclass(frozen=True)
class ImageFolder:
    """The images of one folder in a fixed order, each of them decoded once."""

    root: Path
    paths: list[Path]
    images: list[ImageFile]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """How many images there are of each (h, w)."""
        return Counter(image.size for image in self.images)

    @property
    def kind(self) -> str:
        """uint8, integer (16 or 32 bits a pixel) or float."""
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
    """How a file becomes a float image: value range first, then size."""

    low: float
    high: float
    size: tuple[int, int]  # (h, w)
    fit: str

    def load(self, path: Path) -> Float[np.ndarray, "3 h w"]:
        """One image; `low` becomes 0 and `high` 1, grey is repeated to three channels, alpha is dropped."""
        with Image.open(path) as image:
            eight_bit = _kind(image) == "uint8"
            fitted = self._fitted(image.convert("RGB") if eight_bit else _as_float(image))
        pixels = (np.asarray(fitted, dtype=np.float32) - np.float32(self.low)) / np.float32(self.high - self.low)
        return pixels.transpose(2, 0, 1) if eight_bit else np.repeat(pixels[None], 3, axis=0)

    def load_batch(self, paths: Sequence[Path]) -> Float[np.ndarray, "b 3 h w"]:
        """Several images, stacked."""
        return np.stack([self.load(path) for path in paths])

    def _fitted(self, image: Image.Image) -> Image.Image:
        size = (self.size[1], self.size[0])
        if image.size == size:
            return image
        if self.fit == "crop":
            return ImageOps.fit(image, size, RESAMPLE)
        if self.fit == "pad":
            return ImageOps.pad(image, size, RESAMPLE, color=self.low if image.mode == "F" else (int(self.low),) * 3)
        return image.resize(size, RESAMPLE)


def find_images(folder: Path) -> list[Path]:
    """The files named in the folder's manifest.jsonl if it has one, else every image below it, sorted.

    Raises ValueError if there is none, or if the manifest cannot be read or names a file that is not there.
    """
    if (folder / MANIFEST).is_file():
        paths = _from_manifest(folder)
    else:
        below = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        hidden = [any(part.startswith((".", "__MACOSX")) for part in path.parts) for path in below]
        paths = [
            folder / path for path, skip in zip(below, hidden, strict=True) if not skip and (folder / path).is_file()
        ]
    if not paths:
        raise ValueError(f"{folder}: holds no image ({', '.join(sorted(SUFFIXES))})")
    return paths


def _from_manifest(folder: Path) -> list[Path]:
    lines = (folder / MANIFEST).read_text().splitlines()
    try:
        paths = [folder / json.loads(line)["file"] for line in lines if line.strip()]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / MANIFEST}: every line must be JSON with a key 'file' ({error})") from error
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"{missing[0]}: named in {folder / MANIFEST} but not there ({len(missing)} such)")
    return paths


def open_folder(folder: Path, *, num: int | None = None, seed: int = 0) -> ImageFolder:
    """Decode every image once (or `num` drawn with `seed`).

    Raises ValueError that counts the unreadable files and names the first.
    """
    paths = find_images(folder)
    if num is not None and num < len(paths):
        chosen = np.random.default_rng(seed).choice(len(paths), num, replace=False)
        paths = [paths[i] for i in sorted(chosen)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = list(tqdm(pool.map(_inspect, paths), f"reading {folder.name}", len(paths), leave=False, unit="image"))
    bad = [(path, image) for path, image in zip(paths, images, strict=True) if isinstance(image, str)]
    if bad:
        raise ValueError(f"{bad[0][0]}: {bad[0][1]} ({len(bad)} of {len(paths)} images in {folder} are bad)")
    good = [image for image in images if isinstance(image, ImageFile)]
    odd = next((i for i, image in enumerate(good) if image.kind != good[0].kind), None)
    if odd is not None:
        raise ValueError(f"{paths[odd]}: holds {good[odd].kind} pixels, but {paths[0]} {good[0].kind}: store all alike")
    return ImageFolder(folder, paths, good)


def _inspect(path: Path) -> ImageFile | str:
    """The file's facts, or what is wrong with it."""
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            kind = _kind(image)
            low, high = (0.0, 255.0) if kind == "uint8" else _extent(np.asarray(image))
            size = (image.height, image.width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return "is empty" if not content else f"cannot be read as an image: {str(error).splitlines()[0][:80]}"
    if not np.isfinite([low, high]).all():
        return "holds NaN or infinite pixels"
    if _is_deep_colour(content):
        return "is a colour PNG of 16 bits, of which only 8 would be read: save it as one channel or as 8 bits"
    return ImageFile(hashlib.sha256(content).hexdigest(), size, kind, low, high)


def _extent(pixels: np.ndarray) -> tuple[float, float]:
    return float(pixels.min()), float(pixels.max())


def _as_float(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image, dtype=np.float32))


def _kind(image: Image.Image) -> str:
    if image.mode == "F":
        return "float"
    return "integer" if image.mode.startswith("I") else "uint8"


def _is_deep_colour(content: bytes) -> bool:
    """Pillow reads a 16-bit colour PNG as 8 bits without a word; the header's bytes 24 and 25 are depth and colour type."""
    return content.startswith(b"\x89PNG") and content[24] == 16 and content[25] in (2, 6)
