"""Where the weights of FID's Inception come from, and the proof that they are the right ones."""

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from eval.config import INCEPTION_SHA256, EvalConfig

FILE_NAME = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE_NAME}"


def find_weights(config: EvalConfig) -> tuple[Path, str]:
    """Path and SHA-256 of the weights: the file given, one downloaded before (by us or through torch.hub), or a download.

    ValueError if there is none, or if its SHA-256 does not begin with `inception_sha256`.
    """
    if config.inception_weights is not None:
        path = Path(config.inception_weights).expanduser()
    else:
        hub = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser() / "hub" / "checkpoints" / FILE_NAME
        own = Path(config.cache_dir).expanduser() / FILE_NAME
        path = next((known for known in (own, hub) if known.is_file()), None) or _download(own)
    return path, check_sha256(path, config.inception_sha256)


def check_sha256(path: Path, expected: str) -> str:
    """The file's SHA-256; ValueError unless it begins with `expected` or that is "any"."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if expected != "any" and not digest.startswith(expected.lower()):
        raise ValueError(
            f"{path}: its SHA-256 begins with {digest[:8]}, not {expected}: take {FILE_NAME} ({INCEPTION_SHA256}), or say "
            "inception_sha256=any to use these weights knowingly"
        )
    return digest


def _download(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    print(f"downloading {URL}", flush=True)
    try:
        with urllib.request.urlopen(URL, timeout=30) as response, partial.open("wb") as file:
            while chunk := response.read(1 << 20):
                file.write(chunk)
        check_sha256(partial, INCEPTION_SHA256)
        os.replace(partial, path)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ValueError(
            f"Inception's weights cannot be downloaded from {URL} ({error}): fetch {FILE_NAME} elsewhere and give "
            "inception_weights=FILE, or use features=random"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path
