"""Simulated beside real slices, as a picture and as statistics: python benchmarks/compare_mri.py [real=DIR] [out=PNG].

The real ones default to the training part of the brain MRI set under SPECKLE_DATA (default ../shared/data).
"""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import ks_2samp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.mri import MriSimConfig, intensity, simulate

SIZE = 64
PERCENTILES = (25, 50, 75, 90, 95, 99)


def load_real(folder: Path) -> tuple[np.ndarray, list[str]]:
    """Every slice, averaged down to SIZE x SIZE, in [0, 1], and its class (the folder's name)."""
    files = sorted(folder.glob("*/*.jpg"))
    if not files:
        raise SystemExit(f"error: no */*.jpg under {folder}; set SPECKLE_DATA or real=DIR")
    images = [Image.open(f).convert("L").resize((SIZE, SIZE), Image.Resampling.BOX) for f in files]
    return np.stack([np.asarray(image, float) / 255 for image in images]), [f.parent.name for f in files]


def load_simulated(number: int) -> np.ndarray:
    config = MriSimConfig(image_size=SIZE)
    return np.stack([intensity(config).forward(simulate(config, i).physical) for i in range(number)])


def spectrum_slope(images: np.ndarray) -> float:
    """Slope of log power against log frequency, radially averaged, from 3 to 24 cycles an image."""
    power = (np.abs(np.fft.fft2(images - images.mean((1, 2), keepdims=True))) ** 2).mean(0)
    cycles = np.fft.fftfreq(SIZE) * SIZE
    radius = np.rint(np.hypot(cycles[:, None], cycles[None])).astype(int)
    radial = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    band = np.arange(3, 25)
    return float(np.polyfit(np.log(band), np.log(radial[band]), 1)[0])


def local_ratio(images: np.ndarray) -> np.ndarray:
    """Mean over standard deviation of every 4 x 4 block (an SNR-like figure), with the block's mean: (blocks, 2)."""
    n = SIZE // 4
    blocks = images.reshape(len(images), n, 4, n, 4).transpose(0, 1, 3, 2, 4).reshape(-1, 16)
    return np.stack([blocks.mean(1) / (blocks.std(1) + 1e-3), blocks.mean(1)], axis=1)


def statistics(images: np.ndarray) -> dict[str, float]:
    """Medians over the images or blocks of one set."""
    flat = images.reshape(len(images), -1)
    found = {f"percentile {q}": float(np.median(np.percentile(flat, q, axis=1))) for q in PERCENTILES}
    found["mean"] = float(flat.mean())
    found["share of pixels below 0.05"] = float((flat < 0.05).mean())
    found["spectrum slope"] = spectrum_slope(images)
    ratio, level = local_ratio(images).T
    found["mean / std, 4 x 4 blocks of the foreground (mean > 0.15)"] = float(np.median(ratio[level > 0.15]))
    corners = np.concatenate([images[:, :6, :6], images[:, :6, -6:]]).reshape(-1, 36)
    found["background mean (top corners)"] = float(np.median(corners.mean(1)))
    found["background std (top corners)"] = float(np.median(corners.std(1)))
    return found


def picture(simulated: np.ndarray, real: np.ndarray, path: Path) -> None:
    """4 x 4 simulated on the left, 4 x 4 real on the right, each pixel drawn 2 x 2."""
    sides = [x[:16].reshape(4, 4, SIZE, SIZE).transpose(0, 2, 1, 3).reshape(4 * SIZE, -1) for x in (simulated, real)]
    gap = np.ones((4 * SIZE, 4))
    pixels = np.rint(np.concatenate([sides[0], gap, sides[1]], axis=1) * 255).astype(np.uint8)
    Image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(path, optimize=True)


def main() -> None:
    options = dict(arg.split("=", 1) for arg in sys.argv[1:])
    shared = Path(os.environ.get("SPECKLE_DATA", "../shared/data"))
    real, _ = load_real(Path(options.get("real", shared / "brain_mri/train")))
    simulated = load_simulated(len(real))
    print(f"{len(real)} real and {len(simulated)} simulated slices, {SIZE} x {SIZE}")
    print(f"{'':58}{'simulated':>10}{'real':>10}{'half of real':>14}{'other half':>12}")
    order = np.random.default_rng(0).permutation(len(real))
    halves = real[order[::2]], real[order[1::2]]
    columns = [statistics(x) for x in (simulated, real, *halves)]
    for name in columns[0]:
        print(f"{name:58}" + "".join(f"{c[name]:{w}.3f}" for c, w in zip(columns, (10, 10, 14, 12), strict=True)))
    print(f"Kolmogorov-Smirnov distance of all pixels: {ks_2samp(simulated.ravel(), real.ravel()).statistic:.3f}", end="")
    print(f" (half of real against the other: {ks_2samp(halves[0].ravel(), halves[1].ravel()).statistic:.3f})")
    picture(simulated, real[order], Path(options.get("out", "docs/images/mri_sim_vs_real.png")))


if __name__ == "__main__":
    main()
