"""`python -m eval.utility task=detection ... out=DIR`: exit code 0, or 2 with one line on stderr for a user's mistake."""

import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.arguments import option_lines, read_arguments
from eval.heap import keep_heap
from eval.utility.config import StudyConfig
from eval.utility.detection.config import DetectionConfig

CONFIGS: dict[str, type[StudyConfig]] = {"detection": DetectionConfig}


def main(args: list[str]) -> int:
    """Check the arguments, which takes no torch, then train all arms, write utility.json and print the table."""
    task_name = next((arg.partition("=")[2] for arg in args if arg.startswith("task=")), "")
    usage = f"python -m eval.utility task={'|'.join(CONFIGS)} option=value ... out=DIR"
    if not args or args[0] in ("-h", "--help"):
        print("\n".join([f"usage: {usage}", *(line for name in CONFIGS for line in option_lines(CONFIGS[name]))]))
        return 0 if args else 2
    try:
        if task_name not in CONFIGS:
            raise ValueError(f"task={task_name}: must be one of {', '.join(CONFIGS)}; usage: {usage}")
        config = read_arguments(args, CONFIGS[task_name], usage)
        _study(config)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _open(config: StudyConfig) -> Any:
    """The task; torch takes seconds to import, so only here: after the arguments are known to be good."""
    if isinstance(config, DetectionConfig):
        from eval.utility.detection.task import DetectionTask

        return DetectionTask(config)
    raise AssertionError(type(config))


def _study(config: StudyConfig, say: Callable[[str], None] = print) -> None:
    from eval.utility.study import run_study, write_json
    from eval.utility.summary import summarise, table

    keep_heap()
    out = Path(config.out)
    task = _open(config)
    runs = run_study(task, config.seeds, out, say)
    summary = summarise(task, runs, draws=config.draws)
    write_json(
        out / "utility.json",
        {
            "task": config.task, "settings": asdict(config), "test_images": task.test_images, **summary,
            "runs": {arm: [{"scores": run.scores, **run.details} for run in runs[arm]] for arm in runs},
            "environment": _environment(),
        },
    )  # fmt: skip
    say(f"\n{table(summary, task.metrics)}\n\nresults: {out / 'utility.json'}")


def _environment() -> dict[str, Any]:
    import numpy
    import torch
    import torchvision

    return {
        "python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__,
        "numpy": numpy.__version__, "machine": platform.platform(), "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
