import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.label_encoding import (
    ENCODINGS,
    LabelEncodingConfig,
    decode,
    encode,
    num_channels,
    signed_distance,
)

CONFIGS = [LabelEncodingConfig(name) for name in ENCODINGS]


@st.composite
def maps(draw) -> tuple[np.ndarray, int]:
    num_labels = draw(st.sampled_from([2, 3, 4, 5, 17, 256]))
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=9))
    return draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, num_labels - 1))), num_labels


@pytest.mark.parametrize("config", CONFIGS, ids=ENCODINGS)
@given(case=maps())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_decoding_inverts_encoding(config, case):
    label_map, num_labels = case
    channels = encode(label_map, config, num_labels)
    b, h, w = label_map.shape
    assert channels.shape == (b, num_channels(config, num_labels), h, w)
    assert channels.dtype == torch.float32
    assert float(channels.abs().max()) <= 1.0
    assert np.array_equal(decode(channels, config, num_labels), label_map)


@pytest.mark.parametrize("config", CONFIGS, ids=ENCODINGS)
@pytest.mark.parametrize("label", [0, 1, 2])
def test_empty_and_full_maps(config, label):
    label_map = np.full((2, 5, 7), label, np.uint8)
    channels = encode(label_map, config, 3)
    assert (channels.abs() == 1).all()
    assert np.array_equal(decode(channels, config, 3), label_map)


def test_number_of_channels():
    wanted = {2: (1, 1), 3: (2, 2), 4: (3, 2), 5: (4, 3), 8: (7, 3), 9: (8, 4), 256: (255, 8)}
    for num_labels, (foreground, bits) in wanted.items():
        assert [num_channels(c, num_labels) for c in CONFIGS] == [foreground, bits, foreground]


def test_distance_of_a_half_plane_is_linear_and_clipped():
    label_map = np.zeros((1, 3, 12), np.uint8)
    label_map[..., 6:] = 1
    row = encode(label_map, LabelEncodingConfig("distance", 4.0), 2)[0, 0, 1]
    assert row.tolist() == [-1, -1, -3.5 / 4, -2.5 / 4, -1.5 / 4, -0.5 / 4, 0.5 / 4, 1.5 / 4, 2.5 / 4, 3.5 / 4, 1, 1]


def test_distance_around_a_single_pixel():
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    y, x = np.mgrid[-2:3, -2:3]
    wanted = np.where(mask, 0.5, 0.5 - np.hypot(x, y))
    assert signed_distance(mask) == pytest.approx(wanted)


def test_a_class_at_the_edge_of_the_image_has_no_border_there():
    mask = np.zeros((4, 6), bool)
    mask[:, :3] = True
    assert signed_distance(mask)[0].tolist() == [2.5, 1.5, 0.5, -0.5, -1.5, -2.5]


def test_distance_channels_turn_with_the_map():
    label_map = np.random.default_rng(0).integers(0, 3, (2, 8, 8)).astype(np.uint8)
    config = LabelEncodingConfig("distance")
    turned = np.rot90(label_map, axes=(1, 2)).copy()
    assert torch.equal(encode(turned, config, 3), torch.rot90(encode(label_map, config, 3), dims=(2, 3)))


@pytest.mark.parametrize(("config", "margin"), list(zip(CONFIGS, [1.0, 1.0, 0.5 / 4.0], strict=True)), ids=ENCODINGS)
def test_noise_below_the_margin_does_no_harm(config, margin):
    rng = np.random.default_rng(1)
    label_map = np.zeros((3, 16, 16), np.uint8)
    label_map[:, 4] = 1  # a line one pixel wide, next to another
    label_map[:, 5, 3:9] = 2
    label_map[:, 12, 12] = 2
    channels = encode(label_map, config, 4)
    noise = torch.from_numpy(rng.uniform(-0.99 * margin, 0.99 * margin, channels.shape)).float()
    assert np.array_equal(decode(channels + noise, config, 4), label_map)
    assert not np.array_equal(decode(channels + 3 * noise, config, 4), label_map)


def test_the_greatest_channel_above_zero_wins():
    channels = torch.tensor([[-0.1, -2.0], [0.1, -2.0], [0.2, 0.3], [0.0, 0.0]]).T[None, :, None]  # (1, 2, 1, 4)
    for name in ("onehot", "distance"):
        assert decode(channels, LabelEncodingConfig(name), 3).tolist() == [[[0, 1, 2, 0]]]


def test_bits_are_the_label_in_binary():
    channels = encode(np.array([[[5, 2]]], np.uint8), LabelEncodingConfig("bits"), 6)
    assert channels[0, :, 0].T.tolist() == [[1, -1, 1], [-1, 1, -1]]


def test_bits_that_spell_no_label_go_to_the_nearest_one():
    channels = torch.tensor([[0.9, 0.2], [0.2, 0.9], [1.0, 1.0]]).T[None, :, None]  # each is 11, of 3 labels
    assert decode(channels, LabelEncodingConfig("bits"), 3).tolist() == [[[2, 1, 1]]]


@pytest.mark.parametrize("config", CONFIGS, ids=ENCODINGS)
def test_what_is_not_finite_is_refused(config):
    with pytest.raises(ValueError, match="NaN or infinite"):
        decode(torch.full((1, num_channels(config, 3), 2, 2), float("nan")), config, 3)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"label_encoding=hot is unknown: use one of onehot, bits, distance"):
        LabelEncodingConfig("hot")
    for limit in (0.5, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"distance_limit={limit}"):
            LabelEncodingConfig("distance", limit)
    for num_labels in (1, 257):
        with pytest.raises(ValueError, match=f"^{num_labels} labels"):
            num_channels(CONFIGS[0], num_labels)
    with pytest.raises(ValueError, match="holds 3, but there are only the labels 0 to 2"):
        encode(np.array([[[0, 3]]], np.uint8), CONFIGS[0], 3)
