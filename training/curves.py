"""curves.png: every metric of a run in one picture, for those without an account."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PANELS = (
    ("loss", ("train/loss", "validation/loss", "validation/train_loss"), True),
    ("MSE by timestep quartile (q0: least noise)", tuple(f"train/mse_q{i}" for i in range(4)), True),
    ("MSE of the label maps", ("train/label_mse",), True),
    ("loss of the categories (nats)", ("train/category_loss",), True),
    ("gradient norm", ("train/grad_norm",), True),
    ("copy rate of the samples drawn", ("samples/copy_rate",), False),
    ("learning rate", ("train/lr",), False),
    ("images/s", ("train/images_per_s",), False),
    ("rows/s", ("train/rows_per_s",), False),
)

LABELS = {
    "train/loss": "train",
    "validation/loss": "validation, averaged weights",
    "validation/train_loss": "training set, likewise",
}
ACROSS = 3  # panels in a row


def draw_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the panels that have points in `rows` (lines of metrics.jsonl) into `path`; nothing if there are none."""
    from matplotlib.figure import Figure  # the object interface: no global state, no display

    panels = [panel for panel in PANELS if any(row.get(name) is not None for row in rows for name in panel[1])]
    if not panels:
        return
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(4.2 * across, 3.2 * down), layout="constrained")
    every = figure.subplots(down, across, squeeze=False).ravel()
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, names, logarithmic) in zip(every, panels, strict=False):
        for name in names:
            points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
            if points:
                steps, values = zip(*points, strict=True)
                marker = "." if len(points) < 3 else ""
                axes.plot(steps, values, marker=marker, linewidth=1, label=LABELS.get(name, name.split("/")[1]))
        if logarithmic and all(value > 0 for line in axes.lines for value in line.get_ydata()):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:.4g}")
            if max(max(line.get_ydata()) for line in axes.lines) < 10 * min(
                min(line.get_ydata()) for line in axes.lines
            ):
                axes.yaxis.set_minor_formatter("{x:.4g}")
        axes.set(title=title, xlabel="step")
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
        if len(axes.lines) > 1:
            axes.legend(fontsize=7)
    figure.savefig(path, dpi=90)
