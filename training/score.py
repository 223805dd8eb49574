"""`python -m training.score ckpt=RUN data.path=DIR out=FILE.json`: the loss of each image, for the membership attack of eval.

A program like train.py, which nothing imports: what it runs is in generation/scoring.py.
"""

import sys
from dataclasses import fields

from conf.command_line import guarded
from generation.scoring import ScoreConfig, config_from_args, score


def main(arguments: list[str]) -> int:
    """Score as the arguments say: exit code 0, or 2 with one line on stderr for a user's mistake."""
    if not arguments or arguments[0] in ("-h", "--help"):
        known = ", ".join(field.name for field in fields(ScoreConfig))
        print(
            f"usage: python -m training.score ckpt=RUN data.path=DIR out=FILE.json [option=value ...]\noptions: {known}"
        )
        return 0 if arguments else 2
    return guarded(lambda: print(f"done: {score(config_from_args(arguments))}"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
