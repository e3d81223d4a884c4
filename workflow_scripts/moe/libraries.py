"""How the libraries behave in a stage's process."""

import contextlib
import ctypes
import logging

import torch
import transformers

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST = 32 << 20  # bytes; glibc takes no larger threshold


def keep_freed_memory() -> None:
    """Let the process reuse what it frees instead of handing it back to the system after every operation.

    glibc returns each freed block of some megabytes at once, and the system then fills every page with zeros anew: a
    tenth of a micro step. Blocks over 32 MB are still returned. Does nothing where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def set_up(threads: int) -> None:
    """Set torch's threads and keep freed memory; silence progress bars and warnings in favour of our lines."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
