"""Pictures of a report, as Pillow images of float arrays in [0, 1]."""

import base64
import io

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

GAP = 2  # pixels between the tiles


def grid(images: Float[np.ndarray, "n 3 h w"], columns: int) -> Image.Image:
    """The images row by row on a transparent sheet; values outside [0, 1] are clipped."""
    n, _, h, w = images.shape
    rows = -(-n // columns)
    sheet = Image.new("RGBA", (columns * (w + GAP) - GAP, rows * (h + GAP) - GAP))
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        sheet.paste(_tile(image), (column * (w + GAP), row * (h + GAP)))
    return sheet


def pairs(
    left: Float[np.ndarray, "n 3 h w"], right: Float[np.ndarray, "n 3 h w"], distances: Float[np.ndarray, " n"]
) -> Image.Image:
    """Pairs side by side, four to a row, each with its distance below."""
    n, _, h, w = left.shape
    scale = max(1, 96 // max(h, w))
    h, w, caption = h * scale, w * scale, 14
    width, height, columns = 2 * w + 6 * GAP, h + caption + GAP, min(4, n)
    sheet = Image.new("RGB", (columns * width, -(-n // columns) * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for i in range(n):
        y, x = (i // columns) * height + GAP, (i % columns) * width + 2 * GAP
        for side, image in enumerate((left[i], right[i])):
            sheet.paste(_tile(image).resize((w, h), Image.Resampling.NEAREST), (x + side * (w + GAP), y))
        draw.text((x, y + h + 1), f"{distances[i]:.4f}", fill="black")
    return sheet


def png_bytes(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(image: Image.Image) -> str:
    """The image as a PNG inside an HTML attribute."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()


def _tile(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.round(image.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))
