"""Look at every image before the first step: type, range, shape and colour, alone and as a set."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Num

from data.image_set import ImageSpec
from data.intensity import IntensityConfig
from data.label_map import SeenLabels, describe_labels

BIT_DEPTHS = (8, 10, 12, 14, 16)
JPEG_TOLERANCE = 8  # levels by which the channels of a grey image may differ after lossy coding

FAINT = 0.03  # a median this low in the range leaves most of the image near black


@dataclass(frozen=True)
class Seen:
    """What one item is. `depth` is uint8, uint16, int32 or float32 (for all real values)."""

    name: str
    depth: str
    channels: int
    height: int
    width: int
    low: float
    median: float
    high: float
    grey: bool  # one channel, or three that say the same
    outside: float = 0.0  # share of values outside a range that was given beforehand
    labels: SeenLabels | None = None


def look(
    image: Num[np.ndarray, "c h w"],
    name: str,
    intensity: IntensityConfig | None,
    *,
    lossy: bool,
    labels: SeenLabels | None = None,
) -> Seen:
    """Note what an image is."""
    depth = "float32" if image.dtype.kind == "f" else image.dtype.name
    low, high = float(image.min()), float(image.max())
    median = float(np.median(image[:, :: 1 + image.shape[1] // 64, :: 1 + image.shape[2] // 64]))  # of a sample
    outside = 0.0
    if intensity is not None:
        floor, ceiling = intensity.limits
        outside = float(((image < floor) | (image > ceiling)).mean())
    grey = is_grey(image, lossy=lossy)
    channels, height, width = image.shape
    return Seen(name, depth, channels, height, width, low, median, high, grey, outside, labels)


def is_grey(image: np.ndarray, lossy: bool) -> bool:
    """Whether all channels of one, or of three, are the same; up to small errors of a lossy code."""
    if image.shape[0] != 3:
        return image.shape[0] == 1
    tolerance = JPEG_TOLERANCE if lossy and image.dtype == np.uint8 else 0
    difference = (np.maximum(image, image[0]) - np.minimum(image, image[0])).max()  # unsigned values stay above 0
    return bool(difference <= tolerance)


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
    """The number of channels of the set: `wanted` if given, else what all files agree on.

    RGB files that are all grey count as one channel. Some grey and some in colour is a question for the user.
    """
    if wanted is not None:
        if bad := [s for s in seen if s.channels != wanted and {s.channels, wanted} != {1, 3}]:
            raise ValueError(f"data.channels={wanted}: {bad[0].name} has {bad[0].channels} channels")
        return wanted
    telling = [s for s in seen if s.low < s.high] or seen  # a blank image is neither grey nor in colour
    grey, colour = [s for s in telling if s.grey], [s for s in telling if not s.grey]
    if grey and colour:
        raise ValueError(
            f"{len(grey)} images are grey ({grey[0].name}) and {len(colour)} have {colour[0].channels} channels "
            f"({colour[0].name}): set data.channels=1, which turns colour to grey, or data.channels=3"
        )
    if other := [s for s in colour if s.channels != colour[0].channels]:
        both = f"{colour[0].name} has {colour[0].channels} channels and {other[0].name} {other[0].channels}"
        raise ValueError(f"{both}: bring all files to one number")
    return colour[0].channels if colour else 1


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


def describe(seen: list[Seen], spec: ImageSpec, told: list[str], *, fit: str, copies: int) -> str:
    """A short paragraph for people: number, shapes, bit depth, range, channels, labels, and what fitting changes.

    `told` are sentences that the reader or the attributes add.
    """
    heights, widths = [s.height for s in seen], [s.width for s in seen]
    sizes = len(set(zip(heights, widths, strict=True)))
    shapes = f"{heights[0]} x {widths[0]}"
    if sizes > 1:
        shapes = f"{sizes} sizes, {min(heights)}..{max(heights)} high, {min(widths)}..{max(widths)} wide"
    i = spec.intensity
    parts = [
        f"{len(seen)} image{'s' * (len(seen) > 1)} ({shapes}), {_colour(seen, spec)}, {_depth(seen[0].depth, i)}, "
        f"values {min(s.low for s in seen):g}..{max(s.high for s in seen):g}; "
        f"{i.name} {i.low:g}..{i.high:g}{' dB' * (i.name == 'db')} becomes [-1, 1]"
    ]
    labels = [s.labels for s in seen if s.labels is not None]
    parts += told + (describe_labels(labels, spec.label_names, fit) if labels else [])
    return ". ".join(parts + _fitting(seen, spec, fit) + _oddities(seen, i, copies)) + "."


def _colour(seen: list[Seen], spec: ImageSpec) -> str:
    text = f"{spec.channels} channel{'s' * (spec.channels > 1)}"
    if spec.channels == 1 and (colour := sum(not s.grey for s in seen)):
        return f"{text} ({colour} in colour are turned to grey)"
    if spec.channels == 1 and (stored := sum(s.channels == 3 for s in seen)):
        return f"{text} ({stored} stored as RGB though grey)"
    if spec.channels == 3 and (grey := sum(s.grey for s in seen)):
        return f"{text} ({grey} are grey)"
    return text


def _depth(depth: str, intensity: IntensityConfig) -> str:
    bits = math.log2(intensity.high + 1) if intensity.name == "linear" and intensity.low == 0 else 0
    if depth == "uint16" and bits in BIT_DEPTHS and bits < 16:
        return f"{bits:.0f}-bit data in 16-bit files"
    return {"uint8": "8-bit", "uint16": "16-bit", "int32": "whole numbers", "float32": "real numbers"}[depth]


def _fitting(seen: list[Seen], spec: ImageSpec, fit: str) -> list[str]:
    changed = [s for s in seen if (s.height, s.width) != (spec.height, spec.width)]
    if not changed:
        return []
    text = f"data.fit={fit} brings {len(changed)} of them to {spec.height}x{spec.width}"
    aspects = [(s.width / s.height) / (spec.width / spec.height) for s in changed]
    off = max(max(a, 1 / a) for a in aspects)
    if fit == "center_crop":
        kept = spec.height * spec.width / max(s.height * s.width for s in changed)
        return [f"{text}, keeping at least {kept:.0%} of each"]
    if math.isclose(off, 1.0, abs_tol=0.005):
        return [text]
    effects = {
        "resize": f"stretching by up to {off:.2f} (crop and pad keep shapes)",
        "crop": f"cutting off up to {1 - 1 / off:.0%} of an image (pad keeps all)",
        "pad": f"with a border of up to {1 - 1 / off:.0%} of the area",
    }
    return [f"{text}, {effects[fit]}"]


def _oddities(seen: list[Seen], intensity: IntensityConfig, copies: int) -> list[str]:
    notes = []
    if copies:
        notes.append(f"{copies} file{'s are copies' if copies > 1 else ' is a copy'} of another")
    if blank := [s.name for s in seen if s.low == s.high]:
        notes.append(f"{len(blank)} of a single value ({blank[0]})")
    if (outside := float(np.mean([s.outside for s in seen]))) > 0:
        notes.append(f"{outside:.2%} of the values are outside the range and are clipped")
    medians = np.array([s.median for s in seen])
    middle = float(np.median(intensity.forward(medians)))
    if seen[0].depth != "uint8" and middle < FAINT:
        notes.append(f"half of the values lie in the lowest {middle:.1%} of the range: see data.intensity=log")
    return [f"Note: {', '.join(notes)}"] if notes else []
