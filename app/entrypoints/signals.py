"""Signals that ask a process to stop, as an exception where it waits."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# The longest single sleep. A signal that comes in the instant before, or to another thread, is noticed when it ends.
_UNHEARD_SECONDS = 0.5


class Stopped(BaseException):
    """A signal asks to stop. It ends whatever is being waited for."""


class StopSignals:
    """From its making on, the first signal that asks to stop raises Stopped in the main thread, where that is safe."""

    def __init__(self) -> None:
        self._heeded, self._held_back, self._came = True, False, False
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._take)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        if self._heeded and not self._held_back:
            self._heeded = False
            raise Stopped

    def wait(self) -> NoReturn:
        """For the signal; raises Stopped."""
        while True:
            time.sleep(_UNHEARD_SECONDS)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """What is begun in here is completed before a signal counts."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
        if self._came and self._heeded:
            self._heeded = False
            raise Stopped

    def ignore(self) -> None:
        """From now on they have no effect: the process is stopping already."""
        self._heeded = False
