"""What the machine computes fastest without losing quality: the memory allocator's habits and bfloat16."""

import ctypes
from contextlib import AbstractContextManager, nullcontext

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def keep_heap() -> bool:
    """Make glibc keep freed memory for the next step; returns whether it could be done.

    By default glibc hands every block of 32 MiB or more back to the kernel when it is freed, and the next step faults
    each 4 KiB page in again: up to a third of a network's forward on a CPU. Elsewhere than on glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    never = 2**31 - 1
    return bool(mallopt(_M_MMAP_THRESHOLD, never)) and bool(mallopt(_M_TRIM_THRESHOLD, never))


def has_fast_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 have their own instructions on this device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def choose_precision(setting: str, device: torch.device) -> torch.dtype | None:
    """The dtype for `autocast`: None is plain float32.

    "auto" takes bfloat16 where the device is fast at it; "bf16" and "fp32" are taken as said. float16 is never chosen:
    it needs loss scaling, and a CPU computes it hundreds of times slower. ValueError for any other setting.
    """
    if setting not in ("auto", "bf16", "fp32"):
        raise ValueError(f"precision={setting!r}: must be auto, bf16 or fp32")
    use_bf16 = setting == "bf16" or (setting == "auto" and has_fast_bf16(device))
    return torch.bfloat16 if use_bf16 else None


def describe_precision(dtype: torch.dtype | None, device: torch.device) -> str:
    """One line for the user: what `choose_precision` chose, and what the device is good at."""
    chosen = "float32" if dtype is None else "bfloat16 autocast, float32 weights"
    return f"precision: {chosen} ({device.type} is {'fast' if has_fast_bf16(device) else 'not fast'} at bfloat16)"


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager:
    """Run the network in `dtype`; with None, as it is."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)
