"""`python -m eval.utility task=detection|classification|segmentation ... out=DIR`.

Exit code 0, or 2 with one line on stderr for a user's mistake.
"""

import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.arguments import option_lines, read_arguments
from eval.heap import keep_heap
from eval.utility.classification.config import ClassificationConfig
from eval.utility.detection.config import DetectionConfig
from eval.utility.recipe import RecipeConfig
from eval.utility.segmentation.config import SegmentationConfig
from eval.utility.study import Task
from eval.versions import versions_of

CONFIGS: dict[str, type[RecipeConfig]] = {
    "detection": DetectionConfig,
    "classification": ClassificationConfig,
    "segmentation": SegmentationConfig,
}
PACKAGES = ("torch", "torchvision", "numpy")  # segmentation needs no torchvision


def main(args: list[str]) -> int:
    """Check the arguments, which takes no torch, then train all arms, write utility.json and print the table."""
    task_name = next((arg.partition("=")[2] for arg in args if arg.startswith("task=")), "")
    usage = f"python -m eval.utility task={'|'.join(CONFIGS)} option=value ... out=DIR"
    if not args or args[0] in ("-h", "--help"):
        of_task = ((f"\ntask={name}", *option_lines(config)[1:]) for name, config in CONFIGS.items())
        print("\n".join([f"usage: {usage}", *(line for lines in of_task for line in lines)]))
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


def _open(config: RecipeConfig) -> Task:
    """The task; torch takes seconds to import, so only here: after the arguments are known to be good."""
    try:
        if isinstance(config, DetectionConfig):
            from eval.utility.detection.task import DetectionTask

            return DetectionTask(config)
        if isinstance(config, ClassificationConfig):
            from eval.utility.classification.task import ClassificationTask

            return ClassificationTask(config)
        if isinstance(config, SegmentationConfig):
            from eval.utility.segmentation.task import SegmentationTask

            return SegmentationTask(config)
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise ValueError("torchvision is not installed: pip install 'speckle[utility]' (or -e '.[utility]')") from None
    raise AssertionError(type(config))


def _study(config: RecipeConfig, say: Callable[[str], None] = print) -> None:
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
            "environment": _environment(config),
        },
    )  # fmt: skip
    say(f"\n{table(summary, task.metrics)}\n\nresults: {out / 'utility.json'}")


def _environment(config: RecipeConfig) -> dict[str, Any]:
    import torch

    from eval.utility.training import precision_of

    return {
        **versions_of(PACKAGES),
        "machine": platform.platform(), "threads": torch.get_num_threads(), "precision": precision_of(config),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
