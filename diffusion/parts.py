"""Image and label in one x_t: which channels are whose, and how noisy each part is."""

from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Float, Int64
from torch import Tensor

from diffusion.schedules import Schedule


@dataclass(frozen=True)
class Parts:
    """The channels of x_t: `image` channels, then `label` channels; a model of images alone has no label.

    With a label, times are (b, 2), of the image and of the label, for each part may be noisier than the other
    (UniDiffuser: Bao et al. 2023; Diffusion Forcing: Chen et al. 2024).
    """

    image: int
    label: int = 0

    @property
    def total(self) -> int:
        """All channels."""
        return self.image + self.label

    def split(self, x: Float[Tensor, "b k h w"]) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b l h w"]]:
        """The image's and the label's channels."""
        image, label = x.split([self.image, self.label], dim=1)
        return image, label


def scales(
    schedule: Schedule, t: Int64[Tensor, "b *parts"], like: Float[Tensor, "b k h w"], parts: Parts | None
) -> tuple[Float[Tensor, "b _ 1 1"], Float[Tensor, "b _ 1 1"]]:
    """(alpha, sigma) that multiply `like`: (b, 1, 1, 1) for t (b,), and (b, k, 1, 1) for t (b, 2) of the two parts."""
    if t.ndim == 1:
        assert parts is None or parts.label == 0, f"t (b,) says nothing of the {parts} apart"
        return schedule.at(t, like)
    assert parts is not None, "t (b, 2) needs the channels of its parts"
    image, label = schedule.at(t[:, 0], like), schedule.at(t[:, 1], like)
    alpha, sigma = (
        torch.cat(
            [repeat(a, "b 1 1 1 -> b c 1 1", c=n) for a, n in zip(pair, (parts.image, parts.label), strict=True)], 1
        )
        for pair in zip(image, label, strict=True)
    )
    return alpha, sigma
