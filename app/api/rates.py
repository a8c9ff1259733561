"""How often a user, and an address, may ask. Off unless configured: a gateway in front sees more than one process does.

In memory each process counts for itself, so N processes let up to N times as much through; with
Redis all count together. Where Redis does not answer, requests pass: limits keep the service
usable, and must not be what takes it down.
"""

import ipaddress
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flask import Response
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from werkzeug.wrappers import Request

from app.errors import RateLimited
from app.settings import Settings

log = logging.getLogger(__name__)

_REDIS_SECONDS = 0.5  # that a request waits for Redis at most

Who = Literal["user", "address"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left to somebody of one limit."""

    who: Who
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int


class RateLimits:
    """The limits of one application. Raises RateLimited, with the seconds after which to ask again."""

    def __init__(self, settings: Settings) -> None:
        """Makes no connection."""
        configured = {"user": settings.rate_limit_per_user, "address": settings.rate_limit_per_address}
        self._limits: dict[str, RateLimitItem] = {who: parse(text) for who, text in configured.items() if text}
        self._trusts_proxy = settings.trusted_proxy
        if self._limits:
            self._window = SlidingWindowCounterRateLimiter(_storage(settings))

    @property
    def are_on(self) -> bool:
        return bool(self._limits)

    def count_user(self, user_id: str) -> Standing | None:
        return self._count("user", user_id)

    def count_address(self, request: Request) -> Standing | None:
        if "address" not in self._limits:
            return None
        return self._count("address", client_address(request, trusts_proxy=self._trusts_proxy))

    def _count(self, who: Who, name: str) -> Standing | None:
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
        standing = Standing(who, limit.amount, limit.get_expiry(), found.remaining if passed else 0, reset_seconds)
        if not passed:
            raise RateLimited(standing.reset_seconds)
        return standing


def _storage(settings: Settings) -> MemoryStorage | RedisStorage:
    if settings.rate_limit_storage is None:
        return MemoryStorage()
    return RedisStorage(
        settings.rate_limit_storage.get_secret_value(),
        wrap_exceptions=True,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
    )


def show(response: Response, standings: Sequence[Standing]) -> None:
    """Tell the client where it stands (draft-ietf-httpapi-ratelimit-headers-10)."""
    if standings:
        policies = [f'"{it.who}";q={it.limit};w={it.window_seconds}' for it in standings]
        left = [f'"{it.who}";r={it.remaining};t={it.reset_seconds}' for it in standings]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(left)


def client_address(request: Request, *, trusts_proxy: bool) -> str:
    """The client's address: of IPv6 the network of 64 bits, which is what one client gets.

    Behind a gateway it is what that has added to X-Forwarded-For, the last entry; those before it
    are the client's own words.
    """
    given = request.remote_addr or ""
    if trusts_proxy and (forwarded := request.headers.get("X-Forwarded-For")):
        given = forwarded.rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)
