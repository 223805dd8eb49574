"""The UNet against closed forms, plain PyTorch and diffusers (golden/unet.json)."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from golden.make_unet import SHAPE, fill, inputs
from torch import Tensor, nn

from models import build_model, model_config_from_dict
from models.blocks import Attention, Downsample, ResidualBlock, Upsample
from models.embeddings import ConditionEmbedding, timestep_embedding
from models.norm import GroupNorm
from models.unet import UNet, UNetConfig

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("unet.json").read_text())["cases"]
TINY = {"base_channels": 16, "channel_multipliers": [1, 2, 2], "blocks_per_level": 1, "attention_levels": [1],
        "head_channels": 8, "norm_groups": 8}  # fmt: skip


def tiny_unet(
    *, num_classes: Sequence[int] = (), label_time: bool = False, channels: int = 1, untrained: bool = False, **changes
) -> UNet:
    """A tiny network; unless `untrained`, its zero-initialised layers are filled so that every part has an effect."""
    torch.manual_seed(0)
    config = UNetConfig(**(TINY | changes))
    network = UNet(config, in_channels=channels, out_channels=channels, num_classes=num_classes, label_time=label_time)
    if not untrained:
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
    return network


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- the whole network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(37, 53), (8, 8), (1, 5), (64, 20)])
def test_output_has_the_size_of_the_input(size):
    x_t = noise(2, 3, *size)
    assert tiny_unet(channels=3)(x_t, torch.tensor([0, 999])).shape == x_t.shape


def test_a_patch_is_the_channels_of_one_position():
    """The same weights on patches laid out by hand give the same, laid out the same way."""
    network, x_t, t = tiny_unet(channels=2, patch_size=2), noise(2, 2, 14, 9), torch.tensor([3, 70])
    alone = tiny_unet(channels=8)
    alone.load_state_dict(network.state_dict())
    padded = F.pad(x_t, (0, 7, 0, 2))  # 3 levels of 2 x 2 patches: multiples of 8
    patches = rearrange(padded, "b c (h p) (w q) -> b (c p q) h w", p=2, q=2)
    expected = rearrange(alone(patches, t), "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)
    torch.testing.assert_close(network(x_t, t), expected[..., :14, :9], rtol=0, atol=1e-6)


def test_out_channels_may_differ_as_for_a_learned_variance():
    network = UNet(UNetConfig(**TINY), in_channels=1, out_channels=2)
    assert network(noise(1, 1, 8, 8), torch.tensor([5])).shape == (1, 2, 8, 8)


def test_untrained_network_predicts_exactly_zero():
    assert not tiny_unet(untrained=True)(noise(2, 1, 16, 16), torch.tensor([1, 2])).any()


def test_untrained_blocks_are_the_identity():
    x = noise(2, 16, 6, 6)
    block = ResidualBlock(16, 16, 8, dropout=0.0, norm_groups=4, norm_eps=1e-5, scale_shift=True)
    assert torch.equal(block(x, noise(2, 8)), x)
    assert torch.equal(Attention(16, 8, norm_groups=4, norm_eps=1e-5)(x), x)


def test_odd_size_is_the_zero_padded_image_cropped():
    network = tiny_unet()
    x_t, t = noise(2, 1, 13, 10), torch.tensor([3, 700])
    padded = network(F.pad(x_t, (0, 2, 0, 3)), t)
    torch.testing.assert_close(network(x_t, t), padded[..., :13, :10], rtol=0, atol=1e-6)


def test_number_of_parameters():
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    added = UNet(UNetConfig(time_scale_shift="default"), in_channels=1, out_channels=1)
    scaled = UNet(UNetConfig(), in_channels=1, out_channels=1)
    classes = UNet(UNetConfig(), in_channels=1, out_channels=1, num_classes=[3])
    assert count(added) == 17_215_617  # diffusers' UNet2DModel of this shape
    assert count(scaled) == 18_087_361
    assert count(classes) == count(scaled) + (3 + 1) * 256


def test_every_parameter_gets_a_gradient():
    network = tiny_unet(num_classes=[2])
    network(
        noise(2, 1, 8, 8), torch.tensor([1, 2]), {"class_label": torch.tensor([[0], [1]])}
    ).square().sum().backward()
    without = [name for name, parameter in network.named_parameters() if not parameter.grad.any()]
    assert without == []


def test_the_timestep_and_each_image_count_for_themselves():
    network, x_t = tiny_unet(), noise(3, 1, 16, 16)
    together = network(x_t, torch.tensor([3, 500, 501]))
    alone = torch.cat([network(x_t[i : i + 1], torch.tensor([t])) for i, t in enumerate([3, 500, 501])])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    other = network(x_t, torch.tensor([3, 500, 502]))
    assert torch.allclose(together[:2], other[:2], atol=1e-5)
    assert (together[2] - other[2]).abs().max() > 1e-4


def test_same_seed_same_network_same_output():
    runs = [tiny_unet(dropout=0.5) for _ in range(2)]
    outputs, gradients = [], []
    for network in runs:
        torch.manual_seed(7)
        out = network(noise(2, 1, 12, 12), torch.tensor([3, 4]))
        out.square().sum().backward()
        outputs.append(out)
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert torch.equal(*outputs)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_dropout_acts_in_training_only():
    network, x_t, t = tiny_unet(dropout=0.5), noise(2, 1, 8, 8), torch.tensor([3, 4])
    assert not torch.equal(network(x_t, t), network(x_t, t))
    network.eval()
    assert torch.equal(network(x_t, t), network(x_t, t))


# --- conditions -------------------------------------------------------------------------------------------------------


def test_no_condition_is_the_null_class():
    network, x_t, t = tiny_unet(num_classes=[3]), noise(2, 1, 8, 8), torch.tensor([3, 900])
    null = network(x_t, t, {"class_label": torch.tensor([[3], [3]])})
    assert torch.equal(network(x_t, t), null)
    assert torch.equal(network(x_t, t, {}), null)
    assert (network(x_t, t, {"class_label": torch.tensor([[0], [3]])}) - null).abs().amax(dim=(1, 2, 3)).gt(
        1e-4
    ).tolist() == [
        True,
        False,
    ]


def test_class_label_without_classes_is_refused():
    with pytest.raises(ValueError, match=r"class_label.* has 1 attributes, .*num_classes=\[\]"):
        tiny_unet()(noise(1, 1, 8, 8), torch.tensor([0]), {"class_label": torch.tensor([[0]])})


def embedding_of(num_classes: Sequence[int], **options) -> ConditionEmbedding:
    torch.manual_seed(0)
    return ConditionEmbedding(8, 16, num_classes=num_classes, flip_sin_to_cos=True, freq_shift=0, **options)


def test_attributes_are_added():
    """So that a combination which was never trained has an embedding: e(1, 2) = e(1, -) + e(-, 2) - e(-, -)."""
    embedding, t = embedding_of([2, 3], label_time=False).double(), torch.tensor([3])
    table = embedding.class_table.weight  # rows 0, 1 and null, then 0, 1, 2 and null
    assert table.shape == (2 + 1 + 3 + 1, 16)
    time = embedding(t, torch.tensor([[2, 3]])) - table[2] - table[6]
    for first, second in itertools.product(range(3), range(4)):
        emb = embedding(t, torch.tensor([[first, second]]))
        torch.testing.assert_close(emb, time + table[first] + table[3 + second])
    assert torch.equal(embedding(t, None), embedding(t, torch.tensor([[2, 3]])))


def test_a_value_beyond_its_attribute_is_refused():
    """It must not read the rows of the next attribute."""
    with pytest.raises(IndexError):
        embedding_of([2, 3], label_time=False)(torch.tensor([3]), torch.tensor([[3, 0]]))
    with pytest.raises(ValueError, match=r"has 1 attributes, but this network was built with num_classes=\[2, 3\]"):
        embedding_of([2, 3], label_time=False)(torch.tensor([3]), torch.tensor([[0]]))


def test_one_attribute_has_the_weights_and_the_start_of_the_first_release():
    embedding = embedding_of([3], label_time=False)
    torch.manual_seed(0)
    time_mlp = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 16))
    table = nn.Embedding(3 + 1, 16)
    old = {f"time_mlp.{name}": value for name, value in time_mlp.state_dict().items()}
    old["class_table.weight"] = table.weight
    assert list(embedding.state_dict()) == list(old)
    assert all(torch.equal(value, old[name]) for name, value in embedding.state_dict().items())
    embedding.load_state_dict(old)
    t, label = torch.tensor([3, 900]), torch.tensor([1, 3])
    waves = timestep_embedding(t, 8)
    assert torch.equal(embedding(t, label[:, None]), time_mlp(waves) + table(label))


def test_image_and_label_have_times_of_their_own():
    embedding, t = embedding_of([], label_time=True), torch.tensor([[3, 900], [900, 3]])
    expected = embedding.time_mlp(timestep_embedding(t[:, 0], 8))
    expected = expected + embedding.label_time_mlp(timestep_embedding(t[:, 1], 8))
    emb = embedding(t, None)
    assert torch.equal(emb, expected)
    assert not torch.allclose(emb[0], emb[1])
    image_only = embedding_of([], label_time=False).state_dict()  # the second time is created last
    assert all(torch.equal(value, embedding.state_dict()[name]) for name, value in image_only.items())
    network, x_t = tiny_unet(label_time=True, channels=2), noise(2, 2, 8, 8)
    out = network(x_t, t)
    assert out.shape == x_t.shape
    assert (network(x_t, t.flip(1)) - out).abs().amax(dim=(1, 2, 3)).min() > 1e-4
    out.square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())
    for wrong, module in ((t, tiny_unet()), (t[:, 0], network)):
        with pytest.raises(AssertionError):
            module(x_t[:, : 1 if module is not network else 2], wrong)


@pytest.mark.parametrize("freq_shift", [0, 1])
def test_timestep_embedding_is_its_formula(freq_shift):
    t = torch.tensor([0, 1, 999])
    emb = timestep_embedding(t, 6, flip_sin_to_cos=True, freq_shift=freq_shift)
    for row, step in zip(emb, t, strict=True):
        frequencies = [10_000 ** (-k / (3 - freq_shift)) for k in range(3)]
        angles = torch.tensor([step * frequency for frequency in frequencies])
        torch.testing.assert_close(row, torch.cat([angles.cos(), angles.sin()]), rtol=0, atol=1e-4)
    flipped = timestep_embedding(t, 6, flip_sin_to_cos=False, freq_shift=freq_shift)
    assert torch.equal(flipped, emb.roll(3, dims=1))


# --- attention levels -------------------------------------------------------------------------------------------------


def test_attention_levels_choose_where_attention_is():
    network = tiny_unet(channel_multipliers=[1, 2, 4], attention_levels=[0, 2])
    has = [[stage.attention is not None for stage in level.stages] for level in network.down]
    assert has == [[True], [False], [True]]
    has = [[stage.attention is not None for stage in level.stages] for level in network.up]
    assert has == [[True] * 2, [False] * 2, [True] * 2]  # from coarse to fine
    assert [stage.attention is not None for stage in network.middle] == [True, False]
    assert network.down[2].stages[0].attention.heads == 64 // 8
    assert tiny_unet(head_channels=None).middle[0].attention.heads == 1


def test_attention_is_its_formula():
    torch.manual_seed(0)
    attention, x = Attention(16, 8, norm_groups=4, norm_eps=1e-5), noise(2, 16, 3, 4)
    nn.init.normal_(attention.out.weight)
    tokens = F.group_norm(x, 4).flatten(2).transpose(1, 2)  # (b, n, c)
    q, k, v = attention.qkv(tokens).reshape(2, 12, 3, 2, 8).permute(2, 0, 3, 1, 4)  # (b, heads, n, d) each
    mixed = (q @ k.mT / 8**0.5).softmax(dim=-1) @ v
    expected = x + attention.out(mixed.transpose(1, 2).reshape(2, 12, 16)).mT.reshape(2, 16, 3, 4)
    torch.testing.assert_close(attention(x), expected, rtol=1e-5, atol=1e-5)


# --- resampling -------------------------------------------------------------------------------------------------------


def test_upsample_is_nearest_neighbour_then_convolution():
    torch.manual_seed(0)
    layer, x = Upsample(6).double(), noise(2, 6, 5, 3).double().requires_grad_()
    plain = layer.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    direction = noise(*plain.shape).double()
    torch.testing.assert_close(layer(x), plain)
    inputs = (x, *layer.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(layer(x), inputs, direction), torch.autograd.grad(plain, inputs, direction)
    )


def test_downsample_padding():
    x = noise(1, 4, 6, 8)
    for padding, start in ((1, 0), (0, 1)):  # rows read by the first output: -1, 0, 1 or 0, 1, 2
        layer = Downsample(4, padding=padding)
        full = F.conv2d(x, layer.conv.weight, layer.conv.bias, padding=1)
        torch.testing.assert_close(layer(x), full[..., start::2, start::2])


# --- group norm -------------------------------------------------------------------------------------------------------


def reference_norm(norm: GroupNorm, x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    out = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    return out if scale is None or shift is None else out * (1 + scale[..., None, None]) + shift[..., None, None]


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("modulated", [False, True])
def test_group_norm_and_its_gradient(memory_format, modulated):
    norm = GroupNorm(3, 6).double()
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x = (3 + 2 * noise(2, 6, 2, 3).double()).contiguous(memory_format=memory_format).requires_grad_()
    film = [noise(2, 6, seed=seed).double().requires_grad_() if modulated else None for seed in (2, 3)]
    inputs = [tensor for tensor in (x, norm.weight, norm.bias, *film) if tensor is not None]
    plain, out = reference_norm(norm, x, *film), norm(x, *film)
    torch.testing.assert_close(out, plain)
    direction = noise(*x.shape).double()
    torch.testing.assert_close(
        torch.autograd.grad(out, inputs, direction), torch.autograd.grad(plain, inputs, direction)
    )
    assert torch.autograd.gradcheck(lambda *_: norm(x, *film), inputs)


def test_group_norm_of_bfloat16_is_exact_up_to_the_last_rounding():
    norm = GroupNorm(8, 32)
    nn.init.normal_(norm.weight)
    # A mean 30 times the spread: statistics in bfloat16 would be lost.
    x = (30 + noise(2, 32, 16, 16)).bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    exact = reference_norm(norm, x.detach().float(), None, None)
    assert (norm(x).float() - exact).abs().max() <= 2**-8 * exact.abs().max()
    with torch.autocast("cpu", torch.bfloat16):
        assert norm(x).dtype == torch.bfloat16


def test_network_takes_the_channels_last_path():
    network, seen = tiny_unet(), []
    for module in network.modules():
        if isinstance(module, GroupNorm):
            module.register_forward_hook(
                lambda module, args, out: seen.append(out.grad_fn.name() == "_ChannelsLastGroupNormBackward")
            )
    network(noise(2, 1, 16, 16), torch.tensor([1, 2]))
    assert seen
    assert all(seen)


# --- precision --------------------------------------------------------------------------------------------------------


def test_bfloat16_is_close_to_float32():
    network, x_t, t = tiny_unet(), noise(4, 1, 16, 16), torch.tensor([0, 10, 500, 999])
    with torch.autocast("cpu", torch.bfloat16):
        output = network(x_t, t)
    exact = network(x_t, t)
    assert output.dtype == torch.bfloat16
    assert (output - exact).norm() / exact.norm() < 0.03
    gradients = [
        torch.autograd.grad(out.float().square().mean(), list(network.parameters())) for out in (output, exact)
    ]
    half, full = (torch.cat([gradient.flatten() for gradient in parts]) for parts in gradients)
    assert half.dtype == torch.float32
    assert F.cosine_similarity(half, full, dim=0) > 0.99


# --- configuration and checkpoints ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "dit"}, "model.name='dit'"),
        ({"base_channels": 0}, "model.base_channels=0"),
        ({"base_channels": 15, "norm_groups": 1}, "model.base_channels=15: must be even"),
        ({"channel_multipliers": []}, "model.channel_multipliers"),
        ({"channel_multipliers": [1, 0]}, "model.channel_multipliers"),
        ({"blocks_per_level": 0}, "model.blocks_per_level=0"),
        ({"attention_levels": [3]}, r"model.attention_levels=\[3\]: levels are 0 to 2"),
        ({"attention_levels": [-1]}, r"model.attention_levels=\[-1\]"),
        ({"dropout": 1.0}, "model.dropout=1.0"),
        ({"norm_groups": 7}, r"model.norm_groups=7: must divide .*\[16, 16, 32, 32\]"),
        ({"norm_groups": 0}, "model.norm_groups=0"),
        ({"norm_eps": 0.0}, "model.norm_eps=0.0"),
        ({"head_channels": 5}, "model.head_channels=5"),
        ({"head_channels": 0}, "model.head_channels=0"),
        ({"time_scale_shift": "film"}, "model.time_scale_shift='film'"),
        ({"downsample_padding": 2}, "model.downsample_padding=2"),
        ({"patch_size": 0}, "model.patch_size=0: must be at least 1"),
        ({"freq_shift": 2}, "model.freq_shift=2"),
    ],
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        UNetConfig(**(TINY | changes))


SMALL = [
    {"base_channels": 16},
    {"base_channels": 24, "channel_multipliers": [1, 3]},
    {"base_channels": 2, "channel_multipliers": [1]},
    {"base_channels": 10, "channel_multipliers": [1, 2], "attention_levels": [0, 5], "head_channels": None},
    {"norm_groups": 7, "head_channels": 5, "attention_levels": [-1]},
]


@pytest.mark.parametrize("changes", SMALL, ids=str)
def test_one_error_names_all_that_makes_a_small_network_fit(changes):
    """What stands behind "use" is a network."""
    with pytest.raises(ValueError, match="use model") as error:
        UNetConfig(**changes)
    mended = {}
    for option in str(error.value).rpartition("use ")[2].split():
        key, _, value = option.removeprefix("model.").partition("=")
        assert f"model.{key}={changes.get(key, getattr(UNetConfig(), key))}" in str(error.value)
        mended[key] = json.loads(value)
    config = UNetConfig(**(changes | mended))
    assert config.norm_groups < min(config.base_channels, 33)
    assert len(mended) == {16: 2, 24: 3, 2: 3, 10: 2}.get(config.base_channels, 3)


def test_registry_rebuilds_the_network_from_a_plain_dict():
    config = UNetConfig(**TINY)
    rebuilt = model_config_from_dict(json.loads(json.dumps(asdict(config))))
    assert rebuilt == config
    network = tiny_unet(num_classes=[2])
    copy = build_model(rebuilt, in_channels=1, out_channels=1, num_classes=[2])
    copy.load_state_dict(network.state_dict())
    x_t, t = noise(2, 1, 8, 8), torch.tensor([3, 4])
    assert torch.equal(copy(x_t, t), network(x_t, t))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"name": "os.system"}, "model.name='os.system'"), ({"depth": 3}, "model.depth: no such field")],
)
def test_registry_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        model_config_from_dict(asdict(UNetConfig()) | changes)


def test_names_in_the_state_dict_are_stable():
    """Renaming a module would orphan every checkpoint there is."""
    network = tiny_unet(channel_multipliers=[1, 2], attention_levels=[1], num_classes=[2], untrained=True)
    residual = ["conv1", "conv2", "emb_proj", "norm1", "norm2"]
    attention = ["norm", "out", "qkv"]
    expected = {
        "conv_in",
        "conv_out",
        "norm_out",
        "embedding.time_mlp.0",
        "embedding.time_mlp.2",
        "embedding.class_table",
    }
    stages = {"down.0.stages.0": "", "down.1.stages.0": "sa", "middle.0": "a", "middle.1": ""}
    stages |= {"up.0.stages.0": "sa", "up.0.stages.1": "sa", "up.1.stages.0": "s", "up.1.stages.1": "s"}
    for stage, extra in stages.items():
        expected |= {f"{stage}.residual.{layer}" for layer in residual + ["shortcut"] * ("s" in extra)}
        expected |= {f"{stage}.attention.{layer}" for layer in attention * ("a" in extra)}
    expected |= {"down.0.resample.conv", "up.0.resample.conv"}
    assert {name.rpartition(".")[0] for name in network.state_dict()} == expected


# --- diffusers --------------------------------------------------------------------------------------------------------

RESIDUAL = {"norm1": "norm1", "conv1": "conv1", "time_emb_proj": "emb_proj", "norm2": "norm2", "conv2": "conv2",
            "conv_shortcut": "shortcut"}  # fmt: skip
OUTER = {"conv_in": "conv_in", "conv_norm_out": "norm_out", "conv_out": "conv_out",
         "time_embedding.linear_1": "embedding.time_mlp.0", "time_embedding.linear_2": "embedding.time_mlp.2"}  # fmt: skip


def our_weights(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """A UNet2DModel's state dict under our names: the two have the same parts, q, k and v apart there."""
    ours = {}
    for name, value in theirs.items():
        layer, kind = name.rpartition(".")[::2]
        if name == "class_embedding.weight":  # theirs has no null class
            ours["embedding.class_table.weight"] = torch.cat([value, torch.zeros_like(value[:1])])
        elif layer in OUTER:
            ours[f"{OUTER[layer]}.{kind}"] = value
        else:
            block, _, rest = layer.partition(".")
            level, part, index, *inner = rest.split(".") if block != "mid_block" else ("", *rest.split("."))
            stage = (
                f"middle.{index}" if block == "mid_block" else f"{block.removesuffix('_blocks')}.{level}.stages.{index}"
            )
            if part == "resnets":
                ours[f"{stage}.residual.{RESIDUAL[inner[0]]}.{kind}"] = value
            elif part == "attentions" and inner[0] in ("to_q", "to_k", "to_v"):
                key = f"{stage}.attention.qkv.{kind}"
                ours[key] = torch.cat([ours[key], value]) if key in ours else value
            elif part == "attentions":
                ours[f"{stage}.attention.{ {'group_norm': 'norm', 'to_out': 'out'}[inner[0]] }.{kind}"] = value
            else:
                ours[f"{stage.partition('.stages')[0]}.resample.conv.{kind}"] = value
    return ours


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("library defaults", {"head_channels": 8, "time_scale_shift": "default"}),
        (
            "DDPM release",
            {"head_channels": None, "time_scale_shift": "default", "downsample_padding": 0, "flip_sin_to_cos": False,
             "freq_shift": 1, "norm_eps": 1e-6},
        ),
        ("scale and shift, classes", {"head_channels": 16, "time_scale_shift": "scale_shift"}),
    ],
)  # fmt: skip
def test_holds_the_weights_of_a_diffusers_unet(case, changes):
    weights = {name: fill(name, torch.Size(shape)) for name, shape in GOLDEN[case]["shapes"].items()}
    classes = [len(weights["class_embedding.weight"])] if "class_embedding.weight" in weights else []
    network = UNet(
        UNetConfig(**(TINY | changes)),
        in_channels=SHAPE["in_channels"],
        out_channels=SHAPE["out_channels"],
        num_classes=classes,
    ).double()
    # diffusers lists q, k and v in the order of their creation, which is that of our rows.
    network.load_state_dict(our_weights(weights))
    x_t, t, class_label = inputs()
    with torch.no_grad():
        output = network(x_t, t, {"class_label": class_label[:, None]} if classes else None)
    expected = torch.tensor(GOLDEN[case]["output"], dtype=torch.float64).reshape(output.shape)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
