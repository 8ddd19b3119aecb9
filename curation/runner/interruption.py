"""Where a signal may end the work with an exception: anywhere but in a callback of the compiler.

While LLVM loads or compiles a kernel it calls Python back, through ctypes, which prints and drops whatever is raised
there. LLVM goes on without what the callback was to bring, and the kernel has no code: calling it ends the process.
"""

from __future__ import annotations

from types import FrameType

_COMPILER = "llvmlite"


def may_interrupt(frame: FrameType | None) -> bool:
    """Whether a signal's handler may raise, given the frame that the signal has met; soon, if not."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] == _COMPILER:
            return False
        frame = frame.f_back
    return True
