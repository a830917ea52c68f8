"""Keeps the memory of the process out of files: it holds keys and, for moments, PHI (S62)."""

import ctypes
import resource
import sys

#: Source: linux/prctl.h.
_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """Let no crash of this process write a core file, and no other process of the user read it.

    On Linux the process also becomes undumpable, so that a core pattern that pipes into a program
    gets nothing either. Source: prctl(2), PR_SET_DUMPABLE; core(5).

    Raises:
        OSError: The system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl: the process stays dumpable")
