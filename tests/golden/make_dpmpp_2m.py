"""Make dpmpp_2m.json: what diffusers' DPMSolverMultistepScheduler does with the "network" and start of diffusers.json.

python tests/golden/make_dpmpp_2m.py     (needs diffusers; the tests read only the file)

Its own timesteps are ours for trailing spacing; those of other spacings are handed to it. Its dynamic threshold that may
not exceed 1 is our static one. Zero terminal SNR is not recorded: it takes alpha = 2^-12 in place of 0, so that its second
step extrapolates from the first. It computes x in float32, all else here in float64.
"""

import torch
from diffusers import DPMSolverMultistepScheduler
from make_diffusers import BETA_SCHEDULES, PREDICTION_TYPES, SEED, SHAPE, in_float64, network, write

TIMESTEPS = {
    ("trailing", 1): None,
    ("trailing", 2): None,
    ("trailing", 10): None,
    ("trailing", 20): None,
    ("leading", 7): list(range(852, -1, -142)),
    ("linspace", 7): [999, 832, 666, 500, 333, 166, 0],
}


def cases():
    for schedule in BETA_SCHEDULES:
        for prediction_type in PREDICTION_TYPES:
            for spacing, n in TIMESTEPS:
                yield {
                    "schedule": schedule,
                    "zero_terminal_snr": False,
                    "prediction_type": prediction_type,
                    "sampler": "dpmpp_2m",
                    "spacing": spacing,
                    "num_inference_steps": n,
                }


def run(case, x):
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_schedule=BETA_SCHEDULES[case["schedule"]],
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type=PREDICTION_TYPES[case["prediction_type"]],
        timestep_spacing="trailing",
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        thresholding=True,
        sample_max_value=1.0,
        final_sigmas_type="zero",
    )
    in_float64(scheduler, case)
    timesteps = TIMESTEPS[case["spacing"], case["num_inference_steps"]]
    scheduler.set_timesteps(
        **({"timesteps": timesteps} if timesteps else {"num_inference_steps": case["num_inference_steps"]})
    )
    alphas_cumprod = scheduler.alphas_cumprod[scheduler.timesteps]
    sigmas = torch.cat([((1 - alphas_cumprod) / alphas_cumprod).sqrt(), torch.zeros(1)])
    torch.testing.assert_close(sigmas.float(), scheduler.sigmas)
    scheduler.sigmas = sigmas
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t, learned_variance=False), t, x).prev_sample
    return scheduler.timesteps.tolist(), x


def main():
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    results = []
    for case in cases():
        timesteps, x_0 = run(case, x)
        results.append(case | {"timesteps": timesteps, "x_0": x_0.tolist()})
    write("dpmpp_2m.json", "0.4 x + 0.3 sin(2 x + t / 100)", {"x": x}, results)


if __name__ == "__main__":
    main()
