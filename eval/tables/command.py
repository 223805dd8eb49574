"""`python -m eval real=FILE`: compare, write the files, print the table."""

from importlib.util import find_spec
from pathlib import Path

from eval.tables.config import table_config


def run(args: list[str]) -> None:
    """Compare tables as `args` say; ValueError, one line, for a user's mistake."""
    config = table_config(args)
    for module, package in (("pandas", "pandas"), ("sklearn", "scikit-learn")):
        if find_spec(module) is None:
            raise ValueError(f"tables need {package}: pip install 'speckle[tables]'")
    from eval.tables.opening import open_tables  # pandas and scikit-learn take seconds to import

    tables = open_tables(config)
    from eval.tables.card import table_card
    from eval.tables.comparison import score_tables
    from eval.tables.terminal import terminal_text, write_tables

    scores = score_tables(tables)
    card = table_card(scores)
    write_tables(scores, card, Path(config.out).expanduser())
    print(f"{terminal_text(scores, card)}\n\n{card['verdict']['headline']}\nreport: {Path(config.out) / 'report.html'}")
