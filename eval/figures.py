"""One figure and all that has to stand beside it."""

from dataclasses import asdict, dataclass
from typing import Any

from eval.floor import Floor


@dataclass(frozen=True)
class Figure:
    """A figure over all images of both folders, its floor, and how it came about.

    `value` is what other programs print too; its bias depends on n_real and n_synthetic. Whether it is good is told by
    `comparison`, where synthetic and real are both compared with real at equal n.
    """

    name: str
    value: float
    standard_error: float | None
    n_real: int
    n_synthetic: int
    comparison: Floor
    extractor: str
    resize: str
    range: str
    method: str

    @property
    def at_floor(self) -> bool:
        """Whether the synthetic images are as close to the real ones as these are to each other, as far as n can tell."""
        return self.comparison.excess.low <= 0

    @property
    def ratio(self) -> float | None:
        """Synthetic over floor at equal n; None where the floor is 0 up to chance, as an unbiased figure's is."""
        floor = self.comparison.floor
        return self.comparison.matched.mean / floor.mean if floor.low > 0 else None

    @property
    def verdict(self) -> str:
        """In words."""
        if self.at_floor:
            return "at the floor"
        return f"{self.ratio:.2f} times the floor" if self.ratio is not None else "above the floor"

    def to_json(self) -> dict[str, Any]:
        """Plain types for metrics.json."""
        counted = {"n": self.comparison.n, "repeats": self.comparison.repeats}
        plain = {key: value for key, value in asdict(self).items() if key not in ("name", "comparison")}
        return plain | {
            "floor": asdict(self.comparison.floor) | counted,
            "matched": asdict(self.comparison.matched) | counted,
            "excess": asdict(self.comparison.excess) | counted,
            "ratio": self.ratio,
            "verdict": self.verdict,
        }
