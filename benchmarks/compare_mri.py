"""Simulated beside real slices, as a picture and as statistics: python benchmarks/compare_mri.py [real=DIR] [out=PNG].

The real ones default to the training part of the brain MRI set under SPECKLE_DATA (default ../shared/data).
"""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.mri import MriSimConfig, intensity, simulate

SIZE = 64
PERCENTILES = (25, 50, 75, 90, 95, 99)


def load_real(folder: Path) -> np.ndarray:
    """Every slice, averaged down to SIZE x SIZE, 8-bit levels in [0, 1]: (n, SIZE, SIZE)."""
    files = sorted(folder.glob("*/*.jpg"))
    if not files:
        raise SystemExit(f"error: no */*.jpg under {folder}; set SPECKLE_DATA or real=DIR")
    images = [Image.open(f).convert("L").resize((SIZE, SIZE), Image.Resampling.BOX) for f in files]
    return np.stack([np.asarray(image, float) / 255 for image in images])


def load_simulated(number: int) -> np.ndarray:
    """The first slices of the default set, as 8-bit levels in [0, 1] too."""
    config = MriSimConfig(image_size=SIZE)
    units = [intensity(config).forward(simulate(config, i).physical) for i in range(number)]
    return np.rint(np.stack(units) * 255) / 255


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


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of the two cumulative distributions of 8-bit levels (Kolmogorov-Smirnov)."""
    shares = [np.cumsum(np.bincount(np.rint(x.ravel() * 255).astype(int), minlength=256)) / x.size for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def picture(simulated: np.ndarray, real: np.ndarray, path: Path) -> None:
    """4 x 4 simulated on the left, 4 x 4 real on the right, each pixel drawn 2 x 2."""
    sides = [x[:16].reshape(4, 4, SIZE, SIZE).transpose(0, 2, 1, 3).reshape(4 * SIZE, -1) for x in (simulated, real)]
    gap = np.ones((4 * SIZE, 4))
    pixels = np.rint(np.concatenate([sides[0], gap, sides[1]], axis=1) * 255).astype(np.uint8)
    Image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(path, optimize=True)


def main() -> None:
    options = dict(arg.split("=", 1) for arg in sys.argv[1:])
    shared = Path(os.environ.get("SPECKLE_DATA", "../shared/data"))
    real = load_real(Path(options.get("real", shared / "brain_mri/train")))
    simulated = load_simulated(len(real))
    order = np.random.default_rng(0).permutation(len(real))
    one, other = real[order[::2]], real[order[1::2]]  # the floor: real against real
    print(f"{len(real)} real and {len(simulated)} simulated slices, {SIZE} x {SIZE}")
    print(f"{'':58}{'simulated':>10}{'real':>10}{'half of real':>14}{'other half':>12}")
    columns = [statistics(x) for x in (simulated, real, one, other)]
    for name in columns[0]:
        print(f"{name:58}" + "".join(f"{c[name]:{w}.3f}" for c, w in zip(columns, (10, 10, 14, 12), strict=True)))
    for what, least in (("all pixels", -1.0), ("pixels above 0.05", 0.05)):
        distance = ks_distance(simulated[simulated > least], real[real > least])
        floor = ks_distance(one[one > least], other[other > least])
        print(f"Kolmogorov-Smirnov distance, {what}: {distance:.3f} (one half of real against the other: {floor:.3f})")
    picture(simulated, real[order], Path(options.get("out", "docs/images/mri_sim_vs_real.png")))


if __name__ == "__main__":
    main()
