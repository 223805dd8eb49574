"""Speed and agreement of eval's FID against pytorch-fid: python benchmarks/fid_time.py [images=200] [rounds=3] [out=FILE.json]

Features: a folder of 64x64 PNGs through Inception with the same random weights, each measurement in a fresh process as
the program comes (pytorch-fid: batches of 50, its default number of workers), the two taking turns. Frechet step: from
moments at full rank (4000 images in 2048 dimensions), from features for 200 images, taking turns in one process.
Medians are compared. Needs pytorch-fid (pip install '.[bench]').
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
    result = {"threads": len(os.sched_getaffinity(0)), "features": features, "frechet": measure_frechet(int(rounds))}
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


def measure_features(folder, rounds):
    seconds = {PEER: [], OURS: []}
    for _ in range(rounds):
        for who in (PEER, OURS):
            command = [sys.executable, __file__, "--features", who, str(folder)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[who].append(float(run.stdout.split()[-1]))
            print(f"features, {who}: {seconds[who][-1]:.1f} s", file=sys.stderr)
    theirs, ours = (np.load(folder / f"{who}.npy").astype(np.float64) for who in (PEER, OURS))
    rates = {who: [len(theirs) / s for s in seconds[who]] for who in seconds}
    return {
        "images_per_second": rates,
        "ratio": median(rates[OURS]) / median(rates[PEER]),
        "relative_error": float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)),
    }


def features_of_peer(folder):
    import torch
    from pytorch_fid import fid_score, inception

    state = torch.load(folder / "weights.pth", weights_only=True)
    inception.load_state_dict_from_url = lambda url, progress: state
    network = inception.InceptionV3([3])
    files = sorted((folder / "images").glob("*.png"))
    workers = min(len(os.sched_getaffinity(0)), 8)
    start = time.perf_counter()
    features = fid_score.get_activations(files, network, batch_size=BATCH_SIZE, num_workers=workers)
    return features, time.perf_counter() - start


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
    extractor = build_extractor(config)
    files = sorted((folder / "images").glob("*.png"))
    preparation = Preparation((0.0, 255.0), (64, 64), "crop")
    start = time.perf_counter()
    features = extract(extractor, files, preparation, batch_size=config.batch_size, device=choose_device("cpu"))
    return features, time.perf_counter() - start


def measure_frechet(rounds):
    warnings.simplefilter("ignore")  # scipy's of the argument that pytorch-fid gives to sqrtm, and of singular matrices
    from eval.frechet import frechet_distance, frechet_from_features, moments

    random = np.random.RandomState(0)
    mixing = random.standard_normal((2048, 2048)) / np.sqrt(2048)
    result = {}
    for n in (4000, 200):
        x, y = random.standard_normal((n, 2048)) @ mixing, 1.1 * random.standard_normal((n, 2048)) + 0.1
        one, other = moments(x), moments(y)
        steps = {
            PEER: lambda x=x, y=y, one=one, other=other: peer_distance(x, y, one, other),
            OURS: lambda x=x, y=y, one=one, other=other: (
                frechet_from_features(x, y)
                if len(x) < 2048
                else frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
            ),
        }
        seconds, values = {who: [] for who in steps}, {}
        for _ in range(rounds):
            for who, step in steps.items():
                start = time.perf_counter()
                values[who] = step()
                seconds[who].append(time.perf_counter() - start)
        result[f"n = {n}"] = {
            "seconds": seconds,
            "ratio": median(seconds[PEER]) / median(seconds[OURS]),
            "relative_difference": abs(values[OURS] - values[PEER]) / values[PEER],
        }
    return result


def peer_distance(x, y, one, other):
    """Scipy's sqrtm of S_1 S_2, as pytorch-fid calls it; with few images from the features, as ours."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    if len(x) >= x.shape[1]:
        return calculate_frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
    statistics = (part for z in (x, y) for part in (z.mean(axis=0), np.cov(z, rowvar=False)))
    return calculate_frechet_distance(*statistics)


def markdown(result):
    features, rows = result["features"], []
    rates = {who: median(values) for who, values in features["images_per_second"].items()}
    rows.append(
        (
            "features, images/s",
            f"{rates[PEER]:.1f}",
            f"{rates[OURS]:.1f}",
            features["ratio"],
            features["relative_error"],
        )
    )
    for name, step in result["frechet"].items():
        seconds = {who: median(values) for who, values in step["seconds"].items()}
        label = f"Frechet step, {name}, s"
        rows.append((label, f"{seconds[PEER]:.3f}", f"{seconds[OURS]:.3f}", step["ratio"], step["relative_difference"]))
    head = f"{result['threads']} cores | {PEER} | {OURS} | ratio | relative difference"
    lines = [f"| {head} |", "|---|---|---|---|---|"]
    lines += [f"| {label} | {peer} | {ours} | {ratio:.1f}x | {error:.1e} |" for label, peer, ours, ratio, error in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--features"]:
        who, directory = sys.argv[2], Path(sys.argv[3])
        array, elapsed = (features_of_peer if who == PEER else features_of_ours)(directory)
        np.save(directory / f"{who}.npy", array)
        print(elapsed)
    else:
        main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
