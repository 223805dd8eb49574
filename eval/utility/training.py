"""One recipe for every arm: AdamW, one cycle of the rate, clipped gradients, averaged weights, the best on validation."""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from eval.utility.recipe import RECIPE, RecipeConfig

History = list[dict[str, int | float]]


def train_network(
    build: Callable[[], nn.Module],
    loss_of: Callable[[nn.Module, np.random.Generator], Tensor],
    config: RecipeConfig,
    *,
    seed: int,
    val_score: Callable[[nn.Module], float],
    label: str,
) -> tuple[nn.Module, History]:
    """Train a network; its averaged weights, those of the best validation score, and their history on validation.

    `build` makes a network with weights from the global generator, which is seeded here and put back afterwards.
    `loss_of` draws a batch with the generator that it is given and returns its loss; step i sees what (seed, i) says, so
    arms of one seed share their first weights and the noise of the augmentation.
    """
    device = device_of(config.device)
    checks, history, best = check_steps(config.steps, config.val_checks), [], None
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = build().to(device)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        for step in tqdm(range(config.steps), label, leave=False, unit="step"):
            optimizer.param_groups[0]["lr"] = config.lr * rate(step, config.steps, config.warmup)
            model.train()
            loss = loss_of(model, np.random.default_rng((seed, step)))
            _step(model, optimizer, loss, config.clip_norm)
            average.update_parameters(model)
            if step + 1 in checks:
                score = val_score(average.module)
                history.append({"step": step + 1, "val": score})
                if best is None or score >= best[0]:
                    best = (score, copy.deepcopy(average.module.state_dict()))
    if best is not None:
        average.module.load_state_dict(best[1])
    return average.module, history


def check_steps(steps: int, checks: int) -> list[int]:
    """When validation is scored: `checks` times evenly over the second half, the last time at the end."""
    return [steps - round(i * steps / (2 * checks)) for i in range(checks)][::-1]


def rate(step: int, steps: int, warmup: float) -> float:
    """The learning rate's factor: a straight rise over the share `warmup`, then half a cosine down to 0.

    One cycle, as Smith & Topin 2018 (Super-Convergence), with a cosine for its way down.
    """
    rise = round(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def device_of(name: str) -> torch.device:
    """auto: CUDA where there is one; ValueError for CUDA where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: there is none here, use device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 have their own instructions on this device: what train.py goes by, too.

    With AVX512-BF16 alone, a step of the networks here takes 0.6 of the time that it takes in float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def precision_of(config: RecipeConfig) -> str:
    """fp32 or bf16: what `precision` says, or with auto what the device is fast at."""
    if config.precision != "auto":
        return config.precision
    return "bf16" if has_fast_bf16(device_of(config.device)) else "fp32"


def recipe_of(config: RecipeConfig, *more: str) -> dict[str, Any]:
    """The settings that a run depends on, those of every task and `more`; of precision what it comes to on this machine."""
    settings = asdict(config)
    return {key: settings[key] for key in (*more, *RECIPE)} | {"precision": precision_of(config)}


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, clip_norm: float) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not torch.isfinite(norm):
        raise ValueError("the network's gradients are not finite: lower lr")
    optimizer.step()
