"""The random network, the loop over a folder, and the cache of what came out."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from eval.cache import cached, content_hash
from eval.config import EvalConfig
from eval.features import Extractor, build_extractor, extract
from eval.frechet import frechet_from_features
from eval.images import Preparation, open_folder
from eval.random_conv import RandomConv

SIZE = 32
PREPARATION = Preparation((0.0, 255.0), (SIZE, SIZE), "crop")


def textures(n, seed=0, blur=1.0):
    random = np.random.default_rng(seed)
    images = gaussian_filter(random.standard_normal((n, SIZE, SIZE)), (0, blur, blur))
    images += np.cumsum(random.standard_normal((n, 1, SIZE)), axis=2) / 20
    return (128 + 40 * images / images.std()).clip(0, 255).astype(np.uint8)


def write(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def random_features():
    network = RandomConv()

    def features(images):
        with torch.inference_mode():
            x = torch.from_numpy(images / 255).float()
            return network(x[:, None].expand(-1, 3, -1, -1)).numpy()

    return features


def test_the_random_network_never_changes():
    network = RandomConv()
    # the legacy generator's first normal number of this seed, with the filter's mean taken off and the gain put on
    first = np.random.RandomState(20150312).standard_normal((32, 3, 3, 3))[0]
    expected = (first - first.mean()) * 2 / np.sqrt(27)
    np.testing.assert_allclose(network.stages[0].weight[0].numpy(), expected, rtol=1e-6)
    ramp = torch.linspace(0, 1, 64 * 64).reshape(1, 1, 64, 64).expand(1, 3, 64, 64)
    features = network(ramp)[0]
    assert features.shape == (RandomConv.dims,) == (512,)
    np.testing.assert_allclose(features[-64:].mean().item(), 0.0, atol=1e-6)
    assert features.square().sum().item() == pytest.approx(1.32718, rel=1e-4)


def test_flat_images_have_no_structure(random_features):
    features = random_features(np.full((1, 64, 64), 51.0))[0]
    np.testing.assert_allclose(features[:-64], 0, atol=1e-5)
    np.testing.assert_allclose(features[-64:], 0.2 * (0.2 * 2 - 1), rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (64, 64), (100, 80)])
def test_any_size(shape):
    features = RandomConv()(torch.rand(2, 3, *shape))
    assert features.shape == (2, 512)
    assert features.isfinite().all()


@pytest.mark.parametrize("change", ["blur", "noise", "dark", "turn", "few"])
def test_spoilt_images_are_further_away(random_features, change):
    real, good = textures(80), textures(80, seed=1)
    spoilt = {
        "blur": gaussian_filter(good, (0, 1, 1)),
        "noise": (good + 20.0 * np.random.default_rng(2).standard_normal(good.shape)).clip(0, 255),
        "dark": good * 0.8,
        "turn": good.transpose(0, 2, 1),
        "few": np.repeat(good[:4], 20, axis=0),
    }[change]
    one, other, bad = random_features(real), random_features(good), random_features(spoilt)
    assert frechet_from_features(one, bad) > 1.2 * frechet_from_features(one, other)


def test_more_blur_is_further(random_features):
    real = random_features(textures(80))
    good = textures(80, seed=1)
    distances = [frechet_from_features(real, random_features(gaussian_filter(good, (0, s, s)))) for s in (0, 0.5, 1, 2)]
    assert distances == sorted(distances)


def config(tmp_path):
    return EvalConfig(real=".", synthetic=".", out=".", cache_dir=str(tmp_path / "cache"))


def test_batches_do_not_matter(tmp_path):
    folder = open_folder(write(tmp_path / "images", textures(11)))
    extractor = build_extractor(config(tmp_path))
    one, other = (
        extract(extractor, folder.paths, PREPARATION, batch_size=size, device=torch.device("cpu")) for size in (4, 11)
    )
    assert one.shape == (11, 512)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_cudnn_stays_on_without_tf32(tmp_path):
    seen = []

    class Probe(torch.nn.Module):
        def forward(self, x):
            seen.append((torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32))
            return x.flatten(1)[:, :4]

    folder = open_folder(write(tmp_path / "images", textures(2)))
    probe = Extractor(Probe(), 4, "", "", "", "")
    extract(probe, folder.paths, PREPARATION, batch_size=2, device=torch.device("cpu"))
    assert seen == [(True, False)]


def test_only_inception_is_called_fid(tmp_path):
    extractor = build_extractor(config(tmp_path))
    assert (extractor.frechet, extractor.kid) == ("frechet_random", "kid_random")


def test_cache(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return np.arange(6, dtype=np.float32).reshape(2, 3)

    first, hit = cached(tmp_path / "cache", "key", compute)
    again, hit_again = cached(tmp_path / "cache", "key", compute)
    assert (hit, hit_again, len(calls)) == (False, True, 1)
    assert again.dtype == first.dtype
    assert (again == first).all()
    path = tmp_path / "cache" / "key.npy"
    path.write_bytes(path.read_bytes()[:-3])
    assert (cached(tmp_path / "cache", "key", compute)[0] == first).all()
    assert len(calls) == 2
    assert [p.name for p in path.parent.iterdir()] == ["key.npy"]


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(file, array):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eval.cache.np.save", full)
    with pytest.raises(OSError, match="No space left"):
        cached(tmp_path, "key", lambda: np.zeros((2, 3), np.float32))
    assert not any(tmp_path.iterdir())


def test_what_a_cache_key_depends_on(tmp_path):
    folder = write(tmp_path / "a", textures(4))
    key = content_hash(open_folder(folder), PREPARATION, "weights")
    moved = folder.rename(tmp_path / "b")
    assert content_hash(open_folder(moved), PREPARATION, "weights") == key
    assert content_hash(open_folder(moved), PREPARATION, "other weights") != key
    for other in (
        Preparation((0.0, 254.0), (SIZE, SIZE), "crop"),
        Preparation((0.0, 255.0), (SIZE, 64), "crop"),
        Preparation((0.0, 255.0), (SIZE, SIZE), "pad"),
    ):
        assert content_hash(open_folder(moved), other, "weights") != key
    write(moved, textures(1, seed=9))
    assert content_hash(open_folder(moved), PREPARATION, "weights") != key
