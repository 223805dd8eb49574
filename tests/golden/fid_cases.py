"""What make_fid.py gave to pytorch-fid and tests/test_inception.py gives to eval: weights, images and features by seed.

All of it comes from NumPy's RandomState, whose stream is frozen (NEP 19), so that no file of 90 MB is stored.
"""

import numpy as np

from eval.inception import state_shapes

FEATURE_STEP = 16  # every 16th feature is recorded
FOLDERS = {"tiny": 12, "large": 200}  # images a side
FEATURES = {"200 v 200, 2048 d": (200, 200, 2048), "200 v 60, 512 d": (200, 60, 512), "400 v 300, 64 d": (400, 300, 64)}


def inception_state(seed=0):
    """A state dict of arrays under the keys of pt_inception-2015-12-05-6726825d.pth; its features vary like real ones."""
    random = np.random.RandomState(seed)
    state = {}
    for key, shape in state_shapes().items():
        if key.endswith("conv.weight"):
            values = random.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        elif key.endswith(("bn.weight", "running_var")):
            values = random.uniform(0.5, 1.5, shape)
        else:
            values = 0.1 * random.standard_normal(shape)
        state[key] = values.astype(np.float32)
    return state


def images(n, *, seed, contrast=1.0):
    """Blocks of random colours under noise, (n, 64, 64, 3) uint8; every other image is grey."""
    random = np.random.RandomState(seed)
    blocks = random.uniform(0, 255, (n, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    pixels = 127.5 + contrast * (blocks - 127.5) + 12 * random.standard_normal((n, 64, 64, 3))
    pixels[::2] = pixels[::2, :, :, :1]
    return pixels.clip(0, 255).astype(np.uint8)


def folder_images(name):
    """(real, synthetic) of a case in FOLDERS."""
    n = FOLDERS[name]
    return images(n, seed=1), images(n, seed=2, contrast=0.7)


def feature_pair(name):
    """Two matrices of non-negative features with unequal means and spreads, (n, d) and (m, d)."""
    n, m, d = FEATURES[name]
    random = np.random.RandomState(3)
    mixing = random.standard_normal((d, d)) / np.sqrt(d)
    one = np.abs(random.standard_normal((n, d)) @ mixing)
    other = np.abs(1.2 * random.standard_normal((m, d)) @ mixing + 0.1)
    return one, other
