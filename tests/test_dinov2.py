"""Our DINOv2 against timm's vision transformer, its positions against a closed form, and the files it reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.dinov2_cases import DIMS, GRID, dinov2_images, dinov2_shapes, dinov2_state
from safetensors.torch import save_file

from eval.config import EvalConfig
from eval.dinov2 import DinoV2, load_dinov2, positions
from eval.features import build_extractor

GOLDEN = json.loads((Path(__file__).parent / "golden" / "dinov2.json").read_text())


@pytest.fixture(scope="module")
def state():
    return {key: torch.from_numpy(values) for key, values in dinov2_state().items()}


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.save(state, path)
    return path


def config(**options):
    return EvalConfig(real="real", synthetic="synthetic", out="out", features="dinov2", **options)


def features(network, images):
    with torch.inference_mode():
        return network(torch.from_numpy(images)).numpy()


def test_features_of_timm(weights):
    found = features(load_dinov2(weights), dinov2_images())
    np.testing.assert_allclose(found, np.array(GOLDEN["features"]), rtol=1e-3, atol=1e-4)


def test_every_weight_moves_the_features(state):
    images = dinov2_images()[:1]
    network = DinoV2(DIMS, 2, GRID)
    del_mask = {key: value for key, value in state.items() if key != "mask_token"}
    network.load_state_dict(del_mask)
    before = features(network, images)
    for key, value in del_mask.items():
        network.load_state_dict(del_mask | {key: 0.9 * value})
        changed = not np.allclose(features(network, images), before, atol=1e-6)
        assert changed, key


def test_the_published_layout_of_small():
    shapes = {key: tuple(shape) for key, shape in GOLDEN["small_shapes"].items()}
    assert {key: tuple(value.shape) for key, value in DinoV2(384, 12, 37).state_dict().items()} == shapes
    assert dinov2_shapes(384, 12, 37).keys() - shapes.keys() == {"mask_token"}  # which timm does not keep


def cubic(distance):
    """The kernel of cubic convolution with a = -0.75 (Keys 1981, eq. 4)."""
    x, a = np.abs(distance), -0.75
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def test_positions_between_the_learned_ones():
    """Position i of 16 is read at (i + 1/2) 37 / 16.1 - 1/2 of 37, whose edges repeat themselves."""
    values = np.random.default_rng(0).standard_normal(37)
    padded = np.pad(values, 3, mode="edge")
    at = (np.arange(16) + 0.5) * 37 / 16.1 - 0.5
    expected = cubic(at[:, None] - np.arange(-3, 40)) @ padded
    rows = torch.from_numpy(values).float()
    learned = torch.stack([rows[:, None].expand(37, 37), rows[None].expand(37, 37)], dim=-1).reshape(1, 37 * 37, 2)
    found = positions(torch.cat([torch.full((1, 1, 2), -5.0), learned], dim=1), 16)[0].numpy()
    assert found[0].tolist() == [-5.0, -5.0]
    grid = found[1:].reshape(16, 16, 2)
    np.testing.assert_allclose(grid[:, 3, 0], expected, atol=1e-5)
    np.testing.assert_allclose(grid[3, :, 1], expected, atol=1e-5)


def test_any_size_is_brought_to_224(weights):
    network = load_dinov2(weights)
    flat = features(network, np.full((1, 3, 40, 56), 0.3, np.float32))
    np.testing.assert_allclose(flat, features(network, np.full((1, 3, 224, 224), 0.3, np.float32)), atol=1e-4)


def test_safetensors_and_pth_are_the_same(state, weights, tmp_path):
    save_file(state, tmp_path / "small.safetensors")
    images = dinov2_images()
    one, other = (features(load_dinov2(path), images) for path in (weights, tmp_path / "small.safetensors"))
    assert (one == other).all()


def test_extractor_says_which_weights(weights):
    extractor = build_extractor(config(dinov2_weights=str(weights)))
    assert (extractor.frechet, extractor.kid, extractor.dims) == ("frechet_dinov2", "kid_dinov2", DIMS)
    assert "weights" in extractor.description
    assert extractor.fingerprint.split()[1][:8] in extractor.description


def test_weights_of_torch_hub_are_found(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="dinov2_weights=FILE"):
        build_extractor(config())
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "dinov2_vits14_pretrain.pth").write_bytes(weights.read_bytes())
    assert build_extractor(config()).dims == DIMS


def test_bad_files(state, tmp_path):
    cases = {
        "noise.pth": (b"noise", "cannot be read"),
        "noise.safetensors": (b"noise", "cannot be read"),
        "other.pth": ({"a": torch.zeros(2)}, "not the weights of DINOv2"),
        "registers.pth": (state | {"register_tokens": torch.zeros(1, 4, DIMS)}, "register_tokens"),
        "list.pth": ([1, 2], "no state dict"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        with pytest.raises(ValueError, match=message) as raised:
            load_dinov2(path)
        assert "\n" not in str(raised.value)
        assert str(path) in str(raised.value)
