"""What the programs must know of a kind of data beside its process: images and the rows of tables answer the same questions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from data.augment import augment
from data.balance import Spec, attribute_names, plan_attributes
from data.image_copies import CopyRate
from data.image_set import ImageSet, ImageSpec, to_item_arrays
from data.sheet import Panel, sheet
from data.table_copies import RowCopyRate
from data.table_picture import write_marginals
from data.table_spec import TableSpec
from data.writers import write_png


@runtime_checkable
class Copies(Protocol):
    """Knows a training set, and tells which samples are copies."""

    def share(self, x_0: Float[Tensor, "b *item"]) -> float:
        """The share of the samples x_0 that are copies, NaN where nothing can be said."""
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of data, where set is an `ImageSet` or a `TableSet` and config the one it was loaded with.

    items: what a set holds, in words. augment(x_0, config, generator): x_0 as training may show it as well. copies(set,
    config): what tells copies. encoded_labels(set): the label channels of all items, batch by batch. shown(spec, count): the
    attributes of samples that are to show how training goes. write_picture(path, x_0, set): a picture of such samples.
    """

    items: str
    augment: Callable[[Tensor, Any, Generator], Tensor]
    copies: Callable[[Any, Any], Copies]
    encoded_labels: Callable[[Any], Iterator[Tensor]]
    shown: Callable[[Any, int], Int64[Tensor, "n a"]]
    write_picture: Callable[[Path, Tensor, Any], None]


def _flipped(x_0: Float[Tensor, "b k h w"], config: Any, generator: Generator) -> Float[Tensor, "b k h w"]:
    return augment(x_0, generator, **config.flips)


def _copies_of_images(images: ImageSet, config: Any) -> Copies:
    return CopyRate(images, config.flips)


def _write_sheet(path: Path, x_0: Float[Tensor, "b k h w"], images: ImageSet) -> None:
    spec, captions = images.spec, [""] * len(x_0)
    if spec.attributes:
        captions = [", ".join(attribute_names(spec, row).values()) for row in spec.classes_in_turn(len(x_0)).numpy()]
    pixels, label_maps = to_item_arrays(x_0, spec)
    panels = map(Panel, pixels, [None] * len(x_0) if label_maps is None else label_maps, captions)
    write_png(path, sheet([[panel] for panel in panels], spec.label_names))


def _as_often_as_in_training(spec: TableSpec, count: int) -> Int64[Tensor, "n a"]:
    return torch.from_numpy(plan_attributes(spec, None, "real" if spec.attributes else "equal", count))


IMAGES = Kind("images", _flipped, _copies_of_images, ImageSet.encoded_labels, ImageSpec.classes_in_turn, _write_sheet)
ROWS = Kind(
    "rows",
    lambda x_0, *_: x_0,
    lambda rows, _: RowCopyRate(rows),
    lambda _: iter(()),
    _as_often_as_in_training,
    write_marginals,
)  # nothing that is done to a row leaves it a row, and it has no label map


def kind_of(spec: Spec) -> Kind:
    """The kind that a spec is of."""
    return ROWS if isinstance(spec, TableSpec) else IMAGES


def items_of(plain: dict[str, Any]) -> str:
    """Whether the spec that stands in a checkpoint as a plain dict is of images or of rows."""
    return "rows" if "category_sizes" in plain else "images"
