"""Pictures for people to look at, all on one sheet: large enough to see, with captions and a legend of the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from einops import repeat
from jaxtyping import UInt, UInt8
from PIL import Image, ImageDraw, ImageFont

from data.components import instances
from data.overlay import colour_of, overlay
from data.writers import image_grid

SIDE = 128  # pixels of a sheet that the longer side of a small image takes, about
GAP = 2  # white pixels between the panels of a row, and between rows of a single panel
WIDE_GAP = 10  # between rows of several panels
TEXT_SIZE, TEXT_HEIGHT = 11, 16  # of a caption, and of a line of the legend with what lies around it
SWATCH = 10  # side of the square in the legend that shows a label's colour


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet: stored pixels as `image_grid` takes them, the labels outlined on it, what stands below it."""

    pixels: UInt[np.ndarray, "c h w"]
    label_map: UInt8[np.ndarray, "h w"] | None = None
    caption: str = ""


def sheet(rows: Sequence[Sequence[Panel]], label_names: Sequence[str] = ()) -> UInt8[np.ndarray, "3 H W"]:
    """The panels of a row side by side, and the rows in as many columns as make the sheet about square.

    All panels have one size (h, w). Small ones are enlarged by a whole number, those of a sheet with label maps at least
    twice, for the lines around regions and boxes. Above stand the colours of the labels that are drawn, label k called
    label_names[k].
    """
    panels = [panel for row in rows for panel in row]
    maps = [panel.label_map for panel in panels if panel.label_map is not None]
    scale = enlargement(*panels[0].pixels.shape[1:], least=2 if maps else 1)
    captioned, longest = any(panel.caption for panel in panels), max(map(len, rows))
    strips = [
        image_grid(np.stack([_drawn(panel, scale, captioned) for panel in row]), columns=longest, gap=GAP)
        for row in rows
    ]
    canvas = image_grid(np.stack(strips), gap=GAP if longest == 1 else WIDE_GAP)
    labels = sorted({int(label) for label_map in maps for label in np.unique(label_map[label_map > 0])})
    return np.concatenate([_legend(labels, label_names, canvas.shape[2]), canvas], axis=1)


def enlargement(height: int, width: int, *, least: int = 1) -> int:
    """How many times as large an image of this size is shown: so that its longer side comes to about SIDE."""
    return max(least, round(SIDE / max(height, width)))


def shortened(text: str, width: int) -> str:
    """The text on one line, without its middle where it is wider than `width` pixels: names differ at their ends."""
    text = kept = " ".join(text.split())
    while len(kept) > 1 and _font().getlength(text) > width:
        kept = kept[: len(kept) // 2] + kept[len(kept) // 2 + 1 :]
        text = f"{kept[: len(kept) // 2]}…{kept[len(kept) // 2 :]}"
    return text


def _drawn(panel: Panel, scale: int, captioned: bool) -> UInt8[np.ndarray, "3 H W"]:
    boxes = [] if panel.label_map is None else [instance.box for instance in instances(panel.label_map)]
    picture = overlay(panel.pixels, panel.label_map, boxes, scale=scale)
    if not captioned:
        return picture
    line = Image.new("L", (picture.shape[2], TEXT_HEIGHT), 255)
    text = shortened(panel.caption, line.width)
    ImageDraw.Draw(line).text((line.width / 2, TEXT_HEIGHT / 2), text, fill=0, font=_font(), anchor="mm")
    return np.concatenate([picture, repeat(np.asarray(line), "h w -> 3 h w")], axis=1)


def _legend(labels: Sequence[int], names: Sequence[str], width: int) -> UInt8[np.ndarray, "3 H W"]:
    """Lines of coloured squares, each with the name of its label; of no height where there are no labels."""
    space, places, left, top = TEXT_SIZE, [], 0, 0
    for label in labels:
        name = shortened(names[label], width - SWATCH - space)
        wide = SWATCH + space + round(_font().getlength(name))
        if left and left + wide > width:
            left, top = 0, top + TEXT_HEIGHT
        places.append((left, top, colour_of(label), name))
        left += wide + space
    canvas = Image.new("RGB", (width, top + TEXT_HEIGHT if labels else 0), "white")
    draw = ImageDraw.Draw(canvas)
    for left, top, colour, name in places:
        edge = top + (TEXT_HEIGHT - SWATCH) // 2
        draw.rectangle((left, edge, left + SWATCH - 1, edge + SWATCH - 1), fill=colour)
        middle = top + TEXT_HEIGHT / 2
        draw.text((left + SWATCH + space // 2, middle), name, fill="black", font=_font(), anchor="lm")
    return np.asarray(canvas).reshape(-1, width, 3).transpose(2, 0, 1)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows more alphabets than Pillow's own font."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", TEXT_SIZE)
