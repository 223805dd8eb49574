"""Other people's format libraries: imported when they are used, and whatever they raise said in one line."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from data.decode import UnusableImageError

for _name in ("nibabel", "pydicom"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what they would log is raised here, or harmless


def medical(module: str) -> Any:
    """A module of nibabel or pydicom; ValueError that names the extra where it is not installed."""
    return _from_extra(module, "medical")


def tables(module: str) -> Any:
    """A module of pandas, pyarrow or scikit-learn; ValueError that names the extra where it is not installed."""
    return _from_extra(module, "tables")


def _from_extra(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        package = {"sklearn": "scikit-learn"}.get(name := module.split(".")[0], name)
        raise ValueError(f"{package} is not installed: pip install -e '.[{extra}]'") from None


@contextmanager
def one_line(*, tell: bool = True) -> Iterator[None]:
    """Turn any exception of a decoder into a ValueError of one line; an UnusableImageError passes as it is.

    Warnings are dropped: they are about metadata, and what pixels need is checked. `tell=False` leaves out the
    library's own words, for they may quote a patient's name.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnusableImageError:
        raise
    except Exception as error:  # decoders fed with damaged bytes raise nearly anything
        words = " ".join(str(error).split())[:300] if tell else ""
        raise ValueError(f"truncated or damaged ({words or type(error).__name__})") from None
