"""Look at every image before the first step: type, range, shape and colour, alone and as a set."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.decode import decode
from data.image_set import ImageSpec
from data.intensity import IntensityConfig

BIT_DEPTHS = (8, 10, 12, 14, 16)
JPEG_TOLERANCE = 8  # levels by which the channels of a grey image may differ after lossy coding


@dataclass(frozen=True)
class Seen:
    """What one decoded image is. `depth` is uint8, uint16, int or float; `low`, `high` are its extreme values."""

    name: str
    depth: str
    channels: int
    height: int
    width: int
    low: float
    high: float
    grey: bool  # one channel, or three that say the same
    outside: float = 0.0  # share of values outside a range that was given beforehand


def look(path: Path, name: str, intensity: IntensityConfig | None) -> Seen:
    """Decode the file and note what it is; a file that cannot be used is a ValueError with the reason."""
    image = decode(path)
    kinds = {"u": image.dtype.name, "i": "int", "f": "float"}
    low, high = float(image.min()), float(image.max())
    outside = 0.0
    if intensity is not None:
        floor, ceiling = intensity.limits
        outside = float(((image < floor) | (image > ceiling)).mean())
    grey = is_grey(image, lossy=path.suffix.lower() in (".jpg", ".jpeg", ".webp"))
    return Seen(name, kinds[image.dtype.kind], *image.shape, low, high, grey, outside)


def is_grey(image: np.ndarray, lossy: bool) -> bool:
    """Whether all channels of one, or of three, are the same; up to small errors of a lossy code."""
    if image.shape[0] != 3:
        return image.shape[0] == 1
    tolerance = JPEG_TOLERANCE if lossy and image.dtype == np.uint8 else 0
    # int64, or the difference of unsigned values would wrap around
    spread = image.max(axis=0).astype(np.float64) - image.min(axis=0)
    return bool(spread.max() <= tolerance)


def common_depth(seen: list[Seen]) -> str:
    """The one depth of the set; two are a ValueError that names a file of each."""
    other = next((s for s in seen if s.depth != seen[0].depth), None)
    if other is not None:
        raise ValueError(
            f"{seen[0].name} holds {seen[0].depth} values and {other.name} {other.depth}: "
            "bring all files to one bit depth, for their ranges cannot be compared"
        )
    return seen[0].depth


def common_channels(seen: list[Seen], wanted: int | None) -> int:
    """The number of channels of the set: `wanted` if given, else what all files agree on; RGB that is grey counts 1."""
    counts = {s.channels: s.name for s in seen}
    if wanted is not None:
        if bad := [s for s in seen if {s.channels, wanted} not in ({wanted}, {1, 3})]:
            raise ValueError(f"data.channels={wanted}: {bad[0].name} has {bad[0].channels} channels")
        return wanted
    if all(s.grey for s in seen):
        return 1
    if len(counts) > 1:
        colour = next(s for s in seen if not s.grey)
        other = next(s for s in seen if s.channels != colour.channels)
        raise ValueError(
            f"{other.name} has {other.channels} channel{'s' * (other.channels > 1)} and {colour.name} has "
            f"{colour.channels}: set data.channels=1 (colour becomes grey) or data.channels=3"
        )
    return seen[0].channels


def measured_intensity(seen: list[Seen], depth: str) -> IntensityConfig:
    """The linear range of the set: of its bit depth for unsigned values, from least to greatest for all others."""
    low, high = min(s.low for s in seen), max(s.high for s in seen)
    if depth == "uint8":
        return IntensityConfig("linear", 0.0, 255.0)
    if depth == "uint16":
        bits = next(b for b in BIT_DEPTHS if high < 2**b)
        return IntensityConfig("linear", 0.0, float(2**bits - 1))
    if low == high:
        raise ValueError(f"every pixel of every image is {low:g}: there is nothing to learn")
    return IntensityConfig("linear", low, high)


def describe(seen: list[Seen], spec: ImageSpec, labels: list[int] | None, fit: str) -> str:
    """A short paragraph for people: number, shapes, bit depth, range, channels, classes, and what fitting changes."""
    sizes = sorted({(s.height, s.width) for s in seen})
    shapes = "x".join(map(str, sizes[0]))
    if len(sizes) > 1:
        shapes = f"{len(sizes)} sizes, {min(s[0] for s in sizes)}..{max(s[0] for s in sizes)} high and "
        shapes += f"{min(s[1] for s in sizes)}..{max(s[1] for s in sizes)} wide"
    as_rgb = sum(s.grey and s.channels == 3 for s in seen)
    colour = f"{spec.channels} channel{'s' * (spec.channels > 1)}"
    if spec.channels == 1 and as_rgb:
        colour += f" ({as_rgb} stored as RGB though grey)"
    low, high = min(s.low for s in seen), max(s.high for s in seen)
    i = spec.intensity
    lines = [
        f"{len(seen)} images ({shapes}), {seen[0].depth}, {colour}, values {low:g}..{high:g}",
        f"{i.name} {i.low:g}..{i.high:g}{' dB' * (i.name == 'db')} becomes the network's [-1, 1]",
    ]
    if labels is not None:
        counts = np.bincount(labels, minlength=len(spec.classes))
        named = ", ".join(f"{name} {count}" for name, count in zip(spec.classes, counts, strict=True))
        lines.append(f"{len(spec.classes)} classes: {named}")
    lines += [line for line in (_fitting(seen, spec, fit), _oddities(seen)) if line]
    return ". ".join(lines) + "."


def _fitting(seen: list[Seen], spec: ImageSpec, fit: str) -> str:
    changed = [s for s in seen if (s.height, s.width) != (spec.height, spec.width)]
    if not changed:
        return ""
    text = f"data.fit={fit} brings {len(changed)} of them to {spec.height}x{spec.width}"
    aspects = [(s.width / s.height) / (spec.width / spec.height) for s in changed]
    off = max(max(a, 1 / a) for a in aspects)
    if fit == "center_crop":
        kept = spec.height * spec.width / max(s.height * s.width for s in changed)
        return f"{text}, keeping at least {kept:.0%} of each"
    if math.isclose(off, 1.0, abs_tol=0.005):
        return text
    effects = {
        "resize": f"stretching by up to {off:.2f} (crop and pad keep shapes)",
        "crop": f"cutting off up to {1 - 1 / off:.0%} of an image (pad keeps all)",
        "pad": f"with a border of up to {1 - 1 / off:.0%} of the area",
    }
    return f"{text}, {effects[fit]}"


def _oddities(seen: list[Seen]) -> str:
    notes = []
    if blank := [s.name for s in seen if s.low == s.high]:
        notes.append(f"{len(blank)} of one value only (first {blank[0]})")
    outside = float(np.mean([s.outside for s in seen]))
    if outside > 0:
        notes.append(f"{outside:.2%} of the values are outside the range and are clipped")
    return "Note: " + ", ".join(notes) if notes else ""
