"""Our Inception against pytorch-fid's, with weights drawn from a seed, and the file it reads them from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.fid_cases import FEATURE_STEP, folder_images, inception_state
from PIL import Image

from eval import inception_weights
from eval.config import EvalConfig
from eval.features import build_extractor, extract
from eval.frechet import frechet_from_features
from eval.images import Preparation
from eval.inception import load_inception, state_shapes
from eval.inception_weights import find_weights

GOLDEN = json.loads((Path(__file__).parent / "golden" / "fid.json").read_text())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({key: torch.from_numpy(values) for key, values in inception_state().items()}, path)
    return path


def config(**options):
    return EvalConfig(real="real", synthetic="synthetic", out="out", features="inception", **options)


@pytest.fixture(scope="module")
def extractor(weights):
    return build_extractor(config(inception_weights=str(weights), inception_sha256="any"))


def features(extractor, folder, pixels):
    folder.mkdir()
    paths = [folder / f"{i:04d}.png" for i in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        grey = (image == image[:, :, :1]).all()  # stored as one channel, which pytorch-fid's RGB must equal
        Image.fromarray(image[:, :, 0] if grey else image).save(path)
    preparation = Preparation((0.0, 255.0), (64, 64), "crop")
    return extract(extractor, paths, preparation, batch_size=5, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def tiny(extractor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return [features(extractor, folder / name, x) for name, x in zip("rs", folder_images("tiny"), strict=True)]


def test_features_of_pytorch_fid(tiny):
    found, expected = tiny[0][:4], np.array(GOLDEN["features"])
    np.testing.assert_allclose(found[:, ::FEATURE_STEP], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), GOLDEN["norms"], rtol=1e-5)
    error = np.linalg.norm(found[:, ::FEATURE_STEP] - expected) / np.linalg.norm(expected)
    assert error < 1e-5
    assert np.std(expected, axis=0).mean() > 1e-2  # the images are told apart


def test_distance_of_pytorch_fid(tiny):
    assert frechet_from_features(*tiny) == pytest.approx(GOLDEN["folders"]["tiny"], rel=1e-3)


@pytest.mark.slow
def test_distance_of_pytorch_fid_with_200_images(extractor, tmp_path):
    pairs = zip("rs", folder_images("large"), strict=True)
    distance = frechet_from_features(*(features(extractor, tmp_path / name, x) for name, x in pairs))
    assert distance == pytest.approx(GOLDEN["folders"]["large"], rel=1e-3)


def test_published_file_has_these_keys():
    shapes = state_shapes()
    assert len(shapes) == 94 * 5 + 2
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_6e.branch7x7dbl_5.conv.weight"] == (192, 192, 1, 7)
    assert shapes["Mixed_7c.branch3x3dbl_3b.bn.running_var"] == (384,)
    assert shapes["fc.weight"] == (1008, 2048)
    parameters = sum(np.prod(shape) for key, shape in shapes.items() if "running" not in key)
    assert parameters == 23_834_568 + 8 * 2049  # torchvision's Inception v3 without its side exit, and 8 more logits


def test_other_weights_are_not_passed_off_as_the_published(extractor, weights):
    assert "NOT the published weights" in extractor.description
    with pytest.raises(ValueError, match="inception_sha256=any"):
        find_weights(config(inception_weights=str(weights)))
    digest = find_weights(config(inception_weights=str(weights), inception_sha256="any"))[1]
    other = build_extractor(config(inception_weights=str(weights), inception_sha256="any"))
    assert (other.frechet, other.kid) == (
        "frechet_inception",
        "kid_inception",
    )  # `fid` and `kid` are the published ones'
    assert find_weights(config(inception_weights=str(weights), inception_sha256=digest[:12].upper()))[1] == digest


def test_other_networks_are_refused(weights, tmp_path):
    state = torch.load(weights, weights_only=True)
    path = tmp_path / "other.pth"
    torch.save(state | {"fc.weight": torch.zeros(1000, 2048)}, path)
    with pytest.raises(ValueError, match=r"fc\.weight must be \(1008, 2048\), there is \(1000, 2048\)"):
        load_inception(path)
    del state["Mixed_5b.branch_pool.bn.bias"]
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"Mixed_5b\.branch_pool\.bn\.bias must be \(32,\), there is nothing"):
        load_inception(path)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "empty.pth").touch()
    for name in ("bomb.pth", "text.pth", "empty.pth"):
        with pytest.raises(ValueError, match="cannot be read as PyTorch weights"):
            load_inception(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(inception_weights, "URL", "http://127.0.0.1:9/weights.pth")
    with pytest.raises(ValueError, match=r"cannot be downloaded .* inception_weights=FILE, or use features=random"):
        find_weights(config(cache_dir=str(tmp_path / "cache")))
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "served").write_bytes(b"weights")
    monkeypatch.setattr(inception_weights, "URL", (tmp_path / "served").as_uri())
    options = config(cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="its SHA-256 begins with"):
        find_weights(options)
    assert not any((tmp_path / "cache").iterdir())
    digest = inception_weights.check_sha256(tmp_path / "served", "any")
    monkeypatch.setattr(inception_weights, "INCEPTION_SHA256", digest[:8])
    options.inception_sha256 = digest[:8]
    path, _ = find_weights(options)
    (tmp_path / "served").unlink()
    assert find_weights(options) == (path, digest)
    assert path.read_bytes() == b"weights"


def test_weights_of_torch_hub_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / inception_weights.FILE_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert find_weights(config(cache_dir=str(tmp_path / "cache"), inception_sha256="any"))[0] == path
