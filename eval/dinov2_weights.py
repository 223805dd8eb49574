"""Where the weights of DINOv2 lie: nothing is downloaded."""

import hashlib
import os
from pathlib import Path

from eval.config import EvalConfig

FILE_NAME = "dinov2_vits14_pretrain.pth"
SOURCE = "https://github.com/facebookresearch/dinov2"


def find_dinov2(config: EvalConfig) -> tuple[Path, str]:
    """Path and SHA-256 of the weights: the file given, or what torch.hub left in its cache; ValueError if neither is there."""
    if config.dinov2_weights is not None:
        path = Path(config.dinov2_weights).expanduser()
    else:
        path = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser() / "hub" / "checkpoints" / FILE_NAME
    if not path.is_file():
        raise ValueError(
            f"features=dinov2: no weights at {path}: fetch {FILE_NAME} (links in the table of {SOURCE}) and give "
            "dinov2_weights=FILE, or use features=domain"
        )
    with path.open("rb") as file:
        return path, hashlib.file_digest(file, "sha256").hexdigest()
