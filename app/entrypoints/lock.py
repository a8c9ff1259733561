"""A directory for one at a time, also where that one is killed."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO


def locked(path: Path, *, seconds: float, say: Callable[[], object]) -> IO[bytes] | None:
    """The file at the path, locked until it is closed here and in children that inherit it, or all are dead.

    Waits so many seconds where another has it, after a call of `say`, and returns None if that one keeps it.
    """
    file = path.open("ab")
    deadline = None
    while not _try(file):
        if deadline is None:
            say()
            deadline = time.monotonic() + seconds
        if time.monotonic() > deadline:
            file.close()
            return None
        time.sleep(0.1)  # neither system tells when a lock is let go of within a time
    return file


if sys.platform == "win32":
    import msvcrt

    def _try(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
