"""Who may use how much memory at once: a budget that many threads share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import Overloaded


class MemoryBudget:
    """So many bytes for all that is being decoded in this process. Safe to use from any thread."""

    def __init__(self, total_bytes: int, *, wait_seconds: float) -> None:
        self._total = self._free = total_bytes
        self._wait_seconds = wait_seconds
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, needed_bytes: int) -> Iterator[None]:
        """Use so much of the budget for a while. What needs more than all of it gets all of it.

        Raises Overloaded where it is not free within `wait_seconds`.
        """
        taken = min(needed_bytes, self._total)
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= taken, self._wait_seconds):
                raise Overloaded
            self._free -= taken
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()
