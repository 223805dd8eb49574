"""Where the images of a comparison come from, as far as their folders tell, and what compared them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from eval.comparison import Comparison
from eval.images import MANIFEST, ImageFolder
from eval.versions import versions_of

REQUEST = "request.json"  # what was asked of the sampler
KEYS = ("checkpoint", "sampler", "seed")  # of a manifest's rows
PACKAGES = ("speckle", "torch", "numpy", "pillow")


def provenance(comparison: Comparison) -> dict[str, Any]:
    """Of each side {"folder", "images", "sha256"}; of the synthetic one what its manifest says, too; config, versions.

    "holdout" is there only where there is one, "groups" ({"by", "real", "holdout"}) where images were kept together.

    "checkpoint", "sampler" and "seed" list the values that stand in the manifest.jsonl, "request" is the request.json; each
    is there only where the folder has it.
    """
    real, synthetic = comparison.real.folder, comparison.synthetic.folder
    held_out = comparison.holdout
    return {
        "real": _side(real),
        **({} if held_out is None else {"holdout": _side(held_out.folder)}),
        "synthetic": _side(synthetic) | from_manifest(synthetic) | _request(synthetic),
        **({} if comparison.groups is None else {"groups": comparison.groups}),
        "config": asdict(comparison.config),
        "versions": versions_of(PACKAGES),
    }


def fingerprint(hashes: Iterable[str]) -> str:
    """SHA-256 over the images' content hashes in sorted order: names and folders do not count, every pixel does."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def _side(folder: ImageFolder) -> dict[str, Any]:
    found = {"folder": str(folder.root), "images": len(folder)}
    return found | {"sha256": fingerprint(image.sha256 for image in folder.images)}


def from_manifest(folder: ImageFolder) -> dict[str, list[str]]:
    """The values of KEYS that stand in the folder's manifest.jsonl beside the images compared; nothing without one."""
    path = folder.root / MANIFEST
    if not path.is_file():
        return {}
    used = set(folder.paths)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [row for row in rows if folder.root / row["file"] in used]
    found = {key: sorted({str(row[key]) for row in rows if row.get(key) is not None}) for key in KEYS}
    return {key: values for key, values in found.items() if values}


def _request(folder: ImageFolder) -> dict[str, Any]:
    """A file of that name that another program wrote may hold anything: then there is nothing to tell."""
    try:
        request = json.loads((folder.root / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {"request": request} if isinstance(request, dict) else {}
