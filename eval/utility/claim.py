"""Who is at a run: a lock that the system drops when its process ends, however it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether this process has `path` for itself until the block ends, when the file is removed.

    By flock(2), which NFS knows since Linux 2.6.12. Where there is no such call, on Windows and on file systems without
    locks (Lustre often has none), each process has what it asks for: nothing is shared, and nothing is lost.
    """
    if sys.platform == "win32":
        yield True
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # no locks here
            pass
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)
