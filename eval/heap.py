"""Page faults are the hidden cost of a network on a CPU."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def keep_heap() -> bool:
    """Make glibc keep freed blocks instead of returning those of 32 MiB or more to the kernel; True if it obeyed.

    A batch of Inception's first feature maps is such a block: handed back, each 4 KiB page is faulted in anew for the
    next batch. Elsewhere than on glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    never = 2**31 - 1
    return bool(mallopt(_M_MMAP_THRESHOLD, never)) and bool(mallopt(_M_TRIM_THRESHOLD, never))
