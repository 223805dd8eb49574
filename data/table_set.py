"""A set of table rows: numbers and categories as a network sees them, and the class that is its condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from data.loaded_set import LoadedSet
from data.table_spec import Encoded, TableSpec


class TableBatch(NamedTuple):
    """Some rows: x_0, numbers and then one-hot blocks (see `TableSpec`), and the class, null where it is unknown."""

    x_0: Float[Tensor, "b w"]
    class_label: Int64[Tensor, "b 1"] | None


@dataclass
class TableSet:
    """Rows of one table. `names` says where each stands in its file, "line 17"."""

    numbers: Float32[np.ndarray, "n d"]
    codes: Int64[np.ndarray, "n c"]
    class_labels: Int64[np.ndarray, "n 1"] | None
    names: list[str]
    spec: TableSpec

    @classmethod
    def of(cls, encoded: Encoded, names: list[str], spec: TableSpec) -> "TableSet":
        """Encoded rows under their names."""
        classes = None if encoded.classes is None else encoded.classes[:, None]
        return cls(encoded.numbers, encoded.codes, classes, names, spec)

    def __post_init__(self) -> None:
        assert len(self.numbers) == len(self.codes) == len(self.names)
        assert self.numbers.shape[1] == self.spec.numbers
        assert self.codes.shape[1] == len(self.spec.category_sizes)

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int] | np.ndarray) -> TableBatch:
        """The rows at `indices` as tensors, x_0 in float32."""
        chosen = np.asarray(indices, np.int64)
        codes = torch.from_numpy(self.codes[chosen])
        blocks = [one_hot(codes[:, j], size) for j, size in enumerate(self.spec.category_sizes)]
        x_0 = torch.cat([torch.from_numpy(self.numbers[chosen]), *blocks], dim=1)  # (b, w)
        if self.class_labels is None:
            return TableBatch(x_0, None)
        classes = self.class_labels[chosen]
        return TableBatch(x_0, torch.from_numpy(np.where(classes < 0, self.spec.null_label, classes)))

    def value_counts(self) -> dict[str, list[int]]:
        """How many rows have each class."""
        if self.class_labels is None:
            return {}
        ((name, values),) = self.spec.attributes.items()
        return {name: [int((self.class_labels == i).sum()) for i in range(len(values))]}

    def subset(self, indices: Sequence[int] | np.ndarray) -> "TableSet":
        """The rows at `indices`, in that order, as a set of its own."""
        chosen = np.asarray(indices, np.int64)
        classes = None if self.class_labels is None else self.class_labels[chosen]
        names = [self.names[i] for i in chosen]
        return TableSet(self.numbers[chosen], self.codes[chosen], classes, names, self.spec)


LoadedTable = LoadedSet[TableSet]
