"""Real images beside generated ones, as docs/results.md shows them.

python benchmarks/results_picture.py OUT.png REAL_DIR SAMPLES_DIR [REAL_DIR SAMPLES_DIR ...] [size=64] [fit=crop]
    [rows=4] [columns=6] [scale=2]

SAMPLES_DIR@CLASS is the samples of one class, REAL_DIR@FILE.txt the images that a text file names.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

GAP = 16


def main(arguments: list[str]) -> None:
    options = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    out, *folders = [argument for argument in arguments if "=" not in argument]
    size = int(options.get("size", 64))
    layout = [int(options.get(name, default)) for name, default in (("rows", 4), ("columns", 6), ("scale", 2))]
    fits = options.get("fit", "crop").split(",")
    pairs = list(zip(folders[::2], folders[1::2], strict=True))
    panels = []
    for (real, samples), fit in zip(pairs, fits * (len(pairs) // len(fits)), strict=True):
        panels += [
            ("real", grid(real_files(Path(real)), size, fit, *layout)),
            (" ".join(["generated", samples.partition("@")[2]]), grid(sample_files(samples), size, fit, *layout)),
        ]
    width, height = panels[0][1].size
    canvas = Image.new("L", (2 * width + GAP, len(pairs) * (height + 20)), 255)
    for i, (title, panel) in enumerate(panels):
        x, y = i % 2 * (width + GAP), i // 2 * (height + 20)
        ImageDraw.Draw(canvas).text((x, y + 3), title, fill=0)
        canvas.paste(panel, (x, y + 20))
    canvas.save(out, optimize=True)


def real_files(folder: Path) -> list[Path]:
    """All images below a folder, or those that a text file beside `@` names: images@names.txt."""
    path, _, names = str(folder).partition("@")
    if names:
        return [Path(path) / name for name in Path(names).read_text().split()]
    return sorted(p for p in Path(path).rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif"))


def sample_files(folder: str) -> list[Path]:
    """The samples of a manifest, of one class where one is named, in their order."""
    path, _, name = folder.partition("@")
    rows = [json.loads(line) for line in (Path(path) / "manifest.jsonl").read_text().splitlines()]
    return [
        Path(path) / row["file"] for row in sorted(rows, key=lambda row: row["index"]) if name in ("", row["class"])
    ]


def grid(files: list[Path], size: int, fit: str, rows: int, columns: int, scale: int) -> Image.Image:
    """Rows x columns images; of more files, some drawn at random with seed 0: not chosen by anyone."""
    if len(files) > rows * columns:
        files = [files[i] for i in np.random.default_rng(0).choice(len(files), rows * columns, replace=False)]
    canvas = Image.new("L", (columns * size * scale, rows * size * scale))
    for i, file in enumerate(files):
        with Image.open(file) as opened:
            image = opened.convert("L")
        if fit == "center_crop":
            left, top = (image.width - size) // 2, (image.height - size) // 2
            image = image.crop((left, top, left + size, top + size))
        else:
            image = (ImageOps.pad if fit == "pad" else ImageOps.fit)(image, (size, size), Image.Resampling.LANCZOS)
        canvas.paste(
            image.resize((size * scale, size * scale), Image.Resampling.NEAREST),
            (i % columns * size * scale, i // columns * size * scale),
        )
    return canvas


if __name__ == "__main__":
    main(sys.argv[1:])
