"""Flips and quarter turns of a batch, each item drawn by itself."""

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Generator, Tensor


def augment(
    x_0: Float[Tensor, "b k h w"],
    generator: Generator,
    *,
    hflip: bool = False,
    vflip: bool = False,
    rot90: bool = False,
) -> Float[Tensor, "b k h w"]:
    """Mirror each image left-right and top-bottom with probability 1/2, and turn it by 0, 90, 180 or 270 degrees.

    Channels of an encoded label map turn with the image: every encoding of one's turn is the turn of its encoding.

    Only what is switched on is drawn, from a CPU `generator`. `rot90` with images that are not square is a ValueError.
    """
    if rot90 and x_0.shape[-1] != x_0.shape[-2]:
        raise ValueError(f"data.rot90=true needs square images, these are {x_0.shape[-2]} x {x_0.shape[-1]}")
    b = len(x_0)
    if hflip:
        x_0 = torch.where(_coin(b, generator, x_0), x_0.flip(-1), x_0)
    if vflip:
        x_0 = torch.where(_coin(b, generator, x_0), x_0.flip(-2), x_0)
    if rot90:
        turns = torch.randint(4, (b,), generator=generator).tolist()
        x_0 = torch.stack([torch.rot90(image, k, (-2, -1)) for image, k in zip(x_0, turns, strict=True)])
    return x_0


def views(images: Num[np.ndarray, "n c h w"], *, hflip: bool, vflip: bool, rot90: bool) -> list[np.ndarray]:
    """The images in every way that `augment` may show them, each way once, (n, c, h, w); the first is as they are."""
    seen = [images]
    if hflip:
        seen += [image[..., ::-1] for image in seen]
    if vflip and not (hflip and rot90):  # which make the same as a flip and half a turn
        seen += [image[..., ::-1, :] for image in seen]
    if rot90:
        seen += [np.rot90(image, turns, (-2, -1)) for turns in (1, 2, 3) for image in seen]
    return seen


def _coin(b: int, generator: Generator, like: Tensor) -> Tensor:
    return (torch.rand(b, 1, 1, 1, generator=generator) < 0.5).to(like.device)
