"""Make prdc.json: precision, recall, density and coverage of the package prdc for the points of `point_sets`.

python tests/golden/make_prdc.py     (needs prdc and scikit-learn; the tests read only the file)
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

CASES = [  # n, m, dimensions, neighbours, scale and shift of the second set
    (60, 60, 4, 5, 1.0, 0.0),
    (200, 150, 16, 5, 0.7, 0.1),
    (120, 300, 8, 3, 1.4, 0.0),
    (100, 80, 64, 5, 1.0, 0.5),
]


def point_sets(n, m, dimensions, scale, shift):
    """Two sets of normal points, the second scaled and shifted."""
    random = np.random.default_rng(n + m)
    return random.standard_normal((n, dimensions)), random.standard_normal((m, dimensions)) * scale + shift


def main():
    from prdc import compute_prdc

    rows = [{"case": case, **compute_prdc(*point_sets(*case[:3], *case[4:]), nearest_k=case[3])} for case in CASES]
    made = {"package": "prdc", "version": "0.2", "numpy": version("numpy"), "rows": rows}
    Path(__file__).with_name("prdc.json").write_text(json.dumps(made, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
