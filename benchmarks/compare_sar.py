"""Simulated SAR scenes beside real ones (SSDD), with the statistics of docs/simulated_sar.md.

    python benchmarks/compare_sar.py [--out docs/images/sar_sim_vs_real.png]

The real images are read from $SPECKLE_DATA/ssdd (default ../shared/data/ssdd) and are not part of this repository.
Each real ship gives one square crop, shrunk so that the ship is as long as the simulator's ships are; crops that would
have to be enlarged are left out.
"""

import argparse
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from scipy.stats import ks_2samp

from data.sar import SarSimConfig, intensity, simulate

SIZE = 64
PATCH = 8


def real_crops(folder, config, seed=0):
    """Crops (n, 64, 64) in [0, 1], each around one ship, and the scene cluster (n,) of each."""
    annotations = json.loads((folder / "annotations.json").read_text())
    images = {image["id"]: image for image in annotations["images"]}
    rng = np.random.default_rng(seed)
    crops, clusters = [], []
    for ship in annotations["annotations"]:
        image = images[ship["image_id"]]
        x, y, w, h = ship["bbox"]
        length = np.exp(rng.uniform(*np.log(config.ship_length)))
        side = int(SIZE * max(w, h) / length)
        place = rng.uniform(0.25, 0.75, 2)  # where in the crop the ship's centre lies
        if not SIZE <= side <= min(image["width"], image["height"]):
            continue
        left = int(np.clip(x + w / 2 - place[0] * side, 0, image["width"] - side))
        top = int(np.clip(y + h / 2 - place[1] * side, 0, image["height"] - side))
        with Image.open(folder / "images" / image["file_name"]) as file:
            crop = (
                file.convert("L").crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BOX)
            )
        crops.append(np.asarray(crop) / 255.0)
        clusters.append(image["scene_cluster"])
    return np.array(crops), np.array(clusters)


def simulated(config, num):
    mapping = intensity(config)
    return np.array([mapping.forward(simulate(config, i).physical) for i in range(num)])


def equivalent_looks(images):
    """(mean / std)^2 of display values, the median over the darker half of each image's 8 x 8 patches: (n,)."""
    n = SIZE // PATCH
    patches = images.reshape(-1, n, PATCH, n, PATCH).swapaxes(2, 3).reshape(len(images), n * n, -1)
    mean, std = patches.mean(axis=2), patches.std(axis=2)
    quiet = mean <= np.median(mean, axis=1, keepdims=True)
    return np.nanmedian(np.where(quiet, (mean / np.maximum(std, 1 / 255)) ** 2, np.nan), axis=1)


def radial_spectrum(images):
    """Power in dB at 1/64, ..., 31/64 cycles per pixel, the mean over images of variance 1."""
    images = (images - images.mean(axis=(1, 2), keepdims=True)) / images.std(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0) / SIZE**2
    f = np.fft.fftfreq(SIZE)
    ring = np.round(np.hypot(f[:, None], f[None]) * SIZE).astype(int)
    count = np.bincount(ring.ravel())
    return 10 * np.log10(np.bincount(ring.ravel(), power.ravel()) / count)[1 : SIZE // 2]


def quantiles(values):
    return " / ".join(f"{q:.3g}" for q in np.quantile(values, [0.1, 0.5, 0.9]))


def report(real, clusters, fake):
    """Print each statistic for real and simulated images, and its floor, between real ones of different scenes."""
    half = clusters % 2 == 0
    figures = {
        "all pixels": np.ravel,
        "median of an image": lambda x: np.median(x, axis=(1, 2)),
        "99 % quantile of an image": lambda x: np.quantile(x, 0.99, axis=(1, 2)),
        "equivalent looks of dark patches": equivalent_looks,
    }
    print(f"{len(real)} real images, {len(fake)} simulated\n")
    print("| statistic | real 10 / 50 / 90 % | simulated 10 / 50 / 90 % | KS distance | real against real |")
    print("|---|---|---|---|---|")
    for name, figure in figures.items():
        ks = ks_2samp(figure(real), figure(fake)).statistic
        floor = ks_2samp(figure(real[half]), figure(real[~half])).statistic
        print(f"| {name} | {quantiles(figure(real))} | {quantiles(figure(fake))} | {ks:.3f} | {floor:.3f} |")
    gap = radial_spectrum(fake) - radial_spectrum(real)
    floor = radial_spectrum(real[half]) - radial_spectrum(real[~half])
    print("\n| radial spectrum, difference in dB | simulated against real | real against real |\n|---|---|---|")
    print(f"| root mean square over rings | {np.sqrt((gap**2).mean()):.2f} | {np.sqrt((floor**2).mean()):.2f} |")
    print(f"| largest | {np.abs(gap).max():.2f} | {np.abs(floor).max():.2f} |")


def picture(real, fake, path):
    """The first 16 simulated images beside 16 real ones, and curves of all below."""
    chosen = real[np.random.default_rng(1).choice(len(real), 16, replace=False)]
    figure = plt.figure(figsize=(10.4, 7.6))
    top, bottom = figure.subfigures(2, 1, height_ratios=[5, 2.4])
    for part, images, title in zip(top.subfigures(1, 2), (fake, chosen), ("simulated", "real (SSDD)"), strict=True):
        part.suptitle(title)
        for axes, image in zip(
            part.subplots(4, 4, gridspec_kw={"wspace": 0.03, "hspace": 0.03}).flat, images, strict=False
        ):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
        part.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.92)
    cdf, looks, spectrum = bottom.subplots(1, 3)
    for images, label in ((fake, "simulated"), (real, "real")):
        cdf.plot(np.quantile(images, np.linspace(0, 1, 400)), np.linspace(0, 1, 400), label=label)
        looks.plot(np.sort(equivalent_looks(images)), np.linspace(0, 1, len(images)), label=label)
        spectrum.plot(np.arange(1, SIZE // 2) / SIZE, radial_spectrum(images), label=label)
    cdf.set(xlabel="display value", ylabel="share of pixels", xlim=(0, 1))
    looks.set(xlabel="equivalent looks of dark patches", ylabel="share of images", xscale="log", xlim=(0.3, 300))
    spectrum.set(xlabel="cycles per pixel", ylabel="power in dB")
    cdf.legend()
    bottom.subplots_adjust(left=0.07, right=0.99, bottom=0.22, top=0.96, wspace=0.3)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/sar_sim_vs_real.png"))
    args = parser.parse_args()
    config = SarSimConfig(image_size=SIZE)
    real, clusters = real_crops(Path(os.environ.get("SPECKLE_DATA", "../shared/data")) / "ssdd", config)
    fake = simulated(config, len(real))
    report(real, clusters, fake)
    picture(real, fake, args.out)


if __name__ == "__main__":
    main()
