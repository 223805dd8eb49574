"""Speed and agreement of eval's FID against pytorch-fid: python benchmarks/fid_time.py [images=200] [rounds=3] [out=FILE.json]

Features: a folder of 64x64 PNGs through Inception with the same random weights, each measurement in a fresh process as
the program comes (pytorch-fid: batches of 50, its default number of workers), the two taking turns. Frechet step: from
moments at full rank (4000 images in 2048 dimensions), from features for 200 images, taking turns in one process.
Medians are compared, of wall-clock time and of CPU time; on a machine that does other work too, trust the second, with
OMP_NUM_THREADS=1. Needs pytorch-fid (pip install '.[bench]').
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "golden")]
PEER, OURS = "pytorch-fid", "speckle"
BATCH_SIZE = 50  # pytorch-fid's default; ours comes with its own


def main(images=200, rounds=3, out=None):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, int(images))
        features = measure_features(folder, int(rounds))
    result = {
        "threads": int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)))),
        "images": int(images),
        "features": features,
        "frechet": measure_frechet(int(rounds)),
    }
    print(markdown(result))
    if out:
        Path(out).write_text(json.dumps(result, indent=2) + "\n")


def prepare(folder, n):
    import torch
    from fid_cases import images, inception_state
    from PIL import Image

    torch.save({key: torch.from_numpy(values) for key, values in inception_state().items()}, folder / "weights.pth")
    (folder / "images").mkdir()
    for i, image in enumerate(images(n, seed=1)):
        Image.fromarray(image).save(folder / "images" / f"{i:05d}.png")


def timed(function):
    """The result, wall-clock and CPU seconds (own threads and ended children)."""
    before, start = os.times(), time.perf_counter()
    result = function()
    wall, after = time.perf_counter() - start, os.times()
    return result, {"wall": wall, "cpu": sum(after[:4]) - sum(before[:4])}


def summary(seconds, relative_difference):
    """Medians of both sides by clock, their ratio, and how far the results lie apart."""
    clocks = {}
    for clock in ("wall", "cpu"):
        theirs, ours = (median(run[clock] for run in seconds[who]) for who in (PEER, OURS))
        clocks[clock] = {PEER: theirs, OURS: ours, "ratio": theirs / ours}
    return clocks | {"runs": seconds, "relative_difference": float(relative_difference)}


def measure_features(folder, rounds):
    seconds = {PEER: [], OURS: []}
    for _ in range(rounds):
        for who in (PEER, OURS):
            command = [sys.executable, __file__, "--features", who, str(folder)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[who].append(json.loads(run.stdout.splitlines()[-1]))
            print(f"features, {who}: {seconds[who][-1]}", file=sys.stderr)
    theirs, ours = (np.load(folder / f"{who}.npy").astype(np.float64) for who in (PEER, OURS))
    return summary(seconds, np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def features_of_peer(folder):
    import torch
    from pytorch_fid import fid_score, inception

    state = torch.load(folder / "weights.pth", weights_only=True)
    inception.load_state_dict_from_url = lambda url, progress: state
    network = inception.InceptionV3([3])
    files = sorted((folder / "images").glob("*.png"))
    workers = min(len(os.sched_getaffinity(0)), 8)
    return timed(lambda: fid_score.get_activations(files, network, batch_size=BATCH_SIZE, num_workers=workers))


def features_of_ours(folder):
    from eval.config import EvalConfig
    from eval.features import build_extractor, choose_device, extract
    from eval.heap import keep_heap
    from eval.images import Preparation

    weights = str(folder / "weights.pth")
    config = EvalConfig(
        "real", "synthetic", "out", features="inception", inception_weights=weights, inception_sha256="any"
    )
    keep_heap()  # as `python -m eval` does
    extractor, device = build_extractor(config), choose_device("cpu")
    files = sorted((folder / "images").glob("*.png"))
    preparation = Preparation((0.0, 255.0), (64, 64), "crop")
    return timed(lambda: extract(extractor, files, preparation, batch_size=config.batch_size, device=device))


def measure_frechet(rounds):
    warnings.simplefilter("ignore")  # scipy's of the argument that pytorch-fid gives to sqrtm, and of singular matrices
    result = {}
    for n, (theirs, ours) in {4000: full_rank_steps(4000), 200: low_rank_steps(200)}.items():
        seconds, values = {PEER: [], OURS: []}, {}
        for _ in range(rounds):
            for who, step in ((PEER, theirs), (OURS, ours)):
                values[who], run = timed(step)
                seconds[who].append(run)
        result[f"n = {n}"] = summary(seconds, abs(values[OURS] - values[PEER]) / values[PEER])
    return result


def feature_pair(n):
    random = np.random.RandomState(0)
    mixing = random.standard_normal((2048, 2048)) / np.sqrt(2048)
    return random.standard_normal((n, 2048)) @ mixing, 1.1 * random.standard_normal((n, 2048)) + 0.1


def full_rank_steps(n):
    """From ready moments, as pytorch-fid calls scipy's sqrtm."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    from eval.frechet import frechet_distance, moments

    statistics = [part for x in feature_pair(n) for part in moments(x)[1:]]
    return lambda: calculate_frechet_distance(*statistics), lambda: frechet_distance(*statistics)


def low_rank_steps(n):
    """From features."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    from eval.frechet import frechet_from_features

    def theirs():
        return calculate_frechet_distance(*(part for x in pair for part in (x.mean(axis=0), np.cov(x, rowvar=False))))

    pair = feature_pair(n)
    return theirs, lambda: frechet_from_features(*pair)


def markdown(result):
    rows = {"Inception features": result["features"]}
    rows |= {f"Frechet step, {name}, 2048 features": step for name, step in result["frechet"].items()}
    size = f"{result['threads']} threads, {result['images']} images"
    head = [size, f"{PEER}, s", f"{OURS}, s", "ratio", "ratio of CPU time", "relative difference"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        wall, cpu = row["wall"], row["cpu"]
        times = f"{wall[PEER]:.3g} | {wall[OURS]:.3g} | {wall['ratio']:.2f} | {cpu['ratio']:.2f}"
        lines.append(f"| {name} | {times} | {row['relative_difference']:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--features"]:
        who, directory = sys.argv[2], Path(sys.argv[3])
        array, elapsed = (features_of_peer if who == PEER else features_of_ours)(directory)
        np.save(directory / f"{who}.npy", array)
        print(json.dumps(elapsed))
    else:
        main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
