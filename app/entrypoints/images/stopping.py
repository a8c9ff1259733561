"""How a command that transfers many files is ended: Ctrl-C or SIGTERM, without losing sight of what is done."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TICK_SECONDS = 0.2
"""The longest wait: on Windows no signal ends one."""

_STOPPING = b"Stopping ... (again to stop at once)\n"


class Interrupted(Exception):
    """A transfer was ended because the command ends."""


class Stop:
    """Whether the command ends, as all its threads see it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: int | None = None
        """Its number, if it was one that asked for it."""

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raises Interrupted if it ends."""
        if self._event.is_set():
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Raises Interrupted as soon as it ends."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._event.is_set():
            self._event.wait(min(left, TICK_SECONDS))
        self.check()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Meanwhile a signal ends the transfers at their next piece, and a second one the process at once."""

        def handle(number: int, _: FrameType | None) -> None:
            if self.signal is not None:
                os._exit(128 + number)
            self.signal = number
            self.set()
            os.write(2, _STOPPING)  # whatever else writes may be what was interrupted

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
