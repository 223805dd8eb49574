"""`python -m eval` as a user meets it: what it writes, what it refuses, and how fast it says so."""

import base64
import io
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from card_files import study
from PIL import Image

from eval.__main__ import main
from eval.config import EvalConfig, config_from_args


def write(folder, n, *, seed, size=(32, 32), dtype=np.uint8, high=256):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for i in range(n):
        blocks = random.integers(0, high, (4, 4)).repeat(size[0] // 4, axis=0).repeat(size[1] // 4, axis=1)
        Image.fromarray(blocks.astype(dtype)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def folders(tmp_path):
    real, synthetic = write(tmp_path / "real" / "class", 24, seed=1), write(tmp_path / "synthetic", 10, seed=2)
    return [
        f"real={real.parent}",
        f"synthetic={synthetic}",
        f"out={tmp_path / 'out'}",
        f"cache_dir={tmp_path / 'cache'}",
    ]


FIGURES = (
    "frechet_random",
    "frechet_random_infinity",
    "kid_random",
    "precision",
    "recall",
    "density",
    "coverage",
    "share_near_real",
    "bias_intensity",
)


def metrics_of(tmp_path):
    return json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_every_figure_stands_with_its_floor(folders, tmp_path):
    assert main([*folders, "seed=3", "floor_repeats=5"]) == 0
    metrics = metrics_of(tmp_path)
    assert "fid" not in metrics
    for name in FIGURES:
        figure = metrics[name]
        assert (figure["n_real"], figure["n_synthetic"]) == (24, 10)
        assert (figure["floor"]["n"], figure["floor"]["repeats"]) == (10, 5)
        assert figure["floor"]["low"] <= figure["floor"]["mean"] <= figure["floor"]["high"]
        assert figure["matched"]["n"] == 10
        assert figure["resize"] == "none, all 32x32"
        assert figure["extractor"]
    assert metrics["kid_random"]["standard_error"] > 0
    assert len(metrics["nearest"]["closest"]) == 10
    assert metrics["config"]["seed"] == 3


def test_report_needs_no_other_file(folders, tmp_path, capsys):
    assert main(folders) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    pictures = [part.split('"')[0] for part in page.split('src="data:image/png;base64,')[1:]]
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    shown = [pair["real"] for pair in card["copies"]["closest"]]
    assert 1 < len(shown) == len({*shown}) <= 10  # each real image that is the nearest of any
    assert len(pictures) == 2 + len(shown)  # beside two grids
    for picture in pictures:
        Image.open(io.BytesIO(base64.b64decode(picture))).verify()
    assert "http" not in page
    table = capsys.readouterr().out
    for name in FIGURES:
        assert name in page
        assert name in table
    for name in ("nearest.png", "near_copies.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert image.width > 100
    assert card["verdict"]["headline"] in page
    assert card["verdict"]["headline"] in table
    assert [figure["name"] for figure in card["figures"]] == list(FIGURES)


def test_a_utility_study_is_shown(folders, tmp_path):
    (tmp_path / "utility.json").write_text(json.dumps(study((0.06, 0.02, 0.1))))
    assert main([*folders, f"utility={tmp_path / 'utility.json'}"]) == 0
    assert "AP50 +0.060 [+0.020, +0.100]" in (tmp_path / "out" / "report.html").read_text()


def test_same_seed_same_metrics_and_the_cache_is_used(folders, tmp_path, monkeypatch):
    assert main(folders) == 0
    first = metrics_of(tmp_path)
    monkeypatch.setattr("eval.score.extract", lambda *_, **__: pytest.fail("the cache was not used"))
    assert main(folders) == 0
    assert metrics_of(tmp_path) == first


def test_too_few_real_images_for_the_floor_is_said(folders, tmp_path, capsys):
    write(tmp_path / "synthetic", 20, seed=2)
    assert main(folders) == 0
    assert metrics_of(tmp_path)["frechet_random"]["floor"]["n"] == 12
    assert "floor stands at n = 12, not 20" in capsys.readouterr().out
    assert "With 40 real images" in metrics_of(tmp_path)["notes"][0]


def test_sizes_and_depths_that_differ(folders, tmp_path):
    write(tmp_path / "real" / "class", 24, seed=1, size=(48, 40), dtype=np.uint16, high=4096)
    write(tmp_path / "synthetic", 10, seed=2, dtype=np.uint16, high=3000)
    assert main(folders) == 0
    figure = metrics_of(tmp_path)["kid_random"]
    assert figure["resize"] == "real 48x40 to 32x32 (fit=crop, bicubic, antialiased)"
    assert figure["range"] == "0..4095"


def test_center_crop_is_not_called_bicubic(folders, tmp_path):
    assert main([*folders, "size=16", "fit=center_crop"]) == 0
    resize = metrics_of(tmp_path)["kid_random"]["resize"]
    assert resize == "real 32x32 and synthetic 32x32 to 16x16 (fit=center_crop, unscaled)"


def test_manifest_beside_a_grid(folders, tmp_path):
    samples = tmp_path / "samples"
    write(samples / "images", 8, seed=2)
    write(samples, 1, seed=2, size=(128, 128))
    rows = [json.dumps({"file": f"images/{i:03d}.png"}) for i in range(8)]
    (samples / "manifest.jsonl").write_text("\n".join(rows))
    arguments = [folders[0], f"synthetic={samples}", f"out={samples / 'eval'}", folders[3]]
    assert main(arguments) == main(arguments) == 0
    assert json.loads((samples / "eval" / "metrics.json").read_text())["kid_random"]["n_synthetic"] == 8


def test_copies_are_reported(folders, tmp_path):
    for i in range(5):
        (tmp_path / "synthetic" / f"{i:03d}.png").write_bytes(
            (tmp_path / "real" / "class" / f"{i:03d}.png").read_bytes()
        )
    assert main(folders) == 0
    metrics = metrics_of(tmp_path)
    assert metrics["nearest"]["copies"] == 5
    assert metrics["share_near_real"]["value"] >= 0.5
    assert metrics["notes"][-1].startswith("5 synthetic images are exact copies of real ones")
    assert metrics["nearest"]["closest"][0]["distance"] == 0


BAD = {
    "unknown option 'synthetics': did you mean synthetic?": ["synthetics=x"],
    "unknown option '--real': did you mean real?": ["--real", "x"],
    "out=... is missing": ["-out"],
    "batch_size: give a value": ["batch_size"],
    "seed=abc": ["seed=abc"],
    "seed=-1: must be 0 or more": ["seed=-1"],
    "num=5: must be 6 or more": ["num=5"],
    "num=2.5": ["num=2.5"],
    "batch_size=0": ["batch_size=0"],
    "floor_repeats=4: must be 5 or more": ["floor_repeats=4"],
    "features=inceptoin: must be one of random, inception": ["features=inceptoin"],
    "fit=squash: must be one of": ["fit=squash"],
    "device=tpu": ["device=tpu"],
    "size=[1, 2, 3]": ["size=[1,2,3]"],
    "size=4": ["size=4"],
    "size=[: cannot be read": ["size=["],
    "real_range=[5, 1]: must be [low, high]": ["real_range=[5,1]"],
    "real_range=[nan, 1.0]: must be [low, high]": ["real_range=[.nan,1.0]"],
    "synthetic_range=[0, inf]: must be [low, high]": ["synthetic_range=[0,.inf]"],
    "/000.png is a file, give a folder": ["out=REAL/class/000.png/report"],
    "cache is a file, give a folder": ["-cache"],
    "have no effect with features=random": ["inception_weights=x.pth"],
    "inception_weights=x.pth: no such file": ["inception_weights=x.pth", "features=inception"],
    "utility=x.json: no such file": ["utility=x.json"],
    "000.png: not what python -m eval.utility writes": ["utility=REAL/class/000.png"],
    "real=nowhere: no such folder": ["real=nowhere"],
    "lies in real=": ["out=REAL/report"],
    "holdout=nowhere: no such folder": ["holdout=nowhere"],
    "lies in holdout=": ["holdout=REAL", "out=REAL/class/report", "real=SYNTHETIC"],
    "the attack needs both files": ["membership_train=x.json"],
    "membership_train=x.json: no such file": ["membership_train=x.json", "membership_holdout=y.json"],
}


@pytest.mark.parametrize("message", BAD)
def test_mistakes_end_in_one_line(folders, tmp_path, capsys, message):
    changes = [change.replace("REAL", folders[0][5:]).replace("SYNTHETIC", folders[1][10:]) for change in BAD[message]]
    if changes == ["-out"]:
        folders, changes = folders[:2], []
    if changes == ["-cache"]:
        changes = [f"cache_dir={tmp_path / 'cache' / 'deeper'}"]
        (tmp_path / "cache").touch()
    assert main([*folders, *changes]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def broken_folders(tmp_path):
    (tmp_path / "empty").mkdir()
    yield "empty", "holds no image"
    write(tmp_path / "few", 2, seed=0)
    yield "few", "2 images, a comparison needs 3 or more"
    write(tmp_path / "sizes", 4, seed=0)
    write(tmp_path / "sizes", 2, seed=0, size=(16, 16))
    yield "sizes", "give size=[height,width]"
    (write(tmp_path / "corrupt", 4, seed=0) / "001.png").write_bytes(b"no image")
    yield "corrupt", "001.png: cannot identify"
    write(tmp_path / "deep", 4, seed=0, dtype=np.uint16, high=65536)
    write(tmp_path / "real" / "class", 24, seed=0, dtype=np.uint16, high=4096)
    yield "deep", "leave the 0..4095 of"


def test_a_path_that_may_be_left_out_is_read_as_typed(folders):
    config = config_from_args([*folders, "holdout=null"])
    assert config.holdout is None
    for typed in ("012", "{a: b}", "[x]", "a,b: c"):
        with pytest.raises(ValueError, match=re.escape(f"holdout={typed}: no such folder")):
            config_from_args([*folders, f"holdout={typed}"])


def test_a_holdout_that_is_none(folders, tmp_path, capsys):
    write(tmp_path / "few", 2, seed=0)
    write(tmp_path / "deep", 4, seed=0, dtype=np.uint16, high=4096)
    write(tmp_path / "again", 4, seed=1)
    for name, message in (("few", "the audit needs 3"), ("deep", "holds integer pixels"), ("again", "000.png is in")):
        assert main([*folders, f"holdout={tmp_path / name}"]) == 2
        assert message in capsys.readouterr().err.rpartition("\r")[2]


def test_folders_that_cannot_be_scored(folders, tmp_path, capsys):
    for name, message in broken_folders(tmp_path):
        assert main([folders[0], f"synthetic={tmp_path / name}", *folders[2:]]) == 2
        error = capsys.readouterr().err.rpartition("\r")[2].strip()
        assert message in error
        assert "\n" not in error
        assert name in error


def test_a_mistake_is_answered_before_torch_is_imported():
    code = "import sys; from eval.__main__ import main; sys.exit(main(sys.argv[1:]) + 10 * ('torch' in sys.modules))"
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code, "reel=x"], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == "error: unknown option 'reel': did you mean real?\n"
    assert "Traceback" not in run.stderr
    assert time.perf_counter() - start < 10  # about 0.3 s on a quiet machine


def test_help(capsys):
    assert main(["--help"]) == 0
    assert "floor_repeats=10" in capsys.readouterr().out
    assert main([]) == 2


def test_paths_stay_as_typed(tmp_path):
    odd = write(tmp_path / "a: b, [c] 007", 3, seed=0)
    config = config_from_args([f"real={odd}", f"synthetic={odd}", "out=1e3", "size=[16,24]", "num=null"])
    assert (config.real, config.out, config.size, config.num) == (str(odd), "1e3", [16, 24], None)


def test_home_is_looked_up(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("real", "synthetic"):
        write(tmp_path / name, 3, seed=0)
    config = config_from_args(["real=~/real", "synthetic=~/synthetic", "out=~/out"])
    assert (config.real, config.out) == (str(tmp_path / "real"), str(tmp_path / "out"))


def test_defaults_are_valid():
    assert EvalConfig(real="a", synthetic="b", out="c").features == "random"
