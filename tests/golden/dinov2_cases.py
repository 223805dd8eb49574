"""What make_dinov2.py gave to timm and tests/test_dinov2.py gives to eval: weights and images by seed (NEP 19)."""

import numpy as np

DIMS, DEPTH, GRID, SIDE = 128, 2, 16, 224  # as many positions as patches, so that none is interpolated


def dinov2_shapes(dims=DIMS, depth=DEPTH, grid=GRID):
    """Every key of the published state dict and its shape."""
    shapes = {
        "cls_token": (1, 1, dims), "pos_embed": (1, 1 + grid**2, dims), "mask_token": (1, dims),
        "patch_embed.proj.weight": (dims, 3, 14, 14), "patch_embed.proj.bias": (dims,),
        "norm.weight": (dims,), "norm.bias": (dims,),
    }  # fmt: skip
    linear = {
        "attn.qkv": (3 * dims, dims),
        "attn.proj": (dims, dims),
        "mlp.fc1": (4 * dims, dims),
        "mlp.fc2": (dims, 4 * dims),
    }
    for block in (f"blocks.{i}" for i in range(depth)):
        for name, shape in linear.items():
            shapes |= {f"{block}.{name}.weight": shape, f"{block}.{name}.bias": shape[:1]}
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[f"{block}.{name}"] = (dims,)
    return shapes


def dinov2_state(seed=0):
    """Arrays under the published keys, strong enough that every one of them moves the features."""
    random = np.random.RandomState(seed)
    state = {}
    for key, shape in sorted(dinov2_shapes().items()):
        values = random.standard_normal(shape)
        if len(shape) > 1 and key.endswith("weight"):
            values *= 1.5 / np.sqrt(np.prod(shape[1:]))
        elif key.endswith(("norm1.weight", "norm2.weight", "norm.weight", "gamma")):
            values = 1 + 0.3 * values
        else:
            values *= 0.3
        state[key] = values.astype(np.float32)
    return state


def dinov2_images(seed=1):
    """Smooth blocks in [0, 1], (3, 3, 224, 224)."""
    blocks = np.random.RandomState(seed).uniform(0, 1, (3, 3, 14, 14))
    return blocks.repeat(16, axis=2).repeat(16, axis=3).astype(np.float32)
