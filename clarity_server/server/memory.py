"""The process's heap."""

import ctypes

M_ARENA_MAX = -8  # malloc.h of glibc


def share_one_heap() -> None:
    """Keep all threads on one heap; call before threads start.

    glibc gives every thread a heap of its own, and what one thread frees the others cannot use: with many threads
    handling batches of a megabyte, memory grew by 30 MiB in an upload of 64. Our threads allocate rarely and much, so
    they do not stand in each other's way (`python -m bench memory ingest`). Does nothing where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
