"""Whether the stores answer, asked by however many probes."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from app.errors import BackendUnavailable

log = logging.getLogger(__name__)

_KEPT_SECONDS = 2.0


class Readiness:
    """Asks the stores at most every two seconds, one thread at a time, so that probes cannot load them."""

    def __init__(
        self, pings: Mapping[str, Callable[[], None]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """A ping returns where its store answers. `monotonic` is a clock in seconds."""
        self._pings = pings
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._known: tuple[float, list[str]] | None = None

    def failing_stores(self) -> list[str]:
        """Those that did not answer when they were asked last.

        While one thread asks, others get the older answer, if there is one: a store that does not answer
        for seconds must not hold a thread for each probe.
        """
        known = self._known
        if known is not None and self._monotonic() - known[0] < _KEPT_SECONDS:
            return known[1]
        if not self._asking.acquire(blocking=known is None):
            assert known is not None
            return known[1]
        try:
            if self._known is known:  # else another thread has asked while this one waited
                self._known = self._monotonic(), self._asked()
            assert self._known is not None
            return self._known[1]
        finally:
            self._asking.release()

    def _asked(self) -> list[str]:
        """All side by side."""
        with ThreadPoolExecutor(len(self._pings)) as pool:
            answers = {store: pool.submit(ping) for store, ping in self._pings.items()}
        return [store for store, answer in answers.items() if not _succeeded(store, answer)]


def _succeeded(store: str, answer: Future[None]) -> bool:
    try:
        answer.result()
    except (BackendUnavailable, ClientError, BotoCoreError) as error:
        log.warning("store not ready", extra={"store": store, "cause": str(error.__cause__ or error)})
        return False
    return True
