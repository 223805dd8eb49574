"""Images through the process object: the same bits as by the functions it stands for."""

import pytest
import torch

from diffusion.clamping import couple
from diffusion.gaussian import DiffusionConfig, make_denoiser
from diffusion.losses import training_losses
from diffusion.parts import Parts
from diffusion.process import build_process
from diffusion.samplers import sampler_config_from_dict
from diffusion.sampling import sample
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.timesteps import training_timesteps

SCHEDULE = build_schedule(ScheduleConfig())
SPECS = {"image": {"channels": 2}, "image and label": {"channels": 1, "label_channels": 1}}
specs = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(x_t, t, cond=None):
    return (x_t.roll(1, 1) * 0.3 + t.reshape(len(t), -1, 1, 1).float() / 1000).to(x_t)


def same(a, b):
    assert torch.equal(a.nan_to_num(7), b.nan_to_num(7))


@specs
def test_times_and_losses_are_those_of_the_functions(spec):
    frequencies = torch.tensor([0.1], dtype=torch.float64) if "label_channels" in spec else None
    options = {"label_balance": 0.5, "clean_fraction": 0.3, "together_fraction": 0.2} if frequencies is not None else {}
    config = DiffusionConfig(loss_weighting="min_snr", **options)
    process = build_process(spec, SCHEDULE, config, label_frequencies=frequencies, new_run=True)
    parts = Parts(spec["channels"], spec.get("label_channels", 0))
    shares = {"clean_fraction": config.clean_fraction, "together_fraction": config.together_fraction}
    t = process.timesteps(16, torch.Generator().manual_seed(1))
    same(t, training_timesteps(16, 1000, parts, torch.Generator().manual_seed(1), **shares))
    of_validation = process.timesteps(16, torch.Generator().manual_seed(1), training=False)
    same(of_validation, training_timesteps(16, 1000, parts, torch.Generator().manual_seed(1)))
    x_0, eps = normal(16, 2, 3, 5), normal(16, 2, 3, 5, seed=1)
    found = process.losses(network, x_0, t, eps)
    expected = training_losses(
        network, x_0, t, eps, schedule=SCHEDULE, config=config, parts=parts, label_frequencies=frequencies
    )
    assert found.extra.keys() == expected.extra.keys()
    for name in ("loss", "mse", *found.extra):
        same(getattr(found, name), getattr(expected, name))


@specs
@pytest.mark.parametrize("name", ["ddpm", "ddim", "heun", "dpmpp_2m"])
def test_samples_are_those_of_the_functions(spec, name):
    process = build_process(spec, SCHEDULE, DiffusionConfig())
    parts, config = (
        Parts(spec["channels"], spec.get("label_channels", 0)),
        sampler_config_from_dict({"name": name, "num_inference_steps": 4}),
    )
    plain = couple(make_denoiser(network, SCHEDULE, DiffusionConfig(), parts), parts)
    drawn = []
    for denoiser, options in ((plain, {}), (process.denoiser(network), {"kernel": process.kernel})):
        rngs = [torch.Generator().manual_seed(i) for i in range(3)]
        drawn.append(sample(denoiser, SCHEDULE, config, (3, 2, 4, 4), generators=rngs, device="cpu", **options))
    same(*drawn)


def test_noise_at_the_start_is_what_it_was_before_there_were_kernels():
    """x_T = sqrt(alpha^2 + sigma^2) eps to the bit: golden values and saved samples stay."""
    seen = []

    def denoiser(x_t, t, cond=None):
        seen.append(x_t)
        return make_denoiser(network, SCHEDULE, DiffusionConfig())(x_t, t)

    config = sampler_config_from_dict({"name": "ddim", "num_inference_steps": 1})
    sample(denoiser, SCHEDULE, config, (1, 2, 4, 4), generators=[torch.Generator().manual_seed(0)], device="cpu")
    std = (SCHEDULE.alpha[-1] ** 2 + SCHEDULE.sigma[-1] ** 2).sqrt().item()
    same(seen[0], std * normal(2, 4, 4)[None])
