"""`python -m eval real=DIR synthetic=DIR out=DIR`, and of tables real=FILE synthetic=FILE.

Exit code 0, or 2 with one line on stderr for a user's mistake.
"""

import sys
from pathlib import Path

from eval.arguments import option_lines
from eval.comparison import open_comparison
from eval.config import USAGE, EvalConfig, config_from_args
from eval.heap import keep_heap
from eval.study_file import read_study
from eval.tables.command import run as compare_tables
from eval.tables.config import USAGE as TABLE_USAGE
from eval.tables.config import TableConfig, is_table_road


def main(args: list[str]) -> int:
    """Check the arguments, which takes no torch, then compare the folders and print the table."""
    if not args or args[0] in ("-h", "--help"):
        print(_usage())
        return 0 if args else 2
    try:
        if is_table_road(args):
            compare_tables(args)
            return 0
        config = config_from_args(args)
        study = None if config.utility is None else read_study(Path(config.utility))
        comparison = open_comparison(config)
        from eval.card import card
        from eval.report import terminal_table, write_report
        from eval.score import score  # torch takes seconds to import: after arguments and files are known to be good

        keep_heap()
        scores = score(comparison)
        found = card(scores, study)
        write_report(scores, found, Path(config.out))
        report = f"report: {Path(config.out) / 'report.html'}"
        print(f"{terminal_table(scores)}\n\n{found['verdict']['headline']}\n{report}")
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _usage() -> str:
    tables = ["", f"of tables: {TABLE_USAGE} [option=value ...]", *option_lines(TableConfig)]
    return "\n".join([f"usage: {USAGE} [option=value ...]", *option_lines(EvalConfig), *tables])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
