"""The networks for rows: what they are made of, and that they learn a joint law of two columns."""

from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from diffusion.columns import Columns
from diffusion.gaussian import DiffusionConfig
from diffusion.guidance import GuidanceConfig
from diffusion.inpainting import InpaintConfig
from diffusion.mixed import MixedProcess
from diffusion.noise import RowNoise
from diffusion.parts import Parts
from diffusion.samplers import sampler_config_from_dict
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.tasks import Artist
from models import build_model, model_config_from_dict
from models.embeddings import timestep_embedding
from models.tabular_mlp import TabularMLPConfig
from models.tabular_resnet import TabularResNetConfig

CONFIGS = {
    "tabular_mlp": TabularMLPConfig(widths=[16, 12], embedding_width=8),
    "tabular_resnet": TabularResNetConfig(width=16, blocks=2),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def build(config, *, num_classes=(3,), filled=True, width=5):
    """A network for rows of 5 places; where `filled`, its zero-initialised layers have an effect."""
    torch.manual_seed(0)
    network = build_model(config, in_channels=width + 2, out_channels=width, num_classes=num_classes).eval()
    for parameter in network.parameters() if filled else ():
        nn.init.normal_(parameter, std=0.3)
    return network


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


T = torch.tensor([0, 500, 999])


@configs
def test_a_network_is_rebuilt_from_its_plain_config(config):
    rebuilt = model_config_from_dict(asdict(config))
    assert rebuilt == config
    copy = build(rebuilt, filled=False)
    copy.load_state_dict(build(config).state_dict())
    x = normal(3, 7)
    torch.testing.assert_close(copy(x, T), build(config)(x, T))
    assert copy(x, T).shape == (3, 5)


@configs
def test_time_class_and_null_matter_and_rows_do_not_mix(config):
    network, x = build(config), normal(3, 7)
    label = torch.tensor([[0], [1], [2]])
    out = network(x, T, {"class_label": label})
    assert (out != network(x, T.flip(0), {"class_label": label}))[[0, 2]].all()
    assert (out != network(x, T, {"class_label": label.roll(1, 0)})).all()
    null = network(x, T, {"class_label": torch.full((3, 1), 3)})
    torch.testing.assert_close(network(x, T), null)
    assert (out != null).all()
    torch.testing.assert_close(network(x[1:2], T[1:2], {"class_label": label[1:2]}), out[1:2])


@configs
def test_a_network_without_classes(config):
    assert build(config, num_classes=())(normal(3, 7), T).shape == (3, 5)


@configs
def test_the_ends_stay_in_float32_under_bfloat16(config):
    """Numbers go in and come out unrounded, and the whole is what it is without bfloat16, about."""
    network, x = build(config), normal(3, 7)
    with torch.autocast("cpu", torch.bfloat16):
        y = network(x, T)
    assert y.dtype == torch.float32
    assert (y != y.bfloat16().float()).all()
    seen = []
    network.linear_in.register_forward_hook(lambda _, given, out: seen.append((given[0], out)))
    with torch.autocast("cpu", torch.bfloat16):
        network(x, T)
    ((given, out),) = seen
    assert torch.equal(given, x)
    assert torch.equal(out, F.linear(x, network.linear_in.weight, network.linear_in.bias))
    torch.testing.assert_close(y, network(x, T), rtol=0.1, atol=0.1 * float(y.detach().abs().max()))


@configs
def test_dropout_is_for_training(config):
    network = build(model_config_from_dict(asdict(config) | {"dropout": 0.5}))
    x = normal(3, 7)
    torch.testing.assert_close(network(x, T), build(config)(x, T))
    assert (network.train()(x, T) != network(x, T)).any()


def test_the_mlp_is_the_papers():
    """Linear(x) + Linear(SiLU(Linear(sin, cos of t))) + class, ReLU(Linear) twice, Linear."""
    network, x, label = build(CONFIGS["tabular_mlp"]), normal(3, 7), torch.tensor([[2], [0], [3]])
    weights = dict(network.named_parameters())

    def linear(name, value):
        return F.linear(value, weights[f"{name}.weight"], weights[f"{name}.bias"])

    time = linear("embedding.time_mlp.2", F.silu(linear("embedding.time_mlp.0", timestep_embedding(T, 8))))
    h = linear("linear_in", x) + time + weights["embedding.class_table.weight"][label[:, 0]]
    h = linear("layers.3", linear("layers.0", h).relu()).relu()
    torch.testing.assert_close(network(x, T, {"class_label": label}), linear("linear_out", h))


def test_an_untrained_resnet_predicts_zero_and_its_blocks_are_the_identity():
    network = build(CONFIGS["tabular_resnet"], filled=False)
    assert (network(normal(3, 7), T) == 0).all()
    h = normal(3, 16)
    assert (network.blocks[0](h, normal(3, 16, seed=1)) == h).all()


def test_a_block_of_the_resnet_is_its_formula():
    block = build(CONFIGS["tabular_resnet"]).blocks[1]
    h, emb = normal(3, 16), normal(3, 16, seed=1)
    scale, shift, gate = (emb @ block.modulation.weight.T + block.modulation.bias).split(16, dim=1)
    norm = (h - h.mean(dim=1, keepdim=True)) / (h.var(dim=1, keepdim=True, correction=0) + 1e-5).sqrt()
    inner = block.linear_in((1 + scale) * norm + shift)
    torch.testing.assert_close(block(h, emb), h + gate * block.linear_out(inner * inner.sigmoid()))


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("tabular_mlp", "widths", []),
        ("tabular_mlp", "widths", [8, 0]),
        ("tabular_mlp", "embedding_width", 7),
        ("tabular_mlp", "dropout", 1.0),
        ("tabular_resnet", "width", 0),
        ("tabular_resnet", "blocks", 0),
        ("tabular_resnet", "expansion", 0),
        ("tabular_resnet", "dropout", -0.1),
    ],
)
def test_values_outside_their_range_are_refused(name, option, value):
    with pytest.raises(ValueError, match=rf"model\.{option}="):
        model_config_from_dict({"name": name, option: value})


# --- the whole of it --------------------------------------------------------------------------------------------------

P = torch.tensor([0.5, 0.3, 0.2])
MEANS, STD = torch.tensor([-1.0, 0.2, 1.5]), 0.3


def rows(n, generator):
    """A category of P, and a number about its mean."""
    category = torch.multinomial(P, n, replacement=True, generator=generator)
    number = MEANS[category] + STD * torch.randn(n, generator=generator)
    return torch.cat([number[:, None], F.one_hot(category, 3)], dim=1)


@pytest.mark.parametrize(
    "kind", ["multinomial", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("masked", "onehot"))]
)
def test_a_joint_law_is_learned_and_so_are_its_conditionals(kind):
    columns, schedule = Columns(1, (3,)), build_schedule(ScheduleConfig(num_train_timesteps=100))
    process = MixedProcess(schedule, DiffusionConfig(categories=kind, clean_fraction=0.3), columns)
    torch.manual_seed(0)
    config = TabularResNetConfig(width=64, blocks=2)
    network = build_model(config, in_channels=columns.total + columns.count, out_channels=columns.total)
    optimizer, generator = torch.optim.AdamW(network.parameters(), lr=4e-3), torch.Generator().manual_seed(0)
    steps = 350
    for step in range(steps):
        x_0 = rows(256, generator)
        t, eps = process.timesteps(256, generator), torch.randn(256, 4, generator=generator)
        loss = process.losses(network, x_0, t, eps).loss.mean()
        loss.backward()
        optimizer.param_groups[0]["lr"] = 4e-3 * min(1, 2 * (1 - step / steps))
        optimizer.step()
        optimizer.zero_grad()
    sampler = sampler_config_from_dict({"name": "ddpm", "num_inference_steps": 50, "threshold": "none"})
    cpu = torch.device("cpu")
    artist = Artist(
        process.denoiser(network.eval()), schedule, Parts(4), sampler, GuidanceConfig(), [], cpu, 2, process.kernel
    )
    n = 2000
    x = artist.draw((), None, RowNoise(range(n), lambda chunk: torch.Generator().manual_seed(chunk)))
    assert (x[:, 1:].mean(dim=0) - P).abs().max() < 0.05
    for c in range(3):
        number = x[x[:, 1 + c] == 1, 0]
        assert abs(number.mean() - MEANS[c]) < 0.12
        assert abs(number.std() - STD) < 0.12
    known = torch.tensor([[-0.4, 0.0, 0.0, 1.0]]).expand(n, -1)
    category = torch.tensor([[False, True, True, True]]).expand(n, -1)
    for mask in (category, ~category):
        noise = RowNoise(range(n), lambda chunk: torch.Generator().manual_seed(chunk))
        x = artist.inpaint(known, mask, None, noise, InpaintConfig("given"))
        assert (x[mask] == known[mask]).all()
        if mask is category:
            assert abs(x[:, 0].mean() - MEANS[2]) < 0.15
            assert abs(x[:, 0].std() - STD) < 0.12
        else:
            expected = (P.log() - 0.5 * ((-0.4 - MEANS) / STD) ** 2).softmax(dim=0)
            assert (x[:, 1:].mean(dim=0) - expected).abs().max() < 0.12
