"""Who may use how much memory at once: a budget that many threads share."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import Overloaded
from app.spending import spend, spending_on

ObserveAdmission = Callable[[bool, float], None]
"""Is told whether somebody was admitted, and after how many seconds."""


def ignore(_admitted: bool, _seconds: float) -> None:
    """For those who count nothing."""


class MemoryBudget:
    """So many bytes for all that is being decoded in this process. Safe to use from any thread."""

    def __init__(self, total_bytes: int, *, wait_seconds: float, observe: ObserveAdmission = ignore) -> None:
        self._total = self._free = total_bytes
        self._wait_seconds = wait_seconds
        self._observe = observe
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, needed_bytes: int) -> Iterator[None]:
        """Use so much of the budget for a while. What needs more than all of it gets all of it.

        Raises Overloaded where it is not free within `wait_seconds`.
        """
        taken = min(needed_bytes, self._total)
        began = time.perf_counter()
        with self._changed:
            admitted = self._changed.wait_for(lambda: self._free >= taken, self._wait_seconds)
            if admitted:
                self._free -= taken
        waited = time.perf_counter() - began
        spend("waiting_for_memory", waited)
        self._observe(admitted, waited)
        if not admitted:
            raise Overloaded
        try:
            with spending_on("decoding"):
                yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()
