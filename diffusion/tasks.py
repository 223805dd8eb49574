"""What one denoiser can be asked for: new images (and labels), an image for a label, a label for an image, variations,
and parts to be filled in. Each is a way through the same sampler (docs/math.md, "Image and label together").

Everything is in [-1, 1]. What is drawn has the image's channels and then, where the model has a label, the label's.
A row of a table, (w,), is an item of w channels and no extent: `draw` with the size (), `vary` and `inpaint` draw rows too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diffusion.clamping import clamp_image, clamp_label, couple, ignore_label
from diffusion.gaussian import Cond, Denoiser, Images, Items
from diffusion.guidance import GuidanceConfig, classifier_free_guidance, guide
from diffusion.inpainting import InpaintConfig, repaint, replace_known
from diffusion.kernel import Kernel
from diffusion.noise import Noise, randn
from diffusion.parts import Parts
from diffusion.samplers.config import Callback, SamplerConfig
from diffusion.sampling import sample
from diffusion.schedules import Schedule


@dataclass(frozen=True)
class Artist:
    """A denoiser, a joint one where `parts` has a label, and all that stays the same from one batch to the next.

    `null_label` has the null value of each attribute; a label alone is drawn in `label_steps` of the sampler. Every method
    draws item i of a batch from generators[i] and cond[i]; `cond` holds "class_label" (b, a) where the model has attributes.
    `kernel` is that of the process; rows may have a `RowNoise` for generators.
    """

    denoiser: Denoiser
    schedule: Schedule
    parts: Parts
    sampler: SamplerConfig
    guidance: GuidanceConfig
    null_label: Sequence[int]
    device: torch.device
    label_steps: int
    kernel: Kernel = field(default_factory=Kernel)

    def draw(
        self,
        size: tuple[int, ...],
        cond: Cond,
        generators: Noise,
        callback: Callback | None = None,
    ) -> Items:
        """New images of `size` (h, w), with their labels where the model has them."""
        shape = (len(generators), self.parts.total, *size)
        return self._run(couple(self.denoiser, self.parts), shape, cond, generators, callback=callback)

    def draw_image(
        self,
        label: Float[Tensor, "b l h w"],
        cond: Cond,
        generators: Noise,
        start: Images | None = None,
        strength: float = 1.0,
    ) -> Float[Tensor, "b k h w"]:
        """Images that have these labels, or with `start`, variations of images that keep them."""
        shape = (len(label), self.parts.image, *label.shape[2:])
        denoiser, cond = self._following(label, cond, generators)
        image = self._run(denoiser, shape, cond, generators, start=start, strength=strength)
        return torch.cat([image, label], dim=1)

    def draw_label(self, image: Images, cond: Cond, generators: Noise) -> Float[Tensor, "b l h w"]:
        """The labels of these images, in `label_steps` steps: few, for x_0 of the first is the mean of all labels that
        the image allows, nearer to the truth than one drawn from them. Of few steps the first must stand at pure noise,
        so the spacing is "trailing". Without guidance, which would drive a label to its class.
        """
        shape = (len(image), self.parts.label, *image.shape[2:])
        denoiser = clamp_image(self.denoiser, self.schedule)
        quick = replace(self.sampler, num_inference_steps=self.label_steps, spacing="trailing")
        unguided = replace(self, sampler=quick, guidance=GuidanceConfig())
        return unguided._run(denoiser, shape, (cond or {}) | {"image": image}, generators)

    def vary(self, x_0: Items, strength: float, cond: Cond, generators: Noise) -> Items:
        """Variations of images, and of their labels with them: noised to `strength` in (0, 1] and denoised (SDEdit)."""
        denoiser = couple(self.denoiser, self.parts)
        return self._run(denoiser, x_0.shape, cond, generators, start=x_0, strength=strength)

    def inpaint(
        self,
        x_0: Items,
        known: Bool[Tensor, "b ..."],
        cond: Cond,
        generators: Noise,
        config: InpaintConfig,
    ) -> Items:
        """x_0 where it is `known`, to the bit; elsewhere new content that fits, image and label alike.

        Of a row whole columns must be known or not: a block of categories with all its places.
        """
        return self._fill(couple(self.denoiser, self.parts), x_0, known, cond, generators, config)

    def inpaint_image(
        self,
        image: Images,
        label: Float[Tensor, "b l h w"],
        known: Bool[Tensor, "b ..."],
        cond: Cond,
        generators: Noise,
        config: InpaintConfig,
    ) -> Float[Tensor, "b k h w"]:
        """The image where it is `known`, to the bit; elsewhere new content that fits it and has the label of the whole."""
        denoiser, cond = self._following(label, cond, generators)
        return torch.cat([self._fill(denoiser, image, known, cond, generators, config), label], dim=1)

    def _fill(
        self,
        denoiser: Denoiser,
        x_0: Items,
        known: Bool[Tensor, "b ..."],
        cond: Cond,
        generators: Noise,
        config: InpaintConfig,
    ) -> Items:
        options = {}
        if config.method == "given":
            if x_0.ndim != 2:
                raise ValueError("inpaint.method=given: is for tables; for images use replace or repaint")
            cond = (cond or {}) | {"given": known, "known": x_0}
        elif config.method == "repaint":
            options["wrap_sampler"] = partial(
                repaint,
                known=x_0,
                mask=known,
                jump_length=config.jump_length,
                resamplings=config.resamplings,
                kernel=self.kernel,
            )
        else:
            options["wrap_denoiser"] = partial(replace_known, known=x_0, mask=known)
        drawn = self._run(denoiser, x_0.shape, cond, generators, **options)
        return torch.where(known, x_0, drawn)

    def _following(
        self, label: Float[Tensor, "b l h w"], cond: Cond, generators: Noise
    ) -> tuple[Denoiser, dict[str, Tensor]]:
        """The denoiser of images that have this label, and all that it is told."""
        held, denoiser = {"label": label}, clamp_label(self.denoiser, self.schedule)
        if self.guidance.label_scale != 1:
            held["label_noise"] = randn(label.shape, generators, self.device)
            interval = self.guidance.in_steps(self.schedule.num_train_timesteps)
            weak = ignore_label(self.denoiser, self.schedule)
            denoiser = guide(denoiser, weak, self.guidance.label_scale, interval)
        return denoiser, (cond or {}) | held

    def _run(
        self,
        denoiser: Denoiser,
        shape: Sequence[int],
        cond: Cond,
        generators: Noise,
        *,
        start: Items | None = None,
        strength: float = 1.0,
        callback: Callback | None = None,
        wrap_denoiser: Callable[[Denoiser], Denoiser] | None = None,
        wrap_sampler: Callable[[Callable[..., Items]], Callable[..., Items]] | None = None,
    ) -> Items:
        """The sampler on the guided denoiser."""
        interval = self.guidance.in_steps(self.schedule.num_train_timesteps)
        denoiser = classifier_free_guidance(
            denoiser, self.guidance.scale, self.null_label, interval, self.kernel.extrapolate
        )
        return sample(
            denoiser,
            self.schedule,
            self.sampler,
            shape,
            generators=generators,
            cond=cond,
            device=self.device,
            callback=callback,
            start=start,
            strength=strength,
            wrap_denoiser=wrap_denoiser,
            wrap_sampler=wrap_sampler,
            kernel=self.kernel,
        )
