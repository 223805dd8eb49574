"""Samples as files: one by one while they are drawn, and as a whole set at the end."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from conf.sample_schema import SampleConfig
from data.annotated_volumes import LabelledSlice, write_annotated_volumes
from data.balance import attribute_names
from data.components import without_small
from data.fit import unfit_label_map
from data.folder import FolderConfig
from data.image_set import ImageSpec, to_integers, to_item_arrays
from data.nifti import NiftiConfig
from data.sample_files import SampleFiles, sample_files, write_label_map
from data.sample_folder import read_given_up, read_manifest
from data.write_coco import write_coco
from data.write_masks import write_masks
from data.write_nifti import write_nifti
from data.write_npz import write_npz
from data.write_yolo import write_yolo
from data.writers import image_grid, write_animation, write_image
from generation.drawing import Drawing
from generation.grid import write_grid
from generation.naming import another_format
from generation.originals import originals_as_format
from generation.request import Request
from generation.shortfall import Incomplete, mend

MADE = {  # what each format leaves in the folder, beside the samples' own files
    "coco": ("annotations.json", "annotations_8bit.json", "images_8bit"),
    "yolo": ("yolo",),
    "masks": ("masks", "labels.json"),
    "npz": ("dataset.npz",),
    "nifti": ("nifti",),
}
ORIGINAL_SIZE = "labels_original_size"
TRAJECTORY_IMAGES = 16


def require_one_format(out: Path, config: SampleConfig) -> None:
    """ValueError where an earlier call made another format of the samples in `out`: it would tell of these no longer."""
    own = MADE.get(config.format, ())
    if config.format == "coco" and not config.eight_bit_copies:
        own = own[:1]
    for name in (name for names in MADE.values() for name in names if name not in own):
        if (out / "request.json").exists() and (out / name).exists():
            raise ValueError(another_format(out, name))


def write_samples(
    out: Path,
    manifest: TextIO,
    drawing: Drawing,
    x_0: Float[Tensor, "b k h w"],
    rows: Sequence[dict[str, Any]],
) -> None:
    """An image file a sample in the units and depth of the training files, its label map, and then its line.

    `rows` are the lines, each with at least "index".
    """
    spec = drawing.spec
    images, label_maps = to_item_arrays(x_0, spec)
    for k, row in enumerate(rows):
        i = row["index"]
        attributes = attribute_names(spec, drawing.request.labels[i])
        name = f"{drawing.request.files[i]}.png"
        path = out / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {"file": str(write_image(path, images[k], spec).relative_to(out))}
        if label_maps is not None:
            line |= _write_label_maps(out, name, without_small(label_maps[k], drawing.config.min_area), drawing, i)
        about = {"class": attributes.get("class"), "attributes": attributes}
        manifest.write(json.dumps({**line, **about, **_source(drawing, i), **row}) + "\n")
    manifest.flush()


def finish(out: Path, config: SampleConfig, spec: ImageSpec, how: FolderConfig, request: Request) -> list[Path]:
    """What describes the set as a whole, from what is on disk: grid.png, the format asked for, and what was thrown away.

    Returns the places that its user should know of. `how`: as what was given was read. Incomplete where no sample was
    good enough.
    """
    rows, wanted = sorted(read_manifest(out), key=lambda row: row["index"]), len(request)
    if (earlier := sum(row["index"] >= wanted for row in rows)) > 0:
        print(f"{earlier} of the {len(rows)} samples in {out} are from an earlier call that asked for more")
    given_up = missing_samples(out, wanted)
    report(rows, given_up, looked=config.rejects)
    if not rows:
        raise Incomplete(f"error: not one sample was good enough: {mend(reasons_of(given_up))}")
    samples = [sample_files(out, row) for row in rows]
    write_grid(out / "grid.png", config, spec, request, rows, samples)
    return [
        out / "images",
        out / "grid.png",
        out / "manifest.jsonl",
        *(
            originals_as_format(out, config, spec, rows, request)
            if config.original_size
            else _as_format(out, config, spec, how, rows, samples)
        ),
    ]


def _as_format(
    out: Path,
    config: SampleConfig,
    spec: ImageSpec,
    how: FolderConfig,
    rows: Sequence[dict[str, Any]],
    samples: Sequence[SampleFiles],
) -> list[Path]:
    """Make what `format` asks for of the samples' files; where it lies."""
    eight_bit = config.eight_bit_copies
    if config.format in ("coco", "yolo") and not eight_bit and (deep := _beyond_eight_bits(spec)):
        adds = {"coco": "adds 8-bit PNGs with annotations_8bit.json", "yolo": "writes 8-bit PNGs instead"}[
            config.format
        ]
        print(
            f"the images are {deep}, which few detectors read: eight_bit_copies=true {adds}, of the samples that are there"
        )
    if config.format == "coco":
        return [write_coco(out, samples, spec, spec.label_names, eight_bit_copies=eight_bit)]
    if config.format == "yolo":
        write_yolo(out / "yolo", samples, spec, spec.label_names, eight_bit_copies=eight_bit)
        return [out / "yolo"]
    if config.format == "masks":
        write_masks(out, samples, spec.label_names, spec.label_values)
        return [out / "masks"]
    if config.format == "npz":
        return [write_npz(out, samples, spec.label_names)]
    if config.format == "nifti":
        write_nifti(out / "nifti", stacked(rows, samples), spec.label_names)
        if config.mode == "annotate" and isinstance(how, NiftiConfig) and "volume" in rows[0]:
            assert config.images is not None
            write_annotated_volumes(out / "nifti" / "annotations", _annotated(out, rows), config.images, how.axes[0])
            return [out / "nifti" / "annotations"]
        return [out / "nifti"]
    return [out / "labels"] if spec.label_names else []


def _beyond_eight_bits(spec: ImageSpec) -> str | None:
    """What the images of a set are, where they are not 8-bit grey or RGB."""
    depth = spec.file_dtype or spec.dtype
    if depth == "uint8" and spec.channels in (1, 3):
        return None
    form = "PNG" if (depth, spec.channels) == ("uint16", 1) else "TIFF"  # see `write_image`
    return f"{form} files of {depth}" + (f" in {spec.channels} channels" if spec.channels > 1 else "")


def stacked(rows: Sequence[dict[str, Any]], samples: Sequence[SampleFiles]) -> dict[str, list[SampleFiles]]:
    """The samples by the volume that they are slices of; what is no slice is a volume of its own under its name.

    So a reader that never divides a volume can divide them, and nothing in a volume pretends to be its neighbour.
    """
    stacks: dict[str, list[SampleFiles]] = {}
    for row, sample in zip(rows, samples, strict=True):
        stacks.setdefault(row.get("volume") or sample.name, []).append(sample)
    return stacks


def _annotated(out: Path, rows: Sequence[dict[str, Any]]) -> dict[str, list[LabelledSlice]]:
    """The label maps of annotated volumes in the size of their slices."""
    volumes: dict[str, list[LabelledSlice]] = {}
    for row in rows:
        own = LabelledSlice(row["source"], out / row.get("label_map_original_size", row["label_map"]))
        volumes.setdefault(row["volume"], []).append(own)
    return volumes


def missing_samples(out: Path, wanted: int) -> dict[int, dict[str, int]]:
    """Of the first `wanted` samples those that were given up, {number: {why: attempts}}."""
    made = {row["index"] for row in read_manifest(out)}
    return {index: why for index, why in read_given_up(out).items() if index < wanted and index not in made}


def already_there(wanted: int, given_up: dict[int, dict[str, int]]) -> str:
    """What to say where an earlier call left nothing to draw; `given_up`: the `missing_samples`."""
    if not given_up:
        return f"nothing to draw: all {wanted} samples are there already"
    return f"nothing to draw: {wanted - len(given_up)} of {wanted} samples are there already, the others were given up"


def reasons_of(given_up: dict[int, dict[str, int]]) -> set[str]:
    """Why attempts were thrown away."""
    return {reason for counts in given_up.values() for reason in counts}


def report(rows: Sequence[dict[str, Any]], missing: dict[int, dict[str, int]], *, looked: bool) -> None:
    """Say how well labels agree, and what was thrown away and why where samples were looked at for that."""
    ious = [row["label_iou"] for row in rows if "label_iou" in row]
    if ious:
        empty = sum("label_map" in row and "label_iou" not in row for row in rows)
        besides = f"; {empty} of {len(rows)} samples hold no object in either" if empty else ""
        print(
            f"label agreement (IoU of each label map with the one found in the image): mean {np.mean(ious):.3f}{besides}"
        )
    thrown = Counter[str]()
    for counts in [*(row.get("discarded", {}) for row in rows), *missing.values()]:
        thrown.update(counts)
    if looked and not thrown:
        print("thrown away: none")
    elif thrown:
        reasons = {
            "label_iou": "labels that agree too little",
            "objects": "too few objects",
            "copy": "near a training image",
        }
        print("thrown away: " + ", ".join(f"{count} ({reasons[why]})" for why, count in sorted(thrown.items())))


def write_trajectory(out: Path, drawing: Drawing) -> Path:
    """trajectory.gif: x_t on the left and the denoiser's guess of x_0 on the right, step by step; the image's channels."""
    indices = range(min(len(drawing.request), TRAJECTORY_IMAGES))
    frames = []

    def record(step: int, x_t: Tensor, x_0: Tensor) -> None:
        sides = [image_grid(to_integers(x[:, : drawing.spec.channels].clamp(-1, 1), "uint8")) for x in (x_t, x_0)]
        frames.append(np.concatenate(sides, axis=-1))

    drawing.draw(indices, callback=record)
    write_animation(out / "trajectory.gif", frames)
    return out / "trajectory.gif"


def _write_label_maps(
    out: Path, name: str, label_map: UInt8[np.ndarray, "h w"], drawing: Drawing, index: int
) -> dict[str, str]:
    """The sample's label map and, where images of other sizes are annotated, the map for its image as it was given."""
    config, request = drawing.config, drawing.request
    maps = {"label_map": ("labels", label_map)}
    if config.mode == "annotate" and set(request.shapes) != {label_map.shape}:
        shape = request.shapes[index // request.per_source]
        maps["label_map_original_size"] = (ORIGINAL_SIZE, unfit_label_map(label_map, shape, request.fit))
    for folder, values in maps.values():
        path = out / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(path, values)
    return {key: f"{folder}/{name}" for key, (folder, _) in maps.items()}


def _source(drawing: Drawing, index: int) -> dict[str, Any]:
    """The name of what the sample started from, the volume that it is a slice of, and how far it went from it."""
    config, request = drawing.config, drawing.request
    if not request.sources:
        return {}
    source: dict[str, Any] = {"source": request.sources[index // request.per_source]}
    if (volume := request.volumes[index]) is not None:
        source["volume"] = volume
    return source | ({"strength": drawing.strength(index)} if config.mode == "vary" else {})
