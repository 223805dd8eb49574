"""Make fid.json: features and Frechet distances of pytorch-fid for the weights, images and features of fid_cases.py.

python tests/golden/make_fid.py     (needs pytorch-fid and takes minutes; the tests read only the file)
"""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytorch_fid
import scipy
import torch
from fid_cases import FEATURE_STEP, FEATURES, FOLDERS, feature_pair, folder_images, inception_state
from PIL import Image
from pytorch_fid import fid_score, inception


def published_network():
    """pytorch-fid's own network; only the download of its weights is replaced."""
    state = {key: torch.from_numpy(values) for key, values in inception_state().items()}
    inception.load_state_dict_from_url = lambda url, progress: state
    return inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).eval()


def activations(network, pixels):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:04d}.png" for i in range(len(pixels))]
        for path, image in zip(paths, pixels, strict=True):
            Image.fromarray(image).save(path)
        return fid_score.get_activations(paths, network, batch_size=50, num_workers=0)


def distance(one, other):
    moments = [part for x in (one, other) for part in (x.mean(axis=0), np.cov(x, rowvar=False))]
    return float(fid_score.calculate_frechet_distance(*moments))


def main():
    warnings.simplefilter("ignore", DeprecationWarning)  # scipy's of the disp argument that pytorch-fid gives
    network = published_network()
    record = {
        "made_with": {"pytorch-fid": pytorch_fid.__version__, "torch": torch.__version__, "scipy": scipy.__version__},
        "features": [],
        "norms": [],
        "folders": {},
        "distances": {name: distance(*feature_pair(name)) for name in FEATURES},
    }
    for name in FOLDERS:
        real, synthetic = (activations(network, pixels) for pixels in folder_images(name))
        record["folders"][name] = distance(real, synthetic)
        if name == "tiny":
            record["features"] = real[:4, ::FEATURE_STEP].tolist()
            record["norms"] = np.linalg.norm(real[:4], axis=1).tolist()
    Path(__file__).with_name("fid.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
