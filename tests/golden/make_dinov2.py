"""Make dinov2.json: features of timm's vision transformer for the weights and images of dinov2_cases.

python tests/golden/make_dinov2.py     (needs timm; the tests read only the file)
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from dinov2_cases import DEPTH, DIMS, SIDE, dinov2_images, dinov2_state

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main():
    import timm
    from timm.models.vision_transformer import VisionTransformer

    shape = {"img_size": SIDE, "patch_size": 14, "embed_dim": DIMS, "depth": DEPTH, "num_heads": DIMS // 64}
    network = VisionTransformer(**shape, init_values=1.0, num_classes=0).eval()
    state = {key: torch.from_numpy(values) for key, values in dinov2_state().items() if key != "mask_token"}
    network.load_state_dict(state)
    images = torch.from_numpy(dinov2_images())
    with torch.inference_mode():
        x = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
        features = network(x)
    small = timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict()
    made = {"package": "timm", "version": timm.__version__, "torch": version("torch"), "seed": 0}
    made |= {"features": features.tolist(), "small_shapes": {key: list(value.shape) for key, value in small.items()}}
    Path(__file__).with_name("dinov2.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
