"""Averaging, the learning rate, seeding, the order of the images, and what is told meanwhile."""

import io
import sys

import numpy as np
import pytest
import torch
from torch import nn

from training.console import brief_bar
from training.ema import EMA, gamma_for
from training.optimizer import OptimConfig, build_optimizer, learning_rate
from training.seeding import batch_indices, derived_seed, generator


@pytest.mark.parametrize(("width", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_gamma_of_the_widths_that_edm2_quotes(width: float, gamma: float) -> None:
    assert gamma_for(width) == pytest.approx(gamma, abs=0.01)


def test_ema_is_the_power_function_average() -> None:
    """EDM2, equation 121: after n steps, weight k counts as (k/n)^gamma, to first order; checked for a ramp."""
    model, averaged = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    ema = EMA(model, averaged, relative_width=0.1, max_decay=1 - 1e-9)
    steps, gamma = 4000, gamma_for(0.1)
    for step in range(1, steps + 1):
        with torch.no_grad():
            model.weight.fill_(step / steps)
        ema.update(step)
    exact = (gamma + 1) / (gamma + 2)  # the mean of k/n under the density (k/n)^gamma
    assert averaged.weight.item() == pytest.approx(exact, abs=1e-3)


def test_first_update_forgets_the_random_start_and_buffers_are_copied() -> None:
    model, averaged = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    ema = EMA(model, averaged, relative_width=0.1, max_decay=0.9999)
    with torch.no_grad():
        model.weight.fill_(5.0)
        model.running_mean.fill_(7.0)
    ema.update(1)
    assert averaged.weight.tolist() == [5.0, 5.0]
    ema.update(2)
    assert averaged.running_mean.tolist() == [7.0, 7.0]


def test_learning_rate_course() -> None:
    config = OptimConfig(lr=1.0, warmup_steps=10, course="cosine")
    assert learning_rate(config, 1, 110) == pytest.approx(0.1)
    assert learning_rate(config, 10, 110) == pytest.approx(1.0)
    assert learning_rate(config, 60, 110) == pytest.approx(0.5)
    assert learning_rate(config, 110, 110) == pytest.approx(0.0)
    constant = OptimConfig(lr=1.0, warmup_steps=0, course="constant")
    assert {learning_rate(constant, step, 100) for step in (1, 50, 100)} == {1.0}


@pytest.mark.parametrize(
    "bad", [{"lr": 0.0}, {"betas": [0.9]}, {"betas": [0.9, 1.0]}, {"course": "cos"}, {"grad_clip": -1.0}]
)
def test_optimizer_config_names_what_is_wrong(bad: dict) -> None:
    with pytest.raises(ValueError, match=f"optim.{next(iter(bad))}="):
        OptimConfig(**bad)


def test_adamw_takes_the_config() -> None:
    group = build_optimizer(OptimConfig(lr=0.5, weight_decay=0.1), nn.Linear(1, 1).parameters()).param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.5, 0.1, (0.9, 0.99))


def test_every_image_once_an_epoch_whatever_the_batch_size() -> None:
    for batch_size in (3, 7, 10, 25):
        steps = 10 * 4 // batch_size + 1
        seen = np.concatenate([batch_indices(0, s, batch_size=batch_size, num_items=10) for s in range(steps)])[:40]
        assert all(sorted(epoch) == list(range(10)) for epoch in seen.reshape(4, 10).tolist())
    assert not np.array_equal(seen[:10], seen[10:20])


def test_streams_and_numbers_draw_differently() -> None:
    seeds = {
        derived_seed(s, stream, n) for s in range(3) for stream in ("step", "sample", "dropout") for n in range(50)
    }
    assert len(seeds) == 3 * 3 * 50
    first = torch.randn(3, generator=generator(1, "sample", 5))
    assert torch.equal(first, torch.randn(3, generator=generator(1, "sample", 5)))


def test_no_two_samples_share_their_noise() -> None:
    """Torch's CPU generator reads 32 bits of its seed, so these must differ in those."""
    assert torch.equal(
        torch.randn(1, generator=torch.Generator().manual_seed(5)),
        torch.randn(1, generator=torch.Generator().manual_seed(5 + 2**32)),
    )
    assert len({derived_seed(0, "sample", n) % 2**32 for n in range(200_000)}) == 200_000


class Terminal(io.StringIO):
    """What is written to it goes to a person's screen, as far as it tells."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("screen", [Terminal(), io.StringIO()], ids=["terminal", "log"])
def test_a_brief_bar_is_wiped_off_a_terminal_and_a_log_never_sees_it(screen: io.StringIO, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(brief_bar("validating", [3, 4])) == [3, 4]
    with brief_bar("sampling", range(5)) as bar:
        bar.update()
    lines = screen.getvalue().split("\r")
    if not screen.isatty():
        assert lines == [""]
        return
    assert any("validating" in line for line in lines)
    assert any("sampling" in line and "/5" in line for line in lines)
    assert lines[-1].strip() == ""
