"""One figure with all that has to stand beside it, and all figures of a comparison."""

from dataclasses import asdict, dataclass, field
from typing import Any

from eval.comparison import Comparison
from eval.floor import Floor
from eval.nearest import Nearest
from eval.privacy_audit import Privacy

FORMAT_VERSION = 1
PAIRS = 16


@dataclass(frozen=True)
class Figure:
    """A figure over all images (or rows) of both sides, its floor, and how it came about.

    `value` is what other programs print too; its bias depends on n_real and n_synthetic. Whether it is good is told by
    `equal_n`, where synthetic and real are both compared with real at the same n.
    """

    name: str
    value: float
    standard_error: float | None
    n_real: int
    n_synthetic: int
    equal_n: Floor
    extractor: str
    method: str
    resize: str = ""  # of images, as `range`
    range: str = ""
    higher_is_better: bool = False

    @property
    def worse(self) -> bool:
        """Whether n images tell that the synthetic ones are further from the real ones than these are from each other."""
        excess = self.equal_n.excess
        return excess.high < 0 if self.higher_is_better else excess.low > 0

    @property
    def ratio(self) -> float | None:
        """Synthetic over floor at equal n; None where the floor is 0 up to chance, as an unbiased figure's is."""
        floor = self.equal_n.floor
        return self.equal_n.matched.mean / floor.mean if floor.low > 0 else None

    @property
    def verdict(self) -> str:
        """In words: "at the floor" where n images cannot tell synthetic from real; above and below are said of the number."""
        excess = self.equal_n.excess
        if excess.low <= 0 <= excess.high:
            return "at the floor"
        if self.worse and self.ratio is not None:
            return f"{self.ratio:.2f} times the floor"
        return f"{'above' if excess.low > 0 else 'below'} the floor"

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        counted = {"n": self.equal_n.n, "repeats": self.equal_n.repeats}
        plain = {key: value for key, value in asdict(self).items() if key not in ("name", "equal_n") and value != ""}
        spreads = {key: asdict(getattr(self.equal_n, key)) | counted for key in ("floor", "matched", "excess")}
        return plain | spreads | {"ratio": self.ratio, "verdict": self.verdict}


@dataclass(frozen=True)
class Scores:
    """What `score` found out about two folders."""

    comparison: Comparison
    figures: list[Figure]
    nearest: Nearest
    privacy: Privacy
    by_class: dict[str, list[Figure]] = field(default_factory=dict)
    bias: dict[str, Any] = field(default_factory=dict)  # shares by label; see eval.bias.summary
    remarks: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures has to know beyond them."""
        copies = self.nearest.copies
        found = [f"{copies} synthetic images are exact copies of real ones (compared in grey)."] if copies else []
        return [*self.comparison.notes, *self.remarks, *found]

    def to_json(self) -> dict[str, Any]:
        """What metrics.json holds: every figure under its name, the closest pairs, notes and options."""
        synthetic, real = self.comparison.synthetic.folder.paths, self.comparison.real.folder.paths
        nearest = self.nearest
        closest = [
            {
                "synthetic": str(synthetic[i]),
                "real": str(real[nearest.index[i]]),
                "distance": float(nearest.distance[i]),
            }
            for i in nearest.closest(PAIRS)
        ]
        return {
            "format_version": FORMAT_VERSION,
            **{figure.name: figure.to_json() for figure in self.figures},
            "by_class": {name: {f.name: f.to_json() for f in figures} for name, figures in self.by_class.items()},
            "bias": self.bias,
            "nearest": {"copies": nearest.copies, "threshold": nearest.threshold, "closest": closest},
            "privacy": self.privacy.to_json(self.comparison, PAIRS),
            "notes": self.notes,
            **({} if self.comparison.groups is None else {"groups": self.comparison.groups}),
            "config": asdict(self.comparison.config),
        }
