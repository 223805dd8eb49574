"""Explicit, invertible maps between physical values and the unit interval that pixels quantise."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

INTENSITIES = ("linear", "log", "db")
MOST_DB = 6000.0  # amplitudes of 1e-300 and 1e300; beyond, 10 ** (dB / 20) is 0 or overflows


@dataclass
class IntensityConfig:
    """A monotone map u = (g(value) - g_low) / (g_high - g_low) from physical values to [0, 1], with its inverse.

    `linear`: g(value) = value, `low` and `high` in the data's units (0..255 for 8-bit, 0..4095 for 12-bit data).
    `log`: g(value) = log(value), `low` and `high` in the data's units, low > 0.
    `db`: g(amplitude) = 20 log10(amplitude), `low` and `high` in dB.
    Values outside low..high are clipped, so those at or below zero go to u = 0 under `log` and `db`.
    """

    name: str = "linear"
    low: float = 0.0
    high: float = 255.0

    def __post_init__(self) -> None:
        if self.name not in INTENSITIES:
            raise ValueError(f"intensity={self.name} is unknown: use one of {', '.join(INTENSITIES)}")
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise ValueError(f"intensity range {self.low}..{self.high}: low must be below high, both finite")
        if self.name == "log" and self.low <= 0:
            raise ValueError(f"intensity=log needs a range that starts above 0, got {self.low}..{self.high}")
        if self.name == "db" and max(-self.low, self.high) > MOST_DB:
            raise ValueError(f"intensity=db needs a range in dB, within {MOST_DB:g} of 0, got {self.low}..{self.high}")

    @property
    def limits(self) -> tuple[float, float]:
        """The physical values that map to 0 and to 1."""
        if self.name == "db":
            return 10.0 ** (self.low / 20.0), 10.0 ** (self.high / 20.0)
        return self.low, self.high

    def forward(self, values: Num[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Physical values to float64 in [0, 1]."""
        clipped = np.clip(np.asarray(values, np.float64), *self.limits)
        if self.name == "linear":
            unit = (clipped - self.low) / (self.high - self.low)
        elif self.name == "log":
            unit = np.log(clipped / self.low) / math.log(self.high / self.low)
        else:
            unit = (20.0 * np.log10(clipped) - self.low) / (self.high - self.low)
        return np.clip(unit, 0.0, 1.0)

    def inverse(self, unit: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Values in [0, 1] back to physical values, float64."""
        unit = np.asarray(unit, np.float64)
        if self.name == "linear":
            return self.low + unit * (self.high - self.low)
        if self.name == "log":
            return self.low * (self.high / self.low) ** unit
        return 10.0 ** ((self.low + unit * (self.high - self.low)) / 20.0)
