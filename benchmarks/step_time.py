"""How long a training step and a sampling forward take, here and in two well-known libraries.

    pip install -e '.[bench]' && python -m benchmarks.step_time [--rounds 3] [--out benchmarks/results/step_time]

The network is the same everywhere: 64 x 64, 1 channel, batch 16, 64 base channels, multipliers 1-2-2-4, two blocks a
level, attention at 16 x 16. Ours and diffusers' have the same parameters, number for number.

- train: forward, mean squared error, backward, gradient clipping, AdamW, moving average of the weights
- sample: one forward without gradients

Every measurement runs in a process of its own, as a user's would (what a process did before changes its heap, and a heap
changes the time by up to half). The contenders take turns, so a busy minute hits all of them; a ratio is taken within a
round, then the median over the rounds. Each library uses its own moving average and its defaults for the rest.
"""

import argparse
import copy
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
BATCH, SIZE, WARM_UP = 16, 64, 2
NUM_PARAMETERS = 17_215_617


@dataclass
class Contender:
    """One library's network and what it does around a step."""

    network: nn.Module
    predict: Callable[[Tensor, Tensor], Tensor]
    optimizer: torch.optim.Optimizer
    average_weights: Callable[[int], None]
    dtype: torch.dtype | None = None  # of autocast
    clip_foreach: bool | None = None  # None is PyTorch's default

    def autocast(self):
        return nullcontext() if self.dtype is None else torch.autocast("cpu", self.dtype)


def speckle(precision: str) -> Contender:
    """Ours, with the calls that train.py makes; "auto" is its default."""
    from models import build_model
    from models.unet import UNetConfig
    from training.ema import EMA
    from training.optimizer import OptimConfig, build_optimizer
    from training.precision import choose_precision, keep_heap

    keep_heap()
    network = build_model(UNetConfig(time_scale_shift="default"), in_channels=1, out_channels=1)
    ema = EMA(network, copy.deepcopy(network), relative_width=0.1, max_decay=0.9999)
    return Contender(
        network,
        network,
        build_optimizer(OptimConfig(), network.parameters()),
        ema.update,
        dtype=choose_precision(precision, torch.device("cpu")),
        clip_foreach=True,
    )


def diffusers_unet(head_channels: int = 8) -> nn.Module:
    """8 channels a head is its default; ours is 64, which costs less. The parameters are the same."""
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=SIZE,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(64, 128, 128, 256),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=head_channels,
    )


def diffusers(dtype: torch.dtype | None = None, head_channels: int = 8) -> Contender:
    """UNet2DModel, torch's AdamW and diffusers' EMAModel, as they come; optionally under bfloat16 autocast."""
    from diffusers.training_utils import EMAModel

    network = diffusers_unet(head_channels)
    ema = EMAModel(network.parameters())
    return Contender(
        network,
        lambda x_t, t: network(x_t, t).sample,
        torch.optim.AdamW(network.parameters(), lr=1e-4),
        lambda step: ema.step(network.parameters()),
        dtype=dtype,
    )


def denoising_diffusion_pytorch() -> Contender:
    """Unet with the same widths and depths, with its own linear attention at the other levels (12 M parameters)."""
    from denoising_diffusion_pytorch import Unet
    from ema_pytorch import EMA

    network = Unet(dim=64, dim_mults=(1, 2, 2, 4), channels=1, full_attn=(False, False, True, False))
    ema = EMA(network, beta=0.995, update_every=1)
    return Contender(network, network, torch.optim.AdamW(network.parameters(), lr=1e-4), lambda step: ema.update())


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "speckle": lambda: speckle("auto"),
    "speckle fp32": lambda: speckle("fp32"),
    "diffusers": diffusers,
    "diffusers, 64-channel heads": lambda: diffusers(head_channels=64),
    "diffusers bf16": lambda: diffusers(torch.bfloat16),
    "diffusers bf16, 64-channel heads": lambda: diffusers(torch.bfloat16, head_channels=64),
    "denoising-diffusion-pytorch": denoising_diffusion_pytorch,
}


def train_step(contender: Contender, x_t: Tensor, t: Tensor, target: Tensor, step: int) -> None:
    with contender.autocast():
        output = contender.predict(x_t, t)
    F.mse_loss(output.float(), target).backward()
    nn.utils.clip_grad_norm_(contender.network.parameters(), 1.0, foreach=contender.clip_foreach)
    contender.optimizer.step()
    contender.optimizer.zero_grad(set_to_none=True)
    contender.average_weights(step)


def sample_step(contender: Contender, x_t: Tensor, t: Tensor) -> None:
    with torch.no_grad(), contender.autocast():
        contender.predict(x_t, t)


def measure(name: str, task: str, steps: int) -> dict:
    """In a child process: milliseconds of each step after the warm-up, and the process's peak memory."""
    torch.manual_seed(0)
    contender = CONTENDERS[name]()
    parameters = sum(parameter.numel() for parameter in contender.network.parameters())
    assert parameters == NUM_PARAMETERS or name == "denoising-diffusion-pytorch", f"{name}: {parameters} parameters"
    x_t, target = torch.randn(2, BATCH, 1, SIZE, SIZE)
    t = torch.randint(0, 1000, (BATCH,))
    times = []
    for step in range(1, WARM_UP + steps + 1):
        start = time.perf_counter()
        if task == "train":
            train_step(contender, x_t, t, target, step)
        else:
            sample_step(contender, x_t, t)
        times.append(1e3 * (time.perf_counter() - start))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": times[WARM_UP:], "peak_mib": peak_mib, "parameters": parameters}


def measure_limits(steps: int) -> dict:
    """In a child process: GFLOP/s of large products and convolutions, and GFLOP of the network (nominal, as diffusers
    computes it: fewer operations for the same result count as speed)."""
    from torch.utils.flop_counter import FlopCounterMode

    from training.precision import keep_heap

    keep_heap()
    limits = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(2, 2048, 2048).to(dtype)
        limits[f"matmul {dtype}"] = gflops(lambda a=a, b=b: a @ b, 2 * 2048**3, steps)
        for channels, size in ((64, 64), (256, 16)):
            x = torch.randn(BATCH, channels, size, size).to(dtype, memory_format=torch.channels_last)
            weight = torch.randn(channels, channels, 3, 3).to(dtype, memory_format=torch.channels_last)
            flop = 2 * 9 * channels**2 * x.numel() // channels
            speed = gflops(lambda x=x, weight=weight: F.conv2d(x, weight, padding=1), flop, steps)
            limits[f"conv {dtype}"] = max(speed, limits.get(f"conv {dtype}", 0.0))
    with torch.device("meta"):
        network, x_t, t = diffusers_unet(), torch.randn(BATCH, 1, SIZE, SIZE), torch.zeros(BATCH)
        with FlopCounterMode(display=False) as counter:
            output = network(x_t, t).sample
        forward = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            output.sum().backward()
    gflop = {"sample": forward / 1e9, "train": (forward + counter.get_total_flops()) / 1e9}
    return {"gflops": limits, "gflop": gflop}


def gflops(run: Callable[[], Tensor], flop: int, steps: int) -> float:
    with torch.no_grad():
        times = []
        for _ in range(WARM_UP + 5 * steps):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return flop / min(times[WARM_UP:]) / 1e9


def child(*arguments: str, threads: int) -> dict:
    """Run this file in a fresh process and read the JSON that it prints last."""
    command = [sys.executable, "-m", "benchmarks.step_time", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_rounds(names: list[str], *, rounds: int, steps: int, threads: int) -> dict:
    """Results of rounds x tasks x contenders, interleaved: {task: {name: [one result per round]}}."""
    results = {task: {name: [] for name in names} for task in ("train", "sample")}
    for number in range(rounds):
        for task, by_name in results.items():
            for name, runs in by_name.items():
                runs.append(child("--child", name, "--task", task, "--steps", str(steps), threads=threads))
                median = statistics.median(runs[-1]["ms"])
                print(f"round {number + 1}/{rounds}  {task:6}  {name:28} {median:7.0f} ms", file=sys.stderr, flush=True)
    return results


def ratio(by_name: dict, peer: str, ours: str = "speckle") -> float:
    """How many times faster ours is: median over the rounds of the ratio within a round."""
    pairs = zip(by_name[peer], by_name[ours], strict=True)
    return statistics.median(statistics.median(p["ms"]) / statistics.median(o["ms"]) for p, o in pairs)


def table(results: dict, limits: dict) -> str:
    """Markdown: one row per task and contender."""
    lines = [
        "| task | contender | ms (median) | ms (min) | images/s | speckle is faster by | GFLOP/s | of conv limit | peak MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for task, by_name in results.items():
        for name, runs in by_name.items():
            median = statistics.median(statistics.median(run["ms"]) for run in runs)
            fastest = min(min(run["ms"]) for run in runs)
            bf16 = "bf16" in name or (name == "speckle" and limits["default_is_bf16"])
            limit = limits["gflops"][f"conv torch.{'bfloat16' if bf16 else 'float32'}"]
            same = name != "denoising-diffusion-pytorch"  # another network, other operations
            speed = limits["gflop"][task] / median * 1e3
            share = f"{speed:.0f} | {speed / limit:.0%}" if same else "- | -"
            peak = max(run["peak_mib"] for run in runs)
            lines.append(
                f"| {task} | {name} | {median:.0f} | {fastest:.0f} | {1e3 * BATCH / median:.1f} "
                f"| {ratio(by_name, name):.2f}x | {share} | {peak:.0f} |"
            )
    measured = ", ".join(f"{name.replace('torch.', '')} {speed:.0f}" for name, speed in limits["gflops"].items())
    return "\n".join([*lines, "", f"Limits of the machine, GFLOP/s: {measured}."])


def machine() -> dict:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "torch": torch.__version__, "python": platform.python_version()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=4, help="timed steps a process, after two to warm up")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/step_time", help="OUT.json and OUT.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        limits_wanted = options.child == "limits"
        result = measure_limits(options.steps) if limits_wanted else measure(options.child, options.task, options.steps)
        print(json.dumps(result))
        return
    from training.precision import choose_precision

    limits = child("--child", "limits", "--steps", str(options.steps), threads=options.threads)
    limits["default_is_bf16"] = choose_precision("auto", torch.device("cpu")) is not None
    names = ["speckle", *(name for name in options.contenders if name != "speckle")]  # the ratios are to speckle
    results = run_rounds(names, rounds=options.rounds, steps=options.steps, threads=options.threads)
    text = table(results, limits)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text(text + "\n")
    report = {"machine": machine() | {"threads": options.threads}, "limits": limits, "results": results}
    report["ratios"] = {task: {name: ratio(by_name, name) for name in by_name} for task, by_name in results.items()}
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # also as `python benchmarks/step_time.py`, installed or not
    main()
