"""Make diffusers.json: what diffusers' DDPM and DDIM schedulers do with a known "network", noise and start.

python tests/golden/make_diffusers.py     (needs diffusers; the tests read only the file)

Only cases in which diffusers' own step is right are recorded. Its DDIM takes t - T // N for the next timestep, which
is the next of its timesteps for leading spacing, and for trailing if N divides T, but not for linspace. Its DDPM walks
the timesteps as they are, but adds noise on the last step unless that is t = 0, which only matters for the larger
variances. Its float32 tables are recomputed in float64 from its own betas, so that rounding does not hide a difference.
"""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddpm

SEED = 0
SHAPE = (2, 1, 2, 2)
MAX_STEPS = 20
BETA_SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
PREDICTION_TYPES = {"eps": "epsilon", "x_0": "sample", "v": "v_prediction"}


def network(x, t, learned_variance):
    prediction = 0.4 * x + 0.3 * torch.sin(2 * x + t / 100)
    return torch.cat([prediction, torch.cos(3 * x)], dim=1) if learned_variance else prediction


def cases():
    for schedule in BETA_SCHEDULES:
        for zero_terminal_snr in (False, True):
            for prediction_type in PREDICTION_TYPES:
                if prediction_type == "eps" and zero_terminal_snr:
                    continue
                case = {
                    "schedule": schedule,
                    "zero_terminal_snr": zero_terminal_snr,
                    "prediction_type": prediction_type,
                }
                for spacing, n in (("leading", 7), ("leading", 20), ("trailing", 10), ("trailing", 20)):
                    for eta in (0.0, 0.6, 1.0):
                        yield case | {"sampler": "ddim", "spacing": spacing, "num_inference_steps": n, "eta": eta}
                    yield case | {
                        "sampler": "ddpm",
                        "spacing": spacing,
                        "num_inference_steps": n,
                        "variance": "fixed_small",
                    }
                for spacing, n in (("trailing", 7), ("linspace", 7)):
                    yield case | {
                        "sampler": "ddpm",
                        "spacing": spacing,
                        "num_inference_steps": n,
                        "variance": "fixed_small",
                    }
                for variance in ("fixed_large", "learned"):
                    yield case | {
                        "sampler": "ddpm",
                        "spacing": "leading",
                        "num_inference_steps": 7,
                        "variance": variance,
                    }


def run(case, x, noise):
    common = {
        "num_train_timesteps": 1000,
        "beta_schedule": BETA_SCHEDULES[case["schedule"]],
        "beta_start": 1e-4,
        "beta_end": 0.02,
        "prediction_type": PREDICTION_TYPES[case["prediction_type"]],
        "timestep_spacing": case["spacing"],
        "rescale_betas_zero_snr": case["zero_terminal_snr"],
        "clip_sample": True,
    }
    if case["sampler"] == "ddim":
        scheduler = DDIMScheduler(**common, set_alpha_to_one=True)
    else:
        variance_type = "learned_range" if case["variance"] == "learned" else case["variance"]
        scheduler = DDPMScheduler(**common, variance_type=variance_type)
    in_float64(scheduler, case)
    scheduler.set_timesteps(case["num_inference_steps"])
    for i, t in enumerate(scheduler.timesteps):
        output = network(x, t, case.get("variance") == "learned")
        if case["sampler"] == "ddim":
            step = scheduler.step(output, t, x, eta=case["eta"], use_clipped_model_output=True, variance_noise=noise[i])
        else:
            scheduling_ddpm.randn_tensor = lambda *args, i=i, **kwargs: noise[i]
            step = scheduler.step(output, t, x)
        x = step.prev_sample
    return scheduler.timesteps.tolist(), x


def in_float64(scheduler, case):
    """The same tables without float32 rounding, by diffusers' own functions where it has them."""
    linear = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    betas = linear if case["schedule"] == "linear" else betas_in_float64()
    if case["zero_terminal_snr"]:
        betas = scheduling_ddpm.rescale_zero_terminal_snr(betas)
    alphas_cumprod = (1 - betas).cumprod(0)
    torch.testing.assert_close(alphas_cumprod.float(), scheduler.alphas_cumprod, rtol=1e-3, atol=1e-6)
    scheduler.alphas_cumprod = alphas_cumprod


def betas_in_float64():
    real_tensor = torch.tensor
    torch.tensor = lambda values, dtype: real_tensor(values, dtype=torch.float64)
    try:
        return scheduling_ddpm.betas_for_alpha_bar(1000)
    finally:
        torch.tensor = real_tensor


def main():
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    noise = torch.randn(MAX_STEPS, *SHAPE, generator=generator, dtype=torch.float64)
    results = []
    for case in cases():
        timesteps, x_0 = run(case, x, noise)
        results.append(case | {"timesteps": timesteps, "x_0": x_0.tolist()})
    says = "0.4 x + 0.3 sin(2 x + t / 100); the learned variance is cos(3 x), in the second half of channels"
    write("diffusers.json", says, {"x": x, "noise": noise}, results)


def write(name, network_is, tensors, results):
    """What was recorded, beside this file, a line a case."""
    versions = {"version": diffusers.__version__, "torch": torch.__version__.split("+")[0]}
    record = {"package": "diffusers", **versions, "seed": SEED, "network": network_is}
    record |= {key: tensor.tolist() for key, tensor in tensors.items()} | {"cases": results}
    path = Path(__file__).with_name(name)
    path.write_text(json.dumps(record, separators=(",", ":")).replace('{"schedule"', '\n{"schedule"') + "\n")
    print(f"{len(results)} cases -> {path}, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
