"""Signals that ask a process to stop, as an exception where it waits."""

import signal
from types import FrameType


class Stopped(BaseException):
    """A signal asks to stop. It ends whatever is being waited for."""


def take_signals() -> None:
    """From now on a signal raises Stopped in the main thread."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped

    for number in _stop_signals():
        signal.signal(number, stop)


def ignore_signals() -> None:
    """From now on they have no effect: the process is stopping already."""
    for number in _stop_signals():
        signal.signal(number, signal.SIG_IGN)


def _stop_signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
