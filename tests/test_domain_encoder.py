"""The domain encoder: its loss by hand, its determinism, the halves it keeps apart, and that it tells what it should."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from eval import domain
from eval.card import card
from eval.comparison import open_comparison
from eval.config import config_from_args
from eval.domain import fit_domain, split_rows
from eval.domain_encoder import Settings, cropped, spoilt, train_encoder, vicreg_loss
from eval.frechet import frechet_from_features
from eval.privacy_audit import PIXELS
from eval.report import write_report
from eval.score import score

SIDE = 32
SHORT = Settings(steps=4, dims=16)


def textures(n, seed=0):
    """Speckle of two kinds of ground, (n, 3, 32, 32) in 0..1."""
    random = np.random.default_rng(seed)
    ground = gaussian_filter(random.standard_normal((n, SIDE, SIDE)), (0, 4, 4)) > 0
    images = np.clip((0.2 + 0.2 * ground) * random.gamma(4, 0.25, ground.shape), 0, 1)
    return np.repeat(images[:, None], 3, axis=1).astype(np.float32)


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(domain, "SETTINGS", SHORT)


def write(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(np.round(255 * image[0]).astype(np.uint8)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def comparison(tmp_path):
    def build(n=60, *options):
        real, synthetic = write(tmp_path / "real", textures(n)), write(tmp_path / "synthetic", textures(12, seed=1))
        paths = [f"real={real}", f"synthetic={synthetic}", f"out={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}"]
        return open_comparison(config_from_args([*paths, "features=domain", "floor_repeats=5", *options]))

    return build


def test_vicreg_loss_by_hand():
    """Deviation 2 in each dimension is enough; the covariance of the first two is 4 and of all others 0."""
    z = torch.tensor([[1.0, 1, 1], [-1, -1, 1], [1, 1, -1], [-1, -1, -1]]) * 3**0.5
    torch.testing.assert_close(vicreg_loss(z, z, SHORT), torch.tensor(2 * (2 * 4.0**2 / 3)))
    shifted = vicreg_loss(z, z + 0.5, SHORT) - vicreg_loss(z, z, SHORT)
    torch.testing.assert_close(shifted, torch.tensor(25 * 0.25))
    collapsed = torch.ones(4, 3)
    torch.testing.assert_close(vicreg_loss(collapsed, collapsed, SHORT), torch.tensor(25 * (1 - 1e-2)))


def test_both_views_share_what_spoils_them():
    generator = torch.Generator().manual_seed(0)
    x = torch.full((6, 3, 16, 16), 0.5)
    noisy = spoilt(x, generator, SHORT)
    assert (noisy[:, 0] == noisy[:, 2]).all()  # a grey image stays grey
    assert noisy.mean(dim=(1, 2, 3)).std() > 0.02
    assert noisy.std(dim=(2, 3)).max() < 0.06
    crop = cropped(torch.arange(20.0 * 40).reshape(1, 1, 20, 40).expand(6, 3, 20, 40), generator, SHORT)
    assert crop.shape == (6, 3, 15, 15)
    assert (crop[:, 0, 1, 0] - crop[:, 0, 0, 0] == 40).all()
    assert len(set(crop[:, 0, 0, 0].tolist())) > 1


def test_same_seed_same_weights():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    one, again, other = (train_encoder(textures(20), seed, SHORT) for seed in (0, 0, 1))
    assert torch.get_num_threads() == threads
    assert (torch.get_rng_state() == state).all()
    probe = torch.from_numpy(textures(3, seed=5))
    assert torch.equal(one(probe), again(probe))
    assert not torch.allclose(one(probe), other(probe))
    assert one(probe).shape == (3, 16)
    with pytest.raises(ValueError, match="3 images cannot train an encoder"):
        train_encoder(textures(3), 0, SHORT)


@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (70, 80)])
def test_any_size(shape):
    images = np.random.default_rng(0).uniform(size=(8, 3, *shape)).astype(np.float32)
    assert train_encoder(images, 0, SHORT)(torch.from_numpy(images)).isfinite().all()


def test_halves_are_disjoint():
    training, unseen = split_rows(101, seed=3)
    assert (len(training), len(unseen)) == (50, 51)
    assert sorted([*training, *unseen]) == list(range(101))
    assert not np.array_equal(training, split_rows(101, seed=4)[0])
    training, unseen = split_rows(47, seed=3)  # too few for halves
    assert training.tolist() == unseen.tolist() == list(range(47))
    assert len(split_rows(5000, seed=0)[1]) == 5000 - domain.MOST_TRAINING


def test_it_is_trained_once_for_a_folder(comparison, fast, monkeypatch):
    opened = comparison()
    first = fit_domain(opened.real, opened.config)
    monkeypatch.setattr(domain, "train_encoder", lambda *_: pytest.fail("the cache was not used"))
    again = fit_domain(opened.real, opened.config)
    assert again.extractor.fingerprint == first.extractor.fingerprint
    probe = torch.from_numpy(textures(3, seed=5))
    assert torch.equal(first.extractor.network(probe), again.extractor.network(probe))
    assert first.extractor.fingerprint.split()[1][:8] in first.extractor.description


def test_figures_use_the_unseen_half(comparison, fast, tmp_path):
    scores = score(comparison())
    figures = {figure.name: figure for figure in scores.figures}
    assert figures["frechet_domain"].n_real == figures["precision"].n_real == 30
    assert figures["share_near_real"].n_real == 60
    assert figures["kid_domain"].equal_n.n == 12
    assert [evidence.covered for evidence in scores.privacy.evidence] == [1.0, 0.5]
    assert "trained on 30 real images; its figures and their floors use the other 30" in scores.notes[0]
    write_report(scores, card(scores), tmp_path / "out")
    assert "frechet_domain" in (tmp_path / "out" / "report.html").read_text()
    assert "frechet_domain" in json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_a_small_set_is_seen_whole_and_the_report_says_so(comparison, fast):
    scores = score(comparison(20))
    assert scores.figures[0].n_real == 20
    assert any("trained on all 20 real images" in note for note in scores.notes)
    assert [evidence.distance for evidence in scores.privacy.evidence] == [PIXELS]


def test_blur_and_lost_ground_are_told():
    network = train_encoder(textures(32), 0, Settings(steps=30, batch_size=32))
    real, good = textures(60, seed=1), textures(60, seed=2)
    flat = good.copy()
    flat[:] = np.random.default_rng(3).gamma(4, 0.25, flat[:, :1].shape) * 0.3
    features = [
        network(torch.from_numpy(x.astype(np.float32))).numpy()
        for x in (real, good, gaussian_filter(good, (0, 0, 0.5, 0.5)), flat)
    ]
    floor, blurred, one_ground = (frechet_from_features(features[0], x) for x in features[1:])
    assert blurred > 1.5 * floor
    assert one_ground > 1.5 * floor
