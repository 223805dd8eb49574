"""From a request to tensors: every mode is one way to use the same denoiser (diffusion/tasks.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from conf.sample_schema import SampleConfig
from data.components import majority
from data.image_set import ImageSpec
from data.label_encoding import decode, encode
from diffusion.gaussian import Cond
from diffusion.samplers.config import Callback
from diffusion.tasks import Artist
from generation.request import Request
from training.seeding import derived_seed, generator


@dataclass(frozen=True)
class Drawing:
    """All that a sample depends on."""

    artist: Artist
    config: SampleConfig
    request: Request
    spec: ImageSpec

    def draw(
        self, indices: Sequence[int], attempt: int = 0, callback: Callback | None = None
    ) -> Float[Tensor, "b k h w"]:
        """Samples number `indices`, image channels then label channels; each from a generator of its own."""
        artist, mode = self.artist, self.config.mode
        rngs, cond = [self._generator(i, attempt) for i in indices], self.cond(indices)
        image, label, known = (
            self._given(value, indices) for value in (self.request.image, self.request.label, self.request.known)
        )
        if mode == "joint":
            return artist.draw((self.spec.height, self.spec.width), cond, rngs, callback)
        if mode == "from_labels":
            assert label is not None
            return artist.draw_image(label, cond, rngs)
        assert image is not None
        if mode == "annotate":
            return torch.cat([image, self._annotated(image, cond, indices, attempt)], dim=1)
        if mode == "vary":
            return self._vary(image, label, cond, rngs, indices)
        assert known is not None
        if label is not None:
            return artist.inpaint_image(image, label, known, cond, rngs, self.config.inpaint)
        return artist.inpaint(self._labelled(image, cond, rngs), known, cond, rngs, self.config.inpaint)

    def strength(self, index: int) -> float:
        """How far a variation goes: the samples take the strengths in turn."""
        strengths = self.config.strengths()
        return strengths[index % len(strengths)]

    def cond(self, indices: Sequence[int]) -> Cond:
        """The attributes of samples number `indices`; None where the model has none."""
        labels = self.request.labels[list(indices)]
        return {"class_label": torch.from_numpy(labels).to(self.artist.device)} if labels.shape[1] else None

    def _vary(
        self, image: Tensor, label: Tensor | None, cond: Cond, rngs: list[Generator], indices: Sequence[int]
    ) -> Float[Tensor, "b k h w"]:
        """Variations; those of one strength go together."""
        of_sample = [self.strength(i) for i in indices]
        size = self.spec.height, self.spec.width
        drawn = torch.empty(len(indices), self.artist.parts.total, *size, device=self.artist.device)
        for strength in sorted(set(of_sample)):
            rows = [k for k, own in enumerate(of_sample) if own == strength]
            rng, own_cond = [rngs[k] for k in rows], {name: value[rows] for name, value in (cond or {}).items()} or None
            if label is not None:
                drawn[rows] = self.artist.draw_image(label[rows], own_cond, rng, image[rows], strength)
            else:
                drawn[rows] = self.artist.vary(self._labelled(image[rows], own_cond, rng), strength, own_cond, rng)
        return drawn

    def _annotated(self, image: Tensor, cond: Cond, indices: Sequence[int], attempt: int) -> Float[Tensor, "b l h w"]:
        """The labels of the images; of several votes the encoding of what most say of each pixel."""
        rngs = [[self._generator(i, attempt, vote) for i in indices] for vote in range(self.config.votes)]
        drawn = [self.artist.draw_label(image, cond, each) for each in rngs]
        if len(drawn) == 1:
            return drawn[0]
        encoding, num_labels = self.spec.label_encoding, len(self.spec.label_names)
        maps = np.stack([decode(channels, encoding, num_labels) for channels in drawn])  # (votes, b, h, w)
        return encode(majority(maps, num_labels), encoding, num_labels).to(image)

    def _labelled(self, image: Tensor, cond: Cond, rngs: list[Generator]) -> Tensor:
        """The image with the label that the model finds; the image alone for a model without."""
        if not self.artist.parts.label:
            return image
        return torch.cat([image, self.artist.draw_label(image, cond, rngs)], dim=1)

    def _generator(self, index: int, attempt: int, vote: int = 0) -> Generator:
        seed = derived_seed(self.config.seed, "redraw", attempt) if attempt else self.config.seed
        seed = derived_seed(seed, "vote", vote) if vote else seed
        return generator(seed, "sample", index)

    def _given(self, value: Tensor | None, indices: Sequence[int]) -> Tensor | None:
        rows = [i // self.request.per_source for i in indices]
        return None if value is None else value[rows].to(self.artist.device)
