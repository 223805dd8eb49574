"""Write simulated images to a folder: `python -m data sar_sim out=DIR num_images=500 seed=1`. One subfolder a class.

With labels=true they lie in DIR/images and their label maps under the same names in DIR/labels, which
`python train.py data=masks data.path=DIR/images data.masks=DIR/labels data.class_folders=true` and
`python sample.py mode=from_labels labels=DIR/labels` read; DIR/labels.json names the labels.
"""

import sys
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from data import DATASETS, load_images
from data.folder import FolderConfig
from data.sample_files import write_label_map, write_label_names
from data.table_config import TablesConfig
from data.writers import write_image

USAGE = "usage: python -m data sar_sim|mri_sim out=DIR [num_images=500 seed=1 image_size=64 labels=true ...]"


def main(arguments: list[str]) -> int:
    """Render the set that the arguments describe; exit code 2 and one line for a mistake in them."""
    try:
        name, *settings = arguments or [""]
        if name not in DATASETS or issubclass(DATASETS[name][0], FolderConfig | TablesConfig):
            raise ValueError(USAGE)
        given = OmegaConf.from_dotlist(settings)
        out = given.pop("out", None)
        if out is None:
            raise ValueError(f"out= is needed: {USAGE}")
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(DATASETS[name][0](val_fraction=0.0)), given))
        export(config, Path(str(out)).expanduser(), cache_dir=Path("~/.cache/speckle").expanduser())
    except (ValueError, OSError, OmegaConfBaseException) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def export(config: object, out: Path, *, cache_dir: Path) -> None:
    """Write every image of a set, and its label map where it has one; ValueError when `out` holds something already."""
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise ValueError(f"out={out} is not empty: name a new folder")
    images = load_images(config, cache_dir=cache_dir).train
    spec, labelled = images.spec, bool(images.spec.label_names)
    for i, name in enumerate(tqdm(images.names, unit="image")):
        label = "" if images.class_labels is None else spec.classes[images.class_labels[i, 0]]
        folder = out / "images" / label if labelled else out / label
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{name}.png", images.integers([i])[0], spec)
        if labelled:
            (out / "labels" / label).mkdir(parents=True, exist_ok=True)
            write_label_map(out / "labels" / label / f"{name}.png", images.label_maps([i])[0])
    if labelled:
        write_label_names(out / "labels.json", spec.label_names)
    print(f"{len(images)} images in {out}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
