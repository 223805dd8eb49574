"""Values whose unit means nothing (MR), scaled so that two percentiles of their volume or series become 0 and 1.

The set's intensity map is then linear over 0..1, and clips what lies beyond.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Num

from data.decode import UnusableImageError


def checked_percentiles(percentiles: Any) -> tuple[float, float] | None:
    """`data.percentiles` as (low, high) in 0..100, or None; ValueError where it is neither."""
    if percentiles is None:
        return None
    try:
        low, high = (float(v) for v in percentiles)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not 0 <= low < high <= 100:
        raise ValueError(f"data.percentiles={percentiles}: use [low, high] in 0..100, such as [0.5, 99.5]")
    return low, high


def scaled(
    values: Num[np.ndarray, "*shape"], bottom: float | np.ndarray, top: float | np.ndarray
) -> Float32[np.ndarray, "*shape"]:
    """`bottom` to 0 and `top` to 1, linearly; UnusableImageError where they are the same."""
    if np.any(np.asarray(bottom) == top):
        raise UnusableImageError("its percentiles are one value: there is nothing to scale by")
    return ((values.astype(np.float64) - bottom) / (np.asarray(top) - bottom)).astype(np.float32)
