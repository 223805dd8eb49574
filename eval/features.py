"""From a folder of images to a matrix of features: the choice of the extractor, and the loop."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from tqdm import tqdm

from eval.config import INCEPTION_SHA256, EvalConfig
from eval.dinov2 import SIDE, load_dinov2
from eval.dinov2_weights import find_dinov2
from eval.images import Preparation
from eval.inception import DIMS, load_inception
from eval.inception_weights import find_weights
from eval.random_conv import RandomConv


@dataclass(frozen=True)
class Extractor:
    """A frozen network from (b, 3, h, w) in [0, 1] to (b, d), and what a report must say of it."""

    network: nn.Module
    dims: int
    fingerprint: str  # of the weights and of what is done with them: part of the cache's key
    description: str
    frechet: str  # the names its figures may carry: `fid` and `kid` belong to Inception's own weights alone
    kid: str


def build_extractor(config: EvalConfig) -> Extractor:
    """The extractor that `features` asks for, but for `domain`, which eval.domain trains.

    ValueError if its weights cannot be had or are not the right ones.
    """
    if config.features == "random":
        network = RandomConv()
        description = f"random_conv: a convolutional network of {RandomConv.dims} features with fixed random weights"
        return Extractor(network, RandomConv.dims, _fingerprint(network), description, "frechet_random", "kid_random")
    if config.features == "dinov2":
        return _dinov2(config)
    assert config.features == "inception", config.features
    path, sha256 = find_weights(config)
    network, description = load_inception(path), f"inception: 2048 features of pool3 at 299x299, weights {sha256[:8]}"
    if sha256.startswith(INCEPTION_SHA256):
        return Extractor(network, DIMS, f"inception {sha256}", description, "fid", "kid")
    description += ", NOT the published weights of FID"
    return Extractor(network, DIMS, f"inception {sha256}", description, "frechet_inception", "kid_inception")


def _dinov2(config: EvalConfig) -> Extractor:
    path, sha256 = find_dinov2(config)
    network = load_dinov2(path)
    description = f"dinov2: {network.dims} features of the class token at {SIDE}x{SIDE}, weights {sha256[:8]}"
    return Extractor(network, network.dims, f"dinov2 {sha256}", description, "frechet_dinov2", "kid_dinov2")


def _fingerprint(network: nn.Module) -> str:
    digest = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return digest.hexdigest()


def choose_device(name: str) -> torch.device:
    """auto: CUDA where there is one; ValueError for cuda where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: torch finds no CUDA device here, use device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def extract(
    extractor: Extractor,
    paths: Sequence[Path],
    preparation: Preparation,
    *,
    batch_size: int,
    device: torch.device,
    label: str = "features",
) -> Float[np.ndarray, "n d"]:
    """Features of the images in order, as float32, under a progress bar."""
    network = extractor.network.to(device=device).eval()
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    features = np.empty((len(paths), extractor.dims), dtype=np.float32)
    done = 0
    # TF32, cuDNN's default for convolutions, would cost three digits; `flags` alone would switch cuDNN off
    with (
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        tqdm(total=len(paths), desc=label, unit="image", leave=False) as bar,
    ):
        for batch in _batches(paths, preparation, batch_size):
            x = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)  # (b, 3, h, w)
            features[done : done + len(batch)] = network(x).cpu().numpy()
            done += len(batch)
            bar.update(len(batch))
    return features


def _batches(paths: Sequence[Path], preparation: Preparation, size: int) -> Iterator[np.ndarray]:
    """Loads the next batch while the network is busy with this one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = [paths[i : i + size] for i in range(0, len(paths), size)]
        pending = [pool.submit(preparation.load, path) for path in parts[0]]
        for following in [*parts[1:], []]:
            batch = np.stack([image.result() for image in pending])
            pending = [pool.submit(preparation.load, path) for path in following]
            yield batch
