"""grid.png: the first samples on one sheet, each beside what it started from."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from conf.sample_schema import SampleConfig
from data.image_set import ImageSpec, to_integers
from data.label_encoding import decode
from data.overlay import coloured, with_hole
from data.sample_files import SampleFiles, read_label_map
from data.sheet import Panel, sheet
from data.writers import read_pixels, write_png
from generation.request import Request

GRID_IMAGES = 64
ACROSS = 8  # samples of one source in a row


def write_grid(
    path: Path,
    config: SampleConfig,
    spec: ImageSpec,
    request: Request,
    rows: Sequence[dict[str, Any]],
    samples: Sequence[SampleFiles],
) -> None:
    """Draw the first samples, in the order of their lines of the manifest, with outlines, boxes and the names of classes.

    What a sample started from stands at the left of it and of the others from the same: the image, with a chequered
    hole where it was filled in and the label that it was to follow; or, where only that was given, the label map.
    """
    panels = [_sample(config, spec, *pair) for pair in zip(rows[:GRID_IMAGES], samples, strict=False)]
    if not request.sources:
        write_png(path, sheet([[panel] for panel in panels], spec.label_names))
        return
    lines: list[list[Panel]] = []
    pairs = zip((row["index"] // request.per_source for row in rows), panels, strict=False)
    for source, group in groupby(pairs, key=lambda pair: pair[0]):
        own = [panel for _, panel in group]
        start = _source(config, spec, request, source)
        lines += [[start, *own[begin : begin + ACROSS]] for begin in range(0, len(own), ACROSS)]
    write_png(path, sheet(lines, spec.label_names))


def _sample(config: SampleConfig, spec: ImageSpec, row: dict[str, Any], sample: SampleFiles) -> Panel:
    said = list(sample.attributes.values())
    if config.mode == "vary" and len(config.strengths()) > 1:
        said.append(f"strength {row['strength']:g}")
    return Panel(read_pixels(sample.image, spec), read_label_map(sample) if spec.label_names else None, ", ".join(said))


def _source(config: SampleConfig, spec: ImageSpec, request: Request, source: int) -> Panel:
    """What was given: an image, a label map, or both; or the map that was composed from one."""
    label_map, caption = None, f"{'made from' if config.add_objects else 'given'}: {request.sources[source]}"
    if request.label is not None:
        label_map = decode(request.label[source : source + 1], spec.label_encoding, len(spec.label_names))[0]
    if request.image is None:
        assert label_map is not None
        return Panel(coloured(label_map), None, caption)
    pixels = to_integers(request.image[source], spec.dtype)
    if request.known is not None:
        pixels = with_hole(pixels, ~request.known[source, 0].numpy())
    return Panel(pixels, label_map, caption)
