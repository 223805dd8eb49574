"""Our samplers against values recorded from diffusers (tests/golden/make_diffusers.py, make_dpmpp_2m.py), not imported here."""

import importlib
import json
from pathlib import Path

import pytest
import torch

from diffusion.gaussian import DiffusionConfig, make_denoiser
from diffusion.samplers import SAMPLERS, sampler_config_from_dict
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.thresholding import static_threshold
from diffusion.timesteps import noise_levels

GOLDEN, DPMPP_2M = (
    json.loads(Path(__file__).with_name("golden").joinpath(name).read_text())
    for name in ("diffusers.json", "dpmpp_2m.json")
)


def describe(case):
    return "-".join(str(value) for key, value in case.items() if key not in ("timesteps", "x_0"))


@pytest.mark.parametrize("case", GOLDEN["cases"] + DPMPP_2M["cases"], ids=describe)
def test_sampler_reproduces_diffusers(case, monkeypatch):
    learned = case.get("variance") == "learned"

    def network(x, t, cond):
        prediction = 0.4 * x + 0.3 * torch.sin(2 * x + t[:, None, None, None] / 100)
        return torch.cat([prediction, torch.cos(3 * x)], dim=1) if learned else prediction

    config = sampler_config_from_dict(
        {"name": case["sampler"], "spacing": case["spacing"], "num_inference_steps": case["num_inference_steps"]}
        | {key: case[key] for key in ("eta", "variance") if key in case}
    )
    schedule = build_schedule(ScheduleConfig(name=case["schedule"], zero_terminal_snr=case["zero_terminal_snr"]))
    levels = noise_levels(schedule, config.num_inference_steps, config.spacing)
    assert levels.t.tolist() == case["timesteps"]
    denoiser = make_denoiser(
        network, schedule, DiffusionConfig(prediction_type=case["prediction_type"], learned_variance=learned)
    )
    noise = iter(torch.tensor(GOLDEN["noise"], dtype=torch.float64))
    sampler = importlib.import_module(f"diffusion.samplers.{case['sampler']}")
    if hasattr(sampler, "randn"):
        monkeypatch.setattr(sampler, "randn", lambda *args: next(noise))

    assert GOLDEN["x"] == DPMPP_2M["x"]
    x = torch.tensor(GOLDEN["x"], dtype=torch.float64)
    _, run = SAMPLERS[case["sampler"]]
    x_0 = run(static_threshold(denoiser), x, levels, config=config)
    torch.testing.assert_close(x_0, torch.tensor(case["x_0"], dtype=torch.float64), rtol=1e-5, atol=1e-5)
