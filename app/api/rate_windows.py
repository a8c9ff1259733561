"""Requests counted in sliding windows. Loaded only where limits are configured, since the library takes its time."""

import logging
import math
import time
from collections.abc import Mapping

from limits import parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.api.rates import Standing, Who

log = logging.getLogger(__name__)

_REDIS_SECONDS = 0.5  # that a request waits for Redis at most


class Windows:
    """One window for each kind of limit and each name."""

    def __init__(self, limits: Mapping[Who, str], storage_url: str | None) -> None:
        """Limits are such as `600/minute`. Makes no connection."""
        self._limits = {who: parse(text) for who, text in limits.items()}
        self._window = SlidingWindowCounterRateLimiter(_storage(storage_url))

    def count(self, who: Who, name: str) -> Standing | None:
        """Where this one stands with one request more; None where nothing is counted."""
        limit = self._limits.get(who)
        if limit is None:
            return None
        try:
            passed = self._window.hit(limit, who, name)
            found = self._window.get_window_stats(limit, who, name)
        except StorageError as error:
            log.error("requests are not counted", extra={"cause": type(error.storage_error).__name__})
            return None
        reset_seconds = max(1, math.ceil(found.reset_time - time.time()))
        remaining = found.remaining if passed else 0
        return Standing(who, limit.amount, limit.get_expiry(), remaining, reset_seconds, passed)


def _storage(url: str | None) -> MemoryStorage | RedisStorage:
    if url is None:
        return MemoryStorage()
    return RedisStorage(url, wrap_exceptions=True, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)
