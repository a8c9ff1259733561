"""`python -m app.entrypoints.child PARENT COMMAND ...`: becomes the command, which ends when its parent does.

Linux only: the kernel then sends SIGTERM, however the parent ended (prctl(2), PR_SET_PDEATHSIG). It
counts from the thread that started the child, and survives the exec.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, *command = arguments
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() == int(parent):  # else it ended before it could be watched
        os.execv(command[0], command)  # noqa: S606 - our own parent wrote the command


if __name__ == "__main__":
    main(sys.argv[1:])
