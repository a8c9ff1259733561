"""What a request spends its time on, so that the log can say why it was slow."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STORES = frozenset({"s3", "dynamodb", "sqs"})

Observe = Callable[[str, float], None]
"""Is told what time went to, and how many seconds until now."""


class Spending:
    """Seconds by what they went to, and how many calls of the stores there were. For one thread."""

    def __init__(self, observe: Observe | None = None) -> None:
        self.calls = 0
        self._observe = observe
        self._seconds: dict[str, float] = {}

    def add(self, purpose: str, seconds: float) -> None:
        if purpose in STORES:
            self.calls += 1
        self._seconds[purpose] = self._seconds.get(purpose, 0.0) + seconds
        if self._observe is not None:
            self._observe(purpose, seconds)

    @property
    def call_seconds(self) -> float:
        return sum(seconds for purpose, seconds in self._seconds.items() if purpose in STORES)

    def shares(self, total_seconds: float) -> dict[str, float]:
        """Milliseconds by purpose; `other` is what is left of the total."""
        shown = {purpose: milliseconds(seconds) for purpose, seconds in self._seconds.items()}
        return shown | {"other": milliseconds(max(total_seconds - sum(self._seconds.values()), 0.0))}


_current: ContextVar[Spending | None] = ContextVar("spending", default=None)


def begin(observe: Observe | None = None) -> Spending:
    """Count for a request that begins now in this thread."""
    _current.set(spending := Spending(observe))
    return spending


def spend(purpose: str, seconds: float) -> None:
    """Count towards the request that this thread serves, if it serves one."""
    if (spending := _current.get()) is not None:
        spending.add(purpose, seconds)


@contextmanager
def spending_on(purpose: str) -> Iterator[None]:
    """Count the time that passes within, whatever becomes of it."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spend(purpose, time.perf_counter() - began)


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
