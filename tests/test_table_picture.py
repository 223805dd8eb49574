"""The picture of drawn rows: bars stand for whole values, and its colours are named."""

import matplotlib.figure
import numpy as np
import pytest
from table_files import load, mixed_text, write_text

from data.table_picture import BINS, bin_edges, write_marginals


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(18.0, 64.0, np.arange(18, 68, 2) - 0.5), (0.0, 5.0, np.arange(7) - 0.5), (7.0, 7.0, [6.5, 7.5])],
)
def test_every_bar_of_whole_numbers_holds_as_many_of_them(low, high, expected):
    """47 ages in 30 bars would be combs of one or two each, 6 counts in 30 bars mostly gaps."""
    assert bin_edges(low, high, whole=True).tolist() == list(expected)


def test_real_numbers_have_a_fixed_number_of_bars():
    edges = bin_edges(0.5, 2.0, whole=False)
    assert (edges[0], edges[-1], len(edges)) == (0.5, 2.0, BINS + 1)


def test_the_colours_are_named(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    train = load(write_text(tmp_path / "mixed.csv", mixed_text())).train
    write_marginals(tmp_path / "p.png", train.batch(range(20))[0], train)
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["training rows", "drawn rows"]
    ages = next(axes for axes in drawn[0].axes if axes.get_title() == "age").patches[0]
    assert ages.get_data().values.sum() == pytest.approx(1)
